package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"deadpixel/lists"
	"deadpixel/ui"
)

// shared says whether many devices seem to ask from an address: a forwarder that is
// trusted to say for whom it asks, or the only address that asks at all.
func (s *server) shared(ip netip.Addr) bool {
	return s.current.Load().trusted.Trusts(ip) || !ip.IsLoopback() && s.metrics.OneSource()
}

// recentFor is how long blocked names of an address are kept: not at all for one that
// many share.
func (s *server) recentFor(ip netip.Addr) time.Duration {
	if s.shared(ip) {
		return 0
	}
	return s.current.Load().config.Privacy.Recent
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
	case d.s.shared(ip):
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
	if d.s.shared(ip) {
		return 0 // it would be for everybody behind the address
	}
	g, longest := d.s.current.Load(), time.Duration(0)
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
	d.s.requests.settle(one.Name, from(ip))
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

// forgetDevice erases what is remembered of an address, also what it may ask for a while,
// and says how much it was.
func (s *server) forgetDevice(ip netip.Addr) int {
	n := s.recent.forget(ip, time.Now()) + s.requests.drop(from(ip))
	for _, one := range s.allowed.All(time.Now()) {
		if one.Address == ip && s.allowed.Remove(one) {
			n++
		}
	}
	return n
}
