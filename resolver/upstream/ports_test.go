package upstream

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// echo hands every question that comes to a UDP socket to handle, and counts the
// ports that asked.
func echo(t *testing.T, handle func(conn net.PacketConn, from net.Addr, q *dns.Msg)) (address string, ports func() int) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			seen[from.String()] = true
			mu.Unlock()
			if q := new(dns.Msg); q.Unpack(b[:n]) == nil {
				handle(conn, from, q)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
}

func answerTo(conn net.PacketConn, from net.Addr, q *dns.Msg) {
	r, _ := reply(q, true).Pack()
	conn.WriteTo(r, from)
}

// Many questions at once share few sockets, and each gets its own reply though
// they come in another order.
func TestPortsAreShared(t *testing.T) {
	var mu sync.Mutex
	var held []func()
	address, ports := echo(t, func(conn net.PacketConn, from net.Addr, q *dns.Msg) {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, func() { answerTo(conn, from, q) })
		if len(held) == 50 {
			for i := len(held) - 1; i >= 0; i-- {
				held[i]()
			}
			held = nil
		}
	})
	s := newServer(t, Options{Address: address})
	for range 4 {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { mustAsk(t, s, "www.example.") })
		}
		all.Wait()
	}
	if n := ports(); n > portCount || n < 2 {
		t.Errorf("%d source ports for 200 questions", n)
	}
}

// A socket takes so many questions and no more, one on which somebody seems to
// guess takes none, and what was asked before still gets its reply.
func TestPortRetires(t *testing.T) {
	release := make(chan struct{})
	address, _ := echo(t, func(conn net.PacketConn, from net.Addr, q *dns.Msg) {
		for range portStrays {
			wrong := q.Copy()
			wrong.Id++
			answerTo(conn, from, wrong)
		}
		<-release
		answerTo(conn, from, q)
	})
	p, query, done := portTo(t, address)
	w, err := p.ask(query, done)
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); p.fresh(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the socket does not retire")
		}
	}
	if _, err := p.ask(query, done); err != errRetired {
		t.Errorf("a retired socket takes a question: %v", err)
	}
	close(release)
	if r := <-done; r.err != nil || len(r.reply) == 0 {
		t.Errorf("%v", r.err)
	}
	p.forget(w)
}

// portTo is a socket to address, a question to put, and where its reply comes.
func portTo(t *testing.T, address string) (*port, []byte, chan result) {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPort(conn)
	if err != nil {
		t.Fatal(err)
	}
	query, _ := new(dns.Msg).SetQuestion("www.example.", dns.TypeA).Pack()
	return p, query, make(chan result, 1)
}

func TestPortUses(t *testing.T) {
	address, _ := echo(t, answerTo)
	p, query, done := portTo(t, address)
	for n := 1; n <= portUses; n++ {
		w, err := p.ask(query, done)
		if err != nil {
			t.Fatalf("retired after %d questions", n)
		}
		if r := <-done; r.err != nil {
			t.Fatal(r.err)
		}
		p.forget(w)
	}
	if p.fresh() {
		t.Error("does not retire")
	}
}

// A server whose machine says that nobody listens fails at once, not by timeout.
func TestRefusedPort(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.LocalAddr().String()
	gone.Close()
	s := newServer(t, Options{Address: address, Timeout: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	query, _ := new(dns.Msg).SetQuestion("www.example.", dns.TypeA).Pack()
	if _, err := s.Exchange(ctx, query); err == nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
