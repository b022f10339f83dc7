package lists

import (
	"cmp"
	"slices"
)

// Set is the compiled rules of all lists: immutable, and safe for concurrent
// use. Precedence, strongest first: own allow, own deny, $important (allow before
// deny), allow, deny. Among equals the rule nearest to the asked name, then the
// earlier list, then the earlier line decides.
type Set struct {
	seed     Seed
	lists    []*List // the own rules first, when there are any
	own      bool
	patterns bool // some list has patterns
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

// candidate is a rule that matches.
type candidate struct {
	Verdict
	strength strength
	distance uint8 // labels between the asked name and the rule's
	order    int   // of its list
}

// NewSet joins lists that were built with the same seed. own are the rules of
// [blocking], stronger than all others, or nil.
func NewSet(seed Seed, own *List, lists ...*List) *Set {
	s := &Set{seed: seed, lists: lists}
	if own != nil {
		s.own = true
		s.lists = append([]*List{own}, lists...)
	}
	for _, l := range s.lists {
		s.patterns = s.patterns || l.patterns.len() > 0
	}
	return s
}

// Lists are the lists of the set, in order, the own rules first.
func (s *Set) Lists() []*List { return s.lists }

// Match says what the rules want of a normalised name that is asked for with
// type qtype. It does not allocate unless a list has patterns.
func (s *Set) Match(name []byte, qtype uint16) Verdict {
	var best candidate
	labels := uint8(0)
	for rest := name; len(rest) > 0; rest = parent(rest) {
		hash := s.seed.hash(rest)
		for order, l := range s.lists {
			t := &l.names
			if t.used == 0 {
				continue
			}
			v, at := t.next(hash, t.home(hash))
			for ; v != 0; v, at = t.next(hash, at) {
				if c, ok := s.candidate(order, v, name, qtype, labels); ok && c.beats(&best) {
					best = c
				}
			}
		}
		labels++
	}
	if s.patterns {
		s.eachPattern(name, qtype, func(c candidate) {
			if c.beats(&best) {
				best = c
			}
		})
	}
	return best.Verdict
}

// Explain returns what every matching rule wants, the strongest, which decides,
// first.
func (s *Set) Explain(name []byte, qtype uint16) []Verdict {
	var all []candidate
	labels := uint8(0)
	for rest := name; len(rest) > 0; rest = parent(rest) {
		hash := s.seed.hash(rest)
		for order, l := range s.lists {
			if l.names.used == 0 {
				continue
			}
			v, at := l.names.next(hash, l.names.home(hash))
			for ; v != 0; v, at = l.names.next(hash, at) {
				if c, ok := s.candidate(order, v, name, qtype, labels); ok {
					all = append(all, c)
				}
			}
		}
		labels++
	}
	s.eachPattern(name, qtype, func(c candidate) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	})
	slices.SortFunc(all, func(a, b candidate) int {
		switch {
		case a.beats(&b):
			return -1
		case b.beats(&a):
			return 1
		}
		return 0
	})
	verdicts := make([]Verdict, len(all))
	for i, c := range all {
		verdicts[i] = c.Verdict
	}
	return verdicts
}

// candidate makes one of a table's rule, when it reaches and applies.
func (s *Set) candidate(order int, v value, name []byte, qtype uint16, labels uint8) (candidate, bool) {
	if !v.reaches(labels) {
		return candidate{}, false
	}
	l, line := s.lists[order], uint32(v&valueNumber)
	if v&valueComplex != 0 {
		r := &l.complex[line]
		if !r.applies(name, qtype) {
			return candidate{}, false
		}
		line = r.Line
	}
	return candidate{
		Verdict:  Verdict{Action: v.action(), List: l, Shape: v.shape(), Labels: labels, Line: line},
		strength: s.strength(order, v.action(), v&valueImportant != 0),
		distance: labels,
		order:    order,
	}, true
}

func (s *Set) eachPattern(name []byte, qtype uint16, found func(candidate)) {
	for order, l := range s.lists {
		if l.patterns.len() == 0 {
			continue
		}
		l.patterns.each(name, qtype, func(r *complexRule) {
			found(candidate{
				Verdict:  Verdict{Action: r.Action, List: l, Shape: r.Shape, Line: r.Line},
				strength: s.strength(order, r.Action, r.Important),
				distance: patternDistance,
				order:    order,
			})
		})
	}
}

func (s *Set) strength(order int, a Action, important bool) strength {
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
	if c.strength != o.strength {
		return c.strength > o.strength
	}
	return cmp.Or(cmp.Compare(c.distance, o.distance), cmp.Compare(c.order, o.order), cmp.Compare(c.Line, o.Line)) < 0
}
