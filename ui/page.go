package ui

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// view is what the template shows.
type view struct {
	Version   string
	Blocking  Blocking
	Stats     Stats
	Share     string
	Plot      plot
	Lists     []listing
	Upstreams []Upstream
	Answers   bool // some upstream does
	Companies []bar
	NoAccount []bar
	Tried     uint64 // how often those of NoAccount were blocked
	Around    waysAround
	Who       who
	Asked     Question
	Types     []string // that can be asked for without writing one
	Answer    *answer
	Problem   string
	MayChange bool
	Requests  []Request // that wait, for who may answer them
	Written   Written   // likewise
	SignedIn  bool
	Password  bool // there is one
}

// listing is a list with what is said about its popular names.
type listing struct {
	List
	Held  []PopularRule // the first of those held back
	Used  []PopularRule // the first of those in use
	Quiet int           // how many are not among these
}

// saidRules is how many rules about popular names the page names of a list, held
// back and in use each.
const saidRules = 5

func newListing(l List) listing {
	v := listing{List: l}
	for _, r := range l.Popular {
		said := &v.Used
		if r.Held {
			said = &v.Held
		}
		if len(*said) < saidRules {
			*said = append(*said, r)
		} else {
			v.Quiet++
		}
	}
	return v
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

// topCompanies is how many companies the page names.
const topCompanies = 8

// answer is an explanation with whom it is for.
type answer struct {
	Explanation
	For string
}

func newAnswer(e Explanation, asked Question) *answer {
	return &answer{e, cmp.Or(e.Client, asked.Client, "this device")}
}

// few says whether rules are so few that they are shown without being asked for.
func few(rules []Rule) bool { return len(rules) <= 3 }

// commonTypes are the record types that the page offers.
func commonTypes(asked string) []string {
	types := []string{"A", "AAAA", "HTTPS", "CNAME", "ANY"}
	if asked != "" && !slices.Contains(types, asked) {
		types = append(types, asked)
	}
	return types
}

func (p *Page) index(w http.ResponseWriter, r *http.Request) {
	stats := p.Stats()
	status, _ := p.may(r)
	v := view{Version: p.Version, Blocking: p.Blocker.Blocking(), Stats: stats, Share: share(stats.Blocked, stats.Queries),
		Plot: newPlot(stats.Minutes, p.Zone), Upstreams: p.Upstreams(),
		Companies: newBars(stats.Companies), NoAccount: newBars(stats.NoAccount),
		MayChange: status == 0, SignedIn: p.sessions.has(r), Password: p.PasswordHash != ""}
	if v.MayChange {
		v.Requests, v.Written = p.open(), p.Rules.Written()
	}
	v.Who = p.who(v.Blocking)
	all := p.Lists.Lists()
	v.Around = newWaysAround(stats.Escapes, all)
	for _, l := range all {
		v.Lists = append(v.Lists, newListing(l))
	}
	for _, c := range stats.NoAccount {
		v.Tried += c.Count
	}
	for _, u := range v.Upstreams {
		v.Answers = v.Answers || u.Healthy
	}
	v.Asked = newQuestion(r.URL.Query())
	v.Types = commonTypes(v.Asked.Type)
	if v.Asked.Name != "" {
		asked := v.Asked
		if asked.Client == "" {
			asked.Client = client(r).String()
		}
		e, err := p.Explain(r.Context(), asked)
		if err != nil {
			v.Problem = err.Error()
		}
		if e.Name != "" { // the rules are known even when no upstream answers
			v.Answer = newAnswer(e, v.Asked)
		}
	}
	p.render(w, http.StatusOK, "index.html", v)
}

func (p *Page) render(w http.ResponseWriter, status int, name string, v any) {
	var b bytes.Buffer
	if err := p.page.ExecuteTemplate(&b, name, v); err != nil {
		p.Log.Error("the page cannot be shown", "err", err)
		fail(w, http.StatusInternalServerError, "the page cannot be shown; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	b.WriteTo(w)
}

// share is a part in percent, as people read it.
func share(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	percent := 100 * float64(part) / float64(whole)
	if percent > 0 && percent < 10 {
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(math.Round(percent), 'f', 0, 64) + " %"
}

// sentence makes one of a phrase, such as a note.
func sentence(phrase string) string {
	first, size := utf8.DecodeRuneInString(phrase)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(phrase[size:], ".") + "."
}

// words makes a category readable.
func words(category string) string { return strings.ReplaceAll(category, "_", " ") }

// number groups the digits of n with narrow spaces.
func number(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// ago says how long t is past, or ahead.
func (p *Page) ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	d := time.Since(*t)
	if d < 0 {
		return "in " + rough(-d)
	}
	return rough(d) + " ago"
}

func rough(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / unit.size); n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		} else if n == 1 {
			return "1 " + unit.name
		}
	}
	return "a moment"
}

// at is t for what takes a time that may be missing.
func at(t time.Time) *time.Time { return &t }

// span is how long something lasts, in whole units.
func span(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / unit.size); d%unit.size == 0 && n == 1 {
			return "1 " + unit.name
		} else if d%unit.size == 0 && n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}

// clock is the time of day, with the day when that is another.
func (p *Page) clock(t *time.Time) string {
	if t == nil {
		return ""
	}
	local, now := t.In(p.Zone), time.Now().In(p.Zone)
	if local.YearDay() != now.YearDay() || local.Year() != now.Year() {
		return local.Format("Mon 2 Jan, 15:04")
	}
	return local.Format("15:04")
}
