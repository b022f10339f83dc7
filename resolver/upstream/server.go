// Package upstream puts questions to DNS servers: over UDP, TCP, TLS (RFC 7858)
// and HTTPS (RFC 8484). It keeps connections open, replaces broken ones, and
// knows which servers answer.
package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Options are what a Server is made of.
type Options struct {
	Address   string        // "host[:port]", or udp:// tcp:// tls:// https://
	Bootstrap *Bootstrap    // resolves the host; may be nil when Address has an address
	Timeout   time.Duration // bounds one Exchange; 0 means 2 s

	// Clock is the time of day, nil meaning time.Now. When it is before Built, it
	// is wrong (a machine without a clock battery), and certificates are verified
	// at Built.
	Clock func() time.Time
	Built time.Time

	Roots *x509.CertPool // who certifies servers; nil means the system's
	Log   *slog.Logger   // nil means none
}

// defaultTimeout is [upstream] timeout's default.
const defaultTimeout = 2 * time.Second

// exchanger is one way to reach a server.
type exchanger interface {
	exchange(ctx context.Context, query []byte) ([]byte, error)
	close()
}

// Server is one upstream. It is safe for concurrent use.
type Server struct {
	address address
	label   string
	timeout time.Duration
	log     *slog.Logger
	way     exchanger
	wake    chan struct{} // the server has stopped answering

	mu        sync.Mutex
	healthy   bool
	answered  time.Time     // last
	latency   time.Duration // smoothed
	lastError string
	told      bool // the log knows that it does not answer
}

// New makes a Server. It connects when the first question comes.
func New(o Options) (*Server, error) {
	a, err := parseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	if !a.ip.IsValid() && o.Bootstrap == nil {
		return nil, fmt.Errorf("%q: its name cannot be resolved without [upstream] bootstrap", o.Address)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Server{address: a, label: a.label(), timeout: o.Timeout, log: o.Log, wake: make(chan struct{}, 1)}
	d := &dialer{address: a, bootstrap: o.Bootstrap}
	switch a.scheme {
	case "udp":
		s.way = newPlain(d)
	case "tcp":
		s.way = newStream(d.dialTCP)
	case "tls":
		s.way = &padded{newStream(d.dialTLS(tlsConfig(a, o, "dot")))}
	default:
		s.way = newHTTPS(a, d, tlsConfig(a, o, "h2"))
	}
	return s, nil
}

// String is the scheme and host, with the port when it is not the usual one.
func (s *Server) String() string { return s.label }

// Close closes the connections.
func (s *Server) Close() { s.way.close() }

// Health says whether the server answers, and its smoothed latency, 0 before the
// first answer. A server that has not been asked yet does not answer.
func (s *Server) Health() (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthy, s.latency
}

// LastError is why the server does not answer; "" when it does.
func (s *Server) LastError() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healthy {
		return ""
	}
	return s.lastError
}

// Exchange puts query, a whole message, and returns the reply, whose id, question
// and sender have been checked; a truncated one over UDP has been fetched over
// TCP. It takes at most the timeout. Errors name the server.
func (s *Server) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	if len(query) < headerSize {
		return nil, errors.New("no query")
	}
	start, within := time.Now(), ctx
	if limit := start.Add(s.timeout); !endsBefore(ctx, limit) {
		var cancel context.CancelFunc
		within, cancel = context.WithDeadline(ctx, limit)
		defer cancel()
	}
	reply, err := s.way.exchange(within, query)
	switch {
	case err == nil:
		s.succeeded(time.Since(start))
		return reply, nil
	case errors.Is(ctx.Err(), context.Canceled): // nobody wants to know any more
		return nil, ctx.Err()
	case within.Err() != nil:
		err = context.DeadlineExceeded
	}
	s.failed(start, err)
	return nil, fmt.Errorf("%s: %w", s, err)
}

// endsBefore says whether ctx needs no timer to end by limit.
func endsBefore(ctx context.Context, limit time.Time) bool {
	deadline, ok := ctx.Deadline()
	return ok && !deadline.After(limit)
}

// smoothing is the weight of a new measurement, 1 in so many (as in RFC 6298, section 2).
const smoothing = 8

func (s *Server) succeeded(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = time.Now()
	if s.latency == 0 {
		s.latency = took
	}
	s.latency += (took - s.latency) / smoothing
	if !s.healthy {
		s.healthy, s.told = true, false
		s.log.Info("upstream answers", "server", s.String(), "latency", took.Round(time.Millisecond))
	}
}

// failed notes a failure. It makes the server unhealthy unless something else
// was answered since the question was put: then only that was lost.
func (s *Server) failed(start time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError = err.Error()
	if s.answered.After(start) {
		return
	}
	s.healthy = false
	if !s.told {
		s.told = true
		s.log.Warn("upstream does not answer", "server", s.String(), "err", err)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Times between two probes of a server that does not answer.
const (
	probeFirst = 500 * time.Millisecond
	probeLast  = 30 * time.Second
)

// Run probes the server until it answers, now and whenever it stops to answer,
// until ctx ends.
func (s *Server) Run(ctx context.Context) {
	for {
		pause := probeFirst
		for ok, _ := s.Health(); !ok; ok, _ = s.Health() {
			if _, err := s.Exchange(ctx, probeQuery()); err == nil {
				break
			} else {
				s.log.Debug("probe", "err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, probeLast)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
	}
}

// dialer connects to the server's host.
type dialer struct {
	address   address
	bootstrap *Bootstrap
}

// attemptDelay is how long one address is tried alone (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// addresses are those of the host.
func (d *dialer) addresses(ctx context.Context) ([]net.IP, error) {
	if d.address.ip.IsValid() {
		return []net.IP{d.address.ip.AsSlice()}, nil
	}
	ips, err := d.bootstrap.Lookup(ctx, d.address.host)
	if err != nil {
		return nil, err
	}
	all := make([]net.IP, len(ips))
	for i, ip := range ips {
		all[i] = ip.AsSlice()
	}
	return all, nil
}

// dial connects over network, "udp" or "tcp", to whichever address accepts first.
func (d *dialer) dial(ctx context.Context, network string) (net.Conn, error) {
	ips, err := d.addresses(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(ips))
	for i, ip := range ips {
		go func() {
			select {
			case <-time.After(time.Duration(i) * attemptDelay):
			case <-ctx.Done():
				results <- result{nil, ctx.Err()}
				return
			}
			conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(ip.String(), fmt.Sprint(d.address.port)))
			results <- result{conn, err}
		}()
	}
	for i := range ips {
		r := <-results
		if r.err == nil {
			go func() { // connections that came second
				for range len(ips) - i - 1 {
					if late := <-results; late.conn != nil {
						late.conn.Close()
					}
				}
			}()
			return r.conn, nil
		}
		if err == nil {
			err = r.err
		}
	}
	return nil, err
}

func (d *dialer) dialTCP(ctx context.Context) (net.Conn, error) { return d.dial(ctx, "tcp") }
