package main

import (
	"bytes"
	"cmp"
	"context"
	"hash/maphash"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/resolver"
)

// Bounds of what is remembered of devices.
const (
	maxRecentNames     = 50   // of one address
	maxRecentAddresses = 1000 // of all
	recentSweep        = 10 * time.Second
	maxRecent          = 24 * time.Hour // bounds [privacy] recent and self_allow
)

// recentNames are the names that were blocked for each address in the last minutes:
// in memory only, and told to that same address only. It is a resolver.Observer, and
// safe for concurrent use.
type recentNames struct {
	keep      func(netip.Addr) time.Duration // how long names of an address are kept; 0 means not at all
	seed      maphash.Seed                   // of the hashes of names
	parts     []recentPart                   // each with what some sockets saw, so that they share no memory
	forks     atomic.Uint64
	addresses atomic.Int64 // in all parts
}

type recentPart struct {
	mu sync.Mutex
	of map[netip.Addr]*deviceNames
}

// deviceNames are the blocked names of one address, in no order. What is looked through at
// every blocked query lies close together: a hash of each name, and when it was its turn.
type deviceNames struct {
	names  []blockedName
	hashes []uint64
	turns  []uint64
	turn   uint64 // the last one
}

// blockedName is a name that was blocked, by one list for one reason.
type blockedName struct {
	name   []byte
	hidden []byte // what was behind it, when that was what the list has
	list   string
	reason resolver.Reason
	count  int
	last   time.Time
}

func newRecentNames(keep func(netip.Addr) time.Duration) *recentNames {
	r := &recentNames{keep: keep, seed: maphash.MakeSeed(), parts: make([]recentPart, runtime.GOMAXPROCS(0))}
	for i := range r.parts {
		r.parts[i].of = map[netip.Addr]*deviceNames{}
	}
	return r
}

// note takes in a blocked query. It allocates only for what is new.
func (r *recentNames) note(p *recentPart, e *resolver.Event) {
	if e.Outcome != resolver.Blocked || !e.Client.IsValid() {
		return
	}
	ip := e.Client.Unmap().WithZone("")
	if r.keep(ip) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.of[ip]
	if d == nil {
		if r.addresses.Add(1) > maxRecentAddresses {
			r.addresses.Add(-1)
			return
		}
		d = new(deviceNames)
		p.of[ip] = d
	}
	d.note(r.seed, e)
}

// note counts a name. The memory of the one that was seen last longest ago is used again.
func (d *deviceNames) note(seed maphash.Seed, e *resolver.Event) {
	hash := maphash.Bytes(seed, e.Name) ^ uint64(e.Reason)
	at := d.find(hash, e)
	switch {
	case at >= 0:
	case len(d.names) < maxRecentNames:
		at = len(d.names)
		d.names, d.hashes, d.turns = append(d.names, blockedName{}), append(d.hashes, 0), append(d.turns, 0)
	default:
		at = 0
		for i, turn := range d.turns {
			if turn < d.turns[at] {
				at = i
			}
		}
		d.names[at].count = 0
	}
	d.turn++
	d.hashes[at], d.turns[at] = hash, d.turn
	n := &d.names[at]
	if n.count++; n.count == 1 {
		n.name = append(n.name[:0], e.Name...)
		n.list, n.reason = e.List, e.Reason
	}
	n.hidden, n.last = append(n.hidden[:0], e.Hidden...), e.Time
}

// find is where the name is that an event is about, -1 when it is not there.
func (d *deviceNames) find(hash uint64, e *resolver.Event) int {
	for i, h := range d.hashes {
		if n := &d.names[i]; h == hash && bytes.Equal(n.name, e.Name) && n.list == e.List && n.reason == e.Reason {
			return i
		}
	}
	return -1
}

// drop removes the names that gone is true for.
func (d *deviceNames) drop(gone func(blockedName) bool) {
	kept := 0
	for i, n := range d.names {
		if !gone(n) {
			d.names[kept], d.hashes[kept], d.turns[kept] = n, d.hashes[i], d.turns[i]
			kept++
		}
	}
	clear(d.names[kept:]) // a name is not kept alive
	d.names, d.hashes, d.turns = d.names[:kept], d.hashes[:kept], d.turns[:kept]
}

// of are the names of an address that are not over at now, the newest first.
func (r *recentNames) of(ip netip.Addr, now time.Time) []blockedName {
	keep := r.keep(ip)
	var all []blockedName
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		if d := p.of[ip]; d != nil {
			for _, i := range d.newest() {
				if n := d.names[i]; now.Sub(n.last) < keep {
					n.name, n.hidden = bytes.Clone(n.name), bytes.Clone(n.hidden)
					all = merge(all, n)
				}
			}
		}
		p.mu.Unlock()
	}
	slices.SortStableFunc(all, func(a, b blockedName) int { return b.last.Compare(a.last) })
	return all[:min(len(all), maxRecentNames)]
}

// newest are the places of all names, the last seen first.
func (d *deviceNames) newest() []int {
	all := make([]int, len(d.names))
	for i := range all {
		all[i] = i
	}
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(d.turns[b], d.turns[a]) })
	return all
}

// merge adds what another part has seen.
func merge(all []blockedName, n blockedName) []blockedName {
	for i := range all {
		if o := &all[i]; bytes.Equal(o.name, n.name) && o.list == n.list && o.reason == n.reason {
			o.count += n.count
			if n.last.After(o.last) {
				o.last, o.hidden = n.last, n.hidden
			}
			return all
		}
	}
	return append(all, n)
}

// forget erases the names of an address and returns how many there were.
func (r *recentNames) forget(ip netip.Addr, now time.Time) int {
	n := len(r.of(ip, now))
	r.sweep(func(other netip.Addr, _ blockedName) bool { return other == ip })
	return n
}

// sweep drops the names that gone is true for.
func (r *recentNames) sweep(gone func(netip.Addr, blockedName) bool) {
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		for ip, d := range p.of {
			d.drop(func(n blockedName) bool { return gone(ip, n) })
			if len(d.names) == 0 {
				delete(p.of, ip)
				r.addresses.Add(-1)
			}
		}
		p.mu.Unlock()
	}
}

// run drops what has had its time, until ctx ends.
func (r *recentNames) run(ctx context.Context) {
	tick := time.NewTicker(recentSweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.sweep(func(ip netip.Addr, n blockedName) bool { return now.Sub(n.last) >= r.keep(ip) })
		}
	}
}

// held is of how many addresses how many names are remembered. An address that
// several sockets have seen counts for each.
func (r *recentNames) held() (addresses, names int) {
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		addresses += len(p.of)
		for _, d := range p.of {
			names += len(d.names)
		}
		p.mu.Unlock()
	}
	return addresses, names
}

// Observe implements resolver.Observer.
func (r *recentNames) Observe(e resolver.Event) { r.note(&r.parts[0], &e) }

// ObserveExchange implements resolver.Observer.
func (r *recentNames) ObserveExchange(resolver.Exchange) {}

// Fork implements resolver.Forker.
func (r *recentNames) Fork() resolver.Observer {
	return recentFork{r, &r.parts[int(r.forks.Add(1)-1)%len(r.parts)]}
}

// recentFork notes what one socket sees.
type recentFork struct {
	*recentNames
	part *recentPart
}

// Observe implements resolver.Observer.
func (f recentFork) Observe(e resolver.Event) { f.note(f.part, &e) }
