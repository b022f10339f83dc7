package history

import (
	"deadpixel/resolver"
)

// Counts are counters, or what they have gained in some time.
type Counts struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64            // by the list whose rule decided
	Owners    map[string]map[string][resolver.Reasons]uint64 // the same, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                              // blocked, of companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64                       // queries that looked for a way around
}

// Untold stands for the list of what was blocked of a company before lists and reasons
// were kept beside it; all of it counts as ByName there, which it need not have been.
const Untold = ""

// Queries is how many there were.
func (c Counts) Queries() (n uint64) {
	for _, of := range c.Outcomes {
		n += of
	}
	return n
}

// since is what the counters have gained over an older reading of them.
func (c Counts) since(old Counts) Counts {
	gain := Counts{Outcomes: c.Outcomes, Escapes: c.Escapes, Blocked: gained(c.Blocked, old.Blocked),
		Owners: map[string]map[string][resolver.Reasons]uint64{}, NoAccount: map[string]uint64{}}
	for i, n := range old.Outcomes {
		gain.Outcomes[i] -= n
	}
	for i, n := range old.Escapes {
		gain.Escapes[i] -= n
	}
	for company, lists := range c.Owners {
		if lists := gained(lists, old.Owners[company]); len(lists) > 0 {
			gain.Owners[company] = lists
		}
	}
	for company, n := range c.NoAccount {
		if before := old.NoAccount[company]; n > before {
			gain.NoAccount[company] = n - before
		}
	}
	return gain
}

// gained is what was blocked by lists since an older reading.
func gained(now, old map[string][resolver.Reasons]uint64) map[string][resolver.Reasons]uint64 {
	gain := map[string][resolver.Reasons]uint64{}
	for list, reasons := range now {
		for i, n := range old[list] {
			reasons[i] -= n
		}
		if reasons != [resolver.Reasons]uint64{} {
			gain[list] = reasons
		}
	}
	return gain
}

// sum is what happened in a minute, an hour or a day. The zero one is nothing.
type sum struct {
	Counts
	names   map[string]uint64 // of companies, different ones that were blocked so far on the day; of several days, on the one with most
	clients map[client]Use
	spelled map[string]string // texts of rows that were added, each once
}

func (s *sum) empty() bool { return s.Queries() == 0 && len(s.clients) == 0 && len(s.names) == 0 }

// use adds what came from a client.
func (s *sum) use(c client, u Use) {
	if s.clients == nil {
		s.clients = map[client]Use{}
	}
	if _, known := s.clients[c]; !known && len(s.clients) >= maxClients {
		c = others
	}
	old := s.clients[c]
	s.clients[c] = Use{old.Queries + u.Queries, old.Blocked + u.Blocked}
}

// strip makes clients be others, and says whether there was one.
func (s *sum) strip(which func(client) bool) bool {
	found := false
	for c, u := range s.clients {
		if c != others && which(c) {
			delete(s.clients, c)
			s.use(others, u)
			found = true
		}
	}
	return found
}

func (s *sum) add(o *sum) {
	for i, n := range o.Outcomes {
		s.Outcomes[i] += n
	}
	for i, n := range o.Escapes {
		s.Escapes[i] += n
	}
	for list, reasons := range o.Blocked {
		s.block(list, reasons)
	}
	for company, lists := range o.Owners {
		for list, reasons := range lists {
			s.own(company, list, reasons)
		}
	}
	for company, n := range o.names {
		s.differ(company, n)
	}
	for company, n := range o.NoAccount {
		s.miss(company, n)
	}
	for c, u := range o.clients {
		s.use(c, u)
	}
}

// block adds what a list has blocked.
func (s *sum) block(list string, reasons [resolver.Reasons]uint64) {
	if s.Blocked == nil {
		s.Blocked = map[string][resolver.Reasons]uint64{}
	}
	s.Blocked[list] = plus(s.Blocked[list], reasons)
}

// own adds what a list has blocked of a company.
func (s *sum) own(company, list string, reasons [resolver.Reasons]uint64) {
	if s.Owners == nil {
		s.Owners = map[string]map[string][resolver.Reasons]uint64{}
	}
	lists := s.Owners[company]
	if lists == nil {
		lists = map[string][resolver.Reasons]uint64{}
		s.Owners[company] = lists
	}
	lists[list] = plus(lists[list], reasons)
}

// differ notes how many different names of a company were blocked so far on a day.
func (s *sum) differ(company string, n uint64) {
	if s.names == nil {
		s.names = map[string]uint64{}
	}
	if n > s.names[company] {
		s.names[company] = n
	}
}

// miss adds what was blocked of a company that nobody has an account with.
func (s *sum) miss(company string, n uint64) {
	if s.NoAccount == nil {
		s.NoAccount = map[string]uint64{}
	}
	s.NoAccount[company] += n
}

func plus(a, b [resolver.Reasons]uint64) [resolver.Reasons]uint64 {
	for i, n := range b {
		a[i] += n
	}
	return a
}
