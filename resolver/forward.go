package resolver

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Upstream is one server that resolves names. Exchange puts a query and returns
// the whole reply, checked to answer it: id, question and sender fit, and it is
// not truncated. Health says whether the server answers, and how fast; 0 when
// that is not known. String is its scheme and host, never a path. It is safe for
// concurrent use.
type Upstream interface {
	Exchange(ctx context.Context, query []byte) (reply []byte, err error)
	Health() (ok bool, latency time.Duration)
	String() string
}

// ForwardOptions are what a Forward is made of.
type ForwardOptions struct {
	Servers  []Upstream
	Groups   [][]Upstream // servers of groups of clients; see Group.Servers, which counts them from 1
	Strategy Strategy
	Routes   map[string][]Upstream // suffix, as written -> its own servers; an empty one is answered before
	Timeout  time.Duration         // the whole budget of one query
	Observer Observer              // nil means nobody
	Exits    Exits                 // what counts as looking for a way around
}

// Forward is the last stage: it asks upstreams. It is safe for concurrent use.
type Forward struct {
	strategy Strategy
	timeout  time.Duration
	observer Observer
	servers  []*group // the usual ones, then those of Groups
	routes   map[string]*group
	exits    Exits
	crew     *Crew
}

// NewForward makes one.
func NewForward(o ForwardOptions) *Forward {
	f := &Forward{strategy: o.Strategy, timeout: o.Timeout, observer: o.Observer, exits: o.Exits, routes: map[string]*group{}, crew: NewCrew()}
	known := map[Upstream]*server{} // one server may be in several groups
	for _, servers := range append([][]Upstream{o.Servers}, o.Groups...) {
		f.servers = append(f.servers, newGroup(servers, known))
	}
	for suffix, servers := range o.Routes {
		if name, err := lists.Normalize(suffix); err == nil && len(servers) > 0 {
			f.routes[name] = newGroup(servers, known)
		}
	}
	return f
}

func newGroup(upstreams []Upstream, known map[Upstream]*server) *group {
	g := new(group)
	for _, u := range upstreams {
		if known[u] == nil {
			known[u] = &server{Upstream: u}
		}
		g.servers = append(g.servers, known[u])
	}
	return g
}

// group finds the servers for q: those of the longest route, else those of who
// asks.
func (f *Forward) group(q *Query) *group {
	if g := f.route(q.Name); g != nil {
		return g
	}
	return f.servers[q.servers()]
}

// route is the longest route for a name, nil when there is none.
func (f *Forward) route(name []byte) *group {
	g, _ := above(f.routes, name)
	return g
}

// Routed says whether a normalised name goes to servers of its own.
func (f *Forward) Routed(name []byte) bool { return f.route(name) != nil }

// Healthy says whether any server that q may go to answers.
func (f *Forward) Healthy(q *Query) bool {
	for _, s := range f.group(q).servers {
		if ok, _ := s.Health(); ok {
			return true
		}
	}
	return false
}

// hedge bounds how long one server is waited for before the next is asked as
// well: a dead one costs a client no more than this.
const (
	hedgeMin = 60 * time.Millisecond
	hedgeMax = 300 * time.Millisecond
)

// Codes of RFC 8914, section 4, for the failures that happen here.
const (
	edeUnreachable = dns.ExtendedErrorCodeNoReachableAuthority // 22: servers answered, but with failures
	edeNetwork     = dns.ExtendedErrorCodeNetworkError         // 23: no server answered
)

// Resolve asks q's servers until one has an answer, at most until the timeout.
// When none has, a is a SERVFAIL that says why.
func (f *Forward) Resolve(ctx context.Context, q *Query, a *Answer) error {
	if !q.MayWait {
		return ErrWait
	}
	g := f.group(q)
	if len(g.servers) == 0 {
		a.Fail(q, edeNetwork, "no upstream is configured")
		return nil
	}
	start := q.Start
	if start.IsZero() {
		start = time.Now()
	}
	order := g.order(f.strategy, start)
	asking := newAsking(ctx, start.Add(f.timeout))
	defer asking.leave()
	ask := f.only
	if len(order) > 1 {
		ask = f.several
	}
	switch got, failure := ask(asking, q, order); {
	case got.err == nil:
		*a = Answer{Wire: append(a.Wire[:0], got.wire...), Outcome: Forwarded, EDE: got.ede, Upstream: got.server.String()}
	case failure == nil:
		a.Fail(q, edeNetwork, "no upstream answered")
	case failure.Set:
		a.Fail(q, failure.Code, failure.Text) // such as a failed validation
	default:
		a.Fail(q, edeUnreachable, "every upstream failed")
	}
	a.Escape = f.exits.Escape(q.Name)
	return nil
}

// only asks the one server there is, from here: another goroutine for it would
// cost more than all the rest.
func (f *Forward) only(asking *asking, q *Query, order []choice) (attempt, *errFailure) {
	overdue := time.AfterFunc(f.hedge(order[0]), func() { f.suspect(order) })
	defer overdue.Stop()
	r := f.attempt(asking, order[0].server, q)
	var failure *errFailure
	if r.err != nil {
		errors.As(r.err, &failure)
	}
	return r, failure
}

// several asks one server after the other, until one has an answer: at once when
// one has failed, and while it is still being asked when it lets wait.
func (f *Forward) several(asking *asking, q *Query, order []choice) (attempt, *errFailure) {
	answers := make(chan attempt, len(order))
	next, pending := 0, 0
	ask := func() {
		c := order[next]
		next++
		pending++
		asking.users.Add(1)
		f.crew.Go(func() {
			defer asking.leave()
			answers <- f.attempt(asking, c.server, q)
		})
	}
	ask()
	if f.strategy == Race && len(order) > 1 && order[1].good {
		ask()
	}
	wait := time.NewTimer(f.hedge(order[0]))
	defer wait.Stop()
	var failure *errFailure
	for pending > 0 {
		select {
		case r := <-answers:
			pending--
			if r.err == nil {
				return r, nil
			}
			errors.As(r.err, &failure)
			if next < len(order) {
				ask()
				wait.Reset(f.hedge(order[next-1]))
			}
		case <-wait.C:
			f.suspect(order[:next])
			if next < len(order) {
				ask()
				wait.Reset(f.hedge(order[next-1]))
			}
		case <-asking.Done():
			pending = 0
		}
	}
	return attempt{err: context.DeadlineExceeded}, failure
}

// suspect notes that answers are overdue: whoever asks next need not wait for
// these servers.
func (f *Forward) suspect(overdue []choice) {
	for _, c := range overdue {
		c.suspect.Store(time.Now().Add(f.timeout).UnixNano())
	}
}

// hedge is how long to wait for a server: a few times what it usually takes.
func (f *Forward) hedge(c choice) time.Duration {
	if !c.good {
		return hedgeMin
	}
	return min(max(4*c.latency, hedgeMin), hedgeMax)
}
