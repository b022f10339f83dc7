package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"deadpixel/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waiting for what must happen.
const patience = 10 * time.Second

// answers is a Handler that says NXDOMAIN, to names that begin with "slow" only
// when it may wait and gate has been opened.
type answers struct{ gate, entered chan struct{} }

func (h answers) Resolve(_ context.Context, q *resolver.Query, a *resolver.Answer) error {
	switch {
	case q.Fault == resolver.Silent:
		return resolver.ErrDrop
	case q.Fault != resolver.Sound:
		a.Begin(q, dns.RcodeFormatError, resolver.Refused)
		return nil
	case bytes.HasPrefix(q.Name, []byte("panic")):
		panic("a stumble")
	case bytes.HasPrefix(q.Name, []byte("slow")):
		if !q.MayWait {
			return resolver.ErrWait
		}
		h.entered <- struct{}{}
		<-h.gate
	}
	a.Begin(q, dns.RcodeNameError, resolver.Blocked)
	return nil
}

// way is how servers of tests read UDP.
var way = newDatagrams

// inEveryWay runs a test with each implementation of datagrams.
func inEveryWay(t *testing.T, test func(*testing.T)) {
	defer func() { way = newDatagrams }()
	t.Run("as here", test)
	way = func(so *socket, conn *net.UDPConn) (datagrams, error) { return newPortable(so, conn), nil }
	t.Run("portable", test)
}

// running is a Server on ports of its own.
type running struct {
	*Server
	addr netip.AddrPort
	answers
	stop func()
}

func run(t *testing.T, o Options, addrs ...string) *running {
	t.Helper()
	if len(addrs) == 0 {
		addrs = []string{"127.0.0.1:0"}
	}
	sockets, err := Listen(addrs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return runOn(t, o, sockets)
}

func runOn(t *testing.T, o Options, sockets *Sockets) *running {
	t.Helper()
	r := &running{answers: answers{make(chan struct{}), make(chan struct{}, 1000)}}
	o.Log = slog.New(slog.DiscardHandler)
	if o.Handler == nil {
		o.Handler = r.answers
	}
	r.Server = New(o)
	r.read = way
	r.Use(sockets)
	r.addr = r.Addrs()[0]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) ask(t *testing.T, network, name string) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: patience}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBothTransports(t *testing.T) { inEveryWay(t, bothTransports) }

func bothTransports(t *testing.T) {
	r := run(t, Options{}, "127.0.0.1:0", "[::1]:0")
	for _, addr := range r.Addrs() {
		r.addr = addr
		for _, network := range []string{"udp", "tcp"} {
			if m := r.ask(t, network, "x.example."); m.Rcode != dns.RcodeNameError {
				t.Errorf("%s %v: %v", network, addr, m)
			}
		}
	}
	if err := r.Probe(t.Context(), "x.invalid"); err != nil {
		t.Error(err)
	}
}

// Replies leave from the address that was asked, also on a socket for all.
func TestReplySource(t *testing.T) { inEveryWay(t, replySource) }

func replySource(t *testing.T) {
	r := run(t, Options{}, ":0")
	close(r.gate)
	for _, addr := range r.Addrs() {
		hosts := []string{"127.0.0.1", "127.0.0.2", "127.7.7.7"}
		if addr.Addr().Is6() {
			hosts = []string{"::1"}
		}
		for _, host := range hosts {
			for _, name := range []string{"x.example.", "slow.example."} {
				conn, err := net.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(host), addr.Port()).String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				q, _ := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
				conn.Write(q)
				// A connected socket takes nothing from elsewhere.
				if _, err := conn.Read(make([]byte, 512)); err != nil {
					t.Errorf("%s asked for %s: %v", host, name, err)
				}
			}
		}
	}
}

// handedOver is a UDP socket as systemd hands it over.
func handedOver(t *testing.T, address string) *Sockets {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f, err := conn.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := Listen(nil, []*os.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sockets
}

// A socket for both families, as systemd hands it over, answers both from the
// right address.
func TestAdoptedDualStack(t *testing.T) { inEveryWay(t, adoptedDualStack) }

func adoptedDualStack(t *testing.T) {
	r := runOn(t, Options{}, handedOver(t, "[::]:0"))
	port := r.addr.Port()
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		r.addr = netip.AddrPortFrom(netip.MustParseAddr(host), port)
		r.ask(t, "udp", "x.example.")
	}
}

// Pipelined queries are answered out of order when one has to wait (RFC 7766, section 7).
func TestPipelining(t *testing.T) {
	r := run(t, Options{})
	conn, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var sent []byte
	for i, name := range []string{"slow.example.", "fast.example."} {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		m.Id = uint16(i + 1)
		b, _ := m.Pack()
		sent = append(binary.BigEndian.AppendUint16(sent, uint16(len(b))), b...)
	}
	for _, c := range sent { // in the smallest pieces
		conn.Write([]byte{c})
	}
	for i, want := range []uint16{2, 1} {
		reply := make([]byte, 2)
		if _, err := io.ReadFull(conn, reply); err != nil {
			t.Fatal(err)
		}
		reply = make([]byte, binary.BigEndian.Uint16(reply))
		if _, err := io.ReadFull(conn, reply); err != nil {
			t.Fatal(err)
		}
		if id := binary.BigEndian.Uint16(reply); id != want {
			t.Errorf("answer %d is to %d", i, id)
		}
		if i == 0 {
			close(r.gate)
		}
	}
}

func TestTCPLimits(t *testing.T) {
	r := run(t, Options{MaxTCP: 2, TCPIdle: 200 * time.Millisecond})
	open := func() net.Conn {
		conn, err := net.Dial("tcp", r.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	isClosed := func(conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	first := open()
	open()
	open()
	if err := isClosed(first); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the oldest of three: %v", err)
	}
	idle := open()
	if err := isClosed(idle); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an idle one: %v", err)
	}
	if m := r.ask(t, "tcp", "x.example."); m.Rcode != dns.RcodeNameError {
		t.Errorf("%v", m)
	}
}

func TestPanicIsServfail(t *testing.T) { inEveryWay(t, panicIsServfail) }

func panicIsServfail(t *testing.T) {
	r := run(t, Options{})
	for range 2 {
		if m := r.ask(t, "udp", "panic.example."); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("%v", m)
		}
	}
	r.ask(t, "udp", "x.example.")
}
