package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func question(t *testing.T, s *Server, name string) (*dns.Msg, error) {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, dns.TypeA)
	q.SetEdns0(1232, false)
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Exchange(t.Context(), b)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(r); err != nil {
		t.Fatal(err)
	}
	if m.Id != q.Id {
		t.Errorf("id %d, want %d", m.Id, q.Id)
	}
	return m, nil
}

func mustAsk(t *testing.T, s *Server, name string) {
	t.Helper()
	m, err := question(t, s, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(m.Answer) != 1 {
		t.Errorf("%v", m)
	}
}

// A forger on the way: wrong ids, names and types are ignored until the true
// reply comes.
func TestLiesAreIgnored(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(b[:n]) != nil {
				continue
			}
			for _, lie := range []func(m *dns.Msg){
				func(m *dns.Msg) { m.Id++ },
				func(m *dns.Msg) { m.Question[0].Name = "other.example." },
				func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
				func(m *dns.Msg) { m.Question = nil },
				func(m *dns.Msg) { m.Response = false },
				func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate },
			} {
				m := new(dns.Msg).SetReply(q)
				lie(m)
				forged, _ := m.Pack()
				conn.WriteTo(forged, from)
			}
			conn.WriteTo([]byte("rubbish"), from)
			true, _ := reply(q, true).Pack()
			conn.WriteTo(true, from)
		}
	}()
	s := newServer(t, Options{Address: conn.LocalAddr().String()})
	mustAsk(t, s, "www.example.")
	if ok, latency := s.Health(); !ok || latency <= 0 {
		t.Errorf("health %v, %v", ok, latency)
	}
	conn.Close()
	<-done
}

// Lost on the way: the question is put again. Too big: it is put over TCP.
func TestLossAndTruncation(t *testing.T) {
	l := listen(t)
	far := newFarEnd(t, l)
	conn, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ports := map[string]bool{}
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for lost := false; ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			ports[from.String()] = true
			q := new(dns.Msg)
			if lost = !lost; lost || q.Unpack(b[:n]) != nil {
				continue
			}
			r, _ := reply(q, true).Pack()
			conn.WriteTo(r, from)
		}
	}()
	s := newServer(t, Options{Address: "udp://" + l.Addr().String()})
	mustAsk(t, s, "www.example.")
	mustAsk(t, s, "big.example.")
	mustAsk(t, s, "big2.example.")
	if far.connections.Load() != 1 || far.queries.Load() != 2 {
		t.Errorf("%d connections, %d queries over TCP", far.connections.Load(), far.queries.Load())
	}
	conn.Close()
	<-done
	// The port on which a question was lost is not used again.
	if len(ports) < 4 || len(ports) > 6 {
		t.Errorf("%d source ports for 3 questions that were sent twice", len(ports))
	}
}

// Streams are reused, heal when the server closes them, and when they have
// silently gone.
func TestStreamHeals(t *testing.T) {
	ca := newAuthority(t)
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			l := listen(t)
			if scheme == "tls" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{ca.cert}, NextProtos: []string{"dot"}})
			}
			far := newFarEnd(t, l)
			s := newServer(t, Options{Address: scheme + "://" + l.Addr().String(), Roots: ca.roots, Timeout: time.Second})
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() { mustAsk(t, s, "www.example.") })
			}
			all.Wait()
			if n := far.connections.Load(); n != 1 {
				t.Errorf("%d connections for 20 questions", n)
			}
			if scheme == "tls" && len(*far.last.Load())%paddingBlock != 0 {
				t.Errorf("a query of %d bytes is not padded", len(*far.last.Load()))
			}
			closes := func(net.Conn, []byte) bool { far.handle.Store(nil); return false }
			far.handle.Store(&closes)
			mustAsk(t, s, "www.example.")
			var asked atomic.Int64
			ignores := func(c net.Conn, q []byte) bool {
				if asked.Add(1) == 1 {
					return true // silence
				}
				far.handle.Store(nil)
				m := new(dns.Msg)
				m.Unpack(q)
				send(c, reply(m, false))
				return true
			}
			far.handle.Store(&ignores)
			mustAsk(t, s, "www.example.")
			if n := far.connections.Load(); n != 3 {
				t.Errorf("%d connections after healing twice", n)
			}
			s.Close()
		})
	}
}

func TestHTTPS(t *testing.T) {
	ca := newAuthority(t)
	var protocols, bad atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		m := new(dns.Msg)
		if r.ProtoMajor == 2 {
			protocols.Add(1)
		}
		if m.Unpack(b) != nil || m.Id != 0 || len(b)%paddingBlock != 0 || r.Header.Get("Content-Type") != mediaType || r.Header.Get("User-Agent") != "" || r.URL.Path != "/dns-query" {
			bad.Add(1)
		}
		switch {
		case strings.HasPrefix(m.Question[0].Name, "fail"):
			w.WriteHeader(http.StatusTeapot)
			return
		case strings.HasPrefix(m.Question[0].Name, "html"):
			w.Header().Set("Content-Type", "text/html")
			return
		}
		w.Header().Set("Content-Type", mediaType)
		out, _ := reply(m, false).Pack()
		w.Write(out)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.cert}}
	server.StartTLS()
	defer server.Close()
	s := newServer(t, Options{Address: server.URL + "/dns-query", Roots: ca.roots})
	mustAsk(t, s, "www.example.")
	for name, want := range map[string]string{"fail.example.": "418", "html.example.": "text/html"} {
		if _, err := question(t, s, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if protocols.Load() != 3 || bad.Load() != 0 {
		t.Errorf("%d over HTTP/2, %d malformed", protocols.Load(), bad.Load())
	}
	s.Close()
}

// A machine without a clock battery boots in 1970 and needs DNS to learn the
// time: certificates are verified at the build date, and by the clock once it is set.
func TestClockInThePast(t *testing.T) {
	ca := newAuthority(t)
	l := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{ca.cert}})
	newFarEnd(t, l)
	var now atomic.Pointer[time.Time]
	at := func(when time.Time) { now.Store(&when) }
	options := Options{Address: "tls://" + l.Addr().String(), Roots: ca.roots, Built: built, Clock: func() time.Time { return *now.Load() }}
	for _, c := range []struct {
		when time.Time
		ok   bool
	}{{time.Unix(0, 0), true}, {built.Add(time.Hour), true}, {built.Add(20 * 365 * 24 * time.Hour), false}} {
		at(c.when)
		s := newServer(t, options)
		if _, err := question(t, s, "www.example."); (err == nil) != c.ok {
			t.Errorf("at %v: %v", c.when, err)
		}
		s.Close()
	}
}

func TestWrongCertificate(t *testing.T) {
	l := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{newAuthority(t).cert}})
	newFarEnd(t, l)
	s := newServer(t, Options{Address: "tls://" + l.Addr().String(), Roots: newAuthority(t).roots})
	if _, err := question(t, s, "www.example."); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	if ok, _ := s.Health(); ok || s.LastError() == "" {
		t.Error("it is healthy")
	}
	s.Close()
}

// A server that is down is probed, and is healthy again when it answers.
func TestProbing(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	l.Close()
	s := newServer(t, Options{Address: "tcp://" + address, Timeout: time.Second})
	if _, err := question(t, s, "www.example."); err == nil {
		t.Fatal("nobody answered, yet there is an answer")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	far := newFarEnd(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	ended := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ended)
	}()
	for ok := false; !ok && ctx.Err() == nil; ok, _ = s.Health() {
		time.Sleep(10 * time.Millisecond)
	}
	if ctx.Err() != nil || far.queries.Load() == 0 {
		t.Error("it was not found to be up")
	}
	cancel()
	<-ended
	s.Close()
}

func TestBootstrap(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		m := new(dns.Msg).SetReply(q)
		text := map[uint16]string{dns.TypeA: " 300 IN A 127.0.0.1", dns.TypeAAAA: " 300 IN AAAA ::1"}[q.Question[0].Qtype]
		if q.Question[0].Name == "dns.example." {
			rr, _ := dns.NewRR("dns.example." + text)
			m.Answer = append(m.Answer, rr)
		} else {
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})}
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	go server.ActivateAndServe()
	<-started
	b, err := NewBootstrap([]string{conn.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for range 3 {
		ips, err := b.Lookup(t.Context(), "dns.example")
		if err != nil || len(ips) != 2 || ips[0].String() != "127.0.0.1" {
			t.Errorf("%v, %v", ips, err)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
	if _, err := b.Lookup(t.Context(), "other.example"); err == nil {
		t.Error("a name that does not exist was resolved")
	}
	server.Shutdown()
	// What was known is still used when it has expired and no server answers.
	b.known["dns.example"] = hostAddresses{b.known["dns.example"].ips, time.Now().Add(-time.Hour)}
	if ips, err := b.Lookup(t.Context(), "dns.example"); err != nil || len(ips) != 2 {
		t.Errorf("%v, %v", ips, err)
	}
	if _, err := b.Lookup(t.Context(), "new.example"); err == nil {
		t.Error("a name was resolved by nobody")
	}
}

func TestAddresses(t *testing.T) {
	for s, want := range map[string]string{
		"9.9.9.9": "udp://9.9.9.9", "192.168.1.1:5353": "udp://192.168.1.1:5353", "2001:db8::1": "udp://[2001:db8::1]", "[2001:db8::1]:54": "udp://[2001:db8::1]:54",
		"tcp://192.0.2.1": "tcp://192.0.2.1", "tls://dns.example": "tls://dns.example", "tls://dns.example:8853": "tls://dns.example:8853",
		"https://dns.example/dns-query/secret": "https://dns.example", "https://192.0.2.1/q": "https://192.0.2.1", "router.lan": "udp://router.lan",
	} {
		a, err := parseAddress(s)
		if err != nil || a.label() != want {
			t.Errorf("%s: %s, %v, want %s", s, a.label(), err, want)
		}
	}
	for _, s := range []string{"", "udp://", "192.0.2.256", "a b", "dns.example:0", "dns.example:99999", "quic://dns.example", "h3://dns.example/", "ftp://x", "https://u:p@dns.example/", "::1:x"} {
		if err := Check(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
	if CheckBootstrap("dns.example") == nil || CheckBootstrap("tls://9.9.9.9") != nil {
		t.Error("a bootstrap server is written by address")
	}
}

func TestTimeout(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") // which nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := newServer(t, Options{Address: conn.LocalAddr().String(), Timeout: 50 * time.Millisecond})
	if _, err := question(t, s, "www.example."); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
