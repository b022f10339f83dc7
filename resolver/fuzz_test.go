package resolver

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// fuzzResolver is a whole walk on an upstream that says what reply says.
func fuzzResolver(tb testing.TB, reply func(query []byte) []byte) *Resolver {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	access, err := NewAccess([]string{"any"}, log)
	if err != nil {
		tb.Fatal(err)
	}
	local, err := NewLocal(map[string][]string{"nas.home.arpa": {"192.168.1.10"}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	b := lists.NewBuilder("trackers", lists.Deny, lists.Seed{})
	b.Add(lists.Rule{Shape: lists.Subtree, Name: "tracker.example"})
	forward := NewForward(ForwardOptions{Servers: []Upstream{&echo{reply}}, Timeout: time.Second})
	return New(Options{Access: access, Local: local, Cache: NewCache(1 << 20), Policy: CachePolicy{MaxTTL: time.Hour, Stale: time.Hour},
		Blocking: Blocking{Matcher: lists.NewSet(lists.Seed{}, b.Build()), Canaries: true, FollowCNAME: true, FollowHTTPS: true, Rebind: Rebind{On: true}},
		Flight:   NewFlight(), Forward: forward, Log: log})
}

// echo is an Upstream that makes its reply of the query.
type echo struct{ reply func(query []byte) []byte }

func (e *echo) Exchange(_ context.Context, query []byte) ([]byte, error) {
	if r := e.reply(query); r != nil {
		return r, nil
	}
	return nil, errors.New("nothing")
}
func (e *echo) Health() (bool, time.Duration) { return true, time.Millisecond }
func (e *echo) String() string                { return "udp://192.0.2.53" }

// ask plays a transport that can wait.
func ask(r *Resolver, packet []byte, transport Transport) (*Query, *Answer, error) {
	q := &Query{Client: netip.MustParseAddr("192.0.2.1"), Transport: transport, Start: time.Now(), MayWait: true}
	q.Parse(packet)
	a := new(Answer)
	err := r.Resolve(context.Background(), q, a)
	return q, a, err
}

// FuzzQuery: any packet gets silence, or a reply with its id and question,
// within what the client takes, that another implementation can read.
func FuzzQuery(f *testing.F) {
	for _, name := range []string{"pixel.tracker.example.", "www.example.org.", "nas.home.arpa.", "."} {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		plain, _ := m.Pack()
		f.Add(plain)
		m.SetEdns0(1232, true)
		withEDNS, _ := m.Pack()
		f.Add(withEDNS)
		f.Add(withEDNS[:len(withEDNS)-3])
	}
	f.Add([]byte{0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	r := fuzzResolver(f, func(query []byte) []byte {
		m := new(dns.Msg)
		if m.Unpack(query) != nil {
			return nil
		}
		reply, _ := new(dns.Msg).SetReply(m).Pack()
		return reply
	})
	f.Fuzz(func(t *testing.T, packet []byte) {
		q, a, err := ask(r, packet, UDP)
		if err != nil {
			if !errors.Is(err, ErrDrop) || len(packet) >= HeaderSize && packet[2]&0x80 == 0 {
				t.Fatalf("no answer to a query: %v", err)
			}
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(a.Wire); err != nil {
			t.Fatalf("nobody can read % x: %v", a.Wire, err)
		}
		if m.Id != q.ID || !m.Response || m.Opcode != int(q.Opcode) {
			t.Errorf("not its reply: %v", m)
		}
		if string(q.Question) != "" && string(a.Wire[HeaderSize:HeaderSize+len(q.Question)]) != string(q.Question) {
			t.Errorf("another question: %v", m)
		}
		if len(a.Wire) > max(int(q.EDNS.Size), MinUDP) || len(a.Wire) > MaxUDP {
			t.Errorf("%d bytes for a client that takes %d", len(a.Wire), q.EDNS.Size)
		}
		theirs := new(dns.Msg)
		if q.Fault == Sound && theirs.Unpack(packet) == nil && len(theirs.Question) == 1 {
			if theirs.Question[0].Qtype != q.Type || theirs.Question[0].Qclass != q.Class {
				t.Errorf("read as type %d class %d, another reads %v", q.Type, q.Class, theirs.Question[0])
			}
		}
	})
}

// FuzzUpstreamReply: whatever a server sends becomes a message that can be read,
// from the server and then from the cache, fresh and stale.
func FuzzUpstreamReply(f *testing.F) {
	query := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	packet, err := query.Pack()
	if err != nil {
		f.Fatal(err)
	}
	m := new(dns.Msg).SetReply(query)
	a, _ := dns.NewRR("www.example.org. 60 IN A 192.0.2.1")
	c, _ := dns.NewRR("www.example.org. 60 IN CNAME a.example.org.")
	soa, _ := dns.NewRR("example.org. 60 IN SOA a. b. 1 2 3 4 5")
	m.Answer = []dns.RR{c, a}
	m.SetEdns0(1232, false)
	good, _ := m.Pack()
	f.Add(good)
	m.Answer, m.Ns, m.Rcode = nil, []dns.RR{soa}, dns.RcodeNameError
	negative, _ := m.Pack()
	f.Add(negative)
	f.Add(good[:len(good)-4])
	f.Fuzz(func(t *testing.T, reply []byte) {
		r := fuzzResolver(t, func([]byte) []byte { return append([]byte(nil), reply...) })
		for range 2 {
			_, a, err := ask(r, packet, TCP)
			if err != nil {
				t.Fatal(err)
			}
			sound := Records(a.Wire)
			for sound.Next() {
			}
			if !sound.Sound() || a.Wire[2]&0x80 == 0 || a.Wire[3]&0x80 == 0 {
				t.Fatalf("malformed % x", a.Wire)
			}
			if string(a.Wire[:2]) != string(packet[:2]) || string(a.Wire[HeaderSize:len(packet)]) != string(packet[HeaderSize:]) {
				t.Fatalf("another question % x", a.Wire)
			}
		}
	})
}
