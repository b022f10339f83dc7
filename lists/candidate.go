package lists

import "cmp"

// candidate is a rule that matches; the zero value is none.
type candidate struct {
	strength strength
	action   Action
	shape    Shape
	distance uint8 // labels between the asked name and the rule's
	order    int32 // of its list
	line     uint32
}

// strength of a rule; 0 is no rule.
type strength uint8

const (
	deny strength = 1 + iota
	allow
	importantDeny
	importantAllow
	ownDeny
	ownAllow
)

// patternDistance puts a rule without a name after those that have one.
const patternDistance = 255

// joined stands for the order of a list where each rule tells its own.
const joined = -1

// candidate is a table's rule about what name has below so many labels: the zero
// value unless it reaches down to the whole name and applies. order is that of the
// list whose table it is, or joined.
func (s *Set) candidate(order int32, v value, labels uint8, name []byte, qtype uint16) candidate {
	if !v.reaches(labels) {
		return candidate{}
	}
	line := uint32(v & valueNumber)
	switch {
	case v&valueComplex != 0:
		var rule *complexRule
		if order == joined {
			rule, order = s.complex[line].complexRule, s.complex[line].order
		} else {
			rule = &s.lists[order].complex[line]
		}
		if !rule.applies(name, qtype) {
			return candidate{}
		}
		line = rule.Line
	case order == joined:
		order, line = int32(line)-1, 0
	}
	return candidate{strength: s.strength(order, v.action(), v&valueImportant != 0), action: v.action(), shape: v.shape(),
		distance: labels, order: order, line: line}
}

func (s *Set) strength(order int32, a Action, important bool) strength {
	level := deny
	switch {
	case s.own && order == 0:
		level = ownDeny
	case important:
		level = importantDeny
	}
	if a == Allow {
		level++
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

// verdict is what c means for who asks.
func (s *Set) verdict(c *candidate) Verdict {
	if c.strength == 0 {
		return Verdict{}
	}
	v := Verdict{Action: c.action, List: s.lists[c.order], Shape: c.shape, Level: Level((c.strength - deny) / 2), Line: c.line}
	if c.distance != patternDistance {
		v.Labels = c.distance
	}
	return v
}
