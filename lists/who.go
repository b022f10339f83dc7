package lists

import (
	"net/netip"
	"strings"
)

// Who is on whose behalf a name is matched. Nil stands for somebody nobody knows,
// to whom all lists apply.
type Who struct {
	Lists   Places     // which lists apply; nil means all
	Address netip.Addr // unmapped, without zone; may be invalid
	Name    string     // of the [[clients]] entry; "" when there is none
}

// Places is a set of lists, by their place in a Set. It must not change once it
// is used.
type Places []uint64

// NewPlaces makes a set with room for n places.
func NewPlaces(n int) Places { return make(Places, (n+63)/64) }

// Add puts a place into the set.
func (p Places) Add(place int) { p[place/64] |= 1 << (place % 64) }

// Has says whether a place is in the set.
func (p Places) Has(place int) bool { return place/64 < len(p) && p[place/64]>>(place%64)&1 != 0 }

// has says whether the list at place applies.
func (w *Who) has(place int32) bool { return w == nil || w.Lists == nil || w.Lists.Has(int(place)) }

// ClientTerm is one part of $client (AdGuard, "DNS filtering rules syntax"): a
// network, or else the name of a client.
type ClientTerm struct {
	Network netip.Prefix // masked; invalid for a name
	Name    string
	Not     bool // with "~"
}

// about says whether the term names who.
func (t *ClientTerm) about(who *Who) bool {
	switch {
	case who == nil:
		return false
	case t.Network.IsValid():
		return who.Address.IsValid() && t.Network.Contains(who.Address)
	}
	return who.Name != "" && strings.EqualFold(t.Name, who.Name)
}

// isFor says whether $client lets the rule speak to who: nobody whom it excludes,
// and when it names somebody, only those.
func (r *Rule) isFor(who *Who) bool {
	named, found := false, false
	for i := range r.Clients {
		t := &r.Clients[i]
		named = named || !t.Not
		if !t.about(who) {
			continue
		}
		if t.Not {
			return false
		}
		found = true
	}
	return found || !named
}
