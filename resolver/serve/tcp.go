package serve

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/resolver"
)

// Limits of one connection.
const (
	messageTime = 5 * time.Second // a message that has begun must be whole
	writeTime   = 5 * time.Second
	maxPending  = 64 // queries of one connection that wait; then it is read no further
	acceptPause = 50 * time.Millisecond
)

// connection is a client's TCP connection.
type connection struct {
	s         *Server
	observer  resolver.Observer
	conn      net.Conn
	client    netip.Addr
	used      atomic.Int64 // Unix nanoseconds of the last query
	finishing atomic.Bool
	pending   chan struct{}
	answers   sync.WaitGroup

	query  resolver.Query // the one that is being answered, unless it waits
	answer resolver.Answer
	wire   []byte // room for its reply

	mu  sync.Mutex // guards writing
	out []byte     // a message with its length
}

// accept takes connections until the socket is closed.
func (s *Server) accept(so *socket, l *listener) {
	for {
		c, err := so.tcp.AcceptTCP()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || l.retired.Load() {
				return
			}
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() { // such as no more descriptors
				s.log.Warn("cannot accept a connection", "err", err)
				time.Sleep(acceptPause)
				continue
			}
			s.fail(so, l, err)
			return
		}
		conn := &connection{s: s, observer: s.fork(), conn: c, pending: make(chan struct{}, maxPending)}
		conn.client = c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		conn.used.Store(time.Now().UnixNano())
		s.conns.add(conn, s.maxTCP)
		s.active.Go(func() {
			defer s.conns.remove(conn)
			conn.run()
		})
	}
}

// run answers the queries of a connection, out of order where some have to wait
// (RFC 7766, section 7), until the client closes it or is idle for too long.
func (c *connection) run() {
	defer c.conn.Close()
	defer c.answers.Wait()
	in := bufio.NewReader(c.conn)
	buffer := make([]byte, 0, 512)
	for {
		packet, err := c.read(in, buffer)
		if err != nil {
			return
		}
		buffer = packet
		c.used.Store(time.Now().UnixNano())
		if !c.one(packet) {
			return
		}
	}
}

// read reads one message, which has its length in front (RFC 1035, section 4.2.2).
func (c *connection) read(in *bufio.Reader, buffer []byte) ([]byte, error) {
	deadline := func(d time.Duration) {
		if !c.finishing.Load() { // otherwise the deadline is over already
			c.conn.SetReadDeadline(time.Now().Add(d))
		}
	}
	deadline(c.s.tcpIdle)
	if _, err := in.Peek(1); err != nil {
		return nil, err
	}
	deadline(messageTime)
	var length [2]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if cap(buffer) < n {
		buffer = make([]byte, n)
	}
	buffer = buffer[:n]
	_, err := io.ReadFull(in, buffer)
	return buffer, err
}

// one answers a message. It returns false when the connection is of no more use.
func (c *connection) one(packet []byte) bool {
	q, a := &c.query, &c.answer
	q.Client, q.Transport, q.Start, q.MayWait = c.client, resolver.TCP, time.Now(), false
	q.Parse(packet)
	a.Reset(c.wire)
	if err := c.s.answer(c.s.ctx, q, a); err == nil {
		c.wire = a.Wire
		sent := len(a.Wire) == 0 || c.send(a.Wire) == nil
		observe(c.observer, q, a, time.Since(q.Start))
		return sent && len(a.Wire) > 0 // a connection on which nonsense comes is closed
	}
	c.pending <- struct{}{}
	c.answers.Add(1)
	waits := c.s.wait(q.Clone(), c.observer, func(reply []byte) error { return c.send(reply) }, func() {
		<-c.pending
		c.answers.Done()
	})
	if !waits {
		<-c.pending
		c.answers.Done()
		a.Outcome = resolver.Dropped
		observe(c.observer, q, a, time.Since(q.Start))
	}
	return waits
}

// send writes one message.
func (c *connection) send(reply []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(binary.BigEndian.AppendUint16(c.out[:0], uint16(len(reply))), reply...)
	c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := c.conn.Write(c.out)
	c.used.Store(time.Now().UnixNano())
	return err
}
