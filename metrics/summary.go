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
	Without  []Company         // of those, the companies that nobody has an account with
	Escapes  map[string]uint64 // of those, the queries that looked for a way around, by kind

	OneSource bool // as far as can be told, all queries come from one address
}

// What is kept for the page: minutes, and hours of each company. The rings leave
// room for the one that begins while the oldest is read.
const (
	keptMinutes = 24 * 60
	keptHours   = 24
	minuteRing  = keptMinutes + 1
	hourRing    = keptHours + 1
)

// Forget erases the sums by minute and hour, and the hash of an address. The
// counters stay: Prometheus takes counters that go back for a restart, and they tell
// nothing about a time.
func (m *Metrics) Forget() {
	m.sources.forget()
	for i := range m.shards {
		m.shards[i].forget()
	}
}

// OneSource says whether all queries come from one address, as far as can be told.
func (m *Metrics) OneSource() bool { return m.sources.one() }

// Sources is how many addresses there is a hash of: one at most.
func (m *Metrics) Sources() int { return m.sources.held() }

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
	hour := now.Unix() / 3600
	s.Top = m.top(func(s *shard) *table[string, hourly] { return &s.owners }, hour)
	s.Top = s.Top[:min(top, len(s.Top))]
	s.Without = m.top(func(s *shard) *table[string, hourly] { return &s.noAccount }, hour)
	s.Escapes = map[string]uint64{}
	for kind := resolver.ByCanary; kind < resolver.Escapes; kind++ {
		for i := range m.shards {
			s.Escapes[kind.String()] += m.shards[i].escapes[kind].since(hour - keptHours)
		}
	}
	s.OneSource = m.sources.one()
	return s
}

// top are the companies of a table in the hours up to now, the most counted first.
func (m *Metrics) top(of func(*shard) *table[string, hourly], now int64) []Company {
	sums := map[string]uint64{}
	for i := range m.shards {
		for name, company := range of(&m.shards[i]).all() {
			if n := company.since(now - keptHours); n > 0 && name != "" {
				sums[name] += n
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
	return all
}
