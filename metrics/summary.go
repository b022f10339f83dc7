package metrics

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/resolver"
)

// Minute is what happened in one minute.
type Minute struct {
	Time             time.Time // its beginning
	Queries, Blocked uint64
}

// Company is how often a company was blocked.
type Company struct {
	Name  string
	Count uint64
}

// Summary is what the page shows of the counters.
type Summary struct {
	Outcomes map[string]uint64 // since the start
	Minutes  []Minute          // the last 24 hours, oldest first, the present minute last
	Queries  uint64            // of those
	Blocked  uint64            // of those
	Top      []Company         // of those, the most blocked first
}

// kept is how many minutes are summed; ringSize leaves room for the one that
// begins while the oldest is read.
const (
	kept     = 24 * 60
	ringSize = kept + 1
)

// summary sums by the minute in a fixed ring, and companies by the hour.
type summary struct {
	start   time.Time
	minutes [ringSize]minute

	mu    sync.Mutex
	hours [25]hour
}

// minute counts without a lock: whoever first meets an old one clears it.
type minute struct {
	at               atomic.Int64 // minutes since 1970
	queries, blocked atomic.Uint64
}

type hour struct {
	at        int64 // hours since 1970
	companies map[string]uint64
}

func (s *summary) count(t time.Time, blocked bool) {
	at := t.Unix() / 60
	m := &s.minutes[at%ringSize]
	if old := m.at.Load(); old != at && m.at.CompareAndSwap(old, at) {
		m.queries.Store(0)
		m.blocked.Store(0)
	}
	m.queries.Add(1)
	if blocked {
		m.blocked.Add(1)
	}
}

func (s *summary) company(t time.Time, name string) {
	at := t.Unix() / 3600
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hours[at%int64(len(s.hours))]
	if h.at != at || h.companies == nil {
		*h = hour{at, map[string]uint64{}}
	}
	h.companies[name]++
}

// Forget erases the sums by minute and hour. The counters stay: Prometheus takes
// counters that go back for a restart, and they tell nothing about a time.
func (m *Metrics) Forget() {
	for i := range m.summary.minutes {
		m.summary.minutes[i].at.Store(0)
	}
	m.summary.mu.Lock()
	defer m.summary.mu.Unlock()
	clear(m.summary.hours[:])
}

// Summary sums up the last 24 hours; top bounds the companies.
func (m *Metrics) Summary(now time.Time, top int) Summary {
	s := Summary{Outcomes: map[string]uint64{}}
	for outcome := range resolver.Outcomes {
		s.Outcomes[outcome.String()] = m.totals[outcome].Load()
	}
	last := now.Unix() / 60
	for at := last - kept + 1; at <= last; at++ {
		c := &m.summary.minutes[at%ringSize]
		one := Minute{Time: time.Unix(at*60, 0)}
		if c.at.Load() == at {
			one.Queries, one.Blocked = c.queries.Load(), c.blocked.Load()
		}
		s.Minutes = append(s.Minutes, one)
		s.Queries += one.Queries
		s.Blocked += one.Blocked
	}
	s.Top = m.summary.top(now, top)
	return s
}

func (s *summary) top(now time.Time, n int) []Company {
	sums := map[string]uint64{}
	s.mu.Lock()
	for i := range s.hours {
		if h := &s.hours[i]; h.at > now.Unix()/3600-24 {
			for name, count := range h.companies {
				sums[name] += count
			}
		}
	}
	s.mu.Unlock()
	var all []Company
	for name, count := range sums {
		all = append(all, Company{name, count})
	}
	slices.SortFunc(all, func(a, b Company) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(n, len(all))]
}
