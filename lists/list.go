package lists

import (
	"slices"
	"strings"
	"unsafe"
)

// List is one compiled list: immutable, and safe for concurrent use.
type List struct {
	Name  string
	Kind  Action // Deny or Allow: what a plain rule of it does
	Level Level  // Listed, or that of rules of the configuration

	names      table
	depths     depths        // of the names in names
	lengths    lengths       // of the networks in names
	complex    []complexRule // rules with modifiers, found through names
	patterns   patterns
	rewritings []*Rewriting // that rules refer to by their place, from 1
	memory     region       // where names lies
	mapped     bool         // the memory is a file
}

// Entries is how many different rules the list has.
func (l *List) Entries() int { return l.names.used + l.patterns.len() }

// Size is the memory that the list takes, in bytes, roughly.
func (l *List) Size() int64 {
	return int64(len(l.names.buckets))*bucketBytes + int64(len(l.complex)+l.patterns.len())*256
}

// Builder collects the rules of a list. It is not safe for concurrent use.
type Builder struct {
	name    string
	kind    Action
	seed    Seed
	simple  [parts][][]entry // by the beginning of the hash; in chunks, so that a growing list is never copied
	slabs   []region         // where the chunks lie
	room    []entry          // of the last slab
	depths  depths
	lengths lengths
	level   Level
	complex []Rule
	cancel  []Rule // $badfilter
	gentle  bool   // see ParseOptions.Gentle
}

type entry struct {
	hash uint64
	value
}

// raw is the bytes of a string, for reading.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// depths is a set of numbers of labels: bit n stands for n, the last one for all
// that are larger.
type depths uint32

func (d *depths) add(labels int)     { *d |= 1 << min(labels, 31) }
func (d depths) has(labels int) bool { return d>>min(labels, 31)&1 != 0 }

// A Builder keeps apart what will lie in one part of the table, so that filling
// the table stays within the processor's caches.
const (
	partBits  = 8
	parts     = 1 << partBits
	chunkSize = 256              // entries
	slabSize  = 1024 * chunkSize // entries; 4 MB, of which only what is used takes memory
)

// NewBuilder begins a list. seed is that of the Set which the list will be part of.
func NewBuilder(name string, kind Action, seed Seed) *Builder {
	return &Builder{name: name, kind: kind, seed: seed}
}

// At makes the list one of rules of the configuration, on a level.
func (b *Builder) At(level Level) *Builder {
	b.level = level
	return b
}

// Add takes in one rule, in any order: a rule with Cancel also takes out what
// comes after it. An action of None means that of the list.
func (b *Builder) Add(r Rule) {
	if r.Action == None {
		r.Action = b.kind
	}
	switch {
	case r.Shape == Address:
		b.lengths.add(r.Network)
	case r.Shape.hashed():
		b.depths.add(1 + strings.Count(r.Name, "."))
	}
	switch {
	case r.Cancel:
		b.cancel = append(b.cancel, r.clone())
	case r.simple():
		b.addSimple(entry{b.seed.hashOf(&r), newValue(&r, r.Line, 0)})
	default:
		b.complex = append(b.complex, r.clone())
	}
}

func (b *Builder) addSimple(e entry) {
	part := &b.simple[e.hash>>(64-partBits)]
	last := len(*part) - 1
	if last < 0 || len((*part)[last]) == chunkSize {
		*part = append(*part, b.chunk())
		last++
	}
	(*part)[last] = append((*part)[last], e)
}

// chunk is room for more entries.
func (b *Builder) chunk() []entry {
	if len(b.room) == 0 {
		slab := newRegion(b, slabSize*int(unsafe.Sizeof(entry{})))
		b.slabs = append(b.slabs, slab)
		b.room = unsafe.Slice((*entry)(unsafe.Pointer(&slab.bytes[0])), slabSize)
	}
	chunk := b.room[:0:chunkSize]
	b.room = b.room[chunkSize:]
	return chunk
}

// clone is a copy that does not hold on to the text of the list.
func (r Rule) clone() Rule {
	r.Name, r.Pattern, r.DenyAllow = strings.Clone(r.Name), strings.Clone(r.Pattern), slices.Clone(r.DenyAllow)
	for i, name := range r.DenyAllow {
		r.DenyAllow[i] = strings.Clone(name)
	}
	r.Clients = slices.Clone(r.Clients)
	for i := range r.Clients {
		r.Clients[i].Name = strings.Clone(r.Clients[i].Name)
	}
	return r
}

// simple rules need nothing but their name, and take no memory of their own.
func (r *Rule) simple() bool {
	return r.Shape.hashed() && len(r.DenyAllow) == 0 && len(r.Types) == 0 && len(r.Clients) == 0 && r.Rewrite == nil
}

// same says whether two rules want the same of the same names.
func (r *Rule) same(o *Rule) bool {
	return r.Action == o.Action && r.Shape == o.Shape && r.Name == o.Name && r.Network == o.Network && r.Pattern == o.Pattern && r.Important == o.Important &&
		r.NotTypes == o.NotTypes && slices.Equal(r.Types, o.Types) && slices.Equal(r.DenyAllow, o.DenyAllow) && slices.Equal(r.Clients, o.Clients) &&
		(r.Rewrite == o.Rewrite || r.Rewrite != nil && o.Rewrite != nil && *r.Rewrite == *o.Rewrite)
}

// Build makes the list. The Builder is of no use afterwards.
func (b *Builder) Build() *List {
	l := &List{Name: b.name, Kind: b.kind, Level: b.level, depths: b.depths, lengths: b.lengths}
	b.cancelled()
	simple, complex := slices.Concat(b.simple[:]...), b.complex
	written := 0
	for _, chunk := range simple {
		written += len(chunk)
	}
	l.fill(simple, written, b.gentle)
	if named := l.addComplex(complex, b.seed); len(named) > 0 || l.names.used < written*3/4 {
		// Again in the right size: there are rules with modifiers, or many were
		// written twice.
		l.fill(append(simple, named), l.names.used+len(named), b.gentle)
	}
	for i := range b.slabs {
		b.slabs[i].release()
	}
	*b = Builder{}
	return l
}

// cancelled takes out what rules with Cancel are about. A list may have very many.
func (b *Builder) cancelled() {
	about := map[string][]Rule{} // those that are not simple, by what they are found by
	for _, c := range b.cancel {
		if c.simple() {
			b.takeOut(&c)
		} else {
			about[c.Name+c.Pattern] = append(about[c.Name+c.Pattern], c)
		}
	}
	if len(about) > 0 {
		b.complex = slices.DeleteFunc(b.complex, func(r Rule) bool { return slices.ContainsFunc(about[r.Name+r.Pattern], r.sameAs) })
	}
}

// fill makes the table of entries, of which so many differ.
func (l *List) fill(chunks [][]entry, different int, gentle bool) {
	l.memory.release()
	l.names, l.memory = newTable(l, different)
	work := worker{gentle: gentle}
	for _, chunk := range chunks {
		work.step()
		for _, e := range chunk {
			l.names.insert(e.hash, e.value)
		}
	}
}

// release gives back the memory of a list that nobody uses any more.
func (l *List) release() {
	l.names = table{}
	l.memory.release()
}

// addComplex takes in the rules that are not simple and returns the table
// entries of those that have a name.
func (l *List) addComplex(rules []Rule, seed Seed) []entry {
	var named []entry
	for i := range rules {
		r := &rules[i]
		if slices.ContainsFunc(rules[:min(i, maxDuplicateSearch)], r.sameAs) {
			continue
		}
		if !r.Shape.hashed() {
			l.patterns.add(*r)
			continue
		}
		named = append(named, entry{seed.hashOf(r), newValue(r, uint32(len(l.complex)), valueComplex)})
		l.complex = append(l.complex, complexRule{Rule: *r})
	}
	l.patterns.index()
	l.collectRewritings()
	return named
}

// collectRewritings gives every rule that rewrites its number.
func (l *List) collectRewritings() {
	for _, rules := range [][]complexRule{l.complex, l.patterns.rules} {
		for i := range rules {
			if r := &rules[i]; r.Rewrite != nil {
				l.rewritings = append(l.rewritings, r.Rewrite)
				r.rewriting = uint32(len(l.rewritings))
			}
		}
	}
}

// maxDuplicateSearch bounds the search for rules that are written twice: lists
// have few with modifiers, and a second one does no harm.
const maxDuplicateSearch = 4096

func (r *Rule) sameAs(o Rule) bool { return r.same(&o) }
