package history

import (
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Appears is how the client at an address appears in what is kept of a time: its hash of
// that day, its name or address, or "" where clients are not told apart. It waits for
// whoever reads or writes the history, so it is nothing for the way of an answer.
func (h *History) Appears(ip netip.Addr, at time.Time) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.client(ip, minutes.number(at, nil)).String()
}

// About is what is kept of the client at an address: in how many sums it is, and how many
// queries those of minutes tell of, which are the last 26 hours. It makes no key where
// there is none.
func (h *History) About(ip netip.Addr) (sums int, use Use, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fold(time.Now())
	is := h.guises(ip)
	last := 0 // the row in which it was found last
	found := func(row int, p period, u Use) {
		if row != last {
			sums, last = sums+1, row
		}
		if p == minutes {
			use = Use{use.Queries + u.Queries, use.Blocked + u.Blocked}
		}
	}
	rows := 0
	for _, row := range h.waiting {
		rows++
		for c := range is {
			if u, in := row.clients[c]; in {
				found(rows, minutes, u)
			}
		}
	}
	if h.store == nil {
		return sums, use, h.unopened()
	}
	spelled := map[string]string{}
	err = h.store.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(p period, _ int64, v []byte) error {
			rows++
			return eachClient(v, spelled, func(c client, u Use) {
				if is[c] {
					found(rows, p, u)
				}
			})
		})
	})
	return sums, use, err
}

// Guises are all forms in which the client at an address may appear in what is kept now:
// the hash of today, where there is a key, its name and its address.
func (h *History) Guises(ip netip.Addr) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for c := range h.guises(ip) {
		all = append(all, c.String())
	}
	return all
}

// guises are all forms in which a client may be in what is kept: the hash of today, its
// name and its address.
func (h *History) guises(ip netip.Addr) map[client]bool {
	ip = ip.Unmap().WithZone("")
	is := map[client]bool{named(ip.String()): true}
	if name := h.options.Client(ip); name != "" {
		is[named(name)] = true
	}
	if h.key.exists() {
		if hash, err := h.key.hash(ip, h.key.day); err == nil {
			is[hash] = true
		}
	}
	return is
}
