package lists

import "math/bits"

// table is a multimap from the hash of a name to rules about it: an array of
// buckets without pointers, each as large as a cache line, so that looking for a
// name costs one access to memory. The bucket of a hash is its share of the range
// of all hashes, so that any number of buckets will do, and walking through a
// table is walking through its hashes in order; a full bucket runs over into the
// next. The zero value is an empty table.
//
// What else was measured, on the 682,198 names of a union of real lists, names
// asked for at random: bytes a rule, and ns for a name below a listed one and for
// a popular one that is not listed, of which hashing takes 108 and 62 (medians of
// five runs; two busy cores of an AMD EPYC).
//
//	this table                      15.1    305   156   with 85 of 100 slots used
//	linear probing, two arrays      14.1    310   134   two accesses for a hit
//	sorted hashes, interpolation    16.0    547   231   several accesses that wait for each other
//	sorted hashes, binary search    16.0    726   305
//	Go map of names                 64.7    634   214   exact, but four times the memory
//	FST (vellum), own walk          16.9    857   342   exact; builds ten times slower; 2208 and 1062 by its interface
//	radix tree (go-immutable-radix)  452   1815   947
//	Patricia trie (go-patricia)      336   3331  1756
//	succinct trie (slim)            25.1   2042   622
//
// BenchmarkStructures repeats the first five but binary search.
type table struct {
	buckets []bucket
	used    int
}

// bucket is 64 bytes. Its slots are filled from the first on.
type bucket struct {
	hashes [bucketSlots]uint64
	values [bucketSlots]value // 0: the slot is free
	_      uint32
}

const (
	bucketSlots = 5
	bucketBytes = 64
)

// bucketsFor is how many buckets a table of n rules has: 88 of 100 slots are
// used, which makes 14.55 bytes a rule.
func bucketsFor(n int) int { return n*25/(22*bucketSlots) + 1 }

// value is a rule in 32 bits, never 0.
type value uint32

const (
	valueShape     value = 3 << 30 // Exact, Subtree, Below or Address
	valueAllow     value = 1 << 29
	valueImportant value = 1 << 28
	valueComplex   value = 1 << 27 // the low bits are the index into List.complex, not a line
	valueMore      value = 1 << 26 // another rule with the same hash is stored behind this one
	valueNumber    value = 1<<26 - 1
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
	return (v^other)&^(valueNumber|valueMore) == 0 && v&valueComplex == 0
}

// newTable makes a table with room for n rules, in memory of its own.
func newTable[T any](owner *T, n int) (table, region) {
	if n == 0 {
		return table{}, region{}
	}
	buckets := bucketsFor(n)
	memory := newRegion(owner, buckets*bucketBytes)
	return tableOn(memory.bytes, buckets, 0), memory
}

// home is the bucket where the search for a hash begins.
func (t *table) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.buckets)))
	return int(hi)
}

// place is a slot of a table: what is searched from there comes before.
type place struct{ bucket, slot int }

// first is where the search for a hash begins.
func (t *table) first(hash uint64) place { return place{bucket: t.home(hash)} }

// next returns the first rule for hash at or after a place, and the place to go
// on from; 0 when there is no more, which need not be asked when the rule before
// had no valueMore.
func (t *table) next(hash uint64, at place) (value, place) {
	for {
		b := &t.buckets[at.bucket]
		for i := at.slot; i < bucketSlots; i++ {
			if b.hashes[i] == hash && b.values[i] != 0 {
				return b.values[i], place{at.bucket, i + 1}
			}
		}
		if b.values[bucketSlots-1] == 0 {
			return 0, at
		}
		at = place{bucket: at.bucket + 1}
		if at.bucket == len(t.buckets) {
			at.bucket = 0
		}
	}
}

// insert adds a rule unless it is there already; the lower line stays.
func (t *table) insert(hash uint64, v value) {
	for old, at := t.next(hash, t.first(hash)); old != 0; old, at = t.next(hash, at) {
		if old.sameRule(v) {
			slot := &t.buckets[at.bucket].values[at.slot-1]
			*slot = old&valueMore | min(old&^valueMore, v)
			return
		}
		if old&valueMore == 0 {
			break
		}
	}
	t.add(hash, v)
}

// add adds a rule that is not there.
func (t *table) add(hash uint64, v value) {
	for at := t.home(hash); ; {
		b := &t.buckets[at]
		for i := range b.values {
			switch {
			case b.values[i] == 0:
				b.hashes[i], b.values[i] = hash, v
				t.used++
				return
			case b.hashes[i] == hash:
				b.values[i] |= valueMore
			}
		}
		if at++; at == len(t.buckets) {
			at = 0
		}
	}
}

// stepBuckets is how many buckets are worked on between two steps of a worker.
const stepBuckets = 1024

// each calls f for every rule, nearly in the order of the hashes.
func (t *table) each(gentle bool, f func(hash uint64, v value)) {
	work := worker{gentle: gentle}
	for i := range t.buckets {
		if i%stepBuckets == 0 {
			work.step()
		}
		b := &t.buckets[i]
		for j, v := range b.values {
			if v == 0 {
				break
			}
			f(b.hashes[j], v)
		}
	}
}
