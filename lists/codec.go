package lists

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"
)

// The stored form of a compiled list, all numbers little-endian:
//
//	magic and version  8 bytes
//	check of the seed  8
//	size of the head   4   JSON, padded so that the buckets begin at a multiple of 64: name, kind, the rules that are not simple
//	buckets            4
//	used slots         4
//	depths             4   of the rules' names
//	lengths            24  of the rules' networks
//	head, buckets (5 hashes, 5 values, 4 bytes of nothing)
//	CRC-32C of all before it, 4
//
// So the buckets can be used where they lie when the file is mapped.
const (
	magic      = "dpxlist\x05"
	prefixSize = 8 + 8 + 4 + 4 + 4 + 4 + 24
)

// ErrFormat says that a stored list is damaged, of another version, or of
// another installation. It is to be compiled again.
var ErrFormat = errors.New("no usable compiled list")

// head is the part of a stored list that is small.
type head struct {
	Name     string
	Kind     Action
	Complex  []Rule `json:",omitempty"`
	Patterns []Rule `json:",omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// check recognises the seed without telling it.
func (s *Seed) check() uint64 { return s.hash([]byte("the seed of this installation")) }

// Write writes the stored form of l, which was built with seed; see
// ParseOptions.Gentle.
func (l *List) Write(w io.Writer, seed Seed, gentle bool) error {
	h := head{Name: l.Name, Kind: l.Kind}
	for i := range l.complex {
		h.Complex = append(h.Complex, l.complex[i].Rule)
	}
	for i := range l.patterns.rules {
		h.Patterns = append(h.Patterns, l.patterns.rules[i].Rule)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("list %s: %w", l.Name, err)
	}
	for (prefixSize+len(text))%bucketBytes != 0 {
		text = append(text, ' ')
	}
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	b := append(make([]byte, 0, prefixSize), magic...)
	b = binary.LittleEndian.AppendUint64(b, seed.check())
	for _, n := range []int{len(text), len(l.names.buckets), l.names.used, int(l.depths)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, word := range l.lengths {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	out.Write(b) // a bufio.Writer keeps its first error until Flush
	out.Write(text)
	work := worker{gentle: gentle}
	for i := range l.names.buckets {
		if i%stepBuckets == 0 {
			work.step()
		}
		b = b[:0]
		for _, h := range l.names.buckets[i].hashes {
			b = binary.LittleEndian.AppendUint64(b, h)
		}
		for _, v := range l.names.buckets[i].values {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		out.Write(append(b, 0, 0, 0, 0))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// ReadList reads the stored form of a list, which keeps b: it must not change. See
// ParseOptions.Gentle. Every fault is an ErrFormat; what is returned without one is
// sound, whatever b was.
func ReadList(b []byte, seed Seed, gentle bool) (*List, error) {
	if len(b) < prefixSize+4 || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: another version", ErrFormat)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if checksum(body, gentle) != sum {
		return nil, fmt.Errorf("%w: damaged", ErrFormat)
	}
	if binary.LittleEndian.Uint64(body[8:]) != seed.check() {
		return nil, fmt.Errorf("%w: of another installation", ErrFormat)
	}
	size := uint64(binary.LittleEndian.Uint32(body[16:]))
	buckets := uint64(binary.LittleEndian.Uint32(body[20:]))
	used := uint64(binary.LittleEndian.Uint32(body[24:]))
	rest := body[prefixSize:]
	if uint64(len(rest)) != size+bucketBytes*buckets || (prefixSize+size)%bucketBytes != 0 || used > 0 && used >= bucketSlots*buckets {
		return nil, fmt.Errorf("%w: sizes do not fit", ErrFormat)
	}
	var h head
	if err := json.Unmarshal(rest[:size], &h); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	l := &List{Name: h.Name, Kind: h.Kind, depths: depths(binary.LittleEndian.Uint32(body[28:]))}
	for i := range l.lengths {
		l.lengths[i] = binary.LittleEndian.Uint64(body[32+8*i:])
	}
	if l.lengths[0]>>33 != 0 {
		return nil, fmt.Errorf("%w: impossible networks", ErrFormat)
	}
	for _, r := range h.Complex {
		if !r.Shape.hashed() || !r.decides() {
			return nil, fmt.Errorf("%w: impossible rules", ErrFormat)
		}
		l.complex = append(l.complex, complexRule{Rule: r})
	}
	for _, r := range h.Patterns {
		if r.Shape != Pattern && r.Shape != Regexp || !r.decides() {
			return nil, fmt.Errorf("%w: impossible rules", ErrFormat)
		}
		l.patterns.add(r)
	}
	l.patterns.index()
	l.collectRewritings()
	l.names = readTable(rest[size:], int(buckets), int(used))
	if !l.names.sound(len(l.complex), gentle) {
		return nil, fmt.Errorf("%w: impossible rules", ErrFormat)
	}
	return l, nil
}

// decides says whether a rule has one of the two actions that rules can have.
func (r *Rule) decides() bool { return r.Action == Deny || r.Action == Allow }

// checksum is that of a stored list.
func checksum(b []byte, gentle bool) (sum uint32) {
	work := worker{gentle: gentle}
	for len(b) > 0 {
		piece := b[:min(len(b), stepBuckets*bucketBytes)]
		sum = crc32.Update(sum, castagnoli, piece)
		b = b[len(piece):]
		work.step()
	}
	return sum
}

// readTable makes a table of what lies in b, in place where the machine keeps
// numbers in the same way.
func readTable(b []byte, buckets, used int) table {
	if buckets == 0 {
		return table{}
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 && uintptr(unsafe.Pointer(&b[0]))%8 == 0 {
		return tableOn(b, buckets, used)
	}
	t := table{buckets: make([]bucket, buckets), used: used}
	for i := range t.buckets {
		one := &t.buckets[i]
		for j := range one.hashes {
			one.hashes[j] = binary.LittleEndian.Uint64(b[i*bucketBytes+8*j:])
			one.values[j] = value(binary.LittleEndian.Uint32(b[i*bucketBytes+8*bucketSlots+4*j:]))
		}
	}
	return t
}

// tableOn is a table on memory that is aligned to 8 bytes.
func tableOn(b []byte, buckets, used int) table {
	return table{buckets: unsafe.Slice((*bucket)(unsafe.Pointer(&b[0])), buckets), used: used}
}

// sound says whether the slots make a table that can be searched: as many used
// as announced, none behind a free one, and no reference beyond the complex rules.
func (t *table) sound(complex int, gentle bool) bool {
	used, work := 0, worker{gentle: gentle}
	for i := range t.buckets {
		if i%stepBuckets == 0 {
			work.step()
		}
		free := false
		for _, v := range t.buckets[i].values {
			if v == 0 {
				free = true
				continue
			}
			used++
			if free || v&valueComplex != 0 && int(v&valueNumber) >= complex {
				return false
			}
		}
	}
	return used == t.used
}
