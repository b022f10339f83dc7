package history

import "hash/maphash"

// Bounds of what tells names apart. A name beyond them is not counted, so that what is
// counted is true in any case: there were at least so many.
const (
	maxNames    = 1000    // of a company, in a day
	maxAllNames = 1 << 16 // of all companies, in a day
	nameSlots   = 2048    // of a core, in a minute: twice what it holds
)

// names tells apart which blocked names of each company there were on a day, by hashes
// with a key that is nowhere else. They are in memory only; what is kept is how many.
// A restart begins anew.
type names struct {
	day  int64
	seen map[string]map[uint64]struct{} // by company
	held int
}

// begin makes ready for a day, and forgets those of another.
func (n *names) begin(day int64) {
	if day != n.day {
		n.clear()
		n.day = day
	}
}

func (n *names) clear() { n.seen, n.held = nil, 0 }

// note takes in the hash of a name.
func (n *names) note(company string, hash uint64) {
	of := n.seen[company]
	if _, known := of[hash]; known || len(of) >= maxNames || n.held >= maxAllNames {
		return
	}
	if of == nil {
		of = map[uint64]struct{}{}
		if n.seen == nil {
			n.seen = map[string]map[uint64]struct{}{}
		}
		n.seen[company] = of
	}
	of[hash] = struct{}{}
	n.held++
}

// of is how many names of a company there were.
func (n *names) of(company string) uint64 { return uint64(len(n.seen[company])) }

// metNames are the hashes of blocked names and whose they are, in a table of fixed size,
// so that counting allocates nothing.
type metNames struct {
	held  int
	slots [nameSlots]struct {
		hash    uint64 // 0 is an empty slot
		company string // "" when nobody knows
	}
}

// meet notes a blocked name. Whose it is, is asked only of one that is new in this
// minute.
func (m *metNames) meet(name []byte, seed maphash.Seed, owner func([]byte) string) {
	hash := maphash.Bytes(seed, name) | 1
	for i := (hash >> 1) % nameSlots; ; i = (i + 1) % nameSlots {
		switch s := &m.slots[i]; {
		case s.hash == hash:
			return
		case s.hash == 0:
			if m.held < nameSlots/2 {
				m.held++
				s.hash, s.company = hash, owner(name)
			}
			return
		}
	}
}

// take hands over what was met, and begins anew.
func (m *metNames) take(give func(company string, hash uint64)) {
	if m.held == 0 {
		return
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.company != "" {
			give(s.company, s.hash)
		}
	}
	clear(m.slots[:])
	m.held = 0
}
