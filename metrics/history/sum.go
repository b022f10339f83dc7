package history

import (
	"deadpixel/resolver"
)

// Counts are counters, or what they have gained in some time.
type Counts struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64 // by the list whose rule decided
	Owners    map[string]uint64                   // blocked, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                   // of these, the companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64            // queries that looked for a way around
}

// Queries is how many there were.
func (c Counts) Queries() (n uint64) {
	for _, of := range c.Outcomes {
		n += of
	}
	return n
}

// since is what the counters have gained over an older reading of them.
func (c Counts) since(old Counts) Counts {
	gain := Counts{Outcomes: c.Outcomes, Escapes: c.Escapes, Blocked: map[string][resolver.Reasons]uint64{}, Owners: gained(c.Owners, old.Owners), NoAccount: gained(c.NoAccount, old.NoAccount)}
	for i, n := range old.Outcomes {
		gain.Outcomes[i] -= n
	}
	for i, n := range old.Escapes {
		gain.Escapes[i] -= n
	}
	for list, reasons := range c.Blocked {
		for i, n := range old.Blocked[list] {
			reasons[i] -= n
		}
		if reasons != [resolver.Reasons]uint64{} {
			gain.Blocked[list] = reasons
		}
	}
	return gain
}

func gained(now, old map[string]uint64) map[string]uint64 {
	gain := map[string]uint64{}
	for name, n := range now {
		if n > old[name] {
			gain[name] = n - old[name]
		}
	}
	return gain
}

// sum is what happened in a minute, an hour or a day. The zero one is nothing.
type sum struct {
	Counts
	clients map[client]Use
}

func (s *sum) empty() bool { return s.Queries() == 0 && len(s.clients) == 0 }

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
	merge(&s.Owners, o.Owners)
	merge(&s.NoAccount, o.NoAccount)
	for c, u := range o.clients {
		s.use(c, u)
	}
}

func (s *sum) block(list string, reasons [resolver.Reasons]uint64) {
	if s.Blocked == nil {
		s.Blocked = map[string][resolver.Reasons]uint64{}
	}
	for i, n := range s.Blocked[list] {
		reasons[i] += n
	}
	s.Blocked[list] = reasons
}

func merge(into *map[string]uint64, from map[string]uint64) {
	if *into == nil {
		*into = map[string]uint64{}
	}
	for name, n := range from {
		(*into)[name] += n
	}
}
