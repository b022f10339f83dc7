package resolver

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

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
	if len(r.exempt) > 0 {
		for rest := name; len(rest) > 0; rest = parent(rest) {
			if r.exempt[string(rest)] {
				return true
			}
		}
	}
	return false
}

// private says whether an address belongs to a network that is not the internet:
// RFC 1918, link-local (RFC 3927, RFC 4291 section 2.5.6), ULA (RFC 4193), and
// the IPv6 loopback. 127.0.0.0/8 does not count: lists of mail servers (DNSBL)
// answer with it.
func private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip == netip.IPv6Loopback()
}

// leadsInside says whether a record of an answer holds a private address: A, AAAA,
// and the hints of SVCB and HTTPS.
func leadsInside(r *RecordReader) bool {
	if r.Section != AnswerSection {
		return false
	}
	data := r.Data()
	switch r.Type {
	case dns.TypeA, dns.TypeAAAA:
		ip, ok := netip.AddrFromSlice(data)
		return ok && private(ip)
	case dns.TypeSVCB, dns.TypeHTTPS:
		return hintsInside(data)
	}
	return false
}

// hintsInside looks at the ipv4hint and ipv6hint of an SVCB record (RFC 9460,
// sections 2.2 and 7.3).
func hintsInside(data []byte) bool {
	const ipv4hint, ipv6hint = 4, 6
	at := SkipName(data, min(2, len(data)))
	for at > 0 && at+4 <= len(data) {
		key, size := binary.BigEndian.Uint16(data[at:]), int(binary.BigEndian.Uint16(data[at+2:]))
		at += 4
		if at+size > len(data) {
			return false
		}
		step := 0
		switch key {
		case ipv4hint:
			step = 4
		case ipv6hint:
			step = 16
		}
		for value := data[at : at+size]; step > 0 && len(value) >= step; value = value[step:] {
			if ip, ok := netip.AddrFromSlice(value[:step]); ok && private(ip) {
				return true
			}
		}
		at += size
	}
	return false
}
