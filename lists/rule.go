package lists

import (
	"fmt"
	"net/netip"
)

// Action is what a rule wants.
type Action uint8

// The actions, None being the zero value of a Verdict: no rule matched.
const (
	None Action = iota
	Deny
	Allow
	Rewrite // only of a Verdict: the answer is another one; see Verdict.Rewrites
)

// String returns the word for a verdict.
func (a Action) String() string {
	return [...]string{"untouched", "blocked", "allowed", "rewritten"}[a]
}

// Shape is how far a rule reaches.
type Shape uint8

const (
	Exact   Shape = iota // the name alone
	Subtree              // the name and everything below it
	Below                // everything below the name, not the name itself
	Address              // an address or a network; see Rule.Network
	Pattern              // an adblock pattern with '*', '|', '^'; see Rule.Pattern
	Regexp               // an RE2 expression, searched in the name
)

// hashed are the shapes that are found by a hash.
func (s Shape) hashed() bool { return s <= Address }

func (s Shape) String() string {
	return [...]string{"exact", "subtree", "below", "address", "pattern", "regexp"}[s]
}

// Level is the strength of a rule; one that allows wins against one that denies
// on the same level, and one that rewrites against both, in lists on every level.
type Level uint8

// The levels, the weakest first.
const (
	Listed    Level = iota // of a list
	Important              // with $important
	Own                    // of [blocking]
	OfGroup                // of a group of clients
)

// Rule is one line of a list, understood.
type Rule struct {
	Action    Action
	Shape     Shape
	Name      string       // normalised; for Exact, Subtree and Below
	Network   netip.Prefix `json:",omitzero"` // masked; for Address
	Pattern   string       // for Pattern and Regexp: the expression, in lower case for Pattern
	Important bool         // $important: stronger than every rule of a list without it
	Cancel    bool         // $badfilter: takes the otherwise equal rule out of the same list

	DenyAllow []string     // $denyallow: normalised names whose subtrees the rule spares
	Types     []uint16     // $dnstype: query types the rule is for; empty means all
	NotTypes  bool         // $dnstype=~: Types are those the rule is not for
	Clients   []ClientTerm // $client: whom the rule is for; empty means everybody
	Rewrite   *Rewriting   // $dnsrewrite: the rule changes the answer, or with Allow undoes such rules

	Line uint32 // of the list, from 1
}

// Skip says why a line of a list makes no rule.
type Skip struct {
	List   string
	Line   uint32
	Reason string
}

func (s Skip) String() string { return fmt.Sprintf("%s:%d: %s", s.List, s.Line, s.Reason) }

// Verdict is what the rules say about one name and query type. The zero value
// means that no rule matched.
type Verdict struct {
	List   *List // whose rule decided
	Action Action
	Shape  Shape  // of that rule
	Level  Level  // how strong that rule is
	Labels uint8  // how many labels of the asked name stand above the rule's name
	Line   uint32 // of the rule in its list; 0 when it was not looked up

	rewrites *[]*Rewriting // by reference, since nearly every verdict has none
}

// Rewrites are, with Rewrite, what the answer is, all of one kind; see Rewriting.
func (v *Verdict) Rewrites() []*Rewriting {
	if v.rewrites == nil {
		return nil
	}
	return *v.rewrites
}

// Forgives says whether a verdict on the asked name lets through what v, a
// verdict on something behind it, denies.
func (asked Verdict) Forgives(v Verdict) bool { return asked.Action == Allow && asked.Level >= v.Level }
