package serve

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"deadpixel/resolver"
)

// startUDP begins to read a socket, by one goroutine for each of its connections.
func (s *Server) startUDP(so *socket, l *listener) {
	for _, conn := range so.udp {
		// The kernel may give less; nothing depends on it.
		conn.SetReadBuffer(bufferSize)
		conn.SetWriteBuffer(bufferSize)
		if so.address.Addr().IsUnspecified() {
			tellAsked(so, conn)
		}
		d, err := s.read(so, conn)
		if err != nil {
			s.fail(so, l, err)
			return
		}
		r := newUDPReader(s, d)
		l.readers.Go(func() {
			if err := r.run(); err != nil {
				s.fail(so, l, err)
			}
		})
	}
}

// tellAsked makes the kernel tell, on a socket for all addresses, which one was
// asked, so that the reply can leave from there.
func tellAsked(so *socket, conn *net.UDPConn) {
	if so.address.Addr().Is4() {
		ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
		return
	}
	ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}

// udpReader reads batches and answers them. Every datagram of a batch has a
// query and an answer of its own, since they are observed only after all
// replies have left.
type udpReader struct {
	s        *Server
	socket   datagrams
	observer resolver.Observer // of this reader alone; nil means nobody

	queries []resolver.Query
	answers []resolver.Answer
	replies [][]byte
	told    []int // which of the queries are to be observed
}

func newUDPReader(s *Server, d datagrams) *udpReader {
	r := &udpReader{s: s, socket: d, observer: s.fork(), queries: make([]resolver.Query, batchSize), answers: make([]resolver.Answer, batchSize),
		replies: make([][]byte, batchSize), told: make([]int, 0, batchSize)}
	for i := range r.replies {
		r.replies[i] = make([]byte, 0, resolver.MaxUDP)
	}
	return r
}

// run reads until the socket's deadline is over or the socket fails.
func (r *udpReader) run() error {
	for {
		n, err := r.socket.receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil && isFleeting(err):
			continue
		case err != nil:
			return err
		}
		r.answer(n)
	}
}

// answer answers a batch and then tells what happened.
func (r *udpReader) answer(n int) {
	now := time.Now()
	r.told = r.told[:0]
	for i := range n {
		r.one(i, now)
	}
	r.socket.flush()
	if r.observer == nil {
		return
	}
	took := time.Since(now)
	for _, i := range r.told {
		observe(r.observer, &r.queries[i], &r.answers[i], took)
	}
}

// one answers a datagram, or hands it to a goroutine that may wait.
func (r *udpReader) one(i int, now time.Time) {
	packet, client := r.socket.packet(i)
	if len(packet) == 0 || client.Port() == 0 {
		return
	}
	q, a := &r.queries[i], &r.answers[i]
	q.Client, q.Transport, q.Start, q.MayWait = client.Addr().Unmap().WithZone(""), resolver.UDP, now, false
	q.Parse(packet)
	a.Reset(r.replies[i])
	if err := r.s.answer(r.s.ctx, q, a); err != nil {
		if !r.s.wait(q.Clone(), r.observer, r.socket.later(i), func() {}) {
			a.Outcome = resolver.Dropped
			r.told = append(r.told, i)
		}
		return
	}
	r.told = append(r.told, i)
	if len(a.Wire) == 0 {
		return
	}
	r.replies[i] = a.Wire[:0] // it may have grown
	r.socket.reply(i, a.Wire)
}

// isFleeting says that a read failed for what happened to an earlier reply, such
// as an ICMP error, and not for good.
func isFleeting(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary() || isICMP(err)
}
