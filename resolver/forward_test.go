package resolver

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// fixed is an Upstream of which only health and latency matter.
type fixed struct {
	*echo
	name    string
	ok      bool
	latency time.Duration
}

func (f *fixed) Health() (bool, time.Duration) { return f.ok, f.latency }
func (f *fixed) String() string                { return f.name }

func groupOf(servers ...*fixed) *group {
	var all []Upstream
	for _, s := range servers {
		all = append(all, s)
	}
	return newGroup(all, map[Upstream]*server{})
}

// firsts counts which server comes first in n orders.
func firsts(g *group, s Strategy, n int) map[string]int {
	counts := map[string]int{}
	for range n {
		counts[g.order(s, time.Now())[0].String()]++
	}
	return counts
}

func TestOrder(t *testing.T) {
	fast := &fixed{name: "fast", ok: true, latency: 10 * time.Millisecond}
	slow := &fixed{name: "slow", ok: true, latency: 30 * time.Millisecond}
	dead := &fixed{name: "dead", latency: time.Millisecond}
	g := groupOf(dead, slow, fast)
	for strategy, want := range map[Strategy]string{InOrder: "slow", Race: "fast"} {
		order := g.order(strategy, time.Now())
		if order[0].String() != want || order[2].String() != "dead" || order[2].good {
			t.Errorf("%s: %v first, %v last", strategies[strategy], order[0], order[2])
		}
	}
	if counts := firsts(g, Spread, 300); counts["fast"] < 100 || counts["slow"] < 100 || counts["dead"] > 0 {
		t.Errorf("spread: %v", counts)
	}
	// Three times as slow is asked a ninth as often.
	if counts := firsts(g, Fastest, 10_000); counts["dead"] > 0 || counts["slow"] < 500 || counts["slow"] > 2000 {
		t.Errorf("fastest: %v", counts)
	}
	g.servers[2].suspect.Store(time.Now().Add(time.Minute).UnixNano())
	if counts := firsts(g, Fastest, 100); counts["slow"] != 100 {
		t.Errorf("with an answer overdue: %v", counts)
	}
	fast.ok, slow.ok = false, false
	if len(g.order(Fastest, time.Now())) != 3 {
		t.Error("when none answers, all are tried")
	}
}

func TestParseStrategy(t *testing.T) {
	for i, name := range strategies {
		if s, err := ParseStrategy(name); err != nil || int(s) != i {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := ParseStrategy("best"); err == nil {
		t.Error("accepted")
	}
}

// newQuery is a query for an address that may wait.
func newQuery(t *testing.T, name string) *Query {
	t.Helper()
	packet, err := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, false).Pack()
	if err != nil {
		t.Fatal(err)
	}
	q := &Query{Client: netip.MustParseAddr("192.0.2.1"), Start: time.Now(), MayWait: true}
	if q.Parse(packet) != Sound {
		t.Fatal("no query")
	}
	return q
}

// late is an Upstream that answers after a while, or never when that is negative.
type late struct {
	after time.Duration
	asked atomic.Int64
}

func (l *late) Health() (bool, time.Duration) { return true, 10 * time.Millisecond }
func (l *late) String() string                { return "udp://192.0.2.53" }

func (l *late) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	l.asked.Add(1)
	if l.after < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case <-time.After(l.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m := new(dns.Msg)
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	if m.Question[0].Name != "www.example.org." || len(m.IsEdns0().Option) > 0 {
		return nil, errors.New("something of the client is in the query")
	}
	return new(dns.Msg).SetReply(m).Pack()
}

// A dead first server costs one client a few hundred milliseconds, the next
// nothing, and no answer takes longer than the timeout.
func TestDeadServerCostsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * crewRest) // idle goroutines go home
		dead, good := &late{after: -1}, &late{after: 20 * time.Millisecond}
		f := NewForward(ForwardOptions{Servers: []Upstream{dead, good}, Strategy: InOrder, Timeout: 2 * time.Second})
		for i, limit := range []time.Duration{hedgeMax + 20*time.Millisecond, 20 * time.Millisecond} {
			start := time.Now()
			var a Answer
			if err := f.Resolve(t.Context(), newQuery(t, "WWW.example.org."), &a); err != nil || a.Outcome != Forwarded {
				t.Fatalf("%v, %v", a.Outcome, err)
			}
			if took := time.Since(start); took > limit {
				t.Errorf("query %d took %v, more than %v", i, took, limit)
			}
		}
		if dead.asked.Load() != 1 {
			t.Errorf("the dead one was asked %d times", dead.asked.Load())
		}
		time.Sleep(3 * time.Second)

		none := NewForward(ForwardOptions{Servers: []Upstream{dead, dead}, Strategy: Race, Timeout: 2 * time.Second})
		start := time.Now()
		var a Answer
		if err := none.Resolve(t.Context(), newQuery(t, "www.example.org."), &a); err != nil || a.Outcome != Failed || a.EDE.Code != edeNetwork {
			t.Errorf("%+v, %v", a, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("SERVFAIL took %v", took)
		}
	})
}

func TestRaceAsksTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * crewRest) // idle goroutines go home
		slow, fast, third := &late{after: 50 * time.Millisecond}, &late{after: 5 * time.Millisecond}, &late{}
		f := NewForward(ForwardOptions{Servers: []Upstream{slow, fast, third}, Strategy: Race, Timeout: 2 * time.Second})
		start := time.Now()
		var a Answer
		if err := f.Resolve(t.Context(), newQuery(t, "www.example.org."), &a); err != nil || a.Outcome != Forwarded {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Millisecond || slow.asked.Load() != 1 || third.asked.Load() != 0 {
			t.Errorf("took %v; slow asked %d, third %d times", took, slow.asked.Load(), third.asked.Load())
		}
		time.Sleep(time.Second)
	})
}

// Identical questions share an exchange, which goes on when the first client
// has given up.
func TestFlightShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * crewRest) // idle goroutines go home
		server := &late{after: 100 * time.Millisecond}
		forward := NewForward(ForwardOptions{Servers: []Upstream{server}, Timeout: 2 * time.Second})
		h := NewFlight().Stage(forward)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i == 0 {
					cancel()
				}
				var a Answer
				if err := h.Resolve(ctx, newQuery(t, "www.example.org."), &a); err != nil || i > 0 && a.Outcome != Forwarded {
					t.Errorf("query %d: %v, %v", i, a.Outcome, err)
				}
			})
		}
		all.Wait()
		if server.asked.Load() != 1 {
			t.Errorf("asked %d times", server.asked.Load())
		}
		q := newQuery(t, "www.example.org.")
		q.MayWait = false
		if err := h.Resolve(t.Context(), q, new(Answer)); !errors.Is(err, ErrWait) {
			t.Errorf("without waiting: %v", err)
		}
	})
}

// A million names that nobody asks for again cannot grow the cache.
func TestCacheIsBounded(t *testing.T) {
	const size = 1 << 20
	c := NewCache(size)
	a := &Answer{Wire: make([]byte, 100), Outcome: Failed}
	for i := range 1_000_000 {
		key := []byte{byte(i), byte(i >> 8), byte(i >> 16), 0, 0}
		c.put(newEntry(key, a, CachePolicy{}, time.Now()))
	}
	if c.Bytes() > size || c.Entries() < 500 || c.Evictions() == 0 || c.Entries() > size/entryOverhead {
		t.Errorf("%d bytes in %d entries, %d gone", c.Bytes(), c.Entries(), c.Evictions())
	}
}

func TestAccess(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	a, err := NewAccess([]string{"local", "203.0.113.0/24", "2001:db8:1::5"}, log)
	if err != nil {
		t.Fatal(err)
	}
	global := netip.MustParsePrefix("2001:db8:77::/64")
	a.read = func() ([]netip.Prefix, error) { return []netip.Prefix{global}, nil }
	a.follow()
	for ip, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.31.0.1": true, "172.32.0.1": false, "192.168.0.1": true, "100.64.0.1": true,
		"169.254.1.1": true, "fe80::1%eth0": true, "fd00::1": true, "::ffff:192.168.0.1": true, "203.0.113.9": true, "198.51.100.1": false,
		"2001:db8:1::5": true, "2001:db8:1::6": false, "2001:db8:77::abcd": true, "2001:db8:78::1": false,
	} {
		if got := a.Allows(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v, want %v", ip, got, want)
		}
	}
	a.read = func() ([]netip.Prefix, error) { return nil, errors.New("no interfaces") }
	a.follow()
	if !a.Allows(netip.MustParseAddr("2001:db8:77::1")) {
		t.Error("what was known is forgotten when it cannot be read")
	}
	for _, bad := range []string{"everyone", "192.168.0.0/33", "10.0.0", ""} {
		if _, err := NewAccess([]string{bad}, log); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
