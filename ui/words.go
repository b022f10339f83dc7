package ui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// All that the page says is here and in templates/, so that it can be said in another
// language. What the API says to programs stays English, beside what it is about.

// health says how lists and upstreams are, in a sentence each.
func (p *Page) health(lists []List, upstreams []Upstream) string {
	return p.listHealth(lists) + " " + upstreamHealth(upstreams)
}

// late is how long past its time a list's next fetch may be before that is said.
const late = time.Hour

func (p *Page) listHealth(lists []List) string {
	var bad []string
	for _, l := range lists {
		switch {
		case l.Updated == nil:
			bad = append(bad, fmt.Sprintf("The list %s has not been fetched yet.", l.Name))
		case l.LastError != "":
			bad = append(bad, fmt.Sprintf("The list %s could not be fetched; its copy of %s is in use.", l.Name, p.ago(l.Updated)))
		case l.Next != nil && time.Since(*l.Next) > late:
			bad = append(bad, fmt.Sprintf("The list %s should have been fetched %s.", l.Name, p.ago(l.Next)))
		}
	}
	switch {
	case len(lists) == 0:
		return "There is no list."
	case len(bad) == 0 && len(lists) == 1:
		return "The list is fresh."
	case len(bad) == 0:
		return "All lists fresh."
	case len(bad) == 1:
		return bad[0]
	}
	return fmt.Sprintf("%d of %d lists have a problem.", len(bad), len(lists))
}

func upstreamHealth(upstreams []Upstream) string {
	var times []float64
	for _, u := range upstreams {
		if u.Healthy {
			times = append(times, u.LatencyMS)
		}
	}
	switch {
	case len(upstreams) == 0:
		return "There is no upstream."
	case len(times) == 0:
		return "No upstream answers: only what is stored can be answered."
	}
	slices.Sort(times)
	return fmt.Sprintf("%d of %s answering in %s.", len(times), many(len(upstreams), "upstream"), milliseconds(times[len(times)/2]))
}

// milliseconds writes a latency with two digits that count.
func milliseconds(ms float64) string {
	switch {
	case ms >= 9.5:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 0.95:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// many is a count with what is counted.
func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// share is a part in percent, as people read it.
func share(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	percent := 100 * float64(part) / float64(whole)
	switch {
	case percent >= 99.5 && part < whole: // but not all
		return strconv.FormatFloat(math.Floor(10*percent)/10, 'f', 1, 64) + " %"
	case percent > 0 && percent < 10:
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

// units are those of durations in words, the longest first.
var units = []struct {
	size time.Duration
	name string
}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}

// rough is a duration in the largest unit of which it has one.
func rough(d time.Duration) string {
	for _, unit := range units {
		if n := int(d / unit.size); n > 0 {
			return many(n, unit.name)
		}
	}
	return "a moment"
}

// lasting is how long something lasts, in whole units.
func lasting(d time.Duration) string {
	for _, unit := range units {
		if n := int(d / unit.size); n > 0 && d%unit.size == 0 {
			return many(n, unit.name)
		}
	}
	return d.String()
}

// at is t for what takes a time that may be missing.
func at(t time.Time) *time.Time { return &t }

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

// says is how a group or a client stands by itself.
func (p *Page) says(b Blocking, s Switch) string {
	switch {
	case s.Never:
		return "never blocks"
	case s.Own && !b.Enabled:
		return "paused with everybody, and by itself"
	case !b.Enabled:
		return "paused with everybody"
	case s.Own && s.Until != nil:
		return "paused until " + p.clock(s.Until)
	case s.Own:
		return "paused until somebody resumes"
	}
	return "blocked as configured"
}

// Why is why it was blocked, in words.
func (n RecentName) Why() string {
	by, has := "the list "+n.List, " has"
	switch n.List {
	case "canary":
		return "it asks whether programs may go around this house's DNS, and they may not"
	case "rebind":
		return "it leads to an address inside the house, which a name of the internet has no business to"
	case "config":
		by, has = "a rule of this house", " is against"
	}
	switch n.Reason {
	case "cname":
		return "it is another name for " + n.Behind + ", which " + by + has
	case "https":
		return "it leads to " + n.Behind + ", which " + by + has
	case "address":
		return "it leads to an address that " + by + has
	}
	return by + has + " it"
}

// throughProxy says why nothing can be told or done for a device.
const throughProxy = "The page was asked for through a proxy that [web] trusted_proxies does not name, so nobody can say which device you sit at."

// Titles of pages, and what is said in passing.
const (
	refusedTitle   = "That did not work"
	companiesTitle = "Who tried to follow you"
	whyTitle       = "Why is this name blocked?"
	recentTitle    = "What broke just now?"
	liveTitle      = "Blocked as you watch"
	queriesTitle   = "Queries that are kept"
	listsTitle     = "Lists"
	clientsTitle   = "Groups and clients"
	configTitle    = "The configuration as it runs"
	privacyTitle   = "What is kept, and until when"
	loginTitle     = "Sign in"
	thisDevice     = "this device"
)

// listTitle is that of the page about one list.
func listTitle(name string) string { return "The list " + name }

// Says is how far the refresh has come, in words.
func (p Progress) Says() string {
	switch p.Stage {
	case "waiting":
		return "Waits for its turn"
	case "fetching":
		switch {
		case p.Size > 0:
			return "Fetching: " + size(p.Bytes) + " of " + size(p.Size)
		case p.Bytes > 0:
			return "Fetching: " + size(p.Bytes) + " so far"
		}
		return "Fetching: asked for, nothing has come yet"
	case "compiling":
		return "Everything has come; the rules are made ready"
	case "unchanged":
		return "Nothing new"
	case "done":
		return "A new copy is in use"
	case "failed":
		return "Failed: " + p.Reason
	}
	return ""
}

// When is when the list applies, in words.
func (l List) When() string {
	if len(l.Schedule) == 0 {
		return "always"
	}
	return strings.Join(l.Schedule, "; ")
}

// For is whom the list serves, in words.
func (l List) For() string {
	if len(l.Groups) == 0 {
		return "everybody"
	}
	return strings.Join(l.Groups, ", ")
}

// spans are the ranges that can be shown.
var spans = []span{{Day, "24 hours", "quarter of an hour"}, {Week, "7 days", "hour"}, {Month, "30 days", "day"}}

// wayWords are where a blocked name may stand, after how many did.
var wayWords = []struct{ name, what string }{
	{"name", "asked for by their own name"},
	{"cname", "hidden behind a CNAME of another name"},
	{"https", "hidden behind an HTTPS record of another name"},
	{"address", "known by the address that another name leads to"},
	{"unknown", "of which this was not kept"},
}

// wayTitle is a way as the head of a column.
type wayTitle struct{ Name, Title string }

var wayTitles = []wayTitle{{"name", "by own name"}, {"cname", "behind a CNAME"}, {"https", "behind an HTTPS record"}, {"address", "by address"}, {"unknown", "way not kept"}}

// EvidenceMethod says how the numbers of a sheet come about; data is true when the
// household has ownership data of its own.
func EvidenceMethod(keep string, data bool) []string {
	whose := "Whose a name is, and what a company does, is said by the data of WhoTracks.me (Ghostery GmbH, CC BY 4.0)"
	if data {
		whose += " and by data of the household's own"
	}
	return []string{
		"deadpixel answers the DNS queries of the devices of a household. A query counts as an attempt of a company when it was blocked by a list or a rule, and the blocked name is the company's. Queries of people who looked for the company's own pages count, too, where those are blocked.",
		"A blocked query was answered without an address of the company, so the device had nothing to connect to. That it was put shows that a page or a program on a device was about to connect to the company, not what would have been sent.",
		"A device keeps a blocked answer for a while and asks again: attempts are queries, not visits. How many devices and people there are is not kept.",
		whose + ". Companies that the data does not know are not in the tables.",
		"Hidden are attempts where the device asked for a name that is not the company's: it led there by a CNAME, by an HTTPS or SVCB record (RFC 9460), or by the address.",
		"Different names are told apart within a day, up to 1000 of a company; a restart begins anew. There were at least so many.",
		"It is made of sums: no name that was asked for, no page that was visited, and nobody's address is in this sheet or can be found out from it.",
		"Sums are deleted after " + keep + ". A day of which there is nothing was deleted, or nothing was asked on it, or deadpixel did not run.",
	}
}

// monthFormat is how a month is written.
const monthFormat = "2006-01"

// newQueriesFigure is the plot of all queries.
func newQueriesFigure(stats Stats, s span, zone *time.Location) figure {
	return figure{plot: newPlot(stats.Columns, s, zone),
		Label: fmt.Sprintf("Queries in every %s: %s in %s, %s of them blocked", s.Column, number(stats.Queries), s.Words, number(stats.Blocked)),
		What:  "queries", Part: "blocked", Key: "blocked", Nothing: "No query yet. Set this machine as your router's DNS server."}
}

// newCompanyFigure is the plot of one company's attempts.
func newCompanyFigure(c CompanyDetail, s span, zone *time.Location) figure {
	var columns []Column
	for _, part := range c.Columns {
		columns = append(columns, Column{part.From, part.Until, part.Attempts, part.Hidden})
	}
	return figure{plot: newPlot(columns, s, zone),
		Label: fmt.Sprintf("Attempts of %s in every %s: %s in %s, %s of them hidden", c.Name, s.Column, number(c.Attempts), s.Words, number(c.Hidden)),
		What:  "attempts", Part: "hidden", Key: "hidden behind other names", Nothing: "No attempt."}
}

// aroundWords are the ways around, after "asked".
var aroundWords = []struct{ name, what string }{
	{"canary", "whether encrypted DNS or a relay may be turned on (canaries)"},
	{"discovery", "which encrypted resolver to use instead (discovery)"},
	{"resolver", "for the address of a public encrypted resolver"},
}

// erasedMe says what came of erasing what was kept of a device.
func erasedMe(e erased) string {
	said := fmt.Sprintf("Erased from %s. ", many(e.Erased, "place"))
	if e.Left.Nothing() {
		return said + "Read back: nothing is kept about this device any more. " + sentence(e.Note)
	}
	return said + fmt.Sprintf("Read back: since then it is in %s again. ", many(e.Left.Sums+e.Left.Names+e.Left.Logged, "place")) + sentence(e.Note)
}

// erasedAll says what came of erasing the history.
func erasedAll(left Held) string {
	if n := left.Minutes + left.Hours + left.Days + left.Waiting; n > 0 {
		return fmt.Sprintf("Erased. Read back: what happened since then is in %s.", many(n, "sum"))
	}
	return "Erased. Read back: the history is empty."
}

// size is a number of bytes in a unit that fits.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return many(int(bytes), "byte")
}

// keptNames says in words which names are kept.
func keptNames(queries string) string {
	switch queries {
	case "blocked":
		return "names that were blocked"
	case "all":
		return "every name that was asked for"
	}
	return "no name that anybody asked for"
}

// usesSay says in words what it means that somebody asked today.
func usesSay(form string) string {
	switch form {
	case "full":
		return "By name or address, as [privacy] clients has it; devices of [[clients]] are above."
	case "anonymous":
		return "By a hash of the address with a key that is destroyed at midnight. It tells devices apart within a day and is linked to nobody by name, so these numbers are not at the clients above."
	}
	return "This is not counted: [privacy] clients is \"none\"."
}

// keptClients says in words how whoever asked is kept.
func keptClients(form string) string {
	switch form {
	case "full":
		return "by name or address"
	case "anonymous":
		return "as a hash whose key is destroyed at midnight, so that nobody can say afterwards whose it was"
	}
	return "not at all"
}
