package history

import (
	"cmp"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"deadpixel/resolver"
)

// Range is a time up to now, in columns.
type Range uint8

const (
	Day   Range = iota // 24 hours, by quarters of an hour
	Week               // 7 days, by hours
	Month              // 30 days, by days
)

// column is how many there are in a range, how many periods make one, and which.
func (r Range) columns() (count, width int64, p period) {
	switch r {
	case Day:
		return 96, 15, minutes
	case Week:
		return 7 * 24, 1, hours
	}
	return 30, 1, days
}

// Column is how many queries there were in a part of a range.
type Column struct {
	From, Until      time.Time
	Queries, Blocked uint64
}

// Report is what happened in a range.
type Report struct {
	Columns []Column // the oldest first; the last is the present one
	Counts
}

// Read sums up a range. What cannot be read is told to the log, and missing.
func (h *History) Read(r Range) Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	count, width, p := r.columns()
	// Columns begin at quarters of the hour also where a zone is off by some.
	first := (floor(p.number(now, h.set.Zone), width) - count + 1) * width
	rep := Report{Columns: make([]Column, count)}
	for i := range rep.Columns {
		n := first + int64(i)*width
		rep.Columns[i].From, rep.Columns[i].Until = p.begin(n, h.set.Zone), p.begin(n+width, h.set.Zone)
	}
	kept := now.Add(-h.set.Keep)
	var all sum
	take := func(q period, n int64, add func(*sum) error) error {
		begin := q.begin(n, h.set.Zone)
		i := floor(p.number(begin, h.set.Zone)-first, width)
		if i < 0 || i >= count || begin.Before(kept) {
			return nil
		}
		queries, blocked := all.Queries(), all.blocked()
		err := add(&all)
		rep.Columns[i].Queries += all.Queries() - queries
		rep.Columns[i].Blocked += all.blocked() - blocked
		return err
	}
	h.look(func(tx *bolt.Tx) error {
		begin := rep.Columns[0].From
		if p != minutes {
			if err := from(tx, p, first, func(n int64, v []byte) error {
				return take(p, n, func(s *sum) error { return s.addRow(v, false) })
			}); err != nil {
				return err
			}
			begin = later(begin, p.begin(last(tx, p)+1, h.set.Zone)) // what is not added up yet
		}
		return from(tx, minutes, minutes.number(begin, nil), func(n int64, v []byte) error {
			return take(minutes, n, func(s *sum) error { return s.addRow(v, false) })
		})
	})
	for at, row := range h.waiting {
		_ = take(minutes, at, func(s *sum) error { s.add(&sum{Counts: row.Counts}); return nil })
	}
	rep.Counts = all.Counts
	return rep
}

func (c Counts) blocked() uint64 { return c.Outcomes[resolver.Blocked] }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// look reads the file, if there is one. The lock is held.
func (h *History) look(at func(*bolt.Tx) error) {
	if h.store == nil {
		return
	}
	if err := h.store.view(at); err != nil {
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
	h.look(func(tx *bolt.Tx) error {
		return from(tx, minutes, begin, func(_ int64, v []byte) error { return all.addRow(v, true) })
	})
	for at, row := range h.waiting {
		if at >= begin {
			all.add(row)
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
	held := Held{Waiting: len(h.waiting), Clients: clients, Key: h.key.exists(), Trouble: h.trouble}
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
