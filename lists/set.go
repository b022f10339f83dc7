package lists

import (
	"cmp"
	"runtime"
	"slices"
)

// Set is the compiled rules of all lists: immutable, and safe for concurrent
// use. Precedence, strongest first: own allow, own deny, $important (allow before
// deny), allow, deny. Among equals the rule nearest to the asked name, then the
// earlier list, then the earlier line decides.
//
// The rules of several lists are joined in one index, which is searched once for
// every label of a name however many lists there are. Its entries name the list;
// which line a rule is on is found in the list itself, when somebody asks. A
// single list is its own index.
type Set struct {
	seed     Seed
	lists    []*List // the own rules first, when there are any
	own      bool
	index    *table       // rules about names of all lists but the own; nil when there are none
	only     *List        // whose table the index is, when it is that of a single list
	complex  []listedRule // what complex values of a joined index refer to
	fewest   int          // labels in the shortest name of a rule
	patterns bool         // some list has patterns
}

// listedRule is a complex rule and the order of its list.
type listedRule struct {
	*complexRule
	order int
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
		if l.names.used > 0 && (s.fewest == 0 || l.fewest < s.fewest) {
			s.fewest = l.fewest
		}
	}
	var named []*List
	rules := 0
	for _, l := range lists {
		if l.names.used > 0 {
			named = append(named, l)
			rules += l.names.used
		}
	}
	switch len(named) {
	case 0:
	case 1:
		s.index, s.only = &named[0].names, named[0]
	default:
		s.join(rules)
	}
	return s
}

// slotSize is what a slot of a table takes, in bytes.
const slotSize = 12

// join makes the index of several lists, with so many rules in all. Both it and
// their tables are in the order of the hashes, so that memory is walked through
// and not jumped about in.
func (s *Set) join(rules int) {
	slots := slotsFor(rules)
	t := new(table)
	if memory, err := anonymous(slots * slotSize); err == nil {
		*t = tableOn(memory, slots, 0)
		runtime.AddCleanup(s, unmap, memory)
	} else {
		*t = newTable(rules)
	}
	for order, l := range s.lists {
		if s.own && order == 0 {
			continue
		}
		for i, v := range l.names.values {
			switch {
			case v == 0:
				continue
			case v&valueComplex != 0:
				rule := &l.complex[v&valueNumber]
				v = v&^valueNumber | value(len(s.complex))&valueNumber
				s.complex = append(s.complex, listedRule{rule, order})
			default:
				// A value must not be 0, so the order is counted from 1.
				v = v&^valueNumber | value(order+1)&valueNumber
			}
			t.add(l.names.hashes[i], v)
		}
		letGo(l.mapped)
	}
	s.index = t
}

// Lists are the lists of the set, in order, the own rules first.
func (s *Set) Lists() []*List { return s.lists }

// Match says what the rules want of a normalised name that is asked for with
// type qtype. The verdict has no line where several lists are joined: Explain
// finds it. Match does not allocate unless a list has patterns.
func (s *Set) Match(name []byte, qtype uint16) Verdict {
	var best candidate
	labels := uint8(0)
	for rest := name; len(rest) > 0; {
		above := parent(rest)
		if above == nil && s.fewest > 1 {
			break // no rule is about a name of one label
		}
		hash := s.seed.hash(rest)
		if s.own {
			s.matchIn(&s.lists[0].names, s.lists[0], hash, name, qtype, labels, &best)
		}
		if s.index != nil {
			s.matchIn(s.index, s.only, hash, name, qtype, labels, &best)
		}
		rest = above
		labels++
	}
	if s.patterns {
		s.eachPattern(name, qtype, func(c candidate) {
			if c.beats(&best) {
				best = c
			}
		})
	}
	runtime.KeepAlive(s) // the tables may lie in memory that is given back with it
	return best.Verdict
}

// matchIn looks for rules about one hash; of is the list that t belongs to, nil
// for a joined index.
func (s *Set) matchIn(t *table, of *List, hash uint64, name []byte, qtype uint16, labels uint8, best *candidate) {
	if t.used == 0 {
		return
	}
	for v, at := t.next(hash, t.home(hash)); v != 0; v, at = t.next(hash, at) {
		if c, ok := s.candidate(s.find(of, v), v, name, qtype, labels); ok && c.beats(best) {
			*best = c
		}
	}
}

// found is what a value refers to.
type found struct {
	order int
	rule  *complexRule // nil for a simple one
	line  uint32       // 0 when it has to be looked up in the list
}

func (s *Set) find(of *List, v value) found {
	n := uint32(v & valueNumber)
	switch {
	case of == nil && v&valueComplex != 0:
		return found{order: s.complex[n].order, rule: s.complex[n].complexRule}
	case of == nil:
		return found{order: int(n) - 1}
	case v&valueComplex != 0:
		return found{order: s.orderOf(of), rule: &of.complex[n]}
	}
	return found{order: s.orderOf(of), line: n}
}

func (s *Set) orderOf(l *List) int { return slices.Index(s.lists, l) }

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
				if c, ok := s.candidate(s.find(s.lists[order], v), v, name, qtype, labels); ok {
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
	runtime.KeepAlive(s)
	verdicts := make([]Verdict, len(all))
	for i, c := range all {
		verdicts[i] = c.Verdict
	}
	return verdicts
}

// candidate makes one of a table's rule, when it reaches and applies.
func (s *Set) candidate(f found, v value, name []byte, qtype uint16, labels uint8) (candidate, bool) {
	if !v.reaches(labels) {
		return candidate{}, false
	}
	if f.rule != nil {
		if !f.rule.applies(name, qtype) {
			return candidate{}, false
		}
		f.line = f.rule.Line
	}
	return candidate{
		Verdict:  Verdict{Action: v.action(), List: s.lists[f.order], Shape: v.shape(), Labels: labels, Line: f.line},
		strength: s.strength(f.order, v.action(), v&valueImportant != 0),
		distance: labels,
		order:    f.order,
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
