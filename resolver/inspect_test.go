package resolver

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Names in the data of records are read as miekg/dns reads them, compressed or not.
func TestTargetsAgainstMiekg(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	labels := []string{"www", "a", "TRACKER", "example", "org", "x-1", "_dmarc", strings.Repeat("l", 63)}
	name := func() string {
		parts := make([]string, 1+random.IntN(3))
		for i := range parts {
			parts[i] = labels[random.IntN(len(labels))]
		}
		return strings.Join(parts, ".") + "."
	}
	for range 2000 {
		m := new(dns.Msg).SetQuestion(name(), dns.TypeA)
		m.Compress = true
		var want []string
		for owner := m.Question[0].Name; len(want) < 4; {
			target := name()
			m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: target})
			normal, err := lists.Normalize(target)
			if err != nil {
				t.Fatal(err)
			}
			want, owner = append(want, normal), target
		}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		r, s := Records(wire), &block{Blocking: Blocking{FollowCNAME: true}}
		for i := 0; r.Next(); i++ {
			got, ok := s.target(&r, new(Query), wire)
			if !ok || string(got) != want[i] {
				t.Fatalf("%q, %v, want %q in\n%v", got, ok, want[i], m)
			}
		}
	}
}

func TestTargetsThatAreNoNames(t *testing.T) {
	long := strings.Repeat("\x01a", 127) // one byte too many with the root's
	for name, c := range map[string]struct {
		message string
		at      int
	}{
		"cut in a label":       {"\x03ab", 0},
		"without an end":       {"\x01a", 0},
		"half a pointer":       {"\x01a\xc0", 0},
		"a pointer to itself":  {"\xc0\x00", 0},
		"a pointer forward":    {"\xc0\x02\x00", 0},
		"pointers in a circle": {"\x01a\xc0\x00", 2},
		"another kind":         {"\x41a\x00", 0},
		"too long":             {long + "\x01b\x00", 0},
		"beyond the message":   {"", 5},
	} {
		if got, ok := appendTarget(nil, []byte(c.message), c.at); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// cloakedBy makes replies of an upstream: a name that is another one, at an address.
func cloakedBy(target, ip string) func([]byte) []byte {
	return func(query []byte) []byte {
		m := new(dns.Msg)
		if m.Unpack(query) != nil {
			return nil
		}
		reply := new(dns.Msg).SetReply(m)
		reply.Compress = true
		reply.Answer = []dns.RR{
			&dns.CNAME{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 3600}, Target: target},
			&dns.A{Hdr: dns.RR_Header{Name: target, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 3600}, A: netip.MustParseAddr(ip).AsSlice()},
		}
		wire, _ := reply.Pack()
		return wire
	}
}

// What an answer leads to is looked at without allocating.
func TestInspectionAllocatesNothing(t *testing.T) {
	x := newAsker(t, fuzzResolver(t, cloakedBy("edge.cdn.example.net.", "192.0.2.1")), cachedName, UDP)
	if n := testing.AllocsPerRun(200, func() { x.ask(t, Cached) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What looking at a CNAME costs: compare with BenchmarkResolve/cached.
func BenchmarkResolveCNAME(b *testing.B) {
	x := newAsker(b, fuzzResolver(b, cloakedBy("edge.cdn.example.net.", "192.0.2.1")), cachedName, UDP)
	b.ReportAllocs()
	for b.Loop() {
		x.ask(b, Cached)
	}
}
