package querylog

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/resolver"
)

// Bounds of what waits: queries in the buffer of a core, until the next second, and
// batches before a sink.
const (
	maxNoted   = 8192
	maxBatches = 16
	drainEvery = time.Second
)

// Named is a sink with the name by which its drops are counted.
type Named struct {
	Name string
	Sink
	Wire bool // it wants the reply as it was sent
}

// Settings are what a reload may change.
type Settings struct {
	Scope   Scope
	Address bool // clients may appear by their address
	Sinks   []Named
}

// Options are what a Log is made of.
type Options struct {
	// Client says how whoever has an address appears in what is kept of a time.
	Client func(ip netip.Addr, at time.Time) string
	// Owner names the company behind a blocked name, "" when nobody knows.
	Owner func(name []byte) string
	Log   *slog.Logger // nil logs nothing
}

// Log implements resolver.Observer and resolver.Forker. It is safe for concurrent use.
type Log struct {
	options Options
	log     *slog.Logger
	scope   atomic.Int32
	wire    atomic.Bool
	parts   []part // one for each core
	forks   atomic.Uint32

	mu       sync.Mutex // of what follows
	settings Settings
	runners  []*runner
	dropped  map[string]*atomic.Uint64 // by sink, since the start
	noted    atomic.Uint64             // dropped before they reached any
}

// part is what one core has noted. Only Run empties it.
type part struct {
	mu  sync.Mutex
	all []note
	_   [64]byte // keeps the next part off the last cache line
}

// note is a query as it was observed. Whose it is and how its client appears is found out
// off the way of the answer.
type note struct {
	Record
	ip netip.Addr
}

// New makes one that keeps nothing, until Use.
func New(o Options) *Log {
	l := &Log{options: o, log: o.Log, parts: make([]part, runtime.GOMAXPROCS(0)), dropped: map[string]*atomic.Uint64{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// Use puts settings to use. Sinks that are there already, by their name, go on; those that
// are no longer wanted are closed, after what they hold. What was noted under settings
// that permitted more is forgotten.
func (l *Log) Use(s Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scope.Store(int32(s.Scope))
	wire := slices.ContainsFunc(s.Sinks, func(n Named) bool { return n.Wire })
	l.wire.Store(wire && s.Scope != None)
	if s.Scope < l.settings.Scope || l.settings.Address && !s.Address {
		l.collect()
	}
	var next []*runner
	for _, n := range s.Sinks {
		at := slices.IndexFunc(l.runners, func(r *runner) bool { return r.Name == n.Name && r.Sink == n.Sink })
		if at >= 0 {
			next = append(next, l.runners[at])
			continue
		}
		if l.dropped[n.Name] == nil {
			l.dropped[n.Name] = new(atomic.Uint64)
		}
		next = append(next, run(n, l.dropped[n.Name], l.log))
	}
	for _, r := range l.runners {
		if !slices.Contains(next, r) {
			r.end()
		}
	}
	l.settings, l.runners = s, next
}

// Run passes on what is noted until ctx ends, then what is left, and closes the sinks.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.pass()
		case <-ctx.Done():
			l.pass()
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, r := range l.runners {
				r.end()
			}
			l.runners = nil
			return
		}
	}
}

// Flush passes on what is noted and waits until sinks have it, for who reads it next.
func (l *Log) Flush() {
	l.pass()
	l.mu.Lock()
	defer l.mu.Unlock() // or a reload could close what is waited for
	for _, r := range l.runners {
		r.flush()
	}
}

// collect takes out what was noted, the oldest first.
func (l *Log) collect() []note {
	var all []note
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		all = append(all, p.all...)
		clear(p.all) // what it points to is not kept alive
		p.all = p.all[:0]
		p.mu.Unlock()
	}
	slices.SortStableFunc(all, func(a, b note) int { return a.Time.Compare(b.Time) })
	return all
}

// pass hands what was noted to the sinks.
func (l *Log) pass() {
	l.mu.Lock()
	defer l.mu.Unlock()
	notes := l.collect()
	if len(notes) == 0 || len(l.runners) == 0 {
		return
	}
	records := make([]Record, 0, len(notes))
	for i := range notes {
		n := &notes[i]
		if !l.settings.Scope.permits(n.Outcome) {
			continue
		}
		n.Client = l.options.Client(n.ip, n.Time)
		if l.settings.Address {
			n.Address = n.ip
		}
		if n.Outcome == resolver.Blocked {
			name := n.Name
			if n.Hidden != "" {
				name = n.Hidden
			}
			n.Owner = l.options.Owner([]byte(name))
		}
		records = append(records, n.Record)
	}
	for _, r := range l.runners {
		r.give(records)
	}
}

// Dropped is how many records each sink has lost since the start; those that were lost
// before any could have them count for "buffer".
func (l *Log) Dropped() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]uint64{"buffer": l.noted.Load()}
	for name, n := range l.dropped {
		all[name] = n.Load()
	}
	return all
}

// Observe implements resolver.Observer.
func (l *Log) Observe(e resolver.Event) { l.observe(&l.parts[0], &e) }

// ObserveExchange implements resolver.Observer.
func (l *Log) ObserveExchange(resolver.Exchange) {}

// Fork implements resolver.Forker.
func (l *Log) Fork() resolver.Observer {
	return fork{l, &l.parts[int(l.forks.Add(1)-1)%len(l.parts)]}
}

// fork notes what one socket sees.
type fork struct {
	*Log
	part *part
}

// Observe implements resolver.Observer.
func (f fork) Observe(e resolver.Event) { f.observe(f.part, &e) }

func (l *Log) observe(p *part, e *resolver.Event) {
	if !Scope(l.scope.Load()).permits(e.Outcome) || len(e.Name) == 0 && e.Outcome == resolver.Dropped {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) >= maxNoted {
		l.noted.Add(1)
		return
	}
	n := note{ip: e.Client.Unmap().WithZone(""), Record: Record{Time: e.Time, Duration: e.Duration, Transport: e.Transport, Name: string(e.Name), Type: e.Type, Outcome: e.Outcome,
		Rcode: e.Rcode, Upstream: e.Upstream, List: e.List, Reason: e.Reason, Hidden: string(e.Hidden)}}
	if len(e.Groups) > 0 {
		n.Group = e.Groups[0]
	}
	if l.wire.Load() {
		n.Wire = slices.Clone(e.Wire)
	}
	p.all = append(p.all, n)
}

// runner feeds one sink, so that a slow one holds up no other.
type runner struct {
	Named
	batches chan any // []Record, or a chan struct{} that is closed when what came before is written
	ended   chan struct{}
	dropped *atomic.Uint64
	log     *slog.Logger
}

func run(n Named, dropped *atomic.Uint64, log *slog.Logger) *runner {
	r := &runner{n, make(chan any, maxBatches), make(chan struct{}), dropped, log}
	go r.run()
	return r
}

func (r *runner) run() {
	defer close(r.ended)
	trouble := ""
	for one := range r.batches {
		switch one := one.(type) {
		case chan struct{}:
			close(one)
		case []Record:
			err := r.Write(context.Background(), one)
			switch {
			case err == nil && trouble != "":
				r.log.Info("the query log is written again", "to", r.Name)
				trouble = ""
			case err != nil:
				r.dropped.Add(uint64(len(one)))
				if trouble != err.Error() {
					trouble = err.Error()
					r.log.Error("the query log cannot be written; deadpixel goes on without", "to", r.Name, "err", err)
				}
			}
		}
	}
	if err := r.Close(); err != nil {
		r.log.Error("the query log does not end well", "to", r.Name, "err", err)
	}
}

// give hands records over, or drops them when too many wait.
func (r *runner) give(records []Record) {
	select {
	case r.batches <- records:
	default:
		r.dropped.Add(uint64(len(records)))
	}
}

// endTime bounds how long it is waited for a sink.
const endTime = 3 * time.Second

// flush waits until all that was given is written.
func (r *runner) flush() {
	done := make(chan struct{})
	limit := time.NewTimer(endTime)
	defer limit.Stop()
	select {
	case r.batches <- done:
	case <-limit.C:
		return
	}
	select {
	case <-done:
	case <-limit.C:
	}
}

// end lets the sink write what it was given, and closes it.
func (r *runner) end() {
	close(r.batches)
	select {
	case <-r.ended:
	case <-time.After(endTime):
		r.log.Error("the query log does not end; it is left behind", "to", r.Name)
	}
}
