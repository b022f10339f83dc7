package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"deadpixel/resolver"
)

// shard is what is counted of queries. There is one for each core, so that the
// goroutines that read sockets share no memory when they count; a scrape adds
// them up. Nothing in it takes a lock, and several goroutines may share one.
type shard struct {
	queries   [resolver.Outcomes][transports]atomic.Uint64
	durations [resolver.Outcomes]histogram
	minutes   [minuteRing]minute
	blocked   table[cause, atomic.Uint64]
	owners    table[string, hourly]
	noAccount table[string, hourly] // companies that nobody has an account with
	escapes   [resolver.Escapes]hourly
	_         [64]byte // keeps the next shard off the last cache line
}

// cause is why a query was blocked.
type cause struct {
	list   string
	reason resolver.Reason
}

// minute counts the queries of one minute.
type minute struct {
	period
	queries, blocked atomic.Uint64
}

// hourly counts something in all and by the hour.
type hourly struct {
	total atomic.Uint64
	hours [hourRing]hour
}

type hour struct {
	period
	count atomic.Uint64
}

// period is a time that a counter in a ring is for, in minutes or hours since 1970.
type period struct{ at atomic.Int64 }

// begin makes the counters be those of at: whoever first meets old ones clears
// them. What others count in that moment may be lost; it is a summary.
func (p *period) begin(at int64, counters ...*atomic.Uint64) {
	if old := p.at.Load(); old != at && p.at.CompareAndSwap(old, at) {
		for _, c := range counters {
			c.Store(0)
		}
	}
}

// add counts one more at a time, in seconds since 1970.
func (c *hourly) add(at int64) {
	c.total.Add(1)
	h := &c.hours[at/3600%hourRing]
	h.begin(at/3600, &h.count)
	h.count.Add(1)
}

// since sums up the hours after one, in hours since 1970.
func (c *hourly) since(last int64) (n uint64) {
	for i := range c.hours {
		if h := &c.hours[i]; h.at.Load() > last {
			n += h.count.Load()
		}
	}
	return n
}

// forget erases the hours.
func (c *hourly) forget() {
	for i := range c.hours {
		c.hours[i].at.Store(0)
		c.hours[i].count.Store(0)
	}
}

// count counts one query.
func (s *shard) count(e *resolver.Event, o *Options) {
	s.queries[e.Outcome][e.Transport].Add(1)
	at := e.Time.Unix()
	m := &s.minutes[at/60%minuteRing]
	m.begin(at/60, &m.queries, &m.blocked)
	m.queries.Add(1)
	if e.Outcome != resolver.Dropped {
		s.durations[e.Outcome].observe(e.Duration, queryLimits)
	}
	escape := e.Escape
	if e.Outcome == resolver.Blocked {
		m.blocked.Add(1)
		s.blocked.at(cause{e.List, e.Reason}).Add(1)
		company := o.Owner(e.BlockedName())
		s.owners.at(company).add(at)
		if company != "" && o.NoAccount(e.Groups, company) {
			s.noAccount.at(company).add(at)
		}
		if escape == resolver.NoEscape {
			escape = o.Escape(e.Name)
		}
	}
	if escape != resolver.NoEscape {
		s.escapes[escape].add(at)
	}
}

// forget erases what tells about a time.
func (s *shard) forget() {
	for i := range s.minutes {
		m := &s.minutes[i]
		m.at.Store(0)
		m.queries.Store(0)
		m.blocked.Store(0)
	}
	for _, t := range []*table[string, hourly]{&s.owners, &s.noAccount} {
		for _, c := range t.all() {
			c.forget()
		}
	}
	for i := range s.escapes {
		s.escapes[i].forget()
	}
}

// table holds a V for each K that has been met. It is for keys of which there are
// few: a new one copies the whole table, and the others are found without a lock.
type table[K comparable, V any] struct {
	now atomic.Pointer[map[K]*V]
	mu  sync.Mutex // held while it grows
}

// at returns what belongs to key.
func (t *table[K, V]) at(key K) *V {
	if v, known := t.all()[key]; known {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, known := t.all()[key]; known {
		return v
	}
	grown := make(map[K]*V, len(t.all())+1)
	maps.Copy(grown, t.all())
	v := new(V)
	grown[key] = v
	t.now.Store(&grown)
	return v
}

// all is the table, which nobody may change.
func (t *table[K, V]) all() map[K]*V {
	if m := t.now.Load(); m != nil {
		return *m
	}
	return nil
}
