package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
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
	Strategy Strategy
	Routes   map[string][]Upstream // suffix, as written -> its own servers; an empty one is answered before
	Timeout  time.Duration         // the whole budget of one query
	Observer Observer              // nil means nobody
}

// Forward is the last stage: it asks upstreams. It is safe for concurrent use.
type Forward struct {
	strategy Strategy
	timeout  time.Duration
	observer Observer
	servers  *group
	routes   map[string]*group
	crew     *Crew
}

// NewForward makes one.
func NewForward(o ForwardOptions) *Forward {
	f := &Forward{strategy: o.Strategy, timeout: o.Timeout, observer: o.Observer, routes: map[string]*group{}, crew: NewCrew()}
	known := map[Upstream]*server{} // one server may be in several groups
	f.servers = newGroup(o.Servers, known)
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

// group finds the servers for a name: those of the longest route.
func (f *Forward) group(name []byte) *group {
	if len(f.routes) > 0 {
		for rest := name; len(rest) > 0; rest = parent(rest) {
			if g := f.routes[string(rest)]; g != nil {
				return g
			}
		}
	}
	return f.servers
}

// Healthy says whether any server that q may go to answers.
func (f *Forward) Healthy(q *Query) bool {
	for _, s := range f.group(q.Name).servers {
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

// errFailure is a reply that says that the server failed, so that another may do better.
type errFailure struct {
	rcode int
	EDE
	hasOPT bool
}

func (e *errFailure) Error() string { return "answered " + dns.RcodeToString[e.rcode] }

// Resolve asks q's servers until one has an answer, at most until the timeout.
// When none has, a is a SERVFAIL that says why.
func (f *Forward) Resolve(ctx context.Context, q *Query, a *Answer) error {
	if !q.MayWait {
		return ErrWait
	}
	g := f.group(q.Name)
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
		*a = Answer{Wire: append(a.Wire[:0], got.wire...), Outcome: Forwarded, EDE: got.ede}
	case failure == nil:
		a.Fail(q, edeNetwork, "no upstream answered")
	case failure.Set:
		a.Fail(q, failure.Code, failure.Text) // such as a failed validation
	default:
		a.Fail(q, edeUnreachable, "every upstream failed")
	}
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
		f.observer.ObserveExchange(Exchange{Upstream: s.String(), Result: resultOf(r.err), Duration: time.Since(start)})
	}
	return r
}

// beforeEDNS says that a server failed as one from before EDNS does (RFC 6891,
// section 6.2.2).
func beforeEDNS(err error) bool {
	var failure *errFailure
	return errors.As(err, &failure) && !failure.hasOPT && (failure.rcode == dns.RcodeFormatError || failure.rcode == dns.RcodeNotImplemented)
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

// exchange puts q to a server and takes the reply apart.
func exchange(ctx context.Context, u Upstream, q *Query, edns bool) ([]byte, EDE, error) {
	reply, err := u.Exchange(ctx, upstreamQuery(q, edns))
	if err != nil {
		return nil, EDE{}, err
	}
	wire, opt, err := stripOPT(reply)
	if err != nil {
		return nil, EDE{}, fmt.Errorf("%s: %w", u, err)
	}
	if rcode := int(opt.extRcode)<<4 | int(wire[3]&0xf); rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError {
		return nil, EDE{}, &errFailure{rcode, opt.ede, opt.present}
	}
	// Upstreams look at this as well; but the reply will be cached under the
	// question, and its names may refer to it.
	if end := HeaderSize + len(q.Question); len(wire) < end || binary.BigEndian.Uint16(wire[4:]) != 1 || !bytes.EqualFold(wire[HeaderSize:end], q.Question) {
		return nil, EDE{}, fmt.Errorf("%s: a reply to another question", u)
	}
	return wire, opt.ede, nil
}

// upstreamQuery is q as a server is asked: nothing of the client is in it but
// the question in lower case, DO and CD. AD asks to be told about validation
// (RFC 6840, section 5.7).
func upstreamQuery(q *Query, edns bool) []byte {
	b := make([]byte, 0, HeaderSize+len(q.Question)+ednsSize)
	b = binary.BigEndian.AppendUint16(b, uint16(rand.Uint32()))
	flags2 := byte(0x20)
	if q.CD {
		flags2 |= 0x10
	}
	b = append(b, 0x01, flags2, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(b, q.Question...)
	name := b[HeaderSize : len(b)-4]
	for i, c := range name { // length bytes are below 64, so no letters
		if c >= 'A' && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
	if !edns {
		return b
	}
	b[11] = 1
	do := byte(0)
	if q.EDNS.DO {
		do = 0x80
	}
	return append(b, 0, 0, byte(dns.TypeOPT), MaxUDP>>8, MaxUDP&0xff, 0, 0, do, 0, 0, 0)
}

// options is what an upstream's OPT record said.
type options struct {
	present  bool
	extRcode uint8
	ede      EDE
}

// errReply says that a reply cannot be read.
var errReply = errors.New("malformed reply")

// stripOPT takes the hop-by-hop OPT record (RFC 6891, section 6.1.1) out of a
// reply, in place.
func stripOPT(reply []byte) ([]byte, options, error) {
	var o options
	r := Records(reply)
	start, end := 0, 0
	for r.Next() {
		if r.Type != dns.TypeOPT {
			continue
		}
		if o.present || r.Section != Additional || reply[r.Name] != 0 {
			return nil, o, errReply
		}
		o.present, o.extRcode, o.ede = true, uint8(r.TTL>>24), readEDE(r.Data())
		start, end = r.Name, r.End()
	}
	if !r.Sound() || len(reply) < HeaderSize {
		return nil, o, errReply
	}
	reply = reply[:r.End()]
	if !o.present {
		return reply, o, nil
	}
	if end < len(reply) {
		// Names after the OPT record may be referred to by offsets that would move.
		return repack(reply, o)
	}
	binary.BigEndian.PutUint16(reply[10:], binary.BigEndian.Uint16(reply[10:])-1)
	return reply[:start], o, nil
}

// repack writes a message anew without its OPT record.
func repack(reply []byte, o options) ([]byte, options, error) {
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return nil, o, errReply
	}
	kept := m.Extra[:0]
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			kept = append(kept, rr)
		}
	}
	m.Extra = kept
	m.Rcode &= 0xf // the upper bits were in the OPT record
	m.Compress = true
	wire, err := m.Pack()
	return wire, o, err
}

// readEDE finds an Extended DNS Error among the options of an OPT record. Its
// text is for people: what is no printable ASCII or too long is left out.
func readEDE(data []byte) EDE {
	for len(data) >= 4 {
		code, n := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if 4+n > len(data) {
			break
		}
		if code == dns.EDNS0EDE && n >= 2 {
			e := EDE{Set: true, Code: binary.BigEndian.Uint16(data[4:])}
			text := data[6 : 4+n]
			if len(text) <= 200 {
				e.Text = printable(text)
			}
			return e
		}
		data = data[4+n:]
	}
	return EDE{}
}

func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(b)
}
