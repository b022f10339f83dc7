package history

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"

	"deadpixel/resolver"
)

// Counts are counters, or what they have gained in some time.
type Counts struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64 // by the list whose rule decided
	Owners    map[string]uint64                   // blocked, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                   // of these, the companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64            // queries that looked for a way around
}

// Queries is how many there were.
func (c Counts) Queries() (n uint64) {
	for _, of := range c.Outcomes {
		n += of
	}
	return n
}

// since is what the counters have gained over an older reading of them.
func (c Counts) since(old Counts) Counts {
	gain := Counts{Outcomes: c.Outcomes, Escapes: c.Escapes, Blocked: map[string][resolver.Reasons]uint64{}, Owners: gained(c.Owners, old.Owners), NoAccount: gained(c.NoAccount, old.NoAccount)}
	for i, n := range old.Outcomes {
		gain.Outcomes[i] -= n
	}
	for i, n := range old.Escapes {
		gain.Escapes[i] -= n
	}
	for list, reasons := range c.Blocked {
		for i, n := range old.Blocked[list] {
			reasons[i] -= n
		}
		if reasons != [resolver.Reasons]uint64{} {
			gain.Blocked[list] = reasons
		}
	}
	return gain
}

func gained(now, old map[string]uint64) map[string]uint64 {
	gain := map[string]uint64{}
	for name, n := range now {
		if n > old[name] {
			gain[name] = n - old[name]
		}
	}
	return gain
}

// client is how a client appears in what is kept: a letter for the form, and its name
// or hash.
type client string

// others are clients that are not told apart.
const others client = ""

const (
	byHash = '#' // and 8 bytes
	byName = '='
)

func named(name string) client { return client(byName) + client(name) }

// forbids says whether the form does not permit a client to be kept as it is.
func (f Form) forbids(c client) bool {
	return c != others && (f == None || f == Anonymous && c[0] != byHash)
}

// sum is what happened in a minute, an hour or a day. The zero one is nothing.
type sum struct {
	Counts
	clients map[client]Use
}

func (s *sum) empty() bool { return s.Queries() == 0 && len(s.clients) == 0 }

// use adds what came from a client.
func (s *sum) use(c client, u Use) {
	if s.clients == nil {
		s.clients = map[client]Use{}
	}
	if _, known := s.clients[c]; !known && len(s.clients) >= maxClients {
		c = others
	}
	old := s.clients[c]
	s.clients[c] = Use{old.Queries + u.Queries, old.Blocked + u.Blocked}
}

// strip makes clients be others, and says whether there was one.
func (s *sum) strip(which func(client) bool) bool {
	found := false
	for c, u := range s.clients {
		if c != others && which(c) {
			delete(s.clients, c)
			s.use(others, u)
			found = true
		}
	}
	return found
}

func (s *sum) add(o *sum) {
	for i, n := range o.Outcomes {
		s.Outcomes[i] += n
	}
	for i, n := range o.Escapes {
		s.Escapes[i] += n
	}
	for list, reasons := range o.Blocked {
		s.block(list, reasons)
	}
	merge(&s.Owners, o.Owners)
	merge(&s.NoAccount, o.NoAccount)
	for c, u := range o.clients {
		s.use(c, u)
	}
}

func (s *sum) block(list string, reasons [resolver.Reasons]uint64) {
	if s.Blocked == nil {
		s.Blocked = map[string][resolver.Reasons]uint64{}
	}
	for i, n := range s.Blocked[list] {
		reasons[i] += n
	}
	s.Blocked[list] = reasons
}

func merge(into *map[string]uint64, from map[string]uint64) {
	if *into == nil {
		*into = map[string]uint64{}
	}
	for name, n := range from {
		(*into)[name] += n
	}
}

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
