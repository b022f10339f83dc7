package ui

import (
	"net/http"
	"time"
)

// index is the front page: how things stand now.
type index struct {
	frame
	Blocking  Blocking
	Answers   bool   // some upstream does
	Health    string // of lists and upstreams, in words
	Today     Stats  // since midnight, as far as there are sums
	Felt      Felt
	Stats     Stats // of the range
	Span      span
	Spans     []span
	Figure    figure
	Lists     []List
	Rules     int // in all of them
	HeldBack  int // new rules that wait to be accepted
	Upstreams []Upstream
	Companies []bar
	NoAccount []bar
	Tried     uint64 // how often those of NoAccount were blocked
	Around    waysAround
	Who       who
	Requests  []Request // that wait, for who may answer them
	Written   Written   // likewise
	Back      string    // where what is done about those leads
}

// Felt is how long people waited for answers of late.
type Felt struct {
	Half    time.Duration // half of the answers took no longer
	Most    time.Duration // of a hundred, 99
	Answers uint64
	Over    time.Duration // in how long a time
}

// bar is a company with the length of its bar, of 100.
type bar struct {
	Company
	Width float64
}

// newBars are the first of some companies, of which the first has the longest bar.
func newBars(companies []Company) []bar {
	var bars []bar
	for _, c := range companies[:min(len(companies), topCompanies)] {
		bars = append(bars, bar{c, 100 * float64(c.Count) / float64(max(companies[0].Count, 1))})
	}
	return bars
}

// topCompanies is how many companies the front page names.
const topCompanies = 8

func (p *Page) index(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Get("name") != "" { // the box was here
		http.Redirect(w, r, p.to("/why?"+q.Encode()), http.StatusSeeOther)
		return
	}
	asked, _ := newSpan(r.URL.Query().Get("range"))
	stats := p.Stats(asked.Range)
	today, ok := p.sinceMidnight(stats.Columns)
	if !ok {
		today, _ = p.sinceMidnight(p.Stats(Day).Columns)
	}
	all := p.Lists.Lists()
	v := index{frame: p.frame(r, "", "/"), Back: "/", Blocking: p.Blocker.Blocking(), Stats: stats, Today: today, Felt: p.Felt(),
		Span: asked, Spans: spans, Figure: newQueriesFigure(stats, asked, p.Zone), Upstreams: p.Upstreams(),
		Companies: newBars(stats.Companies), NoAccount: newBars(stats.NoAccount), Around: newWaysAround(stats.Escapes, all)}
	if v.MayChange {
		v.Requests, v.Written = p.open(), p.Rules.Written()
	}
	v.Who = p.who(v.Blocking)
	v.Lists = all
	for _, l := range all {
		v.Rules += l.Entries
		for _, rule := range l.Popular {
			if rule.Held {
				v.HeldBack++
			}
		}
	}
	for _, c := range stats.NoAccount {
		v.Tried += c.Count
	}
	for _, u := range v.Upstreams {
		v.Answers = v.Answers || u.Healthy
	}
	v.Health = p.health(all, v.Upstreams)
	p.show(w, r, http.StatusOK, "index.html", v)
}

// sinceMidnight adds up those columns that are of today; it is not ok where none begins at
// midnight.
func (p *Page) sinceMidnight(columns []Column) (today Stats, ok bool) {
	now := time.Now().In(p.Zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, p.Zone)
	for _, c := range columns {
		ok = ok || c.From.Equal(midnight)
		if !c.From.Before(midnight) {
			today.Queries += c.Queries
			today.Blocked += c.Blocked
		}
	}
	return today, ok
}
