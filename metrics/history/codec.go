package history

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"

	"deadpixel/resolver"
)

// rowVersion is the first byte of a sum on disk.
const rowVersion = 1

// errRow says that a sum on disk is damaged.
var errRow = errors.New("a sum is damaged")

// encode writes a sum: the version; counts as varints, each array and map with its
// length in front and strings with theirs; and the CRC-32 of all that.
func (s *sum) encode() []byte {
	b := []byte{rowVersion}
	numbers := func(all ...uint64) {
		b = binary.AppendUvarint(b, uint64(len(all)))
		for _, n := range all {
			b = binary.AppendUvarint(b, n)
		}
	}
	text := func(t string) { b = append(binary.AppendUvarint(b, uint64(len(t))), t...) }
	length := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	numbers(s.Outcomes[:]...)
	numbers(s.Escapes[:]...)
	length(len(s.Blocked))
	for _, list := range slices.Sorted(maps.Keys(s.Blocked)) {
		reasons := s.Blocked[list]
		text(list)
		numbers(reasons[:]...)
	}
	for _, m := range []map[string]uint64{s.Owners, s.NoAccount} {
		length(len(m))
		for _, name := range slices.Sorted(maps.Keys(m)) {
			text(name)
			numbers(m[name])
		}
	}
	length(len(s.clients))
	for _, c := range slices.Sorted(maps.Keys(s.clients)) {
		text(string(c))
		numbers(s.clients[c].Queries, s.clients[c].Blocked)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// addRow adds a sum on disk, its clients only when they are wanted. An older program
// may have written fewer numbers, a newer one more; these are left out.
func (s *sum) addRow(b []byte, clients bool) error {
	if len(b) < 5 || b[0] != rowVersion {
		return errRow
	}
	body, check := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(check) {
		return errRow
	}
	r := rowReader{rest: body[1:]}
	add := func(into []uint64) {
		for i := range r.length() {
			if n := r.number(); i < len(into) {
				into[i] += n
			}
		}
	}
	add(s.Outcomes[:])
	add(s.Escapes[:])
	for range r.length() {
		list := r.text()
		var reasons [resolver.Reasons]uint64
		add(reasons[:])
		s.block(string(list), reasons)
	}
	for _, m := range []*map[string]uint64{&s.Owners, &s.NoAccount} {
		merge(m, nil)
		for range r.length() {
			name := r.text()
			var n [1]uint64
			add(n[:])
			(*m)[string(name)] += n[0]
		}
	}
	for range r.length() {
		if !clients {
			return r.err
		}
		c := client(r.text())
		var n [2]uint64
		add(n[:])
		if c != others && c[0] != byHash && c[0] != byName {
			return errRow
		}
		s.use(c, Use{n[0], n[1]})
	}
	return r.err
}

// rowReader takes a sum on disk apart. After a fault it reads nothing but zeros.
type rowReader struct {
	rest []byte
	err  error
}

func (r *rowReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.err = nil, errRow
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// length is how many things follow, of which each takes a byte at least.
func (r *rowReader) length() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.err = nil, errRow
		return 0
	}
	return int(n)
}

func (r *rowReader) text() []byte {
	n := r.length()
	t := r.rest[:n]
	r.rest = r.rest[n:]
	return t
}
