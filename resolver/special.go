package resolver

import (
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// zone is what becomes of the names of a suffix.
type zone uint8

const (
	zoneEmpty     zone = iota // nothing exists: NXDOMAIN
	zoneServed                // the apex exists, without data; nothing is below (RFC 6303, section 3)
	zoneDelegated             // as served, but its DS is asked outside, so that validators can tell (RFC 8375, section 4)
	zoneLoopback              // localhost
	zoneDDR                   // resolver.arpa
	zoneRouted                // has servers of its own
)

// specialTTL is how long a client may keep what follows from a standard.
const specialTTL = time.Hour

// specialZones are the suffixes that never leak to an upstream.
func specialZones() map[string]zone {
	zones := map[string]zone{
		"localhost": zoneLoopback, // RFC 6761, section 6.3
		"test":      zoneEmpty,    // RFC 6761, section 6.2
		"invalid":   zoneEmpty,    // RFC 6761, section 6.4
		"local":     zoneEmpty,    // RFC 6762, section 22
		"onion":     zoneEmpty,    // RFC 7686, section 2
		"alt":       zoneEmpty,    // RFC 9476
		"internal":  zoneEmpty,    // reserved by ICANN for private use, 2024-07-29
		"lan":       zoneEmpty,    // these three by custom; ICANN will not delegate home and corp
		"home":      zoneEmpty,
		"corp":      zoneEmpty,

		"home.arpa":     zoneDelegated, // RFC 8375
		"resolver.arpa": zoneDDR,       // RFC 9462, section 8.2

		// RFC 6303, section 4.2 and 4.3
		"10.in-addr.arpa":              zoneServed,
		"168.192.in-addr.arpa":         zoneServed,
		"0.in-addr.arpa":               zoneServed,
		"127.in-addr.arpa":             zoneServed,
		"254.169.in-addr.arpa":         zoneServed,
		"2.0.192.in-addr.arpa":         zoneServed,
		"100.51.198.in-addr.arpa":      zoneServed,
		"113.0.203.in-addr.arpa":       zoneServed,
		"255.255.255.255.in-addr.arpa": zoneServed,
		"d.f.ip6.arpa":                 zoneServed,
		"8.e.f.ip6.arpa":               zoneServed,
		"9.e.f.ip6.arpa":               zoneServed,
		"a.e.f.ip6.arpa":               zoneServed,
		"b.e.f.ip6.arpa":               zoneServed,
		"8.b.d.0.1.0.0.2.ip6.arpa":     zoneServed,
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa": zoneServed,
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa": zoneServed,
	}
	for i := 16; i < 32; i++ {
		zones[fmt.Sprintf("%d.172.in-addr.arpa", i)] = zoneServed
	}
	for i := 64; i < 128; i++ { // RFC 7793
		zones[fmt.Sprintf("%d.100.in-addr.arpa", i)] = zoneServed
	}
	return zones
}

// answerZone answers for a special zone; labels is how many labels of the asked
// name stand above it.
func answerZone(q *Query, a *Answer, z zone, labels uint8) {
	rcode := dns.RcodeNameError
	apex := labels == 0
	switch z {
	case zoneServed, zoneDelegated:
		if apex {
			rcode = dns.RcodeSuccess
		}
	case zoneDDR: // no designated resolver is named (RFC 9462, section 6.4)
		discovers := string(q.Name) == discoveryName
		if apex || discovers {
			rcode = dns.RcodeSuccess
		}
		if discovers {
			a.Escape = ByDiscovery
		}
	case zoneLoopback:
		a.Begin(q, dns.RcodeSuccess, Local)
		switch q.Type {
		case dns.TypeA:
			a.record(AnswerSection, questionName, dns.TypeA, specialTTL, 127, 0, 0, 1)
		case dns.TypeAAAA:
			a.record(AnswerSection, questionName, dns.TypeAAAA, specialTTL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
		default:
			a.soa(q, labels, specialTTL)
		}
		return
	}
	a.Begin(q, rcode, Local)
	a.soa(q, labels, specialTTL)
}
