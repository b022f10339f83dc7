package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// ReverseBy returns a function for ClientsOptions.Reverse that asks the servers
// of [upstream.routes], such as the router. An address whose reverse name no route
// covers is asked for nowhere, so that nobody outside learns of it.
func ReverseBy(f *Forward, names *LocalNames) func(ctx context.Context, ip netip.Addr) (string, time.Duration, error) {
	return func(ctx context.Context, ip netip.Addr) (string, time.Duration, error) {
		name := reverse(ip)
		// A route without servers inside of one that has some is for f the latter.
		if z, _, ok := names.zoneOf([]byte(name)); !ok || z != zoneRouted || !f.Routed([]byte(name)) {
			return "", reverseMax, nil
		}
		packet, err := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypePTR).Pack()
		if err != nil {
			return "", 0, err
		}
		q := &Query{Transport: TCP, Start: time.Now(), MayWait: true}
		q.Parse(packet)
		var a Answer
		if err := f.Resolve(ctx, q, &a); err != nil {
			return "", 0, err
		}
		if a.Outcome != Forwarded {
			return "", 0, fmt.Errorf("no server of the route answers for %s", name)
		}
		found, ttl := pointer(a.Wire)
		return found, ttl, nil
	}
}

// pointer is what the first PTR record of an answer says, "" without one, and how
// long that holds: for nothing, as long as the SOA says (RFC 2308, section 5).
func pointer(wire []byte) (name string, ttl time.Duration) {
	for r := Records(wire); r.Next(); {
		switch {
		case r.Section == AnswerSection && r.Type == dns.TypePTR:
			if found, ok := appendTarget(nil, wire, r.DataAt); ok {
				return string(found), time.Duration(r.TTL) * time.Second
			}
		case r.Section == Authority && r.Type == dns.TypeSOA:
			ttl = time.Duration(r.TTL) * time.Second
		}
	}
	return "", ttl
}
