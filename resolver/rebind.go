package resolver

import (
	"fmt"
	"net/netip"

	"deadpixel/lists"
)

// Rebind keeps public names from leading into the household's network: a page of
// a stranger that resolves to the router's address can do there what its visitor
// can ("DNS rebinding"). The zero value lets everything through. It is immutable.
type Rebind struct {
	On     bool
	exempt map[string]bool
}

// RebindList stands for this protection where the list of a blocked query is named.
const RebindList = "rebind"

// NewRebind makes a protection that spares the names in exempt, as written, and
// all below them.
func NewRebind(exempt []string) (Rebind, error) {
	r := Rebind{On: true, exempt: map[string]bool{}}
	for _, written := range exempt {
		name, err := lists.Normalize(written)
		if err != nil {
			return r, fmt.Errorf("%q is no name: %w", written, err)
		}
		r.exempt[name] = true
	}
	return r, nil
}

// spares says whether a normalised name may lead to a private address.
func (r *Rebind) spares(name []byte) bool {
	_, spared := above(r.exempt, name)
	return spared
}

// private says whether an unmapped address belongs to a network that is not the internet:
// RFC 1918, link-local (RFC 3927, RFC 4291 section 2.5.6), ULA (RFC 4193), and
// the IPv6 loopback. 127.0.0.0/8 does not count: lists of mail servers (DNSBL)
// answer with it.
func private(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip == netip.IPv6Loopback()
}

// leadsInside says whether a record of an answer holds a private address.
func leadsInside(r *RecordReader) (inside bool) {
	if r.Section != AnswerSection {
		return false
	}
	eachAddress(r, func(ip netip.Addr) bool {
		inside = private(ip)
		return inside
	})
	return inside
}
