package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// How UDP sockets are shared by questions. A forger has to guess the port of the
// one socket and the id of the one question (RFC 5452, section 4.5); that a
// socket carries several questions does not make this easier, but a socket that
// lived on could be found out. So each question goes to one of many at random,
// and none is old.
const (
	portCount    = 8
	portLife     = 10 * time.Second
	portUses     = 1000 // questions
	portStrays   = 16   // messages that answer nothing: somebody may be guessing
	portLinger   = 5 * time.Second
	portMessages = 4096 // the largest message in bytes; a larger one is cut, and no reply
)

// errRetired says that a socket was closed before the reply came.
var errRetired = errors.New("the socket was closed")

// ports are the UDP sockets to one server, each with a port that the kernel
// picks at random.
type ports struct {
	dial func(ctx context.Context) (net.Conn, error)

	mu     sync.Mutex
	open   [portCount]*port
	closed bool
}

// get returns one of the sockets, which may have to be opened first.
func (p *ports) get(ctx context.Context) (*port, error) {
	i := rand.IntN(portCount)
	if s, err := p.usable(i); s != nil || err != nil {
		return s, err
	}
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.open[i] != nil && p.open[i].fresh() { // somebody else was quicker
		conn.Close()
		if p.closed {
			return nil, net.ErrClosed
		}
		return p.open[i], nil
	}
	s, err := newPort(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	p.open[i] = s
	return s, nil
}

// usable is the i-th socket, nil when it has to be opened.
func (p *ports) usable(i int) (*port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	if s := p.open[i]; s != nil && s.fresh() {
		return s, nil
	}
	return nil, nil
}

func (p *ports) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.open {
		if s != nil {
			s.socket.conn.Close()
		}
	}
}

// port is one socket, connected to the server, so that the kernel takes nothing
// from others.
type port struct {
	socket *socket

	mu      sync.Mutex
	pending map[uint16]*awaited
	uses    int
	strays  int
	retired bool
}

// awaited is a question that waits for its reply.
type awaited struct {
	query []byte // with the id it has on its socket
	id    uint16
	done  chan<- result // takes the reply, or why there will be none
}

// result is how a question ended on one socket.
type result struct {
	reply []byte // with the id of the socket
	err   error
}

// tell passes r on, unless the one who asked has been told more than it can hold.
func (w *awaited) tell(r result) {
	select {
	case w.done <- r:
	default:
	}
}

func newPort(conn net.Conn) (*port, error) {
	s, err := newSocket(conn)
	if err != nil {
		return nil, err
	}
	p := &port{socket: s, pending: map[uint16]*awaited{}}
	conn.SetReadDeadline(time.Now().Add(portLife))
	go p.read()
	return p, nil
}

// fresh says whether the socket takes questions.
func (p *port) fresh() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.retired
}

// retire lets the socket take no more questions. It is closed when those that
// wait have their reply.
func (p *port) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retireLocked()
}

func (p *port) retireLocked() {
	if p.retired {
		return
	}
	p.retired = true
	limit := time.Unix(1, 0)
	if len(p.pending) > 0 {
		limit = time.Now().Add(portLinger)
	}
	p.socket.conn.SetReadDeadline(limit)
}

// ask sends query under an id that is free on this socket. How it ended is told
// to done; the question is to be forgotten in the end.
func (p *port) ask(query []byte, done chan<- result) (*awaited, error) {
	w := &awaited{query: bytes.Clone(query), done: done}
	p.mu.Lock()
	if p.retired {
		p.mu.Unlock()
		return nil, errRetired
	}
	w.id = uint16(rand.Uint32())
	for p.pending[w.id] != nil {
		w.id++
	}
	binary.BigEndian.PutUint16(w.query, w.id)
	p.pending[w.id] = w
	if p.uses++; p.uses == portUses {
		p.retireLocked()
	}
	p.mu.Unlock()
	if err := p.socket.write(w.query); err != nil {
		p.forget(w)
		p.retire()
		return nil, err
	}
	return w, nil
}

func (p *port) forget(w *awaited) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending[w.id] == w {
		delete(p.pending, w.id)
	}
	if p.retired && len(p.pending) == 0 {
		p.socket.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// read hands replies to who waits. A message that is no reply is ignored: it may
// be a forger's, with the true one still on its way.
func (p *port) read() {
	defer p.socket.conn.Close()
	buffer := make([]byte, portMessages)
	for {
		n, err := p.socket.read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) && p.linger() {
			continue
		}
		if err != nil {
			p.fail(err)
			return
		}
		p.deliver(buffer[:n])
	}
}

// linger says whether the socket, whose time is over, still has questions to
// wait for.
func (p *port) linger() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired || len(p.pending) == 0 {
		return false
	}
	p.retireLocked()
	return true
}

func (p *port) deliver(message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(message) >= headerSize {
		if w := p.pending[binary.BigEndian.Uint16(message)]; w != nil && isReply(w.query, message) {
			delete(p.pending, w.id)
			w.tell(result{reply: bytes.Clone(message)})
			return
		}
	}
	if p.strays++; p.strays >= portStrays {
		p.retireLocked()
	}
}

// fail ends the socket for all who wait, such as when the server's machine says
// that nobody listens there.
func (p *port) fail(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		err = errRetired
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = true
	for id, w := range p.pending {
		delete(p.pending, id)
		w.tell(result{err: err})
	}
}
