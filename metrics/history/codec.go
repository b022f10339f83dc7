package history

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"

	"deadpixel/resolver"
)

// rowVersion is the first byte of a sum on disk. Rows of version 1 had of each company
// one number only; they are read, and written as the present version when they change.
const rowVersion = 2

// errRow says that a sum on disk is damaged.
var errRow = errors.New("a sum is damaged")

// encode writes a sum: the version; counts as varints, each array and map with its
// length in front and strings with theirs, where arrays end before their last zeros;
// and the CRC-32 of all that. Lists are named once, and after that by number.
func (s *sum) encode() []byte {
	b := []byte{rowVersion}
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	numbers := func(all ...uint64) {
		for len(all) > 0 && all[len(all)-1] == 0 {
			all = all[:len(all)-1]
		}
		number(uint64(len(all)))
		for _, n := range all {
			number(n)
		}
	}
	text := func(t string) {
		number(uint64(len(t)))
		b = append(b, t...)
	}
	numbers(s.Outcomes[:]...)
	numbers(s.Escapes[:]...)
	lists := s.lists()
	number(uint64(len(lists)))
	for _, list := range lists {
		text(list)
	}
	number(uint64(len(s.Blocked)))
	for i, list := range lists {
		if reasons, has := s.Blocked[list]; has {
			number(uint64(i))
			numbers(reasons[:]...)
		}
	}
	number(uint64(len(s.Companies)))
	for _, name := range slices.Sorted(maps.Keys(s.Companies)) {
		c := s.Companies[name]
		text(name)
		numbers(c.Names)
		number(uint64(len(c.Lists)))
		for i, list := range lists {
			for _, l := range c.Lists {
				if l.Name == list {
					number(uint64(i))
					numbers(l.Reasons[:]...)
				}
			}
		}
	}
	number(uint64(len(s.NoAccount)))
	for _, company := range slices.Sorted(maps.Keys(s.NoAccount)) {
		text(company)
		numbers(s.NoAccount[company])
	}
	number(uint64(len(s.clients)))
	for _, c := range slices.Sorted(maps.Keys(s.clients)) {
		text(string(c))
		numbers(s.clients[c].Queries, s.clients[c].Blocked)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// lists are the names of all lists in a sum.
func (s *sum) lists() []string {
	all := map[string]bool{}
	for list := range s.Blocked {
		all[list] = true
	}
	for _, c := range s.Companies {
		for _, l := range c.Lists {
			all[l.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// addRow adds a sum on disk, its clients only when they are wanted. An older program
// may have written fewer numbers, a newer one more; these are left out.
func (s *sum) addRow(b []byte, clients bool) error {
	if s.spelled == nil {
		s.spelled = map[string]string{}
	}
	r, version := openRow(b, s.spelled)
	r.numbers(s.Outcomes[:])
	r.numbers(s.Escapes[:])
	if version == 1 {
		s.addBlocked1(&r)
	} else {
		s.addBlocked(&r)
	}
	for range r.length() {
		s.miss(r.text(), r.one())
	}
	if clients {
		r.clients(s.use)
	}
	return r.err
}

// eachClient visits the clients of a sum on disk, and passes over the rest, which takes a
// fraction of the time.
func eachClient(b []byte, spelled map[string]string, visit func(client, Use)) error {
	r, version := openRow(b, spelled)
	r.numbers(nil) // outcomes
	r.numbers(nil) // escapes
	if version != 1 {
		for range r.length() {
			r.skip() // a list
		}
		r.reasons()
		for range r.length() {
			r.skip()
			r.numbers(nil)
			r.reasons()
		}
	} else {
		r.named()
		r.named()
	}
	r.named() // companies that nobody has an account with
	r.clients(visit)
	return r.err
}

// addBlocked adds what was blocked by lists, and of companies.
func (s *sum) addBlocked(r *rowReader) {
	lists := make([]string, r.length())
	for i := range lists {
		lists[i] = r.text()
	}
	reasons := func(add func(list string, reasons [resolver.Reasons]uint64)) {
		for range r.length() {
			var all [resolver.Reasons]uint64
			i := r.number()
			r.numbers(all[:])
			if i >= uint64(len(lists)) {
				r.fail()
				return
			}
			add(lists[i], all)
		}
	}
	reasons(s.block)
	for range r.length() {
		c := s.company(r.text())
		c.Names = max(c.Names, r.one())
		reasons(c.block)
	}
}

// addBlocked1 does what addBlocked does with a row of version 1.
func (s *sum) addBlocked1(r *rowReader) {
	for range r.length() {
		list := r.text()
		var reasons [resolver.Reasons]uint64
		r.numbers(reasons[:])
		s.block(list, reasons)
	}
	for range r.length() {
		s.company(r.text()).block(Untold, [resolver.Reasons]uint64{resolver.ByName: r.one()})
	}
}

// rowReader takes a sum on disk apart. After a fault it reads nothing but zeros.
type rowReader struct {
	rest    []byte
	spelled map[string]string
	err     error
}

// openRow begins to read a sum on disk.
func openRow(b []byte, spelled map[string]string) (r rowReader, version byte) {
	r.spelled = spelled
	if len(b) < 5 || b[0] == 0 || b[0] > rowVersion {
		r.fail()
		return r, rowVersion
	}
	body, check := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(check) {
		r.fail()
		return r, rowVersion
	}
	r.rest = body[1:]
	return r, b[0]
}

// clients visits those at the end of a sum.
func (r *rowReader) clients(visit func(client, Use)) {
	for range r.length() {
		c := client(r.text())
		var n [2]uint64
		r.numbers(n[:])
		if c != others && c[0] != byHash && c[0] != byName {
			r.fail()
		}
		if r.err != nil {
			return
		}
		visit(c, Use{n[0], n[1]})
	}
}

// reasons passes over what was blocked by each list.
func (r *rowReader) reasons() {
	for range r.length() {
		r.number()
		r.numbers(nil)
	}
}

// named passes over numbers with names.
func (r *rowReader) named() {
	for range r.length() {
		r.skip()
		r.numbers(nil)
	}
}

// skip passes over a text.
func (r *rowReader) skip() {
	n := r.length()
	r.rest = r.rest[n:]
}

func (r *rowReader) fail() { r.rest, r.err = nil, errRow }

func (r *rowReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// length is how many things follow, of which each takes a byte at least.
func (r *rowReader) length() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

// numbers adds an array.
func (r *rowReader) numbers(into []uint64) {
	for i := range r.length() {
		if n := r.number(); i < len(into) {
			into[i] += n
		}
	}
}

// one is the first number of an array.
func (r *rowReader) one() uint64 {
	var n [1]uint64
	r.numbers(n[:])
	return n[0]
}

// text allocates only what it has not met before.
func (r *rowReader) text() string {
	n := r.length()
	t := r.rest[:n]
	r.rest = r.rest[n:]
	known, ok := r.spelled[string(t)]
	if !ok {
		known = string(t)
		r.spelled[known] = known
	}
	return known
}
