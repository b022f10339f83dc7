// Package serve brings queries from sockets to a resolver.Handler and answers
// back: UDP in batches, TCP with pipelining (RFC 7766). Replies leave from the
// address that was asked.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// Options are what a Server is made of. Zero values mean the defaults.
type Options struct {
	Handler  resolver.Handler
	Observer resolver.Observer // nil means nobody
	Log      *slog.Logger

	MaxTCP     int           // connections at once; 0 means 512; beyond, the longest idle one is closed
	TCPIdle    time.Duration // how long an idle connection stays open; 0 means 10 s (RFC 7766, section 6.2.3)
	MaxWaiting int           // queries that wait for an upstream at once; 0 means 4096; beyond, UDP queries are dropped
}

// Limits that need no setting.
const (
	defaultMaxTCP     = 512
	defaultTCPIdle    = 10 * time.Second
	defaultMaxWaiting = 4096
	drainTime         = 3 * time.Second // how long Run lets queries that wait finish
)

// Server answers queries that arrive on its sockets. It is safe for concurrent use.
type Server struct {
	handler  atomic.Pointer[resolver.Handler]
	observer resolver.Observer
	log      *slog.Logger
	maxTCP   int
	tcpIdle  time.Duration
	read     func(*socket, *net.UDPConn) (datagrams, error)
	waiting  chan struct{}  // one for each query that waits
	crew     *resolver.Crew // for what waits
	active   sync.WaitGroup // who answers
	conns    connections
	panics   atomic.Int64

	mu      sync.Mutex
	sockets *Sockets
	ctx     context.Context // of Run; nil before
	stopped bool
	failed  chan error
	started map[*socket]*listener
}

// listener is a socket that is being read.
type listener struct {
	retired atomic.Bool // its socket is closed on purpose
	readers sync.WaitGroup
}

// New makes a Server without sockets.
func New(o Options) *Server {
	s := &Server{observer: o.Observer, log: o.Log, maxTCP: o.MaxTCP, tcpIdle: o.TCPIdle, read: newDatagrams, crew: resolver.NewCrew(),
		failed: make(chan error, 1), started: map[*socket]*listener{}, sockets: new(Sockets)}
	if s.maxTCP == 0 {
		s.maxTCP = defaultMaxTCP
	}
	if s.tcpIdle == 0 {
		s.tcpIdle = defaultTCPIdle
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = defaultMaxWaiting
	}
	s.waiting = make(chan struct{}, o.MaxWaiting)
	s.conns.all = map[*connection]struct{}{}
	s.Swap(o.Handler)
	return s
}

// Swap makes h answer from the next query on.
func (s *Server) Swap(h resolver.Handler) { s.handler.Store(&h) }

// Use takes sockets over in place of those before. New ones are read before old
// ones are closed; what has already been read from those is answered.
func (s *Server) Use(sockets *Sockets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.sockets
	s.sockets = sockets
	if s.ctx == nil || s.stopped {
		return
	}
	for _, so := range sockets.all {
		s.start(so)
	}
	for _, so := range old.all {
		if !sockets.has(so) {
			s.retire(so)
		}
	}
}

// Addrs are where the server listens.
func (s *Server) Addrs() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets.Addrs()
}

// start reads a socket. The caller holds s.mu.
func (s *Server) start(so *socket) {
	if s.started[so] != nil {
		return
	}
	l := new(listener)
	s.started[so] = l
	if so.udp != nil {
		s.startUDP(so, l)
		return
	}
	l.readers.Go(func() { s.accept(so, l) })
}

// retire stops reading a socket; it is closed when what waits has been
// answered. The caller holds s.mu.
func (s *Server) retire(so *socket) {
	l := s.started[so]
	if l == nil {
		so.close()
		return
	}
	delete(s.started, so)
	l.retired.Store(true)
	past := time.Unix(1, 0)
	if so.tcp != nil {
		so.tcp.Close()
		return
	}
	for _, conn := range so.udp {
		conn.SetReadDeadline(past) // wakes the reader, and lets answers out
	}
	time.AfterFunc(drainTime, so.close)
}

// fail ends Run: a socket cannot be read any more.
func (s *Server) fail(so *socket, l *listener, err error) {
	if l.retired.Load() {
		return
	}
	select {
	case s.failed <- fmt.Errorf("%s %s: %w", so.network(), so.address, err):
	default:
	}
}

// Run answers until ctx ends, then lets what waits finish for at most 3 s and
// closes the sockets. An error means that a socket has failed.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = context.WithoutCancel(ctx)
	for _, so := range s.sockets.all {
		s.start(so)
	}
	s.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}

	s.mu.Lock()
	s.stopped = true
	var readers []*listener
	for so, l := range s.started {
		readers = append(readers, l)
		l.retired.Store(true)
		if so.tcp != nil {
			so.tcp.Close()
		} else {
			for _, conn := range so.udp {
				conn.SetReadDeadline(time.Unix(1, 0))
			}
		}
	}
	s.mu.Unlock()
	for _, l := range readers {
		l.readers.Wait()
	}
	s.conns.finish()
	done := make(chan struct{})
	go func() {
		s.active.Wait()
		close(done)
	}()
	limit := time.NewTimer(drainTime)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		s.conns.closeAll()
	}
	s.sockets.CloseExcept(nil)
	return err
}

// answer resolves q and returns the reply in a, empty when none is due. It never
// panics and never fails, except with ErrWait.
func (s *Server) answer(ctx context.Context, q *resolver.Query, a *resolver.Answer) (err error) {
	// Compiled lists are mapped files. A disk that fails is a fault when they are
	// read, which then costs this query alone.
	debug.SetPanicOnFault(true)
	defer func() {
		if r := recover(); r != nil {
			if s.panics.Add(1) == 1 {
				s.log.Error("a query made the server stumble; it got SERVFAIL. Please report this", "panic", fmt.Sprint(r))
			}
			s.log.Debug("stack of the stumble", "stack", stack())
			a.Fail(q, dns.ExtendedErrorCodeOther, "internal error")
			err = nil
		}
	}()
	err = (*s.handler.Load()).Resolve(ctx, q, a)
	switch {
	case err == nil, errors.Is(err, resolver.ErrWait):
		return err
	}
	// Silence.
	a.Wire = a.Wire[:0]
	a.Outcome = resolver.Dropped
	return nil
}

// stack is where a panic came from, without the arguments of functions, among which
// Go prints the client's address.
func stack() string {
	callers := make([]uintptr, 50)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	var b strings.Builder
	for {
		frame, more := frames.Next()
		fmt.Fprintf(&b, "%s %s:%d\n", frame.Function, frame.File, frame.Line)
		if !more {
			return b.String()
		}
	}
}

// fork returns the observer for one socket or connection, nil when there is
// none: one with counters of its own where the observer can be split.
func (s *Server) fork() resolver.Observer {
	if f, ok := s.observer.(resolver.Forker); ok {
		return f.Fork()
	}
	return s.observer
}

// observe tells o, which may be nil, what became of q, once the reply has left.
func observe(o resolver.Observer, q *resolver.Query, a *resolver.Answer, took time.Duration) {
	if o == nil || a.Quiet {
		return
	}
	o.Observe(resolver.Event{
		Time: q.Start, Duration: took, Client: q.Client, Transport: q.Transport,
		Outcome: a.Outcome, Name: q.Name, Type: q.Type, List: a.List, Reason: a.Reason, Groups: q.Groups(), Escape: a.Escape, Hidden: a.Hidden,
		Rcode: uint16(a.ExtRcode)<<4 | uint16(a.Rcode()), Upstream: a.Upstream, Wire: a.Wire,
	})
}

// wait answers q, a Clone, in a goroutine of its own for as long as its handler
// takes, hands the reply to send,
// tells o and calls done at the end. It returns false, and does nothing, when too
// many wait.
func (s *Server) wait(q *resolver.Query, o resolver.Observer, send func([]byte) error, done func()) bool {
	select {
	case s.waiting <- struct{}{}:
	default:
		return false
	}
	s.active.Add(1)
	s.crew.Go(func() {
		defer s.active.Done()
		defer func() { <-s.waiting }()
		defer done()
		var a resolver.Answer
		if err := s.answer(s.ctx, q, &a); err != nil {
			a.Fail(q, dns.ExtendedErrorCodeOther, "internal error") // ErrWait, though q may wait
		}
		if len(a.Wire) > 0 {
			if err := send(a.Wire); err != nil {
				s.log.Debug("the client is gone", "err", s.nameless(err))
			}
		}
		observe(o, q, &a, time.Since(q.Start))
	})
	return true
}

// nameless is an error without the client's address, unless the log may have it.
func (s *Server) nameless(err error) error {
	var about *net.OpError
	if resolver.MayName(s.log) || !errors.As(err, &about) {
		return err
	}
	return fmt.Errorf("%s: %w", about.Op, about.Err)
}

// connections are the open TCP connections.
type connections struct {
	mu  sync.Mutex
	all map[*connection]struct{}
}

// add takes a connection in. When there are limit already, the one that has
// been idle for longest is closed.
func (c *connections) add(conn *connection, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= limit {
		var oldest *connection
		for o := range c.all {
			if oldest == nil || o.used.Load() < oldest.used.Load() {
				oldest = o
			}
		}
		delete(c.all, oldest)
		oldest.conn.Close()
	}
	c.all[conn] = struct{}{}
}

func (c *connections) remove(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
}

func (c *connections) list() []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*connection, 0, len(c.all))
	for conn := range c.all {
		all = append(all, conn)
	}
	return slices.Clip(all)
}

// finish lets no connection bring more queries.
func (c *connections) finish() {
	for _, conn := range c.list() {
		conn.finishing.Store(true)
		conn.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *connections) closeAll() {
	for _, conn := range c.list() {
		conn.conn.Close()
	}
}
