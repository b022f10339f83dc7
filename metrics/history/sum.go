package history

import "deadpixel/resolver"

// Sums are what happened in some time.
type Sums struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64 // by the list whose rule decided
	Companies map[string]*Company                 // the same, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                   // blocked, of companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64            // queries that looked for a way around
}

// Queries is how many there were.
func (s Sums) Queries() (n uint64) {
	for _, of := range s.Outcomes {
		n += of
	}
	return n
}

func (s Sums) blocked() uint64 { return s.Outcomes[resolver.Blocked] }

// Company is what was blocked of a company's. Nil is nothing.
type Company struct {
	Lists []List // in no order
	// Names is how many different names there were at least, so far on the day; of
	// several days, on the one with most.
	Names uint64
}

// List is what a list has blocked of something.
type List struct {
	Name    string
	Reasons [resolver.Reasons]uint64
}

// Untold stands for the list of what was blocked of a company before lists and reasons
// were kept; all of it counts as ByName, which it need not have been.
const Untold = ""

// Attempts is how much that was.
func (c *Company) Attempts() (n uint64) {
	if c == nil {
		return 0
	}
	for _, l := range c.Lists {
		for _, of := range l.Reasons {
			n += of
		}
	}
	return n
}

// Ways is where the blocked names stood, and of how many nobody knows.
func (c *Company) Ways() (ways [resolver.Reasons]uint64, untold uint64) {
	if c == nil {
		return ways, 0
	}
	for _, l := range c.Lists {
		if l.Name == Untold {
			untold += l.Reasons[resolver.ByName]
			continue
		}
		ways = plus(ways, l.Reasons)
	}
	return ways, untold
}

// Hidden is how much of that hid behind another name.
func (c *Company) Hidden() (n uint64) {
	ways, _ := c.Ways()
	for reason, of := range ways {
		if resolver.Reason(reason) != resolver.ByName {
			n += of
		}
	}
	return n
}

// Add adds what was blocked at another time.
func (c *Company) Add(o *Company) {
	c.Names = max(c.Names, o.Names)
	for _, l := range o.Lists {
		c.block(l.Name, l.Reasons)
	}
}

// block adds what a list has blocked.
func (c *Company) block(list string, reasons [resolver.Reasons]uint64) {
	for i := range c.Lists {
		if c.Lists[i].Name == list {
			c.Lists[i].Reasons = plus(c.Lists[i].Reasons, reasons)
			return
		}
	}
	c.Lists = append(c.Lists, List{list, reasons})
}

// sum is what happened in a minute, an hour or a day. The zero one is nothing.
type sum struct {
	Sums
	clients map[client]Use
	spelled map[string]string // texts of rows that were added, each once
}

// newSum is what counters have gained.
func newSum(c Counts) *sum {
	s := &sum{Sums: Sums{Outcomes: c.Outcomes, Blocked: c.Blocked, NoAccount: c.NoAccount, Escapes: c.Escapes}}
	for company, lists := range c.Owners {
		for list, reasons := range lists {
			s.company(company).block(list, reasons)
		}
	}
	return s
}

func (s *sum) empty() bool { return s.Queries() == 0 && len(s.clients) == 0 && len(s.Companies) == 0 }

// company is where what was blocked of a company is summed up.
func (s *sum) company(name string) *Company {
	c := s.Companies[name]
	if c == nil {
		if s.Companies == nil {
			s.Companies = map[string]*Company{}
		}
		c = new(Company)
		s.Companies[name] = c
	}
	return c
}

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
	for name, from := range o.Companies {
		s.company(name).Add(from)
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
