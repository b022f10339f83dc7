package metrics

import (
	"cmp"
	"slices"
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

// What is kept for the page: minutes, and hours of each company. The rings leave
// room for the one that begins while the oldest is read.
const (
	keptMinutes = 24 * 60
	keptHours   = 24
	minuteRing  = keptMinutes + 1
	hourRing    = keptHours + 1
)

// Forget erases the sums by minute and hour. The counters stay: Prometheus takes
// counters that go back for a restart, and they tell nothing about a time.
func (m *Metrics) Forget() {
	for i := range m.shards {
		m.shards[i].forget()
	}
}

// Summary sums up the last 24 hours; top bounds the companies.
func (m *Metrics) Summary(now time.Time, top int) Summary {
	s := Summary{Outcomes: map[string]uint64{}}
	for outcome := range resolver.Outcomes {
		for transport := range transports {
			s.Outcomes[outcome.String()] += m.queries(outcome, transport)
		}
	}
	last := now.Unix() / 60
	for at := last - keptMinutes + 1; at <= last; at++ {
		one := Minute{Time: time.Unix(at*60, 0)}
		for i := range m.shards {
			if c := &m.shards[i].minutes[at%minuteRing]; c.at.Load() == at {
				one.Queries += c.queries.Load()
				one.Blocked += c.blocked.Load()
			}
		}
		s.Minutes = append(s.Minutes, one)
		s.Queries += one.Queries
		s.Blocked += one.Blocked
	}
	s.Top = m.top(now.Unix()/3600, top)
	return s
}

// top are the n companies that were blocked most in the hours up to now.
func (m *Metrics) top(now int64, n int) []Company {
	sums := map[string]uint64{}
	for i := range m.shards {
		for name, company := range m.shards[i].owners.all() {
			for h := range company.hours {
				if c := &company.hours[h]; c.at.Load() > now-keptHours && name != "" {
					sums[name] += c.count.Load()
				}
			}
		}
	}
	var all []Company
	for name, count := range sums {
		all = append(all, Company{name, count})
	}
	slices.SortFunc(all, func(a, b Company) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(n, len(all))]
}
