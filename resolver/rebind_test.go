package resolver

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

func TestPrivate(t *testing.T) {
	for text, want := range map[string]bool{
		"10.0.0.1": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.255.1": true, "169.254.1.1": true, "::ffff:192.168.1.1": true,
		"fd12::1": true, "fe80::1": true, "::1": true, "127.0.0.2": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "2001:db8::1": false,
		"100.64.0.1": false, // a VPN's addresses, which people give public names on purpose
	} {
		if got := private(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// No cut of an SVCB record is read beyond its end, and hints are found behind
// other parameters.
func TestHints(t *testing.T) {
	for text, want := range map[string]bool{
		`x.example. 1 IN HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.168.1.1`: true,
		`x.example. 1 IN SVCB 1 svc.example. ipv6hint=2001:db8::1,fd00::1`:              true,
		`x.example. 1 IN HTTPS 1 . ipv4hint=192.0.2.1 ech=AAAA`:                         false,
		`x.example. 1 IN HTTPS 0 other.example.`:                                        false,
	} {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		wire := make([]byte, 512)
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		data := wire[end-int(rr.Header().Rdlength) : end]
		hints := func(data []byte) (inside bool) {
			eachHint(data, func(ip netip.Addr) bool {
				inside = inside || private(ip)
				return false
			})
			return inside
		}
		if got := hints(data); got != want {
			t.Errorf("%s: %v", text, got)
		}
		for i := range data {
			hints(data[:i:i])
		}
	}
}

func TestRebindNames(t *testing.T) {
	if _, err := NewRebind([]string{"not a name"}); err == nil {
		t.Error("accepted")
	}
	r, err := NewRebind([]string{"Plex.direct."})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"plex.direct": true, "a.b.plex.direct": true, "notplex.direct": false, "direct": false, "": false} {
		if got := r.spares([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
