package lists

import "math/bits"

// table is a multimap from the hash of a name to rules about it, in two arrays
// without pointers: 12 bytes a slot, four of five slots used. Linear probing;
// the slot of a hash is its share of the range of all hashes, so that any number
// of slots will do. The zero value is an empty table.
type table struct {
	hashes []uint64
	values []value // 0: the slot is free
	used   int
}

// value is a rule in 32 bits, never 0.
type value uint32

const (
	valueShape     value = 3 << 30 // Exact, Subtree or Below
	valueAllow     value = 1 << 29
	valueImportant value = 1 << 28
	valueComplex   value = 1 << 27 // the low bits are the index into List.complex, not a line
	valueNumber    value = 1<<27 - 1
)

// newValue packs a rule; n is its line or its index. Lines beyond the field's
// reach are all given its highest number.
func newValue(r *Rule, n uint32, flags value) value {
	v := value(r.Shape)<<30 | flags | min(value(max(n, 1)), valueNumber)
	if flags&valueComplex != 0 {
		v = value(r.Shape)<<30 | flags | value(n)&valueNumber
	}
	if r.Action == Allow {
		v |= valueAllow
	}
	if r.Important {
		v |= valueImportant
	}
	return v
}

func (v value) shape() Shape { return Shape(v >> 30) }

func (v value) action() Action {
	if v&valueAllow != 0 {
		return Allow
	}
	return Deny
}

// reaches says whether the rule is about a name with so many labels above the
// rule's own.
func (v value) reaches(labels uint8) bool {
	switch v.shape() {
	case Exact:
		return labels == 0
	case Below:
		return labels > 0
	}
	return true
}

// sameRule says whether two simple rules about one name differ at most in their line.
func (v value) sameRule(other value) bool {
	return (v^other)&^valueNumber == 0 && v&valueComplex == 0
}

// newTable makes a table with room for n rules.
func newTable(n int) table {
	if n == 0 {
		return table{}
	}
	slots := slotsFor(n)
	return table{hashes: make([]uint64, slots), values: make([]value, slots)}
}

func slotsFor(n int) int { return n + n/4 + 1 }

// home is the slot where the search for a hash begins.
func (t *table) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.values)))
	return int(hi)
}

// insert adds a rule unless it is there already; the lower line stays.
func (t *table) insert(hash uint64, v value) {
	i := t.home(hash)
	for ; t.values[i] != 0; i++ {
		if t.hashes[i] == hash && t.values[i].sameRule(v) {
			t.values[i] = min(t.values[i], v)
			return
		}
		if i+1 == len(t.values) {
			i = -1
		}
	}
	t.hashes[i], t.values[i] = hash, v
	t.used++
}

// add adds a rule that is not there.
func (t *table) add(hash uint64, v value) {
	i := t.home(hash)
	for t.values[i] != 0 {
		if i++; i == len(t.values) {
			i = 0
		}
	}
	t.hashes[i], t.values[i] = hash, v
	t.used++
}

// next returns the first rule for hash at or after slot i, and the slot to go on
// from; 0 when there is no more. The first call is with t.home(hash).
func (t *table) next(hash uint64, i int) (value, int) {
	for {
		v := t.values[i]
		if v == 0 {
			return 0, i
		}
		found := t.hashes[i] == hash
		if i++; i == len(t.values) {
			i = 0
		}
		if found {
			return v, i
		}
	}
}
