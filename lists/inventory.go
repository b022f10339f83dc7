package lists

import "runtime"

// inventory answers whether a list has a rule.
type inventory struct {
	list     *List
	seed     Seed
	patterns map[string][]*Rule // those without a name, by their expression
}

func takeInventory(l *List, seed Seed) *inventory {
	v := &inventory{list: l, seed: seed, patterns: map[string][]*Rule{}}
	for i := range l.patterns.rules {
		r := &l.patterns.rules[i].Rule
		v.patterns[r.Pattern] = append(v.patterns[r.Pattern], r)
	}
	return v
}

// has says whether there is a rule that wants the same, in whatever line.
func (v *inventory) has(r *Rule) bool {
	switch {
	case !r.Shape.hashed():
		for _, o := range v.patterns[r.Pattern] {
			if o.same(r) {
				return true
			}
		}
		return false
	case r.simple():
		return v.hasSimple(v.seed.hashOf(r), newValue(r, 0, 0))
	}
	return v.hasComplex(v.seed.hashOf(r), r)
}

func (v *inventory) hasSimple(hash uint64, x value) bool {
	return v.find(hash, x.sameRule)
}

func (v *inventory) hasComplex(hash uint64, r *Rule) bool {
	return v.find(hash, func(x value) bool { return x&valueComplex != 0 && v.list.complex[x&valueNumber].same(r) })
}

// find says whether one of the rules for hash is what is looked for.
func (v *inventory) find(hash uint64, is func(value) bool) bool {
	t := &v.list.names
	if t.used == 0 {
		return false
	}
	defer runtime.KeepAlive(v.list) // the table may lie in memory that is given back with it
	for x, at := t.next(hash, t.first(hash)); x != 0; x, at = t.next(hash, at) {
		if is(x) {
			return true
		}
		if x&valueMore == 0 {
			break
		}
	}
	return false
}

// lacks is how many different rules of l there are not; see ParseOptions.Gentle.
// Both tables are in the order of the hashes, so memory is walked through.
func (v *inventory) lacks(l *List, gentle bool) (n int) {
	count := func(has bool) {
		if !has {
			n++
		}
	}
	l.names.each(gentle, func(hash uint64, x value) {
		if x&valueComplex != 0 {
			count(v.hasComplex(hash, &l.complex[x&valueNumber].Rule))
		} else {
			count(v.hasSimple(hash, x))
		}
	})
	work := worker{gentle: gentle}
	for i := range l.patterns.rules {
		work.step()
		count(v.has(&l.patterns.rules[i].Rule))
	}
	runtime.KeepAlive(l)
	return n
}
