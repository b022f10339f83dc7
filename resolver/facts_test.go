package resolver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// want is which facts the command names.
func want(words []string) map[string]bool {
	keys := map[string]bool{}
	for _, w := range words {
		key, _, _ := strings.Cut(w, "=")
		keys[key] = true
	}
	return keys
}

// facts are what an answer says: its records and bits always, its TTL, outcome,
// reason, list, escape and SOA when they are asked for.
func facts(m *dns.Msg, a *Answer, asked map[string]bool) []string {
	var all []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, rr.A.String())
		case *dns.AAAA:
			all = append(all, rr.AAAA.String())
		case *dns.CNAME:
			all = append(all, rr.Target)
		case *dns.PTR:
			all = append(all, rr.Ptr)
		default:
			all = append(all, dns.TypeToString[rr.Header().Rrtype])
		}
	}
	if asked["ttl"] {
		for _, rr := range slices.Concat(m.Answer, m.Ns)[:1] {
			all = append(all, fmt.Sprintf("ttl=%d", rr.Header().Ttl))
		}
	}
	if asked["soa"] {
		for _, rr := range m.Ns {
			all = append(all, "soa="+rr.Header().Name)
		}
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				all = append(all, fmt.Sprintf("ede=%d", e.InfoCode))
			}
			if e, ok := o.(*dns.EDNS0_SUBNET); ok {
				all = append(all, fmt.Sprintf("ecs=%v/%d/%d", e.Address, e.SourceNetmask, e.SourceScope))
			}
		}
	}
	if asked["outcome"] {
		all = append(all, "outcome="+a.Outcome.String())
	}
	if asked["reason"] {
		all = append(all, "reason="+a.Reason.String())
	}
	if asked["list"] {
		all = append(all, "list="+a.List)
	}
	if asked["escape"] {
		all = append(all, "escape="+a.Escape.String())
	}
	for word, set := range map[string]bool{"ad": m.AuthenticatedData, "tc": m.Truncated, "aa": m.Authoritative, "cd": m.CheckingDisabled && asked["cd"]} {
		if set {
			all = append(all, word)
		}
	}
	return all
}
