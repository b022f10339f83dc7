package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Limits of a connection to a server.
const (
	streamIdle    = 20 * time.Second // unused for so long, it is closed
	streamPending = 1000             // questions under way on one connection
	streamWrite   = 2 * time.Second
)

// errBroken says that a connection ended before the reply came.
var errBroken = errors.New("the server closed the connection")

// stream is DNS over a connection that is kept open and carries many questions
// at once (RFC 7766, sections 6.2.1 and 7).
type stream struct {
	dial func(context.Context) (net.Conn, error)

	mu      sync.Mutex
	conn    *pipe
	dialing *dialing
	closed  bool
}

// dialing is a connection on its way, for all who wait for it.
type dialing struct {
	done chan struct{}
	conn *pipe
	err  error
}

func newStream(dial func(context.Context) (net.Conn, error)) *stream { return &stream{dial: dial} }

// exchange puts query on the open connection or a new one. When an open one
// breaks, or says nothing for half of the time that is left, the question goes
// to a new connection: servers close idle ones, and routers forget them silently.
func (s *stream) exchange(ctx context.Context, query []byte) ([]byte, error) {
	p, reused, err := s.get(ctx, nil)
	if err != nil {
		return nil, err
	}
	if !reused {
		return p.exchange(ctx, query)
	}
	first := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		first, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	reply, err := p.exchange(first, query)
	if err == nil || ctx.Err() != nil {
		return reply, err
	}
	if p, _, err = s.get(ctx, p); err != nil {
		return nil, err
	}
	return p.exchange(ctx, query)
}

// get returns a connection other than bad, which may be nil, and whether it was
// open already.
func (s *stream) get(ctx context.Context, bad *pipe) (*pipe, bool, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false, net.ErrClosed
	}
	if bad != nil && s.conn == bad {
		s.conn = nil
		bad.fail(errBroken)
	}
	if s.conn != nil && s.conn.usable() {
		defer s.mu.Unlock()
		return s.conn, true, nil
	}
	d := s.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		s.dialing = d
		go s.connect(context.WithoutCancel(ctx), d)
	}
	s.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, false, d.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// dialTimeout bounds connecting, also when who began it has given up.
const dialTimeout = 5 * time.Second

func (s *stream) connect(ctx context.Context, d *dialing) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.dial(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialing = nil
	if err == nil && s.closed {
		conn.Close()
		err = net.ErrClosed
	}
	if d.err = err; err == nil {
		d.conn = newPipe(conn)
		s.conn = d.conn
	}
	close(d.done)
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn != nil {
		s.conn.fail(net.ErrClosed)
	}
}

// padded pads queries, for streams that are encrypted.
type padded struct{ *stream }

func (p *padded) exchange(ctx context.Context, query []byte) ([]byte, error) {
	return p.stream.exchange(ctx, pad(query))
}

// pipe is one connection.
type pipe struct {
	conn    net.Conn
	writing sync.Mutex

	mu      sync.Mutex
	pending map[uint16]waiter // by the id on this connection
	err     error             // set once it is broken
}

// waiter is a question under way.
type waiter struct {
	query []byte
	reply chan []byte // closed without one when the connection breaks
}

func newPipe(conn net.Conn) *pipe {
	p := &pipe{conn: conn, pending: map[uint16]waiter{}}
	go p.read()
	return p
}

func (p *pipe) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == nil && len(p.pending) < streamPending
}

// exchange puts query under an id that is free on this connection.
func (p *pipe) exchange(ctx context.Context, query []byte) ([]byte, error) {
	sent := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(query)), uint16(len(query)))
	sent = append(sent, query...)
	w := waiter{query: sent[2:], reply: make(chan []byte, 1)}
	id, err := p.register(w)
	if err != nil {
		return nil, err
	}
	defer p.forget(id)
	if err := p.write(ctx, sent); err != nil {
		p.fail(err)
		return nil, err
	}
	select {
	case reply, ok := <-w.reply:
		if !ok {
			return nil, errBroken
		}
		reply = bytes.Clone(reply)
		copy(reply[:2], query[:2])
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) register(w waiter) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	id := uint16(rand.Uint32())
	for _, taken := p.pending[id]; taken; _, taken = p.pending[id] {
		id++
	}
	binary.BigEndian.PutUint16(w.query, id)
	p.pending[id] = w
	p.conn.SetReadDeadline(time.Now().Add(streamIdle))
	return id, nil
}

func (p *pipe) forget(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
}

func (p *pipe) write(ctx context.Context, b []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	limit := time.Now().Add(streamWrite)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(limit) {
		limit = deadline
	}
	p.conn.SetWriteDeadline(limit)
	_, err := p.conn.Write(b)
	return err
}

// read hands replies to who waits, until the connection ends or is idle.
func (p *pipe) read() {
	in := bufio.NewReader(p.conn)
	for {
		var length [2]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			p.fail(errBroken)
			return
		}
		reply := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(in, reply); err != nil {
			p.fail(errBroken)
			return
		}
		if len(reply) < headerSize {
			p.fail(errMismatch)
			return
		}
		id := binary.BigEndian.Uint16(reply)
		p.mu.Lock()
		if w, ok := p.pending[id]; ok && isReply(w.query, reply) {
			delete(p.pending, id)
			w.reply <- reply
		}
		p.mu.Unlock()
	}
}

// fail breaks the connection for all who wait.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = err
	p.conn.Close()
	for id, w := range p.pending {
		delete(p.pending, id)
		close(w.reply)
	}
}
