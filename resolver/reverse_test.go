package resolver

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// The reverse zone is asked for where a route leads, and nowhere else.
func TestReverseBy(t *testing.T) {
	record := func(text string) dns.RR {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return rr
	}
	tests := []struct {
		name, ip, want string
		ttl            time.Duration
		router         int // how often it is asked
	}{
		{"routed", "192.168.1.40", "tablet.home.arpa", 300 * time.Second, 1},
		{"routed, IPv6", "fd00::40", "tablet.home.arpa", 600 * time.Second, 1},
		{"classless", "192.168.1.42", "lamp.home.arpa", 60 * time.Second, 1},
		{"no such name", "192.168.1.41", "", 30 * time.Second, 1},
		{"no route", "192.168.2.40", "", reverseMax, 0},
		{"public", "198.51.100.1", "", reverseMax, 0},
		{"a hole in a route", "192.168.7.1", "", reverseMax, 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			public, router := &world{name: "public"}, &world{name: "router", soaTTL: 30}
			router.records = []dns.RR{
				record("40.1.168.192.in-addr.arpa. 300 IN PTR Tablet.home.arpa."),
				record(reverse(netip.MustParseAddr("fd00::40")) + ". 600 IN PTR tablet.home.arpa."),
				record("42.1.168.192.in-addr.arpa. 60 IN CNAME 42.lamps.home.arpa."),
				record("42.lamps.home.arpa. 60 IN PTR lamp.home.arpa."),
				record("1.7.168.192.in-addr.arpa. 60 IN PTR hidden.home.arpa."),
			}
			routes := map[string]bool{"1.168.192.in-addr.arpa": true, "7.168.192.in-addr.arpa": false, "d.f.ip6.arpa": true}
			names, err := NewLocal(nil, routes)
			if err != nil {
				t.Fatal(err)
			}
			f := NewForward(ForwardOptions{Servers: []Upstream{public}, Timeout: time.Second,
				Routes: map[string][]Upstream{"1.168.192.in-addr.arpa": {router}, "7.168.192.in-addr.arpa": nil, "d.f.ip6.arpa": {router}}})
			got, ttl, err := ReverseBy(f, names)(t.Context(), netip.MustParseAddr(tt.ip))
			if err != nil || got != tt.want || ttl != tt.ttl || router.asked != tt.router || public.asked != 0 {
				t.Errorf("%s: got %q for %v, %v; the router was asked %d times, the world %d times", tt.name, got, ttl, err, router.asked, public.asked)
			}
			if tt.router == 0 {
				return
			}
			router.failing = "timeout"
			if got, _, err := ReverseBy(f, names)(t.Context(), netip.MustParseAddr(tt.ip)); err == nil {
				t.Errorf("%s: got %q from a silent router", tt.name, got)
			}
		})
	}
}
