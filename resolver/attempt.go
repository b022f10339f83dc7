package resolver

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// asking is the context of the attempts for one query: it ends at the query's
// deadline, whatever becomes of the client. Its timer goes when nobody uses it.
type asking struct {
	context.Context
	stop  context.CancelFunc
	users atomic.Int32
}

// newAsking has one user, who has to leave.
func newAsking(ctx context.Context, deadline time.Time) *asking {
	a := new(asking)
	a.Context, a.stop = context.WithDeadline(context.WithoutCancel(ctx), deadline)
	a.users.Store(1)
	return a
}

func (a *asking) leave() {
	if a.users.Add(-1) == 0 {
		a.stop()
	}
}

// attempt is the outcome of asking one server.
type attempt struct {
	*server
	wire []byte
	ede  EDE
	err  error
}

// attempt asks one server. It goes on when the query has been answered by
// another, so that a server which never answers is found out.
func (f *Forward) attempt(ctx context.Context, s *server, q *Query) attempt {
	start := time.Now()
	r := attempt{server: s}
	r.wire, r.ede, r.err = exchange(ctx, s, q, true)
	if r.err != nil && beforeEDNS(r.err) {
		r.wire, r.ede, r.err = exchange(ctx, s, q, false)
	}
	if r.err == nil {
		s.suspect.Store(0)
	}
	if f.observer != nil {
		f.observer.ObserveExchange(Exchange{Upstream: s.String(), Result: resultOf(r.err), Blocked: r.err == nil && blocksItself(r.wire, r.ede),
			Duration: time.Since(start)})
	}
	return r
}

// beforeEDNS says that a server failed as one from before EDNS does (RFC 6891,
// section 6.2.2).
func beforeEDNS(err error) bool {
	var failure *errFailure
	return errors.As(err, &failure) && !failure.hasOPT && (failure.rcode == dns.RcodeFormatError || failure.rcode == dns.RcodeNotImplemented)
}

// blocksItself says whether an upstream's answer is that it blocks the name: it
// says so (RFC 8914, section 4: Blocked, Filtered), or has a null address.
func blocksItself(wire []byte, ede EDE) bool {
	if ede.Set && (ede.Code == dns.ExtendedErrorCodeBlocked || ede.Code == dns.ExtendedErrorCodeFiltered) {
		return true
	}
	r := Records(wire)
	for r.Next() && r.Section == AnswerSection {
		if r.Type == dns.TypeA || r.Type == dns.TypeAAAA {
			if ip, ok := netip.AddrFromSlice(r.Data()); ok && ip.IsUnspecified() {
				return true
			}
		}
	}
	return false
}

// resultOf is how an exchange that ended with err is counted.
func resultOf(err error) Result {
	if err == nil {
		return OK
	}
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return Timeout
	}
	return Error
}
