package main

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"deadpixel/lists"
	"deadpixel/resolver"
)

// asker is somebody on whose behalf names are judged, at one moment.
type asker struct {
	client *resolver.Client // nil for who is none
	policy *resolver.Policy
	now    resolver.Standing
	who    lists.Who
}

// asker finds who is meant by an address, a MAC address, "id:NAME" or a client's
// name; by "", somebody whom nobody knows.
func (g *generation) asker(written string) (asker, error) {
	if written == "" {
		return g.askerOf(nil, netip.Addr{}), nil
	}
	client, ip, err := g.clients.Find(written)
	if err != nil {
		return asker{}, err
	}
	return g.askerOf(client, ip), nil
}

// askerAt is who asks from an address.
func (g *generation) askerAt(ip netip.Addr) asker {
	if !ip.IsValid() {
		return g.askerOf(nil, ip)
	}
	return g.askerOf(g.clients.Of(&resolver.Query{Client: ip}), ip)
}

func (g *generation) askerOf(client *resolver.Client, ip netip.Addr) asker {
	a := asker{client: client, policy: g.policies.Of(client)}
	a.now = a.policy.Now(time.Now())
	a.who = lists.Who{Lists: a.now.Places, Address: ip, Name: a.policy.Client}
	return a
}

// groups are the asker's, those that block before all.
func (a asker) groups() []string { return slices.Concat(a.now.Groups, a.policy.Groups) }

// group is the one of the asker's groups that a list at a place serves: the first
// one for a list that serves all.
func (g *generation) group(a asker, place int) string {
	groups := a.groups()
	if place < len(g.applies) {
		for _, name := range groups {
			if slices.Contains(g.applies[place].Groups, name) {
				return name
			}
		}
	}
	return groups[0]
}

// safeGroup is the one of the asker's groups that makes searches safe.
func (g *generation) safeGroup(a asker) string {
	groups := a.groups()
	for _, name := range groups {
		if g.config.Groups[name].SafeSearch {
			return name
		}
	}
	return groups[0]
}

// whyAsleep says why a list at a place does not apply to the asker.
func (g *generation) whyAsleep(a asker, place int) string {
	if !a.now.Blocks {
		return "nothing is blocked for this client now"
	}
	l := g.applies[place]
	if l.Groups != nil && !slices.ContainsFunc(l.Groups, func(name string) bool { return slices.Contains(a.policy.Groups, name) }) {
		return "the list serves other groups"
	}
	if on, _ := l.Schedule.Active(time.Now(), g.zone); !on {
		return "the list is not on now"
	}
	return "the group that the list serves does not block now"
}

// readNeighbours finds out who is behind an address, for a command that answers no
// queries.
func (g *generation) readNeighbours(ctx context.Context, written string) error {
	ip, err := netip.ParseAddr(written)
	if err != nil {
		return nil // it is no address, so nothing has to be found out
	}
	return g.clients.Read(ctx, ip)
}
