package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Lists are the lists of rules.
type Lists interface {
	Lists() []List
	// Refresh fetches one list, or all when name is "".
	Refresh(ctx context.Context, name string, force bool) error
	// Begin is Refresh that is not waited for: Progress says what becomes of it.
	Begin(name string, force bool) error
	// Progress is how far the refresh of each list has come.
	Progress() []Progress
	// Changes are the last refreshes that changed the rules of a list, the newest first.
	Changes(name string) ([]Change, error)
	// Overlaps is what lists have in common. It goes on counting when ctx ends, whose
	// error it then returns.
	Overlaps(ctx context.Context) ([]Overlap, error)
}

// List is how a list stands.
type List struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Source    string     `json:"source"`
	Format    string     `json:"format"`
	Entries   int        `json:"entries"`
	Skipped   int        `json:"skipped"`
	Groups    []string   `json:"groups"`   // whom it serves; empty: everybody
	Schedule  []string   `json:"schedule"` // when it applies; empty: always
	Updated   *time.Time `json:"updated"`  // null when there is no copy
	Next      *time.Time `json:"next"`
	LastError string     `json:"last_error"`
	Skips     []string   `json:"skips,omitempty"` // the first skipped lines, as list:line: reason

	Added   int           `json:"added"` // rules, by the last refresh that changed some
	Removed int           `json:"removed"`
	Changed *time.Time    `json:"changed"`           // null when there was none
	Popular []PopularRule `json:"popular,omitempty"` // rules that a refresh brought and that deny popular names
}

// PopularRule is a rule that a refresh brought and that denies popular names.
type PopularRule struct {
	Rule  string   `json:"rule"`
	Line  int      `json:"line"`
	Names []string `json:"names"` // the first of them
	Count int      `json:"count"` // of all of them
	Asked int      `json:"asked"` // names that this household has asked for of late; they are not told
	Held  bool     `json:"held"`  // it is left out until a forced refresh
}

// More is how many names are not among Names.
func (r PopularRule) More() int { return r.Count - len(r.Names) }

// Change is what one refresh changed in the rules of a list.
type Change struct {
	Time    time.Time `json:"time"`
	Added   int       `json:"added"`
	Removed int       `json:"removed"`
	New     []string  `json:"added_rules,omitempty"` // the first of them
	Gone    []string  `json:"removed_rules,omitempty"`
	Note    string    `json:"note,omitempty"` // why rules that were counted are not named
}

// Progress is how far the refresh of a list has come, or how the last one ended.
type Progress struct {
	List   string     `json:"list"`
	Stage  string     `json:"stage"` // idle, waiting, fetching, compiling, unchanged, done, failed
	Bytes  int64      `json:"bytes"` // that have come
	Size   int64      `json:"size"`  // of how many; 0 when that is not known
	Began  *time.Time `json:"began"`
	Ended  *time.Time `json:"ended"` // null while it runs
	Reason string     `json:"reason,omitempty"`
}

// Running says whether the refresh has not ended yet.
func (p Progress) Running() bool {
	return p.Stage == "waiting" || p.Stage == "fetching" || p.Stage == "compiling"
}

// Overlap is how much a list has in common with the others.
type Overlap struct {
	List   string   `json:"list"`
	Kind   string   `json:"kind"`
	Rules  int      `json:"rules"`
	Only   int      `json:"only"`   // covered by no other list
	Others []Common `json:"others"` // those that cover at least one
	Exact  bool     `json:"exact"`  // false: the text is not there, so that only rules about the same names were compared
}

// Common is what another list has of one.
type Common struct {
	List    string `json:"list"`
	Same    int    `json:"same"`
	Covered int    `json:"covered"` // with the same ones
}

// listing is a list with what is said of it.
type listing struct {
	List
	Held      []PopularRule // the first of those held back
	Used      []PopularRule // the first of those in use
	Quiet     int           // how many are not among these
	Progress  Progress
	MayChange bool
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

// MoreSkips is how many lines were skipped that are not among Skips.
func (v listing) MoreSkips() int { return v.Skipped - len(v.Skips) }

// listings are all lists, as whoever may change something or may not sees them.
func (p *Page) listings(owner bool) []listing {
	var all []listing
	progress := p.Lists.Progress()
	for _, l := range p.Lists.Lists() {
		v := newListing(l)
		v.MayChange = owner
		if at := slices.IndexFunc(progress, func(o Progress) bool { return o.List == l.Name }); at >= 0 {
			v.Progress = progress[at]
		}
		all = append(all, v)
	}
	return all
}

// listPage is the page about all lists.
type listPage struct {
	frame
	Lists    []listing
	Running  int // refreshes
	Overlaps []overlapping
	Counting bool   // the overlaps
	Fault    string // why they cannot be told
}

// overlapping is an Overlap, with the others of which most is in common first.
type overlapping struct {
	Overlap
	Most []Common
	Rest []Common
}

// mostCommon is how many others are named of a list without being asked for.
const mostCommon = 4

func newOverlapping(o Overlap) overlapping {
	others := slices.Clone(o.Others)
	slices.SortStableFunc(others, func(a, b Common) int { return cmp.Compare(b.Covered, a.Covered) })
	most := min(mostCommon, len(others))
	return overlapping{o, others[:most], others[most:]}
}

// Share is a part of the list's rules, in words.
func (o overlapping) Share(rules int) string {
	if rules > 0 && rules < o.Rules/2000 {
		return "less than 0.1 %"
	}
	return share(uint64(rules), uint64(o.Rules))
}

func (p *Page) lists(w http.ResponseWriter, r *http.Request) {
	if name := r.URL.Query().Get("name"); name != "" {
		p.list(w, r, name)
		return
	}
	v := listPage{frame: p.frame(r, listsTitle, "/lists")}
	v.Lists = p.listings(v.MayChange)
	for _, l := range v.Lists {
		if l.Progress.Running() {
			v.Running++
		}
	}
	// Nobody waits for a page until millions of rules are counted.
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	all, err := p.Lists.Overlaps(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		v.Counting = true
	case err != nil:
		v.Fault = err.Error()
	}
	for _, o := range all {
		v.Overlaps = append(v.Overlaps, newOverlapping(o))
	}
	p.show(w, r, http.StatusOK, "lists.html", v)
}

// list is the page about one list.
func (p *Page) list(w http.ResponseWriter, r *http.Request, name string) {
	v := struct {
		frame
		List    listing
		Changes []Change
		Fault   string // why they cannot be told
	}{frame: p.frame(r, listTitle(name), "/lists")}
	all := p.listings(v.MayChange)
	at := slices.IndexFunc(all, func(l listing) bool { return l.Name == name })
	if at < 0 {
		p.problem(w, r, "/lists", http.StatusNotFound, fmt.Sprintf("There is no list %q.", name))
		return
	}
	v.List = all[at]
	var err error
	if v.Changes, err = p.Lists.Changes(name); err != nil {
		v.Fault = err.Error()
	}
	p.show(w, r, http.StatusOK, "list.html", v)
}

// refreshTime bounds a refresh that somebody waits for. It is shorter than the
// server's time to write.
const refreshTime = 25 * time.Second

// refresh fetches lists. A script is told what came of it; a form goes back to the
// page, which shows how far it is.
func (p *Page) refresh(w http.ResponseWriter, r *http.Request) {
	o, err := readOrder(r)
	switch {
	case err != nil:
		p.refused(w, r, "/lists", http.StatusBadRequest, err.Error())
		return
	case isForm(r):
		p.done(w, r, "/lists", p.Lists.Begin(o.List, o.Force), http.StatusBadGateway, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), refreshTime)
	defer cancel()
	err = p.Lists.Refresh(ctx, o.List, o.Force)
	p.done(w, r, "/lists", err, http.StatusBadGateway, func() any { return listsAnswer{p.Lists.Lists()} })
}

func (p *Page) progress(w http.ResponseWriter, _ *http.Request) {
	all := p.Lists.Progress()
	reply(w, http.StatusOK, progressAnswer{slices.ContainsFunc(all, Progress.Running), all})
}

// overlap answers when everything is counted, or when that takes too long: then it
// goes on, and whoever asks again is told.
func (p *Page) overlap(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), refreshTime)
	defer cancel()
	all, err := p.Lists.Overlaps(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "10")
		reply(w, http.StatusAccepted, overlapAnswer{true, []Overlap{}})
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	default:
		reply(w, http.StatusOK, overlapAnswer{false, all})
	}
}

func (p *Page) changes(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("list")
	if name == "" {
		fail(w, http.StatusBadRequest, "write of which list: /api/v1/lists/changes?list=starter")
		return
	}
	all, err := p.Lists.Changes(name)
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
	default:
		reply(w, http.StatusOK, changesAnswer{all})
	}
}
