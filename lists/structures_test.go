package lists

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// structure is a way to keep rules: find returns the rule about one name, which
// is given with its hash, 0 when there is none.
type structure interface {
	find(name []byte, hash uint64) value
}

// inMap is a Go map of the names themselves.
type inMap map[string]value

func (m inMap) find(name []byte, _ uint64) value { return m[string(name)] }

// sorted is hashes in order, found by interpolation: as they are spread evenly,
// the place of one can be guessed.
type sorted struct {
	hashes []uint64
	values []value
}

func (s *sorted) find(_ []byte, hash uint64) value {
	low, high := 0, len(s.hashes)-1
	for low <= high && hash >= s.hashes[low] && hash <= s.hashes[high] {
		at := low
		if span := s.hashes[high] - s.hashes[low]; span > 0 {
			hi, lo := bits.Mul64(hash-s.hashes[low], uint64(high-low))
			quotient, _ := bits.Div64(hi, lo, span)
			at += int(quotient)
		}
		switch {
		case s.hashes[at] == hash:
			return s.values[at]
		case s.hashes[at] < hash:
			low = at + 1
		default:
			high = at - 1
		}
	}
	return 0
}

// linear is an open table of two arrays, 85 of 100 slots used.
type linear struct {
	hashes []uint64
	values []value
}

func newLinear(s *sorted) *linear {
	size := len(s.hashes) * 20 / 17
	l := &linear{make([]uint64, size), make([]value, size)}
	for i, hash := range s.hashes {
		at := l.home(hash)
		for l.values[at] != 0 {
			at = (at + 1) % size
		}
		l.hashes[at], l.values[at] = hash, s.values[i]
	}
	return l
}

func (l *linear) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(l.hashes)))
	return int(hi)
}

func (l *linear) find(_ []byte, hash uint64) value {
	for at := l.home(hash); l.values[at] != 0; {
		if l.hashes[at] == hash {
			return l.values[at]
		}
		if at++; at == len(l.hashes) {
			at = 0
		}
	}
	return 0
}

func (t *table) find(_ []byte, hash uint64) value {
	v, _ := t.next(hash, t.first(hash))
	return v
}

// structures are the candidates with the same n rules.
func structures(n int) map[string]func() structure {
	seed := Seed{1}
	inOrder := func() *sorted {
		all := make([]entry, n)
		for i := range all {
			all[i] = entry{seed.hash([]byte(nameOf(i))), value(Subtree)<<30 | value(i+1)}
		}
		slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.hash, b.hash) })
		s := new(sorted)
		for _, e := range all {
			s.hashes, s.values = append(s.hashes, e.hash), append(s.values, e.value)
		}
		s.hashes, s.values = slices.Clip(s.hashes), slices.Clip(s.values)
		return s
	}
	return map[string]func() structure{
		"map": func() structure {
			m := make(inMap, n)
			for i := range n {
				m[nameOf(i)] = value(Subtree)<<30 | value(i+1)
			}
			return m
		},
		"sorted": func() structure { return inOrder() },
		"linear": func() structure { return newLinear(inOrder()) },
		"table": func() structure {
			s := inOrder()
			t := table{buckets: make([]bucket, bucketsFor(n))}
			for i, hash := range s.hashes {
				t.add(hash, s.values[i])
			}
			return &t
		},
	}
}

// eachSuffix calls f with a name, those above it, and the hash of each.
func eachSuffix(seed Seed, name []byte, f func(suffix []byte, hash uint64)) {
	h := seed.start()
	for end := len(name); end >= 0; {
		begin := labelStart(name, end)
		h.add(name[begin:end])
		f(name[begin:], h.sum())
		end = begin - 1
	}
}

func TestStructuresAgree(t *testing.T) {
	const rules = 20_000
	for kind, build := range structures(rules) {
		s := build()
		for i := range 2 * rules {
			name := []byte("www." + nameOf(i))
			var got value
			eachSuffix(Seed{1}, name, func(suffix []byte, hash uint64) { got = cmp.Or(s.find(suffix, hash), got) })
			want := value(0)
			if i < rules {
				want = value(Subtree)<<30 | value(i+1)
			}
			if got != want {
				t.Fatalf("%s: %s: %x, want %x", kind, name, got, want)
			}
		}
	}
}

// What the rules are kept in was chosen by this, and by what PERFORMANCE.md tells
// of others: every name above an asked one is looked for, a million rules, names
// at random.
func BenchmarkStructures(b *testing.B) {
	const rules = 1_000_000
	random := rand.New(rand.NewPCG(1, 1))
	asked := map[string][][]byte{}
	for range 1 << 16 {
		n := random.IntN(rules)
		asked["hit"] = append(asked["hit"], []byte("www."+nameOf(n)))
		asked["miss"] = append(asked["miss"], fmt.Appendf(nil, "www.site%d.org", n))
	}
	for kind, build := range structures(rules) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := build()
		runtime.GC()
		runtime.ReadMemStats(&after)
		for which, names := range asked {
			b.Run(kind+"/"+which, func(b *testing.B) {
				found := 0
				for i := 0; b.Loop(); i++ {
					eachSuffix(Seed{1}, names[i%len(names)], func(suffix []byte, hash uint64) {
						if bytes.IndexByte(suffix, '.') > 0 && s.find(suffix, hash) != 0 {
							found++
						}
					})
				}
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/rules, "B/rule")
			})
		}
	}
}
