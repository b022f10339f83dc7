package serve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// counter is an Observer.
type counter struct {
	mu     sync.Mutex
	counts map[resolver.Outcome]int
	told   chan resolver.Outcome
}

func (c *counter) Observe(e resolver.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[e.Outcome]++
	c.told <- e.Outcome
}
func (c *counter) ObserveExchange(resolver.Exchange) {}

// Over the bound of queries that wait, the others go on.
func TestTooManyWait(t *testing.T) { inEveryWay(t, tooManyWait) }

func tooManyWait(t *testing.T) {
	seen := &counter{counts: map[resolver.Outcome]int{}, told: make(chan resolver.Outcome, 100)}
	r := run(t, Options{MaxWaiting: 1, Observer: seen})
	conn, err := net.Dial("udp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q, _ := new(dns.Msg).SetQuestion("slow.example.", dns.TypeA).Pack()
	for range 5 {
		conn.Write(q)
	}
	r.ask(t, "udp", "x.example.")
	for range 5 { // four that are dropped, and the other name
		<-seen.told
	}
	close(r.gate)
	r.stop()
	if seen.counts[resolver.Dropped] != 4 || seen.counts[resolver.Blocked] != 2 {
		t.Errorf("counted %v", seen.counts)
	}
}

// 100,000 packets that were queries once: the server answers on, and leaks neither
// goroutines (TestMain) nor descriptors.
func TestMutatedPackets(t *testing.T) { inEveryWay(t, mutatedPackets) }

func mutatedPackets(t *testing.T) {
	before := descriptors(t)
	r := run(t, Options{})
	close(r.gate)
	random := rand.New(rand.NewPCG(7, 7))
	conn, err := net.Dial("udp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg).SetQuestion("some.name.example.", dns.TypeHTTPS)
	m.SetEdns0(1232, true)
	good, _ := m.Pack()
	for i := range 100_000 {
		packet := bytes.Clone(good)
		for range 1 + random.IntN(4) {
			packet[random.IntN(len(packet))] = byte(random.Uint32())
		}
		conn.Write(packet[:random.IntN(len(packet)+1)])
		if i%1000 == 0 {
			r.ask(t, "udp", "x.example.")
		}
	}
	conn.Close()
	r.ask(t, "tcp", "x.example.")
	r.stop()
	if after := descriptors(t); after > before+2 {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return 0 // not on this system
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// No query is lost while handlers and sockets change.
func TestSwapUnderLoad(t *testing.T) { inEveryWay(t, swapUnderLoad) }

func swapUnderLoad(t *testing.T) {
	r := run(t, Options{})
	first, err := Listen([]string{r.addr.String(), "127.0.0.2:0"}, nil, r.Server.sockets)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			c := dns.Client{Timeout: patience}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := c.Exchange(new(dns.Msg).SetQuestion("x.example.", dns.TypeA), r.addr.String()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	sockets := []*Sockets{first}
	for i := range 20 {
		r.Swap(r.answers)
		next, err := Listen([]string{r.addr.String()}, nil, sockets[i])
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, next)
		r.Use(next)
		r.ask(t, "udp", "x.example.")
		r.ask(t, "tcp", "x.example.")
	}
	close(stop)
	askers.Wait()
	if n := len(r.Addrs()); n != 1 {
		t.Errorf("%d addresses", n)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var e *ListenError
	_, err = Listen([]string{"127.0.0.1:0", taken.LocalAddr().String()}, nil, nil)
	if !errors.As(err, &e) || !errors.Is(err, syscall.EADDRINUSE) || e.Addr != taken.LocalAddr().String() || e.Own {
		t.Errorf("a taken port: %v", err)
	}
	own, err := Listen([]string{"127.0.0.1:0"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer own.CloseExcept(nil)
	_, err = Listen([]string{"0.0.0.0:" + port(own)}, nil, own)
	if !errors.As(err, &e) || !e.Own {
		t.Errorf("an address that overlaps: %v", err)
	}
	if _, err = Listen([]string{own.Addrs()[0].String()}, nil, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second instance would take a share of the queries: %v", err)
	}
	if _, err = Listen([]string{"192.0.2.200:0"}, nil, nil); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("an address of another machine: %v", err)
	}
}

// forks is an Observer of which each reader gets a part of its own.
type forks struct {
	counter
	mu    sync.Mutex
	parts []*counter
}

func (f *forks) Fork() resolver.Observer {
	f.mu.Lock()
	defer f.mu.Unlock()
	part := &counter{counts: map[resolver.Outcome]int{}, told: f.told}
	f.parts = append(f.parts, part)
	return part
}

// Clients are spread over as many readers as there are processors, each of which
// counts for itself; also on a socket that was handed over.
func TestReaders(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	own, err := Listen([]string{"127.0.0.1:0"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const clients = 200
	for name, sockets := range map[string]*Sockets{"own": own, "handed over": handedOver(t, "127.0.0.1:0")} {
		seen := &forks{counter: counter{told: make(chan resolver.Outcome, clients)}}
		r := runOn(t, Options{Observer: seen}, sockets)
		for range clients { // each from a port of its own
			r.ask(t, "udp", "x.example.")
		}
		r.stop()
		counted, busy := 0, 0
		for _, part := range seen.parts {
			counted += part.counts[resolver.Blocked]
			if part.counts[resolver.Blocked] > 0 {
				busy++
			}
		}
		if counted != clients {
			t.Errorf("%s: %d of %d queries are counted", name, counted, clients)
		}
		switch {
		case runtime.GOOS != "linux": // one reader serves a socket there
		case len(seen.parts) != 4:
			t.Errorf("%s: %d readers", name, len(seen.parts))
		case name == "own" && busy < 2:
			t.Errorf("%s: all queries went to one reader", name)
		}
	}
}

func port(s *Sockets) string {
	_, p, _ := net.SplitHostPort(s.Addrs()[0].String())
	return p
}

// What waits when Run is ended is still answered.
func TestDrain(t *testing.T) { inEveryWay(t, drain) }

func drain(t *testing.T) {
	r := run(t, Options{})
	conn, err := net.Dial("udp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	q, _ := new(dns.Msg).SetQuestion("slow.example.", dns.TypeA).Pack()
	conn.Write(q)
	<-r.entered
	go r.stop()
	close(r.gate)
	if _, err := conn.Read(make([]byte, 512)); err != nil {
		t.Errorf("the slow one: %v", err)
	}
	r.stop()
}

func BenchmarkUDP(b *testing.B) {
	sockets, err := Listen([]string{"127.0.0.1:0"}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := New(Options{Handler: answers{}, Log: slog.New(slog.DiscardHandler)})
	s.Use(sockets)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	conn, err := net.Dial("udp", s.Addrs()[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	q, _ := new(dns.Msg).SetQuestion("x.example.", dns.TypeA).Pack()
	reply := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(q)
		if _, err := conn.Read(reply); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-done
}
