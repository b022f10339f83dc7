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
	owners    table[string, company]
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

// company counts the blocked queries for the names of one company.
type company struct {
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

// count counts one query; owner names the company behind a blocked name.
func (s *shard) count(e *resolver.Event, owner func([]byte) string) {
	s.queries[e.Outcome][e.Transport].Add(1)
	at := e.Time.Unix()
	m := &s.minutes[at/60%minuteRing]
	m.begin(at/60, &m.queries, &m.blocked)
	m.queries.Add(1)
	if e.Outcome != resolver.Dropped {
		s.durations[e.Outcome].observe(e.Duration, queryLimits)
	}
	if e.Outcome != resolver.Blocked {
		return
	}
	m.blocked.Add(1)
	s.blocked.at(cause{e.List, e.Reason}).Add(1)
	s.company(owner(e.BlockedName()), at)
}

// company counts a query that was blocked for a name of the company, which is ""
// when nobody knows whose name it is.
func (s *shard) company(name string, at int64) {
	c := s.owners.at(name)
	c.total.Add(1)
	h := &c.hours[at/3600%hourRing]
	h.begin(at/3600, &h.count)
	h.count.Add(1)
}

// forget erases what tells about a time.
func (s *shard) forget() {
	for i := range s.minutes {
		m := &s.minutes[i]
		m.at.Store(0)
		m.queries.Store(0)
		m.blocked.Store(0)
	}
	for _, c := range s.owners.all() {
		for i := range c.hours {
			c.hours[i].at.Store(0)
			c.hours[i].count.Store(0)
		}
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
