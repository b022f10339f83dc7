package main

import (
	"bytes"
	"context"
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
	parts     []recentPart                   // each with what some sockets saw, so that they share no memory
	forks     atomic.Uint64
	addresses atomic.Int64 // in all parts
}

type recentPart struct {
	mu sync.Mutex
	of map[netip.Addr]*deviceNames
}

// deviceNames are the blocked names of one address, the newest first.
type deviceNames struct{ names []blockedName }

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
	r := &recentNames{keep: keep, parts: make([]recentPart, runtime.GOMAXPROCS(0))}
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
	d.note(e)
}

// note puts a name in front. The memory of the oldest is used again.
func (d *deviceNames) note(e *resolver.Event) {
	at := slices.IndexFunc(d.names, func(n blockedName) bool {
		return bytes.Equal(n.name, e.Name) && n.list == e.List && n.reason == e.Reason
	})
	var n blockedName
	switch {
	case at >= 0:
		n = d.names[at]
	case len(d.names) < maxRecentNames:
		at = len(d.names)
		d.names = append(d.names, n)
	default:
		at = len(d.names) - 1
		n = d.names[at]
		n.count = 0
	}
	copy(d.names[1:], d.names[:at])
	n.name, n.hidden = append(n.name[:0], e.Name...), append(n.hidden[:0], e.Hidden...)
	n.list, n.reason, n.last = e.List, e.Reason, e.Time
	n.count++
	d.names[0] = n
}

// of are the names of an address that are not over at now, the newest first.
func (r *recentNames) of(ip netip.Addr, now time.Time) []blockedName {
	keep := r.keep(ip)
	var all []blockedName
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		if d := p.of[ip]; d != nil {
			for _, n := range d.names {
				if now.Sub(n.last) < keep {
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
			d.names = slices.DeleteFunc(d.names, func(n blockedName) bool { return gone(ip, n) })
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
