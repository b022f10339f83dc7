package lists

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// The stored form of a compiled list, all numbers little-endian:
//
//	magic and version  8 bytes
//	check of the seed  8
//	size of the head   4   JSON: name, kind, the rules that are not simple
//	slots              4
//	used               4
//	head, hashes (8 each), values (4 each)
//	CRC-32C of all before it, 4
const (
	magic      = "dpxlist\x01"
	prefixSize = 8 + 8 + 4 + 4 + 4
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

// AppendTo appends the stored form of l, which was built with seed, to b.
func (l *List) AppendTo(b []byte, seed Seed) ([]byte, error) {
	h := head{Name: l.Name, Kind: l.Kind}
	for i := range l.complex {
		h.Complex = append(h.Complex, l.complex[i].Rule)
	}
	for i := range l.patterns.rules {
		h.Patterns = append(h.Patterns, l.patterns.rules[i].Rule)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", l.Name, err)
	}
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, seed.check())
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.names.values)))
	b = binary.LittleEndian.AppendUint32(b, uint32(l.names.used))
	b = append(b, text...)
	for _, h := range l.names.hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	for _, v := range l.names.values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli)), nil
}

// ReadList reads the stored form of a list. Every fault is an ErrFormat; what
// is returned without one is sound, whatever b was.
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
	if uint64(len(rest)) != size+12*slots || used > 0 && used >= slots {
		return nil, fmt.Errorf("%w: sizes do not fit", ErrFormat)
	}
	var h head
	if err := json.Unmarshal(rest[:size], &h); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	l := &List{Name: h.Name, Kind: h.Kind}
	for _, r := range h.Complex {
		l.complex = append(l.complex, complexRule{Rule: r})
	}
	for _, r := range h.Patterns {
		l.patterns.add(r)
	}
	l.patterns.index()
	l.names = table{hashes: make([]uint64, slots), values: make([]value, slots), used: int(used)}
	if !l.names.read(rest[size:], len(l.complex)) {
		return nil, fmt.Errorf("%w: impossible rules", ErrFormat)
	}
	return l, nil
}

// read fills t and says whether the slots make a table that can be searched:
// as many used as announced, and no reference beyond the complex rules.
func (t *table) read(b []byte, complex int) bool {
	for i := range t.hashes {
		t.hashes[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	b = b[8*len(t.hashes):]
	used := 0
	for i := range t.values {
		v := value(binary.LittleEndian.Uint32(b[4*i:]))
		t.values[i] = v
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
