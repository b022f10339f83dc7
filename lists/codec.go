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
//	size of the head   4   JSON, padded to 8 bytes: name, kind, the rules that are not simple
//	slots              4
//	used               4
//	fewest labels      4   of a rule's name
//	head, hashes (8 each), values (4 each)
//	CRC-32C of all before it, 4
//
// So hashes and values can be used where they lie when the file is mapped.
const (
	magic      = "dpxlist\x02"
	prefixSize = 8 + 8 + 4 + 4 + 4 + 4
	headAlign  = 8
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

// Write writes the stored form of l, which was built with seed.
func (l *List) Write(w io.Writer, seed Seed) error {
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
	for len(text)%headAlign != 0 {
		text = append(text, ' ')
	}
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	b := append(make([]byte, 0, prefixSize), magic...)
	b = binary.LittleEndian.AppendUint64(b, seed.check())
	for _, n := range []int{len(text), len(l.names.values), l.names.used, l.fewest} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	out.Write(b) // a bufio.Writer keeps its first error until Flush
	out.Write(text)
	for _, h := range l.names.hashes {
		out.Write(binary.LittleEndian.AppendUint64(b[:0], h))
	}
	for _, v := range l.names.values {
		out.Write(binary.LittleEndian.AppendUint32(b[:0], uint32(v)))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// ReadList reads the stored form of a list, which keeps b: it must not change.
// Every fault is an ErrFormat; what is returned without one is sound, whatever b
// was.
func ReadList(b []byte, seed Seed) (*List, error) {
	if len(b) < prefixSize+4 || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: another version", ErrFormat)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: damaged", ErrFormat)
	}
	if binary.LittleEndian.Uint64(body[8:]) != seed.check() {
		return nil, fmt.Errorf("%w: of another installation", ErrFormat)
	}
	size := uint64(binary.LittleEndian.Uint32(body[16:]))
	slots := uint64(binary.LittleEndian.Uint32(body[20:]))
	used := uint64(binary.LittleEndian.Uint32(body[24:]))
	rest := body[prefixSize:]
	if uint64(len(rest)) != size+12*slots || size%headAlign != 0 || used > 0 && used >= slots {
		return nil, fmt.Errorf("%w: sizes do not fit", ErrFormat)
	}
	var h head
	if err := json.Unmarshal(rest[:size], &h); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	l := &List{Name: h.Name, Kind: h.Kind, fewest: int(binary.LittleEndian.Uint32(body[28:]))}
	for _, r := range h.Complex {
		l.complex = append(l.complex, complexRule{Rule: r})
	}
	for _, r := range h.Patterns {
		l.patterns.add(r)
	}
	l.patterns.index()
	l.names = readTable(rest[size:], int(slots), int(used))
	if !l.names.sound(len(l.complex)) {
		return nil, fmt.Errorf("%w: impossible rules", ErrFormat)
	}
	return l, nil
}

// readTable makes a table of what lies in b, in place where the machine keeps
// numbers in the same way.
func readTable(b []byte, slots, used int) table {
	if slots == 0 {
		return table{}
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 && uintptr(unsafe.Pointer(&b[0]))%8 == 0 {
		return tableOn(b, slots, used)
	}
	t := table{hashes: make([]uint64, slots), values: make([]value, slots), used: used}
	for i := range t.hashes {
		t.hashes[i] = binary.LittleEndian.Uint64(b[8*i:])
		t.values[i] = value(binary.LittleEndian.Uint32(b[8*slots+4*i:]))
	}
	return t
}

// tableOn is a table on memory that is aligned to 8 bytes, hashes first.
func tableOn(b []byte, slots, used int) table {
	return table{
		hashes: unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), slots),
		values: unsafe.Slice((*value)(unsafe.Pointer(&b[8*slots])), slots),
		used:   used,
	}
}

// sound says whether the slots make a table that can be searched: as many used
// as announced, and no reference beyond the complex rules.
func (t *table) sound(complex int) bool {
	used := 0
	for _, v := range t.values {
		if v == 0 {
			continue
		}
		used++
		if v.shape() > Below || v&valueComplex != 0 && int(v&valueNumber) >= complex {
			return false
		}
	}
	return used == t.used
}
