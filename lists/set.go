package lists

import (
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
	memory   region       // of a joined index
	only     int32        // which list's table the index is; joined when it is of several
	complex  []listedRule // what complex values of a joined index refer to
	depths   depths       // of the names in the index and the own rules
	patterns bool         // some list has patterns
}

// listedRule is a complex rule and the order of its list.
type listedRule struct {
	*complexRule
	order int32
}

// NewSet joins lists that were built with the same seed. own are the rules of
// [blocking], stronger than all others, or nil.
func NewSet(seed Seed, own *List, lists ...*List) *Set { return newSet(seed, own, lists, false) }

// newSet is NewSet; see ParseOptions.Gentle.
func newSet(seed Seed, own *List, lists []*List, gentle bool) *Set {
	s := &Set{seed: seed, lists: lists}
	if own != nil {
		s.own = true
		s.lists = append([]*List{own}, lists...)
	}
	for _, l := range s.lists {
		s.patterns = s.patterns || l.patterns.len() > 0
		s.depths |= l.depths
	}
	named, rules := 0, 0
	for order, l := range s.lists {
		if l.names.used == 0 || s.own && order == 0 {
			continue
		}
		named++
		rules += l.names.used
		s.index, s.only = &l.names, int32(order)
	}
	if named > 1 {
		s.join(rules, gentle)
	}
	return s
}

// join makes the index of several lists, with so many rules in all. Both it and
// their tables are in the order of the hashes, so that memory is walked through
// and not jumped about in.
func (s *Set) join(rules int, gentle bool) {
	t, memory := newTable(s, rules)
	s.memory = memory
	for order, l := range s.lists {
		if s.own && order == 0 {
			continue
		}
		l.names.each(gentle, func(hash uint64, v value) {
			// A value must not be 0, so the order is counted from 1.
			number := order + 1
			if v&valueComplex != 0 {
				number = len(s.complex)
				s.complex = append(s.complex, listedRule{&l.complex[v&valueNumber], int32(order)})
			}
			t.add(hash, v&^valueNumber|value(number)&valueNumber)
		})
		if l.mapped {
			letGo(l.memory.bytes)
		}
	}
	s.index, s.only = &t, joined
}

// Lists are the lists of the set, in order, the own rules first.
func (s *Set) Lists() []*List { return s.lists }

// Match says what the rules want of a normalised name that is asked for with
// type qtype. The verdict has no line where several lists are joined: Explain
// finds it. Match does not allocate.
func (s *Set) Match(name []byte, qtype uint16) Verdict {
	var best candidate
	var batch [suffixBatch]suffix
	w := s.walk(name)
	for n := w.fill(&batch); n > 0; n = w.fill(&batch) {
		for i := range batch[:n] {
			if s.own {
				s.matchIn(&s.lists[0].names, 0, &batch[i], name, qtype, &best)
			}
			if s.index != nil {
				s.matchIn(s.index, s.only, &batch[i], name, qtype, &best)
			}
		}
	}
	if s.patterns {
		s.eachPattern(name, qtype, func(c candidate) {
			if c.beats(&best) {
				best = c
			}
		})
	}
	verdict := s.verdict(&best)
	runtime.KeepAlive(s) // the tables may lie in memory that is given back with it
	return verdict
}

// matchIn looks in t, which is that of the list with this order or of joined
// lists, for rules about a suffix of name.
func (s *Set) matchIn(t *table, order int32, x *suffix, name []byte, qtype uint16, best *candidate) {
	if t.used == 0 {
		return
	}
	for v, at := t.next(x.hash, t.first(x.hash)); v != 0; v, at = t.next(x.hash, at) {
		if c := s.candidate(order, v, x.above(name), name, qtype); c.beats(best) {
			*best = c
		}
		if v&valueMore == 0 {
			return
		}
	}
}

// Explain returns what every matching rule wants, the strongest, which decides,
// first.
func (s *Set) Explain(name []byte, qtype uint16) []Verdict {
	var all []candidate
	var batch [suffixBatch]suffix
	w := s.walk(name)
	for n := w.fill(&batch); n > 0; n = w.fill(&batch) {
		for _, x := range batch[:n] {
			for order, l := range s.lists {
				if l.names.used == 0 {
					continue
				}
				for v, at := l.names.next(x.hash, l.names.first(x.hash)); v != 0; v, at = l.names.next(x.hash, at) {
					if c := s.candidate(int32(order), v, x.above(name), name, qtype); c.strength > 0 {
						all = append(all, c)
					}
				}
			}
		}
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
	for i := range all {
		verdicts[i] = s.verdict(&all[i])
	}
	runtime.KeepAlive(s)
	return verdicts
}

// eachPattern calls found with the candidates that have no name of their own.
func (s *Set) eachPattern(name []byte, qtype uint16, found func(candidate)) {
	for order, l := range s.lists {
		if l.patterns.len() == 0 {
			continue
		}
		l.patterns.each(name, qtype, func(r *complexRule) {
			found(candidate{strength: s.strength(int32(order), r.Action, r.Important), action: r.Action, shape: r.Shape,
				distance: patternDistance, order: int32(order), line: r.Line})
		})
	}
}
