package lists

import (
	"context"
	"io"
	"net/netip"
	"runtime"
	"sync"
)

// Overlap is how much a list has in common with the others of a Store. A rule of
// it is covered by another list when one rule of that, without modifiers, wants the
// same wherever the covered one speaks: the same rule, or one about the same name or
// one above it that reaches as far down, or about a network around it. One without
// $important does not cover one with it. Patterns, expressions and what rewrites
// answers are covered by the same rule only. To whom and when lists apply does not
// count.
type Overlap struct {
	Name   string
	Kind   Action
	Rules  int // different ones, as Status.Entries
	Only   int // covered by no other list
	Others []Common

	// NoText: the text of the list cannot be read, so what is above its names is not
	// known: only rules about the very same names and networks were compared.
	NoText bool
}

// Common is what another list has of one.
type Common struct {
	Name    string
	Same    int // the other list has the same rule
	Covered int // the other list covers it; with the same ones
}

// overlaps keeps the last count, and makes one at a time.
type overlaps struct {
	mu       sync.Mutex
	of       uint64 // the build of which last is
	last     []Overlap
	counting *counting // nil when nobody counts
}

// counting is a count under way.
type counting struct {
	stop context.CancelFunc
	done chan struct{} // closed when it is over
	all  []Overlap     // then
	err  error         // likewise
}

// Overlaps says of each list, in order of the configuration, what it has in common
// with the others: those with nothing in common are left out of Others. It reads
// the texts of all lists, which takes seconds for millions of rules (more, when it
// is done gently), and very little memory. So it is counted once for all who ask
// while the lists stay the same, and goes on when ctx ends, whose error is then
// returned, until Run ends. The result is shared: it must not be changed.
func (s *Store) Overlaps(ctx context.Context) ([]Overlap, error) {
	o := &s.overlaps
	o.mu.Lock()
	if o.last != nil && o.of == s.built.Load() {
		defer o.mu.Unlock()
		return o.last, nil
	}
	if o.counting == nil {
		background, stop := context.WithCancel(context.WithoutCancel(ctx))
		o.counting = &counting{stop: stop, done: make(chan struct{})}
		go s.count(background, o.counting)
	}
	c := o.counting
	o.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return c.all, c.err
	}
}

// count makes a count and keeps it.
func (s *Store) count(ctx context.Context, c *counting) {
	all, of, err := s.countOverlaps(ctx)
	c.all, c.err = all, err
	o := &s.overlaps
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.last, o.of = all, of
	}
	o.counting = nil
	c.stop()
	close(c.done)
}

// stopCounting ends a count under way.
func (s *Store) stopCounting() {
	s.overlaps.mu.Lock()
	defer s.overlaps.mu.Unlock()
	if c := s.overlaps.counting; c != nil {
		c.stop()
	}
}

// countOverlaps counts for the present set. It returns which build that is.
func (s *Store) countOverlaps(ctx context.Context) ([]Overlap, uint64, error) {
	s.mu.Lock()
	set, metas, of := s.set.Load(), s.metas, s.built.Load()
	s.mu.Unlock()
	first := len(set.lists) - len(s.lists)
	all := make([]Overlap, 0, len(s.lists))
	for i, k := range s.lists {
		c := newCounter(ctx, set, int32(first+i), s.gentle.Load())
		text, err := k.openText(&metas[i])
		if err == nil {
			err = c.read(text, ParseOptions{List: k.Name, Format: k.Format, Match: k.Match, Kind: k.Kind, Gentle: s.gentle.Load()})
			text.Close()
		}
		noText := err != nil && c.list.names.used > 0
		if noText {
			c.start() // a text that broke off has been counted in part
			c.compare()
		}
		c.finish()
		if ctx.Err() != nil {
			return nil, of, ctx.Err()
		}
		one := Overlap{Name: k.Name, Kind: k.Kind, Rules: c.list.Entries(), Only: c.only, NoText: noText}
		for j, other := range s.lists {
			if n := c.counts[first+j]; n.Covered > 0 {
				n.Name = other.Name
				one.Others = append(one.Others, n)
			}
		}
		all = append(all, one)
	}
	runtime.KeepAlive(set) // the tables may lie in memory that is given back with it
	return all, of, nil
}

// counter counts what the lists of a set have of one of them. Each rule of that is
// looked for where a query would look for it: in the index of all lists.
type counter struct {
	ctx    context.Context
	set    *Set
	order  int32 // of the list
	list   *List
	counts []Common // by the order of the other list
	only   int

	covers  []cover // by the order of the other list; of the rule at hand
	touched []int32 // where covers is not its zero value
	line    uint32
	onLine  map[entry]bool // the simple rules of that line: it may have one twice
	seen    int
	work    worker
}

// cover is whether a list has a rule.
type cover struct{ covered, same bool }

func newCounter(ctx context.Context, set *Set, order int32, gentle bool) *counter {
	c := &counter{ctx: ctx, set: set, order: order, list: set.lists[order], work: worker{gentle: gentle}}
	c.start()
	return c
}

func (c *counter) start() {
	c.counts, c.only = make([]Common, len(c.set.lists)), 0
	c.covers, c.touched = make([]cover, len(c.set.lists)), nil
	c.line, c.onLine = 0, map[entry]bool{}
}

// read counts the simple rules of the list's text. Its compiled form says which of
// them count: those that were not taken out, each in its first line.
func (c *counter) read(text io.Reader, o ParseOptions) error {
	_, err := Parse(until{text, func() bool { return c.ctx.Err() != nil }}, o, func(r Rule) {
		if c.seen++; c.seen%stepOverlap == 0 {
			c.work.step()
		}
		if r.simple() && !r.Cancel && c.isFirst(&r) {
			c.rule(&r, nil)
		}
	}, func(Skip) {})
	return err
}

// stepOverlap is how many rules are looked for between two steps of a worker.
const stepOverlap = 64

// isFirst says whether a simple rule stands in its first line, for the first time.
func (c *counter) isFirst(r *Rule) bool {
	if c.list.names.used == 0 {
		return false
	}
	e := entry{c.set.seed.hashOf(r), newValue(r, r.Line, 0)}
	if r.Line != c.line {
		c.line = r.Line
		clear(c.onLine)
	}
	if c.onLine[e] {
		return false
	}
	t := &c.list.names
	for v, at := t.next(e.hash, t.first(e.hash)); v != 0; v, at = t.next(e.hash, at) {
		if v.sameRule(e.value) {
			c.onLine[e] = true
			return v&valueNumber == e.value&valueNumber
		}
	}
	return false
}

// compare counts the simple rules of the list by their hashes alone.
func (c *counter) compare() {
	c.list.names.each(c.work.gentle, func(hash uint64, v value) {
		if v&valueComplex == 0 && c.ctx.Err() == nil {
			c.look(hash, v, nil, true)
			c.settle()
		}
	})
}

// finish counts the rules that are not simple.
func (c *counter) finish() {
	for i := range c.list.complex {
		c.work.step()
		c.rule(&c.list.complex[i].Rule, &c.list.complex[i].Rule)
	}
	c.patterns()
}

// patterns counts the rules without a name.
func (c *counter) patterns() {
	if c.list.patterns.len() == 0 {
		return
	}
	var others []*inventory
	for order, l := range c.set.lists {
		if l.patterns.len() > 0 && int32(order) != c.order && l.Level == Listed {
			others = append(others, takeInventory(l, c.set.seed))
		} else {
			others = append(others, nil)
		}
	}
	for i := range c.list.patterns.rules {
		if c.ctx.Err() != nil {
			return
		}
		c.work.step()
		for order, other := range others {
			if other != nil && other.has(&c.list.patterns.rules[i].Rule) {
				c.mark(int32(order), true)
			}
		}
		c.settle()
	}
}

// rule counts one rule that has a name or a network; complex is the same one where
// it is not simple.
func (c *counter) rule(r, complex *Rule) {
	v := newValue(r, 0, 0)
	if r.Shape == Address {
		c.network(r.Network, v, complex)
	} else {
		name := raw(r.Name)
		var batch [suffixBatch]suffix
		w := c.set.walk(name)
		for n := w.fill(&batch); n > 0; n = w.fill(&batch) {
			for _, x := range batch[:n] {
				c.look(x.hash, v, complex, x.begin == 0)
			}
		}
	}
	c.settle()
}

func (c *counter) network(p netip.Prefix, v value, complex *Rule) {
	c.set.lengths.each(p.Addr().Is4(), func(n int) {
		if n <= p.Bits() {
			c.look(c.set.seed.hashNetwork(p.Addr(), n), v, complex, n == p.Bits())
		}
	})
}

// look marks the lists with a rule at hash that covers v, which is about what has
// that hash itself, or lies below it. complex is as in rule.
func (c *counter) look(hash uint64, v value, complex *Rule, itself bool) {
	x := &c.set.listed
	if x.table == nil {
		return
	}
	for o, at := x.next(hash, x.first(hash)); o != 0; o, at = x.next(hash, at) {
		order, rule := c.found(o)
		switch {
		case order == c.order:
		case rule != nil:
			if itself && complex != nil && rule.same(complex) {
				c.mark(order, true)
			}
		case complex != nil && complex.Rewrite != nil:
		case o.covers(v, itself):
			c.mark(order, complex == nil && itself && o.sameRule(v))
		}
		if o&valueMore == 0 {
			return
		}
	}
}

// found is whose a value of the index is, and its rule where that is not simple.
func (c *counter) found(v value) (order int32, rule *Rule) {
	x, n := &c.set.listed, v&valueNumber
	switch {
	case x.only != joined && v&valueComplex != 0:
		return x.only, &c.set.lists[x.only].complex[n].Rule
	case x.only != joined:
		return x.only, nil
	case v&valueComplex != 0:
		return x.complex[n].order, &x.complex[n].Rule
	}
	return int32(n) - 1, nil
}

// covers says whether a simple rule wants the same as o wherever that speaks, when o
// is about the very same name or network, or one below.
func (v value) covers(o value, itself bool) bool {
	switch {
	case v.action() != o.action() || o&valueImportant != 0 && v&valueImportant == 0:
		return false
	case !itself:
		return v.shape() != Exact
	}
	return v.shape() == o.shape() || v.shape() == Subtree
}

func (c *counter) mark(order int32, same bool) {
	m := &c.covers[order]
	if !m.covered {
		m.covered = true
		c.touched = append(c.touched, order)
	}
	m.same = m.same || same
}

// settle counts what was marked for a rule.
func (c *counter) settle() {
	if len(c.touched) == 0 {
		c.only++
		return
	}
	for _, order := range c.touched {
		c.counts[order].Covered++
		if c.covers[order].same {
			c.counts[order].Same++
		}
		c.covers[order] = cover{}
	}
	c.touched = c.touched[:0]
}
