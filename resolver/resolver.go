package resolver

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Handler answers a query into a. A DNS failure is an Answer; an error means
// that there is none: ErrWait, ErrDrop, or a reason for SERVFAIL. Handlers are
// safe for concurrent use.
type Handler interface {
	Resolve(ctx context.Context, q *Query, a *Answer) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, q *Query, a *Answer) error

// Resolve calls f.
func (f HandlerFunc) Resolve(ctx context.Context, q *Query, a *Answer) error { return f(ctx, q, a) }

// Stage puts something in front of a Handler.
type Stage func(Handler) Handler

// ErrWait says that the answer needs waiting and q.MayWait is false: ask again
// from a goroutine that may block.
var ErrWait = errors.New("the answer has to be waited for")

// ErrDrop says that no reply is due.
var ErrDrop = errors.New("no reply is due")

// Options are what a Resolver is made of.
type Options struct {
	Access     *Access
	Forwarders *Forwarders // whose word on their clients is believed; nil means nobody's
	RateLimit  int         // queries per second for one client; 0 means no limit
	Probe      string      // normalised name by which deadpixel asks itself whether it answers; "" means none

	Clients  *Clients // nil means that every query is nobody's
	Local    *LocalNames
	Policies *Policies // nil means that everybody gets everything
	Blocking Blocking

	Cache   *Cache // may be shared by successive resolvers; nil means no cache
	Policy  CachePolicy
	Flight  *Flight
	Forward *Forward

	Log *slog.Logger
}

// Resolver is the whole walk. It is immutable: a new configuration makes a new
// one, which takes the place of the old between two queries.
type Resolver struct {
	head  Handler
	block *block
	log   *slog.Logger
}

// New chains the stages. This is the one place that knows their order.
func New(o Options) *Resolver {
	var h Handler = o.Forward
	// Identical questions share one exchange.
	h = o.Flight.Stage(h)
	// The cache stands below blocking, so that a pause or a new list acts on the
	// next query, and above flight, so that only misses are shared.
	if o.Cache != nil {
		h = o.Cache.Stage(o.Policy)(h)
	}
	// Below here messages are as the upstream sent them, so that they can be
	// shared; from here on they are one client's.
	answers := stamp(h)
	// ANY is answered here, but after blocking: a blocked name is blocked for
	// every type.
	h = HandlerFunc(func(ctx context.Context, q *Query, a *Answer) error {
		if q.Type != dns.TypeANY {
			return answers.Resolve(ctx, q, a)
		}
		a.Begin(q, dns.RcodeSuccess, Local)
		a.hinfo()
		return nil
	})
	// What a name is led to by [local] or by a rule is past blocking; but the house's
	// own names and those of standards do not leak that way either.
	beyond := &local{LocalNames: o.Local, next: h}
	beyond.beyond = beyond
	blocking := &block{Blocking: o.Blocking, next: h, beyond: beyond}
	// The house's own names are stronger than every list.
	h = &local{LocalNames: o.Local, next: blocking, beyond: beyond}
	if o.Policies == nil {
		o.Policies, _ = NewPolicies(PolicyOptions{}) // it fails only for groups that are named and missing
	}
	// What follows depends on who asks.
	h = &who{Clients: o.Clients, policies: o.Policies, next: h}
	// Nothing is spent on a query that may not be asked.
	h = &admit{next: h, access: o.Access, forwarders: o.Forwarders, rates: newRates(o.RateLimit), probe: []byte(o.Probe)}
	return &Resolver{head: h, block: blocking, log: o.Log}
}

// stamp makes what comes from below the answer to q itself.
func stamp(next Handler) Handler {
	return HandlerFunc(func(ctx context.Context, q *Query, a *Answer) error {
		err := next.Resolve(ctx, q, a)
		if err == nil {
			Stamp(a.Wire, q)
		}
		return err
	})
}

// Judge is the verdict on a normalised name by itself, for who, for whom p holds.
func (r *Resolver) Judge(name []byte, qtype uint16, p *Policy, who *lists.Who) lists.Verdict {
	now := time.Now()
	v := r.block.match(name, qtype, p, who, now)
	if p.at(now).Safe {
		v = r.block.safe(name, qtype, v)
	}
	return v
}

// Trace asks for q as if nothing were blocked, on behalf of somebody for whom p
// holds, and calls visit with everything that the answer leads to. asked is the
// verdict on q's name. It is how explanations see what the walk of a query sees.
func (r *Resolver) Trace(ctx context.Context, q *Query, p *Policy, asked lists.Verdict, visit func(*Step) bool) (Answer, error) {
	now := p.at(q.Start)
	q.policy, q.MayWait = p, true
	q.who = lists.Who{Lists: now.Places, Address: q.Client.WithZone(""), Name: p.Client}
	var a Answer
	if err := r.block.next.Resolve(ctx, q, &a); err != nil {
		return a, err
	}
	if now.Blocks {
		r.block.walk(q, a.Wire, asked, visit)
	}
	return a, nil
}

// Resolve answers q and finishes the reply for its transport. It returns only
// ErrWait and ErrDrop; every other failure has become a SERVFAIL.
func (r *Resolver) Resolve(ctx context.Context, q *Query, a *Answer) error {
	err := r.head.Resolve(ctx, q, a)
	switch {
	case err == nil:
	case errors.Is(err, ErrWait), errors.Is(err, ErrDrop):
		return err
	default:
		attrs := []any{"type", q.Type, "err", err}
		if MayName(r.log) {
			attrs = append(attrs, "name", string(q.Name), "client", q.Client)
		}
		r.log.Debug("no answer", attrs...)
		a.Fail(q, dns.ExtendedErrorCodeOther, "internal error")
	}
	seal(q, a)
	return nil
}
