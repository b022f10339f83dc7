package history

import (
	"cmp"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Range is a time up to now, in columns.
type Range uint8

const (
	Day   Range = iota // 24 hours, by quarters of an hour
	Week               // 7 days, by hours
	Month              // 30 days, by days
)

// Column is how many queries there were in a part of a range.
type Column struct {
	From, Until      time.Time
	Queries, Blocked uint64
}

// Report is what happened in a range.
type Report struct {
	Columns []Column // the oldest first; the last is the present one
	Sums
}

// Read sums up a range. What cannot be read is told to the log, and missing.
func (h *History) Read(r Range) Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	of := newColumns(r, now, h.set.Zone)
	rep := Report{Columns: make([]Column, of.count)}
	for i := range rep.Columns {
		rep.Columns[i].From, rep.Columns[i].Until = of.at(i)
	}
	var all sum
	h.tellUnread(h.past(of.p, of.first, now, func(begin time.Time, add func(*sum) error) error {
		i, ok := of.find(begin)
		if !ok {
			return nil
		}
		queries, blocked := all.Queries(), all.blocked()
		err := add(&all)
		rep.Columns[i].Queries += all.Queries() - queries
		rep.Columns[i].Blocked += all.blocked() - blocked
		return err
	}))
	rep.Sums = all.Sums
	return rep
}

// CompanyColumn is what was blocked of a company in a part of a range.
type CompanyColumn struct {
	From, Until      time.Time
	Attempts, Hidden uint64
}

// CompanyReport is what was blocked of a company in a range.
type CompanyReport struct {
	Columns []CompanyColumn // as those of a Report
	Company
}

// ReadCompany sums up a range for one company. What cannot be read is told to the log,
// and missing.
func (h *History) ReadCompany(r Range, name string) CompanyReport {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	of := newColumns(r, now, h.set.Zone)
	rep := CompanyReport{Columns: make([]CompanyColumn, of.count)}
	for i := range rep.Columns {
		rep.Columns[i].From, rep.Columns[i].Until = of.at(i)
	}
	var all sum
	c := all.company(name)
	h.tellUnread(h.past(of.p, of.first, now, func(begin time.Time, add func(*sum) error) error {
		i, ok := of.find(begin)
		if !ok {
			return nil
		}
		attempts, hidden := c.Attempts(), c.Hidden()
		err := add(&all)
		rep.Columns[i].Attempts += c.Attempts() - attempts
		rep.Columns[i].Hidden += c.Hidden() - hidden
		return err
	}))
	rep.Company = *c
	return rep
}

// columns are the parts of a range, each of width periods.
type columns struct {
	first, width int64 // the first period, and how many make a column
	count        int
	p            period
	zone         *time.Location
}

// newColumns makes those of a range up to now. They begin at quarters of the hour also
// where a zone is off by some.
func newColumns(r Range, now time.Time, zone *time.Location) columns {
	c := columns{count: 30, width: 1, p: days, zone: zone}
	switch r {
	case Day:
		c.count, c.width, c.p = 96, 15, minutes
	case Week:
		c.count, c.p = 7*24, hours
	}
	c.first = (floor(c.p.number(now, zone), c.width) - int64(c.count) + 1) * c.width
	return c
}

// at is when a column begins and ends.
func (c columns) at(i int) (from, until time.Time) {
	n := c.first + int64(i)*c.width
	return c.p.begin(n, c.zone), c.p.begin(n+c.width, c.zone)
}

// find is the column in which a time lies.
func (c columns) find(t time.Time) (i int, ok bool) {
	n := floor(c.p.number(t, c.zone)-c.first, c.width)
	return int(n), n >= 0 && n < int64(c.count)
}

// past hands over the sums of p from its number first on, and of minutes that are not
// added up to one yet, without clients; so that each query is in one of them. The lock
// is held. What is in memory is handed over also when the file cannot be read.
func (h *History) past(p period, first int64, now time.Time, take func(begin time.Time, add func(*sum) error) error) error {
	var err error
	if h.store != nil {
		err = h.store.past(p, first, now, h.set, take)
	}
	kept := now.Add(-h.set.Keep)
	for at, row := range h.waiting {
		if begin := minutes.begin(at, nil); !begin.Before(kept) {
			_ = take(begin, func(s *sum) error { s.add(&sum{Sums: row.Sums}); return nil })
		}
	}
	return err
}

// past is History's of what is in the file.
func (s *store) past(p period, first int64, now time.Time, set Settings, take func(begin time.Time, add func(*sum) error) error) error {
	kept := now.Add(-set.Keep)
	return s.view(func(tx *bolt.Tx) error {
		rows := func(p period, first int64) error {
			return from(tx, p, first, func(n int64, v []byte) error {
				begin := p.begin(n, set.Zone)
				if begin.Before(kept) {
					return nil
				}
				return take(begin, func(s *sum) error { return s.addRow(v, false) })
			})
		}
		begin := p.begin(first, set.Zone)
		if p != minutes {
			if err := rows(p, first); err != nil {
				return err
			}
			begin = later(begin, p.begin(last(tx, p)+1, set.Zone)) // what is not added up yet
		}
		return rows(minutes, minutes.number(begin, nil))
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// look reads the file, if there is one. The lock is held.
func (h *History) look(at func(*bolt.Tx) error) {
	if h.store != nil {
		h.tellUnread(h.store.view(at))
	}
}

// tellUnread tells the log of an error of reading.
func (h *History) tellUnread(err error) {
	if err != nil {
		h.log.Error("the history cannot be read", "err", err)
		h.giveUp(err) // the next minute looks what can be done
	}
}

// Client is what came from a client today.
type Client struct {
	Name string // the hash of its address as hexadecimal, its name or address, or "" for all others
	Use
}

// Today are today's clients, who asked most first.
func (h *History) Today() []Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	var all sum
	begin := minutes.number(later(days.begin(days.number(now, h.set.Zone), h.set.Zone), now.Add(-h.set.Keep)), nil)
	spelled := map[string]string{}
	h.look(func(tx *bolt.Tx) error {
		return from(tx, minutes, begin, func(_ int64, v []byte) error { return eachClient(v, spelled, all.use) })
	})
	for at, row := range h.waiting {
		if at >= begin {
			for c, u := range row.clients {
				all.use(c, u)
			}
		}
	}
	clients := make([]Client, 0, len(all.clients))
	for c, u := range all.clients {
		clients = append(clients, Client{c.String(), u})
	}
	slices.SortFunc(clients, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Queries, a.Queries), cmp.Compare(a.Name, b.Name))
	})
	return clients
}

// Held is what there is, counted in memory and in the file.
type Held struct {
	File                 string // "" when everything is in memory
	Bytes                int64  // of the file
	Minutes, Hours, Days int    // sums on disk
	Waiting              int    // sums of minutes in memory, not written yet
	Clients              int    // told apart today
	Names                int    // blocked ones of companies of which hashes are in memory, today
	Key                  bool   // there is a key of today's hashes
	Aside                []string
	Oldest               time.Time // zero when there is nothing
	Until                time.Time // when that will be deleted
	Trouble              string    // why nothing can be written
}

// Held counts what there is.
func (h *History) Held() Held {
	clients := 0
	for _, c := range h.Today() {
		if c.Name != "" {
			clients++
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	held := Held{Waiting: len(h.waiting), Clients: clients, Names: h.names.held, Key: h.key.exists(), Trouble: h.trouble}
	if h.set.Dir != "" {
		held.Aside = asideIn(h.set.Dir)
	}
	oldest := func(p period, n int64) {
		begin := p.begin(n, h.set.Zone)
		if held.Oldest.IsZero() || begin.Before(held.Oldest) {
			held.Oldest = begin
		}
		if until := begin.Add(p.kept(h.set.Keep)); held.Until.IsZero() || until.Before(held.Until) {
			held.Until = until
		}
	}
	for at := range h.waiting {
		oldest(minutes, at)
	}
	h.look(func(tx *bolt.Tx) error {
		held.File, held.Bytes = h.store.path, tx.Size()
		return eachRow(tx, func(p period, n int64, _ []byte) error {
			switch p {
			case minutes:
				held.Minutes++
			case hours:
				held.Hours++
			case days:
				held.Days++
			}
			oldest(p, n)
			return nil
		})
	})
	return held
}
