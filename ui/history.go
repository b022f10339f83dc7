package ui

import (
	"net/http"
	"time"
)

// Range is a time up to now, as the page and the API name it.
type Range string

const (
	Day   Range = "24h" // in columns of a quarter of an hour
	Week  Range = "7d"  // of an hour
	Month Range = "30d" // of a day
)

// span is a range in words.
type span struct {
	Range
	Words  string // after "the last"
	Column string // after "in every"
}

// newSpan is the one that is asked for: the first when none is, or one that is not
// known, which is not ok.
func newSpan(written string) (s span, ok bool) {
	for _, s := range spans {
		if string(s.Range) == written {
			return s, true
		}
	}
	return spans[0], written == ""
}

// Use is how many queries came from a client today.
type Use struct {
	Client  string `json:"client"` // "" is all whom the form of clients does not tell apart
	Queries uint64 `json:"queries"`
	Blocked uint64 `json:"blocked"`
}

// Held is what the history has, counted there.
type Held struct {
	File    string     `json:"file"` // "" when all is in memory
	Bytes   int64      `json:"bytes"`
	Minutes int        `json:"minutes"`
	Hours   int        `json:"hours"`
	Days    int        `json:"days"`
	Waiting int        `json:"minutes_in_memory"`
	Form    string     `json:"clients"` // as configured
	Clients int        `json:"clients_today"`
	Names   int        `json:"names_hashed"` // blocked today, of which hashes are in memory
	Key     bool       `json:"key_of_today"`
	Aside   []string   `json:"damaged,omitempty"` // files that were set aside
	Oldest  *time.Time `json:"oldest"`            // null when there is nothing
	Until   *time.Time `json:"deleted"`           // when the first of it will be
	Keep    string     `json:"keep"`
	Trouble string     `json:"trouble,omitempty"` // why it cannot be written
}

// history answers with the numbers of a range, and who asked today to those who may
// change something.
func (p *Page) history(w http.ResponseWriter, r *http.Request) {
	s, ok := newSpan(r.URL.Query().Get("range"))
	if !ok {
		fail(w, http.StatusBadRequest, "the range is 24h, 7d or 30d")
		return
	}
	stats := p.Stats(s.Range)
	answer := historyAnswer{
		Range: s.Range, Columns: stats.Columns, Queries: stats.Queries, Blocked: stats.Blocked, ByOutcome: stats.Outcomes, ByList: stats.Lists,
		ByOwner: stats.Companies, NoAccount: stats.NoAccount, Escapes: stats.Escapes,
	}
	if status, _ := p.may(r, ToRead); status == 0 {
		today := p.Today()
		answer.Today = &today
	}
	reply(w, http.StatusOK, answer)
}
