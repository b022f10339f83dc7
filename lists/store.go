package lists

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Source brings the text of a list. Validators of the last good copy let it say
// that nothing has changed. It is safe for concurrent use.
type Source interface {
	Fetch(ctx context.Context, v Validators) (Fetched, error)
}

// Validators tell versions of a source apart (RFC 9110, section 8.8).
type Validators struct {
	ETag         string `json:",omitempty"`
	LastModified string `json:",omitempty"` // of a file: its size and time
}

// Fetched is what a Source brought. The body is nil when NotModified.
type Fetched struct {
	Body io.ReadCloser
	Validators
	NotModified bool

	Size int64        // how many bytes are sent; 0 when that is not known
	Came func() int64 // how many of them have come, for any goroutine; nil: as many as were read of Body
}

// Config is one list that a Store keeps.
type Config struct {
	Name    string
	Kind    Action // Deny or Allow
	Source  string // as configured, for people
	Fetcher Source
	Remote  bool // comes over a network: loaded from the stored copy at start, and distrusted when it shrinks
	Format  Format
	Match   MatchMode
	Refresh time.Duration // how old a copy gets; 0 means a day
	Popular Popular       // what becomes of a new rule that denies a popular name
}

// OwnRule is a rule of the configuration itself.
type OwnRule struct {
	Text string
	Line int // in the configuration
}

// OwnRules are rules of the configuration which apply together.
type OwnRules struct {
	Level Level  // Own or OfGroup
	Group string // whose they are; "" for [blocking]
	Kind  Action // Deny or Allow: what a plain rule does
	Rules []OwnRule

	Source string // the file that they are in; "" means Options.OwnSource
}

// OwnList is the name of every list of own rules.
const OwnList = "config"

// Options are what a Store is made of.
type Options struct {
	Dir       string     // where copies live, made when missing; "" keeps none
	ReadOnly  bool       // nothing in Dir is changed: for a look beside a running Store
	Own       []OwnRules // these have the first places
	Lists     []Config   // the places after them
	OwnSource string     // the configuration's file, for people
	Log       *slog.Logger
	OnFailure func(list string) // told of every failed refresh; may be nil
	// Asked are names that this household has asked for of late, normalised. It is called
	// when a list has changed; nil means that nobody knows.
	Asked  func() []string
	Gentle bool // see ParseOptions; once the Store runs it is gentle in any case
}

// Store keeps the lists of one configuration: their last good copies on disk,
// the compiled rules in memory, and refreshes of both. A list is replaced only
// by a good one. It is safe for concurrent use; two stores must not refresh in
// one directory, but any number with ReadOnly may look into it.
type Store struct {
	log       *slog.Logger
	onFailure func(string)
	asked     func() []string
	disk      disk
	seed      Seed
	own       atomic.Pointer[[]ownList]
	ownSource string
	lists     []*kept
	set       atomic.Pointer[Set]
	mu        sync.Mutex    // guards the making of a set, and metas
	metas     []meta        // of the lists of the set, by their place among lists
	built     atomic.Uint64 // how often lists have been put to use
	overlaps  overlaps
	gentle    atomic.Bool
	fetching  chan struct{} // one for each fetch under way
}

// maxFetching bounds the fetches at the same time.
const maxFetching = 4

const defaultRefresh = 24 * time.Hour

// NewStore makes a Store; nothing is read yet but the own rules, of which a
// faulty one is an error. When the directory cannot be used, the log says so and
// nothing is kept over a restart; with ReadOnly this is an error.
func NewStore(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: o.Log, asked: o.Asked, onFailure: o.OnFailure, ownSource: o.OwnSource, fetching: make(chan struct{}, maxFetching)}
	s.gentle.Store(o.Gentle)
	var err error
	if s.disk, s.seed, err = openDisk(o.Dir, o.ReadOnly); err != nil {
		if o.ReadOnly {
			return nil, fmt.Errorf("the data directory cannot be read: %w", err)
		}
		s.log.Error("the data directory is of no use; lists will be fetched again after a restart", "err", err)
	}
	if err := s.compileOwn(o.Own); err != nil {
		return nil, err
	}
	for _, c := range o.Lists {
		if c.Refresh <= 0 {
			c.Refresh = defaultRefresh
		}
		s.lists = append(s.lists, newKept(s, c))
	}
	s.rebuild()
	return s, nil
}

// ownList is a list of own rules; the line of a rule is its place among them.
type ownList struct {
	OwnRules
	list *List
}

// compileOwn makes the lists of own rules.
func (s *Store) compileOwn(rules []OwnRules) error {
	var problems []error
	var all []ownList
	for _, own := range rules {
		own.Source = cmp.Or(own.Source, s.ownSource)
		b := NewBuilder(OwnList, own.Kind, s.seed).At(own.Level)
		for i, written := range own.Rules {
			parsed, err := ParseRule(written.Text, own.Kind)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %w", own.Source, written.Line, err))
			}
			for _, r := range parsed {
				r.Line = uint32(i + 1)
				b.Add(r)
			}
		}
		all = append(all, ownList{own, b.Build()})
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	s.own.Store(&all)
	return nil
}

// ReplaceOwn puts other own rules in the places of those before, of which there
// have to be as many. A faulty rule is an error, and nothing changes.
func (s *Store) ReplaceOwn(rules []OwnRules) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(rules) != len(*s.own.Load()) {
		return fmt.Errorf("%d lists of own rules cannot take %d places", len(rules), len(*s.own.Load()))
	}
	if err := s.compileOwn(rules); err != nil {
		return err
	}
	s.set.Store(s.set.Load().withOwn(s.ownLists()))
	return nil
}

// ownLists are the compiled lists of own rules.
func (s *Store) ownLists() []*List {
	var all []*List
	for _, own := range *s.own.Load() {
		all = append(all, own.list)
	}
	return all
}

// rebuild puts the present lists to use.
func (s *Store) rebuild() {
	s.mu.Lock()
	defer s.mu.Unlock()
	compiled := s.ownLists()
	metas := make([]meta, len(s.lists))
	for i, k := range s.lists {
		var l *List
		l, metas[i] = k.compiled()
		compiled = append(compiled, l)
	}
	s.set.Store(newSet(s.seed, compiled, s.gentle.Load()))
	s.metas = metas
	s.built.Add(1)
}

// Seed is what lists have to be built with to be part of a Set beside these.
func (s *Store) Seed() Seed { return s.seed }

// Set is the present rules.
func (s *Store) Set() *Set { return s.set.Load() }

// Match says what the present rules want; see Set.Match.
func (s *Store) Match(name []byte, qtype uint16, who *Who) Verdict {
	return s.set.Load().Match(name, qtype, who)
}

// MatchAddress says what the present rules want; see Set.MatchAddress.
func (s *Store) MatchAddress(ip netip.Addr, qtype uint16, who *Who) Verdict {
	return s.set.Load().MatchAddress(ip, qtype, who)
}

// Addresses says whether there are rules about addresses.
func (s *Store) Addresses() bool { return s.set.Load().Addresses() }

// Load reads every list without network: stored copies, files and builtin ones.
// A list that cannot be read keeps what it has, and its status says why. The
// error is that of ctx.
func (s *Store) Load(ctx context.Context) error {
	var all sync.WaitGroup
	for _, k := range s.lists {
		all.Go(func() { k.load(ctx) })
	}
	all.Wait()
	s.rebuild()
	return ctx.Err()
}
