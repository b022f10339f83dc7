package main

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// comparison is what becomes of the queries of a log, judged in two ways.
type comparison struct {
	log     *queryLog
	before  *generation // nil: what the log says
	after   *generation
	changes []*difference // the most asked first
	summary summary
	askers  map[asking]asker
}

// asking is who asks whom.
type asking struct {
	g      *generation
	client netip.Addr
}

// judge says what becomes of a question, on behalf of who put it.
func (c *comparison) judge(g *generation, q question) judgement {
	key := asking{g, q.client}
	a, known := c.askers[key]
	if !known {
		if c.askers == nil {
			c.askers = map[asking]asker{}
		}
		a = g.askerAt(q.client)
		c.askers[key] = a
	}
	j, _ := g.judge(a, q.name, q.qtype)
	return j
}

// difference is a name that is judged in two ways.
type difference struct {
	Name      string   `json:"name"`
	Change    string   `json:"change"` // one of the kinds below
	Queries   int      `json:"queries"`
	Clients   int      `json:"clients"` // how many different ones; 0 when the log names none
	Types     []string `json:"types"`
	Addresses []string `json:"addresses,omitempty"` // of the clients, when they are wanted
	Before    side     `json:"before"`
	After     side     `json:"after"`
	Owner     string   `json:"owner"`
	Category  string   `json:"category"`

	sample        question // one of its questions
	before, after judgement
	clients       map[netip.Addr]bool
}

// The kinds of changes.
const (
	nowBlocked   = "blocked" // and the log does not say what was before
	newlyBlocked = "newly blocked"
	unblocked    = "unblocked"
	otherRule    = "another rule"
)

// side is what is said of a name before or after.
type side struct {
	ui.Rule
	Note string `json:"note,omitempty"`
}

func (s side) String() string {
	text := s.Verdict + by(s.List, s.Rule.Rule, s.Source, s.Line)
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	return text
}

// summary is what the changes come to. What is blocked is counted in queries, what
// changes in names.
type summary struct {
	Queries       int `json:"queries"`
	Names         int `json:"names"`
	BlockedBefore int `json:"blocked_before"`
	BlockedAfter  int `json:"blocked_after"`
	Unknown       int `json:"unknown_before"` // queries of which the log does not say what became
	NewlyBlocked  int `json:"newly_blocked"`  // or blocked, where the log does not say what was before
	Unblocked     int `json:"unblocked"`
	OtherRule     int `json:"another_rule"`
	NotUnderstood int `json:"not_understood"` // lines of the log
	LeftOut       int `json:"left_out"`       // queries there was no room for
}

// verdictUnknown is that of a log which does not say.
const verdictUnknown = "unknown"

// judgement is what a log says, in the same words as a configuration.
func (o outcome) judgement() judgement {
	switch o {
	case outcomeBlocked:
		return judgement{verdict: verdictBlocked, note: "the log says so"}
	case outcomePassed:
		return judgement{verdict: verdictUntouched, note: "the log says so"}
	}
	return judgement{verdict: verdictUnknown, note: "the log does not say"}
}

// compare judges every query of the log, and fills in changes and summary.
func (c *comparison) compare() {
	type key struct {
		name          string
		before, after judgement
	}
	found, names := map[key]*difference{}, map[string]bool{}
	tells := c.log.tells()
	count := func(q question, n int, before, after judgement) {
		c.summary.count(n, before, after)
		kind := c.kind(before, after, tells)
		if kind == "" {
			return
		}
		k := key{q.name, before, after}
		x := found[k]
		if x == nil {
			x = &difference{Name: q.name, Change: kind, sample: q, before: before, after: after, clients: map[netip.Addr]bool{}}
			found[k] = x
			c.changes = append(c.changes, x)
		}
		x.add(q, n)
	}
	for _, a := range c.log.asked {
		names[a.name] = true
		after := c.judge(c.after, a.question)
		if c.before != nil {
			count(a.question, a.times[outcomeUnknown]+a.times[outcomePassed]+a.times[outcomeBlocked], c.judge(c.before, a.question), after)
			continue
		}
		for o, n := range a.times {
			if n > 0 {
				count(a.question, n, outcome(o).judgement(), after)
			}
		}
	}
	slices.SortStableFunc(c.changes, func(a, b *difference) int {
		return cmp.Or(cmp.Compare(b.Queries, a.Queries), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Types[0], b.Types[0]))
	})
	c.summary.Queries, c.summary.Names = c.log.queries, len(names)
	c.summary.NotUnderstood, c.summary.LeftOut = c.log.strange, c.log.left
	c.summary.NewlyBlocked, c.summary.Unblocked, c.summary.OtherRule = c.namesOf(nowBlocked, newlyBlocked), c.namesOf(unblocked), c.namesOf(otherRule)
}

// kind says how two judgements differ, "" when that is of no interest.
func (c *comparison) kind(before, after judgement, tells bool) string {
	switch {
	case before.verdict == verdictUnknown:
		if after.blocked() && !tells { // else it is only a query that was not answered yet
			return nowBlocked
		}
	case after.blocked() && !before.blocked():
		return newlyBlocked
	case before.blocked() && !after.blocked():
		if c.before == nil && after.note != "" {
			return "" // neither lets the name out
		}
		return unblocked
	case c.before != nil && before != after:
		return otherRule
	}
	return ""
}

func (s *summary) count(n int, before, after judgement) {
	if before.blocked() {
		s.BlockedBefore += n
	}
	if after.blocked() {
		s.BlockedAfter += n
	}
	if before.verdict == verdictUnknown {
		s.Unknown += n
	}
}

// namesOf is how many names have changes of some kinds.
func (c *comparison) namesOf(kinds ...string) int {
	names := map[string]bool{}
	for _, x := range c.changes {
		if slices.Contains(kinds, x.Change) {
			names[x.Name] = true
		}
	}
	return len(names)
}

func (x *difference) add(q question, n int) {
	x.Queries += n
	if q.client.IsValid() && !x.clients[q.client] {
		x.clients[q.client] = true
		x.Clients++
	}
	if t := dns.Type(q.qtype).String(); !slices.Contains(x.Types, t) {
		x.Types = append(x.Types, t)
	}
}

// addresses are those of the clients, in order.
func (x *difference) addresses() []string {
	var all []string
	for _, ip := range slices.SortedFunc(maps.Keys(x.clients), netip.Addr.Compare) {
		all = append(all, ip.String())
	}
	return all
}

// withoutReasons leaves out changes after which a name is blocked, or not, as it
// was before.
func (c *comparison) withoutReasons() {
	c.changes = slices.DeleteFunc(c.changes, func(x *difference) bool { return x.Change == otherRule })
}

// explain finds the rules behind the changes, and whose the names are.
func (c *comparison) explain() {
	questions := make([]question, len(c.changes))
	before, after := make([]judgement, len(c.changes)), make([]judgement, len(c.changes))
	for i, x := range c.changes {
		questions[i], before[i], after[i] = x.sample, x.before, x.after
		x.Before.Verdict, x.Before.Note, x.After.Note = x.before.verdict, x.before.note, x.after.note
		x.Owner, x.Category = c.after.owners.lookup(x.Name)
	}
	if c.before != nil {
		for i, r := range c.before.rulesOf(questions, before) {
			c.changes[i].Before.Rule = r
		}
	}
	for i, r := range c.after.rulesOf(questions, after) {
		c.changes[i].After.Rule = r
	}
}
