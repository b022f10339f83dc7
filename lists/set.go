package lists

import (
	"bytes"
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
	memory   region       // of a joined index
	only     *List        // whose table the index is, when it is that of a single list
	complex  []listedRule // what complex values of a joined index refer to
	depths   depths       // of the names in the index and the own rules
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
		s.depths |= l.depths
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

// join makes the index of several lists, with so many rules in all. Both it and
// their tables are in the order of the hashes, so that memory is walked through
// and not jumped about in.
func (s *Set) join(rules int) {
	t, memory := newTable(s, rules)
	s.memory = memory
	for order, l := range s.lists {
		if s.own && order == 0 {
			continue
		}
		l.names.each(func(hash uint64, v value) {
			// A value must not be 0, so the order is counted from 1.
			number := order + 1
			if v&valueComplex != 0 {
				number = len(s.complex)
				s.complex = append(s.complex, listedRule{&l.complex[v&valueNumber], order})
			}
			t.add(hash, v&^valueNumber|value(number)&valueNumber)
		})
		if l.mapped {
			letGo(l.memory.bytes)
		}
	}
	s.index = &t
}

// Lists are the lists of the set, in order, the own rules first.
func (s *Set) Lists() []*List { return s.lists }

// Match says what the rules want of a normalised name that is asked for with
// type qtype. The verdict has no line where several lists are joined: Explain
// finds it. Match does not allocate unless a list has patterns.
func (s *Set) Match(name []byte, qtype uint16) Verdict {
	var best candidate
	var suffixes [suffixBatch]suffix
	// All hashes first: the accesses to memory that follow then overlap.
	w := s.walk(name)
	for found := w.fill(&suffixes); found > 0; found = w.fill(&suffixes) {
		for i := range found {
			x := &suffixes[i]
			if s.own {
				s.matchIn(&s.lists[0].names, s.lists[0], x, name, qtype, &best)
			}
			if s.index != nil {
				s.matchIn(s.index, s.only, x, name, qtype, &best)
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
	runtime.KeepAlive(s) // the tables may lie in memory that is given back with it
	return best.Verdict
}

// suffix is a name above the asked one, or that one itself.
type suffix struct {
	hash  uint64
	begin int // in the asked name
}

// above is how many labels of name stand above the suffix.
func (x *suffix) above(name []byte) uint8 { return uint8(bytes.Count(name[:x.begin], []byte{'.'})) }

// suffixBatch is how many suffixes are hashed before they are looked for; most
// names have fewer.
const suffixBatch = 8

// walk goes through the suffixes of a name that rules can be about, the shortest
// first.
type walk struct {
	set   *Set
	name  []byte
	state suffixHash
	end   int // of what is not hashed yet; below 0 at the end
	depth int // labels so far
}

func (s *Set) walk(name []byte) walk {
	w := walk{set: s, name: name, state: s.seed.start(), end: len(name)}
	if len(name) == 0 {
		w.end = -1
	}
	return w
}

// fill returns how many suffixes it has put into batch, 0 at the end.
func (w *walk) fill(batch *[suffixBatch]suffix) int {
	n := 0
	for w.end >= 0 && n < suffixBatch {
		begin := labelStart(w.name, w.end)
		w.state.add(w.name[begin:w.end])
		w.end = begin - 1
		if w.depth++; w.set.depths.has(w.depth) {
			batch[n] = suffix{w.state.sum(), begin}
			n++
		}
	}
	return n
}

// matchIn looks for rules about a suffix of name; of is the list that t belongs
// to, nil for a joined index.
func (s *Set) matchIn(t *table, of *List, x *suffix, name []byte, qtype uint16, best *candidate) {
	if t.used == 0 {
		return
	}
	for v, at := t.next(x.hash, t.first(x.hash)); v != 0; v, at = t.next(x.hash, at) {
		if c, ok := s.candidate(of, v, name, qtype, x.above(name)); ok && c.beats(best) {
			*best = c
		}
		if v&valueMore == 0 {
			return
		}
	}
}

func (s *Set) orderOf(l *List) int { return slices.Index(s.lists, l) }

// Explain returns what every matching rule wants, the strongest, which decides,
// first.
func (s *Set) Explain(name []byte, qtype uint16) []Verdict {
	var all []candidate
	var suffixes [suffixBatch]suffix
	w := s.walk(name)
	for found := w.fill(&suffixes); found > 0; found = w.fill(&suffixes) {
		for _, x := range suffixes[:found] {
			for _, l := range s.lists {
				if l.names.used == 0 {
					continue
				}
				for v, at := l.names.next(x.hash, l.names.first(x.hash)); v != 0; v, at = l.names.next(x.hash, at) {
					if c, ok := s.candidate(l, v, name, qtype, x.above(name)); ok {
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
	runtime.KeepAlive(s)
	verdicts := make([]Verdict, len(all))
	for i, c := range all {
		verdicts[i] = c.Verdict
	}
	return verdicts
}

// candidate is a table's rule, when it reaches so many labels down and applies;
// of is the list that the table belongs to, nil for a joined index.
func (s *Set) candidate(of *List, v value, name []byte, qtype uint16, labels uint8) (candidate, bool) {
	if !v.reaches(labels) {
		return candidate{}, false
	}
	var order int
	var rule *complexRule
	line := uint32(v & valueNumber)
	switch {
	case of == nil && v&valueComplex != 0:
		rule, order = s.complex[line].complexRule, s.complex[line].order
	case of == nil:
		order, line = int(line)-1, 0
		of = s.lists[order]
	case v&valueComplex != 0:
		rule, order = &of.complex[line], s.orderOf(of)
	default:
		order = s.orderOf(of)
	}
	if rule != nil {
		if !rule.applies(name, qtype) {
			return candidate{}, false
		}
		of, line = s.lists[order], rule.Line
	}
	return candidate{
		Verdict:  Verdict{Action: v.action(), List: of, Shape: v.shape(), Labels: labels, Line: line},
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
	if c.strength != o.strength { // also when there is no other
		return c.strength > o.strength
	}
	return cmp.Or(cmp.Compare(c.distance, o.distance), cmp.Compare(c.order, o.order), cmp.Compare(c.Line, o.Line)) < 0
}
