package lists

// suffix is a name above an asked one, or that one itself.
type suffix struct {
	hash  uint64
	begin int // in the asked name
}

// above is how many labels of name stand above the suffix.
func (x *suffix) above(name []byte) (labels uint8) {
	for end := x.begin - 1; end >= 0; end = labelStart(name, end) - 1 {
		labels++
	}
	return labels
}

// suffixBatch is how many suffixes are hashed before the first is looked for, so
// that the accesses to memory that follow overlap. Most names have fewer.
const suffixBatch = 8

// walk goes through the suffixes of a name that rules can be about, the shortest
// first. Those of a depth at which the set has no rules are passed over.
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
