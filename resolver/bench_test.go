package resolver

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Who has an answer for each way that a query can end.
const (
	blockedName = "pixel.tracker.example."
	cachedName  = "www.example.org."
	homeName    = "nas.home.arpa."
)

// addressFor is an upstream's reply to any query: one address.
func addressFor(query []byte) []byte {
	wire := append([]byte(nil), query...)
	opt := len(wire) - 11 // the OPT record that every query here has at its end
	wire = append(wire[:opt], 0xc0, HeaderSize, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1)
	wire[2] |= 0x80
	binary.BigEndian.PutUint16(wire[6:], 1)
	binary.BigEndian.PutUint16(wire[10:], 0)
	return wire
}

// asker puts the same query again and again, as a transport does it.
type asker struct {
	r      *Resolver
	packet []byte
	q      Query
	a      Answer
	buffer []byte
}

func newAsker(tb testing.TB, r *Resolver, name string, transport Transport) *asker {
	tb.Helper()
	packet, err := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, false).Pack()
	if err != nil {
		tb.Fatal(err)
	}
	if _, _, err := ask(r, packet, transport); err != nil { // and so it is in the cache
		tb.Fatal(err)
	}
	return &asker{r: r, packet: packet, buffer: make([]byte, 0, MaxUDP),
		q: Query{Client: netip.MustParseAddr("192.0.2.1"), Transport: transport}}
}

func (x *asker) ask(tb testing.TB, want Outcome) {
	x.q.Start = time.Now()
	x.q.Parse(x.packet)
	x.a.Reset(x.buffer)
	if err := x.r.Resolve(context.Background(), &x.q, &x.a); err != nil || x.a.Outcome != want || len(x.a.Wire) == 0 {
		tb.Fatalf("%v, %v, %d bytes", err, x.a.Outcome, len(x.a.Wire))
	}
}

// What most queries get costs the garbage collector nothing.
func TestAnswersAllocateNothing(t *testing.T) {
	r := fuzzResolver(t, addressFor)
	for _, transport := range []Transport{UDP, TCP, TLS, HTTPS, QUIC} {
		for name, outcome := range map[string]Outcome{blockedName: Blocked, cachedName: Cached} {
			x := newAsker(t, r, name, transport)
			if n := testing.AllocsPerRun(200, func() { x.ask(t, outcome) }); n != 0 {
				t.Errorf("%v over %v: %v allocations", outcome, transport, n)
			}
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	r := fuzzResolver(b, addressFor)
	for name, outcome := range map[string]Outcome{blockedName: Blocked, cachedName: Cached, homeName: Local} {
		b.Run(outcome.String(), func(b *testing.B) {
			x := newAsker(b, r, name, UDP)
			b.ReportAllocs()
			for b.Loop() {
				x.ask(b, outcome)
			}
		})
	}
	b.Run("forwarded", func(b *testing.B) {
		x := newAsker(b, r, "n0000000000.example.org.", UDP)
		x.q.MayWait = true
		digits := x.packet[HeaderSize+2 : HeaderSize+12]
		b.ReportAllocs()
		for n := 1; b.Loop(); n++ { // a new name each time
			for i, rest := len(digits)-1, n; i >= 0; i, rest = i-1, rest/10 {
				digits[i] = byte('0' + rest%10)
			}
			x.ask(b, Forwarded)
		}
	})
}
