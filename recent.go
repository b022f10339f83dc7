package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// Bounds of what is remembered of devices, and of what it is good for.
const (
	maxRecentNames     = 50   // of one address
	maxRecentAddresses = 1000 // of all
	recentSweep        = 10 * time.Second
	maxRequests        = 50
	requestKept        = 24 * time.Hour
	maxRecent          = 24 * time.Hour // bounds [privacy] recent and self_allow
)

// recentNames are the names that were blocked for each address in the last minutes:
// in memory only, and told to that same address only. It is safe for concurrent use.
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

// watching tells another observer, and what was blocked to recent.
type watching struct {
	resolver.Observer
	recent *recentNames
	part   *recentPart // nil means the first
}

// Fork implements resolver.Forker.
func (w watching) Fork() resolver.Observer {
	w.part = &w.recent.parts[int(w.recent.forks.Add(1)-1)%len(w.recent.parts)]
	if f, ok := w.Observer.(resolver.Forker); ok {
		w.Observer = f.Fork()
	}
	return w
}

// Observe implements resolver.Observer.
func (w watching) Observe(e resolver.Event) {
	w.Observer.Observe(e)
	part := w.part
	if part == nil {
		part = &w.recent.parts[0]
	}
	w.recent.note(part, &e)
}

// request is somebody's wish that a name be allowed.
type request struct {
	address netip.Addr
	name    string
	time    time.Time
}

// requests are the wishes that nobody has answered, in memory only. The zero value
// has none. It is safe for concurrent use.
type requests struct {
	mu  sync.Mutex
	all []request
}

// open are those that are not too old.
func (r *requests) open() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(q request) bool { return time.Since(q.time) >= requestKept })
	return slices.Clone(r.all)
}

var errRequests = fmt.Errorf("too many requests wait for an answer: %w", ui.ErrTooOften)

// put notes a wish, once.
func (r *requests) put(q request) error {
	same := func(o request) bool { return o.address == q.address && o.name == q.name }
	if all := r.open(); slices.ContainsFunc(all, same) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) >= maxRequests {
		return errRequests
	}
	r.all = append(r.all, q)
	return nil
}

// settle drops the wishes for what is written, for whom who is true, and says how
// many there were.
func (r *requests) settle(written string, who func(request) bool) int {
	name, err := lists.Normalize(written)
	if err != nil {
		return 0
	}
	return r.drop(func(q request) bool { return q.name == name && who(q) })
}

func (r *requests) drop(gone func(request) bool) int {
	all := r.open()
	all = slices.DeleteFunc(all, func(q request) bool { return !gone(q) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, gone)
	return len(all)
}

// recentFor is how long blocked names of an address are kept: not at all for one that
// many share.
func (s *server) recentFor(ip netip.Addr) time.Duration {
	g := s.current.Load()
	if g.trusted.Trusts(ip) || !ip.IsLoopback() && s.metrics.OneSource() {
		return 0
	}
	return g.config.Privacy.Recent
}

// devices is the ui.Devices.
type devices struct{ s *server }

// Recent implements ui.Devices.
func (d devices) Recent(ip netip.Addr) ui.Recent {
	g, now := d.s.current.Load(), time.Now()
	a := g.askerAt(ip)
	v := ui.Recent{Keep: g.config.Privacy.Recent, SelfAllow: d.selfAllow(ip), Client: a.policy.Client, Blocked: []ui.RecentName{}}
	switch {
	case v.Keep == 0:
		v.Off = "It is turned off: [privacy] recent is \"0s\"."
	case d.s.recentFor(ip) == 0:
		v.Off = "Many devices share the address that you come from, so nobody can say which names were yours."
	}
	waiting := d.s.requests.open()
	for _, n := range d.s.recent.of(ip, now) {
		one := ui.RecentName{Name: string(n.name), Behind: string(n.hidden), List: n.list, Reason: n.reason.String(), Count: n.count, Last: n.last}
		one.Owner, one.Category = g.owners.lookup(cmp.Or(one.Behind, one.Name))
		if found, ok := d.s.allowed.Find(n.name, a.policy, &a.who, now); ok {
			one.Until = &found.Until
		}
		one.Asked = slices.ContainsFunc(waiting, func(q request) bool { return q.address == ip && q.name == one.Name })
		v.Blocked = append(v.Blocked, one)
	}
	return v
}

// selfAllow is how long somebody may allow something for themselves: as the most
// generous of their groups says.
func (d devices) selfAllow(ip netip.Addr) time.Duration {
	g := d.s.current.Load()
	longest := time.Duration(0)
	if g.trusted.Trusts(ip) || !ip.IsLoopback() && d.s.metrics.OneSource() {
		return 0 // it would be for everybody behind the address
	}
	for _, name := range g.askerAt(ip).policy.Groups {
		longest = max(longest, g.config.Groups[name].SelfAllow)
	}
	return longest
}

// Allow implements ui.Devices.
func (d devices) Allow(ip netip.Addr, written string, wanted time.Duration) (until time.Time, err error) {
	longest := d.selfAllow(ip)
	if longest == 0 {
		return until, fmt.Errorf("this device may not allow anything by itself ([groups.NAME] self_allow says who may): %w", ui.ErrNotPermitted)
	}
	if wanted < 0 || wanted > longest {
		return until, fmt.Errorf("this device may allow something for %v at most: %w", longest, ui.ErrNotPermitted)
	}
	one, err := newAllowance(ui.Ruling{Rule: written})
	if err != nil {
		return until, err
	}
	one.Address = ip
	one.Until = time.Now().Add(cmp.Or(wanted, longest)).Round(time.Second)
	if err := d.s.allowed.Add(one); err != nil {
		return until, fmt.Errorf("%w: %w", err, ui.ErrTooOften)
	}
	d.s.requests.settle(one.Name, func(q request) bool { return q.address == ip })
	return one.Until, nil
}

// Ask implements ui.Devices.
func (d devices) Ask(ip netip.Addr, written string) error {
	name, err := lists.Normalize(written)
	if err != nil || name == "" {
		return fmt.Errorf("%q is no name", written)
	}
	if !slices.ContainsFunc(d.s.recent.of(ip, time.Now()), func(n blockedName) bool { return string(n.name) == name }) {
		return errors.New("this name was not blocked for this device in the last minutes")
	}
	return d.s.requests.put(request{ip, name, time.Now()})
}

// Requests tells whoever may change something what people wish.
func (s *server) openRequests() []ui.Request {
	var all []ui.Request
	for _, q := range s.requests.open() {
		policy := s.current.Load().askerAt(q.address).policy
		all = append(all, ui.Request{Name: q.name, Address: q.address.String(), Client: policy.Client, Group: policy.Groups[0], Time: q.time})
	}
	return all
}

// refuse drops a wish.
func (s *server) refuse(name, address string) error {
	ip, err := netip.ParseAddr(address)
	if err == nil && s.requests.settle(name, func(q request) bool { return q.address == ip }) > 0 {
		return nil
	}
	return fmt.Errorf("nobody at %q asks for %q: %w", address, name, ui.ErrNotFound)
}

// forgetDevice erases what is remembered of an address, and says how much it was.
func (s *server) forgetDevice(ip netip.Addr) int {
	return s.recent.forget(ip, time.Now()) + s.requests.drop(func(q request) bool { return q.address == ip })
}
