package lists

import "cmp"

// candidate is a rule that matches; the zero value is none.
type candidate struct {
	strength  strength
	action    Action
	shape     Shape
	distance  uint8 // labels between the asked name and the rule's
	order     int32 // of its list
	line      uint32
	rewriting uint32 // number in the list, with Rewrite and of what undoes one; 0 for all others
}

// strength of a rule; 0 is no rule.
type strength uint8

// strengths are those of rules by level and action. On each level, what denies is
// weaker than what allows, and that weaker than what rewrites. What rewrites in a
// list is stronger than all else in lists (AdGuard, "DNS filtering rules syntax",
// dnsrewrite: "have higher priority than other rules").
var strengths = [...][4]strength{
	Listed:    {Deny: 1, Allow: 2, Rewrite: 5},
	Important: {Deny: 3, Allow: 4, Rewrite: 6},
	Own:       {Deny: 7, Allow: 8, Rewrite: 9},
	OfGroup:   {Deny: 10, Allow: 11, Rewrite: 12},
}

// levels are those of rules by strength.
var levels = [...]Level{1: Listed, 2: Listed, 3: Important, 4: Important, 5: Listed, 6: Important, 7: Own, 8: Own, 9: Own, 10: OfGroup, 11: OfGroup, 12: OfGroup}

func (c *candidate) level() Level { return levels[c.strength] }

// undoing says whether c only takes rewritings back.
func (c *candidate) undoing() bool { return c.rewriting != 0 && c.action == Allow }

// patternDistance puts a rule without a name after those that have one.
const patternDistance = 255

// asking is what a rule has to apply to.
type asking struct {
	name  []byte // normalised; empty for an address
	qtype uint16
	who   *Who
}

// candidate is a table's rule about what has below so many labels: the zero value
// unless it reaches down to the whole name, is of a list that applies, and applies
// itself.
func (s *Set) candidate(x *index, v value, labels uint8, q *asking) candidate {
	if !v.reaches(labels) {
		return candidate{}
	}
	order, line := x.only, uint32(v&valueNumber)
	var rule *complexRule
	switch {
	case v&valueComplex != 0 && order == joined:
		rule, order = x.complex[line].complexRule, x.complex[line].order
	case v&valueComplex != 0:
		rule = &s.lists[order].complex[line]
	case order == joined:
		order, line = int32(line)-1, 0
	}
	if !q.who.has(order) {
		return candidate{}
	}
	if rule == nil {
		a := v.action()
		return candidate{strength: strengths[s.level(order, v&valueImportant != 0)][a], action: a, shape: v.shape(), distance: labels, order: order, line: line}
	}
	if !rule.applies(q) {
		return candidate{}
	}
	return s.complexCandidate(rule, labels, order)
}

// complexCandidate is a rule that applies.
func (s *Set) complexCandidate(rule *complexRule, distance uint8, order int32) candidate {
	a := rule.Action
	if rule.Rewrite != nil && a == Deny {
		a = Rewrite
	}
	return candidate{strength: strengths[s.level(order, rule.Important)][a], action: a, shape: rule.Shape,
		distance: distance, order: order, line: rule.Line, rewriting: rule.rewriting}
}

// level is that of a rule in the list of an order.
func (s *Set) level(order int32, important bool) Level {
	level := s.levels[order]
	if level == Listed && important {
		return Important
	}
	return level
}

// beats says whether c decides against o.
func (c *candidate) beats(o *candidate) bool {
	if c.strength != o.strength { // also when there is no other
		return c.strength > o.strength
	}
	return c.strength > 0 && cmp.Or(cmp.Compare(c.distance, o.distance), cmp.Compare(c.order, o.order), cmp.Compare(c.line, o.line)) < 0
}

// compare sorts the strongest to the front.
func (c candidate) compare(o candidate) int {
	switch {
	case c.beats(&o):
		return -1
	case o.beats(&c):
		return 1
	}
	return 0
}

// yield leaves its place to o when that is stronger and wants something itself.
func (c *candidate) yield(o *candidate) {
	if o.beats(c) && !o.undoing() {
		*c = *o
	}
}

// rewriting is what c makes of an answer, or takes back.
func (s *Set) rewriting(c *candidate) *Rewriting { return s.lists[c.order].rewritings[c.rewriting-1] }

// told is the verdict with what c makes of the answer.
func (s *Set) told(c *candidate) Verdict {
	v := s.verdict(c)
	if c.action == Rewrite {
		v.rewrites = &[]*Rewriting{s.rewriting(c)}
	}
	return v
}

// verdict is what c means for who asks, but for what it makes of the answer.
func (s *Set) verdict(c *candidate) Verdict {
	if c.strength == 0 {
		return Verdict{}
	}
	v := Verdict{Action: c.action, List: s.lists[c.order], Shape: c.shape, Level: c.level(), Line: c.line}
	if c.distance != patternDistance && c.shape != Address {
		v.Labels = c.distance
	}
	return v
}
