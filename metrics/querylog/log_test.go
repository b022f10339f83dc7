package querylog

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// basket is a sink that keeps what it is given.
type basket struct {
	mu      sync.Mutex
	records []Record
	calls   int
}

func (b *basket) Write(_ context.Context, records []Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.records = append(b.records, records...)
	return nil
}

func (b *basket) Close() error { return nil }

func (b *basket) Held(context.Context) (Held, error) { return Held{Lines: len(b.records)}, nil }

// A reply to a forwarder says whose it is; a sink learns that only where addresses are
// permitted.
func TestReplyWithoutSubnet(t *testing.T) {
	m := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	m.Response = true
	m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: "a.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: []byte{203, 0, 113, 9}})
	m.SetEdns0(1232, false)
	client := netip.MustParseAddr("192.0.2.77")
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 32, SourceScope: 32, Address: client.AsSlice()},
		&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "starter"})
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []bool{false, true} {
		l := New(Options{Client: func(netip.Addr, time.Time) string { return "cafe" }, Owner: func([]byte) string { return "" }})
		var b basket
		l.Use(Settings{Scope: All, Address: address, Sinks: []Named{{"basket", &b, true}}})
		l.Fork().Observe(resolver.Event{Time: time.Now(), Client: client, Name: []byte("a.example"), Type: 1, Outcome: resolver.Forwarded, Wire: wire})
		l.Flush()
		if len(b.records) != 1 {
			t.Fatalf("%d records", len(b.records))
		}
		got := b.records[0].Wire
		four := client.As4()
		if bytes.Contains(got, four[:]) != address {
			t.Errorf("addresses permitted: %v; the reply is %x", address, got)
		}
		var read dns.Msg
		if err := read.Unpack(got); err != nil || len(read.Answer) != 1 || read.IsEdns0() == nil || read.IsEdns0().Option[len(read.IsEdns0().Option)-1].Option() != dns.EDNS0EDE {
			t.Errorf("%v: %v", err, &read)
		}
	}
}

// Sinks are called also while nobody asks: there may be something to delete.
func TestSinksAreCalledWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		var b basket
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		want := func(when string, calls int) {
			t.Helper()
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.calls != calls {
				t.Errorf("%s: called %d times, want %d", when, b.calls, calls)
			}
		}
		sinks := []Named{{"basket", &b, false}}
		l.Use(Settings{Scope: All, Sinks: sinks})
		want("at first", 1)
		l.Use(Settings{Scope: Blocked, Sinks: sinks})
		want("after a reload", 2)
		time.Sleep(10*time.Minute + time.Second)
		b.mu.Lock()
		if b.calls < 11 || b.calls > 13 || len(b.records) > 0 {
			t.Errorf("in ten minutes: called %d times with %d records", b.calls, len(b.records))
		}
		b.mu.Unlock()
		stop()
		<-ended
	})
}

// stuck is a sink that never comes back.
type stuck struct{ release chan struct{} }

func (s stuck) Write(context.Context, []Record) error { <-s.release; return nil }
func (s stuck) Close() error                          { return nil }

// However many sinks are stuck, they cost the end one second together, and others nothing.
func TestStuckSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Client: func(netip.Addr, time.Time) string { return "" }, Owner: func([]byte) string { return "" }})
		release := make(chan struct{})
		var b basket
		l.Use(Settings{Scope: All, Sinks: []Named{{"a", stuck{release}, false}, {"b", stuck{release}, false}, {"basket", &b, false}}})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		const seconds = 4 * maxBatches
		for range seconds {
			l.Observe(resolver.Event{Time: time.Now(), Name: []byte("a.example"), Outcome: resolver.Cached})
			time.Sleep(time.Second)
		}
		begin := time.Now()
		stop()
		<-ended
		if took := time.Since(begin); took > endTime {
			t.Errorf("it ended after %v", took)
		}
		if n := l.Dropped(); len(b.records) != seconds || n["a"] < maxBatches || n["b"] != n["a"] || n["basket"] != 0 {
			t.Errorf("%d records, dropped %v", len(b.records), n)
		}
		close(release)
	})
}

// While nothing is kept, nothing is allocated, and nothing is noted.
func TestNoneCostsNothing(t *testing.T) {
	l := New(Options{})
	one := l.Fork()
	e := resolver.Event{Time: time.Now(), Client: netip.MustParseAddr("192.0.2.1"), Name: []byte("a.example"), Outcome: resolver.Blocked, Wire: make([]byte, 100)}
	if n := testing.AllocsPerRun(100, func() { one.Observe(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for i := range l.parts {
		if l.parts[i].all != nil {
			t.Error("something is noted")
		}
	}
}
