package lists

import (
	"net/netip"
	"runtime"
	"slices"
)

// Set is the compiled rules of all lists: immutable, and safe for concurrent
// use. Precedence, strongest first: the rules of groups (what rewrites before
// what allows before what denies), those of [blocking], of lists what rewrites,
// $important, all others.
// Among equals the rule nearest to the asked name, then the earlier list, then
// the earlier line decides. Only the lists that apply to who asks count.
//
// The rules of several lists are joined in one index, which is searched once for
// every label of a name however many lists there are, and whoever asks: a list is
// there once. Its entries name the list; which line a rule is on is found in the
// list itself, when somebody asks. A single list is its own index. The rules of
// the configuration have an index of their own, since they are few and change
// with every reload.
type Set struct {
	seed     Seed
	lists    []*List // by place; never nil
	levels   []Level // of them
	own      index   // of lists with a level of their own
	listed   index   // of all others
	depths   depths  // of the names in both
	lengths  lengths // of the networks in both
	patterns bool    // some list has patterns
	base     *Set    // whose memory listed lies in; nil when it is its own
}

// index is where the rules of some lists of a Set are found by their hash.
type index struct {
	*table               // nil when there are none
	memory  region       // of a joined index
	only    int32        // whose table it is; joined when it is of several
	complex []listedRule // what complex values of a joined index refer to
}

// listedRule is a complex rule and the order of its list.
type listedRule struct {
	*complexRule
	order int32
}

// joined stands for the order of a list where each rule tells its own.
const joined = -1

// NewSet joins lists that were built with the same seed. Each has its place, by
// which Who.Lists names it; nil takes the place of one that is not there.
func NewSet(seed Seed, lists ...*List) *Set { return newSet(seed, lists, false) }

// newSet is NewSet; see ParseOptions.Gentle.
func newSet(seed Seed, lists []*List, gentle bool) *Set {
	s := &Set{seed: seed}
	own, listed := s.take(lists)
	s.join(&s.own, own, gentle)
	s.join(&s.listed, listed, gentle)
	return s
}

// withOwn is a set with other rules of the configuration in the first places, and
// the same lists. It costs what these rules cost, however many the lists have.
func (s *Set) withOwn(own []*List) *Set {
	next := &Set{seed: s.seed, listed: s.listed, base: s}
	if s.base != nil {
		next.base = s.base
	}
	orders, _ := next.take(slices.Concat(own, s.lists[len(own):]))
	next.join(&next.own, orders, false)
	return next
}

// take makes lists those of the set. It returns the places of those with rules to be
// joined: those of the configuration, and all others.
func (s *Set) take(lists []*List) (own, listed []int32) {
	s.lists, s.levels = slices.Clone(lists), make([]Level, len(lists))
	for order, l := range s.lists {
		if l == nil {
			s.lists[order] = new(List)
			continue
		}
		s.levels[order] = l.Level
		s.patterns = s.patterns || l.patterns.len() > 0
		s.depths |= l.depths
		s.lengths.join(l.lengths)
		switch {
		case l.names.used == 0:
		case l.Level == Listed:
			listed = append(listed, int32(order))
		default:
			own = append(own, int32(order))
		}
	}
	return own, listed
}

// join makes the index of the lists of some orders. Both it and their tables are
// in the order of the hashes, so that memory is walked through and not jumped
// about in.
func (s *Set) join(x *index, orders []int32, gentle bool) {
	switch len(orders) {
	case 0:
		return
	case 1:
		x.table, x.only = &s.lists[orders[0]].names, orders[0]
		return
	}
	rules := 0
	for _, order := range orders {
		rules += s.lists[order].names.used
	}
	t, memory := newTable(s, rules)
	x.table, x.memory, x.only = &t, memory, joined
	for _, order := range orders {
		l := s.lists[order]
		l.names.each(gentle, func(hash uint64, v value) {
			// A value must not be 0, so the order is counted from 1.
			number := int(order) + 1
			if v&valueComplex != 0 {
				number = len(x.complex)
				x.complex = append(x.complex, listedRule{&l.complex[v&valueNumber], order})
			}
			t.add(hash, v&^valueNumber|value(number)&valueNumber)
		})
		if l.mapped {
			letGo(l.memory.bytes)
		}
	}
}

// Lists are the lists of the set, by place.
func (s *Set) Lists() []*List { return s.lists }

// Addresses says whether there are rules about addresses.
func (s *Set) Addresses() bool { return s.lengths.any() }

// Match says what the rules want of a normalised name that who asks for with type
// qtype. The verdict has no line where several lists are joined: Explain finds
// it. Match does not allocate, but for a rewritten answer.
func (s *Set) Match(name []byte, qtype uint16, who *Who) Verdict {
	q := asking{name, qtype, who}
	var best candidate
	var batch [suffixBatch]suffix
	w := s.walk(name)
	for n := w.fill(&batch); n > 0; n = w.fill(&batch) {
		for i := range batch[:n] {
			x := &batch[i]
			if s.own.table != nil {
				s.find(&s.own, x, &q, &best)
			}
			if s.listed.table != nil {
				s.find(&s.listed, x, &q, &best)
			}
		}
	}
	if s.patterns {
		s.eachPattern(&q, func(c candidate) { best.yield(&c) })
	}
	verdict := s.verdict(&best)
	if best.action == Rewrite { // which it may have to share with others
		verdict = s.rewritten(s.standing(s.all(&q)))
	}
	runtime.KeepAlive(s) // the tables may lie in memory that is given back with it
	return verdict
}

// MatchAddress says what the rules want of an address, unmapped, in an answer to
// who, in a record of type qtype. Among equals the smallest network decides.
func (s *Set) MatchAddress(ip netip.Addr, qtype uint16, who *Who) Verdict {
	q := asking{qtype: qtype, who: who}
	var best candidate
	s.lengths.each(ip.Is4(), func(n int) {
		hash, distance := s.seed.hashNetwork(ip, n), uint8(ip.BitLen()-n)
		s.findAddress(&s.own, hash, distance, &q, &best)
		s.findAddress(&s.listed, hash, distance, &q, &best)
	})
	verdict := s.verdict(&best)
	runtime.KeepAlive(s)
	return verdict
}

// find looks in an index, which has rules, for those about a suffix of the name.
func (s *Set) find(in *index, x *suffix, q *asking, best *candidate) {
	for v, at := in.next(x.hash, in.first(x.hash)); v != 0; v, at = in.next(x.hash, at) {
		c := s.candidate(in, v, x.above(q.name), q)
		best.yield(&c)
		if v&valueMore == 0 {
			return
		}
	}
}

// findAddress looks in an index for rules about a network.
func (s *Set) findAddress(in *index, hash uint64, distance uint8, q *asking, best *candidate) {
	if in.table == nil {
		return
	}
	for v, at := in.next(hash, in.first(hash)); v != 0; v, at = in.next(hash, at) {
		c := s.candidate(in, v, distance, q)
		best.yield(&c)
	}
}

// Explain returns what every matching rule wants, the strongest first. The first
// is what decides; where it rewrites, it has the answers of its equals as well.
func (s *Set) Explain(name []byte, qtype uint16, who *Who) []Verdict {
	q := asking{name, qtype, who}
	all := s.standing(s.all(&q))
	var verdicts []Verdict
	if first := s.rewritten(all); first.Action != None {
		verdicts = append(verdicts, first)
		for i := range all {
			if c := &all[i]; s.lists[c.order] != first.List || c.line != first.Line {
				verdicts = append(verdicts, s.told(c))
			}
		}
	}
	runtime.KeepAlive(s)
	return verdicts
}

// ExplainAddress is Explain for an address; see MatchAddress.
func (s *Set) ExplainAddress(ip netip.Addr, qtype uint16, who *Who) []Verdict {
	q := asking{qtype: qtype, who: who}
	var all []candidate
	s.lengths.each(ip.Is4(), func(n int) {
		all = s.collect(all, s.seed.hashNetwork(ip, n), uint8(ip.BitLen()-n), &q)
	})
	slices.SortFunc(all, candidate.compare)
	verdicts := make([]Verdict, len(all))
	for i := range all {
		verdicts[i] = s.verdict(&all[i])
	}
	runtime.KeepAlive(s)
	return verdicts
}

// all are the rules that match, the strongest first, with their lines.
func (s *Set) all(q *asking) []candidate {
	var all []candidate
	var batch [suffixBatch]suffix
	w := s.walk(q.name)
	for n := w.fill(&batch); n > 0; n = w.fill(&batch) {
		for _, x := range batch[:n] {
			all = s.collect(all, x.hash, x.above(q.name), q)
		}
	}
	s.eachPattern(q, func(c candidate) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	})
	slices.SortFunc(all, candidate.compare)
	return all
}

// collect appends the rules of every list that have a hash and match.
func (s *Set) collect(all []candidate, hash uint64, distance uint8, q *asking) []candidate {
	for order, l := range s.lists {
		if l.names.used == 0 {
			continue
		}
		in := index{table: &l.names, only: int32(order)}
		for v, at := in.next(hash, in.first(hash)); v != 0; v, at = in.next(hash, at) {
			if c := s.candidate(&in, v, distance, q); c.strength > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// eachPattern calls found with the candidates that have no name of their own.
func (s *Set) eachPattern(q *asking, found func(candidate)) {
	for order, l := range s.lists {
		if l.patterns.len() == 0 || !q.who.has(int32(order)) {
			continue
		}
		l.patterns.each(q, func(r *complexRule) { found(s.complexCandidate(r, patternDistance, int32(order))) })
	}
}
