package metrics

import "deadpixel/resolver"

// Counts are the counters of queries, without who asked or for what. They only grow.
type Counts struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64            // by the list whose rule decided
	Owners    map[string]map[string][resolver.Reasons]uint64 // the same, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                              // blocked, of companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64                       // queries that looked for a way around
}

// Outcomes adds up how queries have ended.
func (m *Metrics) Outcomes() (all [resolver.Outcomes]uint64) {
	for outcome := range resolver.Outcomes {
		for transport := range transports {
			all[outcome] += m.queries(outcome, transport)
		}
	}
	return all
}

// Counts adds up what the cores have counted.
func (m *Metrics) Counts() Counts {
	c := Counts{Outcomes: m.Outcomes(), Blocked: map[string][resolver.Reasons]uint64{}, Owners: map[string]map[string][resolver.Reasons]uint64{}, NoAccount: map[string]uint64{}}
	for i := range m.shards {
		s := &m.shards[i]
		for company, causes := range s.owners.all() {
			lists := c.Owners[company]
			if lists == nil {
				lists = map[string][resolver.Reasons]uint64{}
				c.Owners[company] = lists
			}
			for why, counted := range causes.all() {
				n := counted.Load()
				count(lists, why, n)
				count(c.Blocked, why, n)
			}
		}
		for name, n := range s.noAccount.all() {
			c.NoAccount[name] += n.Load()
		}
		for kind := range s.escapes {
			c.Escapes[kind] += s.escapes[kind].Load()
		}
	}
	return c
}

// count adds to what was blocked for one cause.
func count(lists map[string][resolver.Reasons]uint64, why cause, n uint64) {
	reasons := lists[why.list]
	reasons[why.reason] += n
	lists[why.list] = reasons
}

// OneSource says whether, as far as can be told, all queries of the day come from one
// address.
func (m *Metrics) OneSource() bool { return m.sources.one() }

// Sources is how many addresses there is a hash of: one at most.
func (m *Metrics) Sources() int { return m.sources.held() }

// Forget erases the hash of an address. The counters stay: Prometheus takes counters
// that go back for a restart, and they tell nothing about a time.
func (m *Metrics) Forget() { m.sources.forget() }
