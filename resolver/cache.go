package resolver

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps upstream answers, at most so many bytes of them; the least
// recently used give way. It is safe for concurrent use and may outlive the
// Resolver that filled it. It never holds a verdict of the lists.
type Cache struct {
	seed      maphash.Seed
	shards    []shard
	evictions atomic.Uint64
}

// shard is a part of the cache with a lock of its own.
type shard struct {
	mu      sync.Mutex
	limit   int64
	bytes   int64
	entries map[string]*entry
	oldest  *entry // of a ring through newer
}

// Sizes of the cache's parts. The overhead of an entry is that of its structs,
// the map and the allocator, as measured on 64 bits, rounded up.
const (
	shardSize     = 256 << 10
	maxShards     = 64
	entryOverhead = 320
)

// entry is one stored answer. What can change is guarded by the shard's lock or
// atomic; the message never changes.
type entry struct {
	key    string
	wire   []byte   // without OPT; TTLs as they were when stored
	ttls   []uint16 // where in wire the TTLs are
	ede    EDE
	failed bool // a SERVFAIL (RFC 9520)

	stored  time.Time
	expires time.Time

	hits       atomic.Uint32
	refreshing atomic.Bool
	retryAt    atomic.Int64 // Unix nanoseconds before which a stale answer is not tried to be renewed

	older, newer *entry
}

func (e *entry) size() int64 {
	return int64(len(e.key)+cap(e.wire)+2*cap(e.ttls)) + entryOverhead
}

// NewCache makes a cache of size bytes.
func NewCache(size int64) *Cache {
	n := min(max(size/shardSize, 1), maxShards)
	c := &Cache{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i].limit = size / n
		c.shards[i].entries = map[string]*entry{}
	}
	return c
}

// Entries is how many answers are stored.
func (c *Cache) Entries() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

// Bytes is what they take, with the overhead of keeping them.
func (c *Cache) Bytes() int64 {
	var n int64
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.bytes
		s.mu.Unlock()
	}
	return n
}

// Evictions is how many answers have given way to others.
func (c *Cache) Evictions() uint64 { return c.evictions.Load() }

func (c *Cache) shard(key []byte) *shard {
	return &c.shards[maphash.Bytes(c.seed, key)%uint64(len(c.shards))]
}

// get returns the entry for key, expired or not, and makes it the newest.
func (c *Cache) get(key []byte) *entry {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[string(key)]
	if e != nil && e.newer != s.oldest { // not the newest already
		s.unlink(e)
		s.link(e)
	}
	return e
}

// put stores e in place of what had its key, and makes room.
func (c *Cache) put(e *entry) {
	s := c.shard([]byte(e.key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.size() > s.limit/4 {
		return
	}
	if old := s.entries[e.key]; old != nil {
		s.remove(old)
	}
	s.entries[e.key] = e
	s.bytes += e.size()
	s.link(e)
	for s.bytes > s.limit {
		s.remove(s.oldest)
		c.evictions.Add(1)
	}
}

// link puts e behind the newest, which is before the oldest.
func (s *shard) link(e *entry) {
	if s.oldest == nil {
		e.older, e.newer, s.oldest = e, e, e
		return
	}
	e.newer, e.older = s.oldest, s.oldest.older
	e.older.newer, e.newer.older = e, e
}

func (s *shard) unlink(e *entry) {
	if e.newer == e {
		s.oldest = nil
	} else {
		e.older.newer, e.newer.older = e.newer, e.older
		if s.oldest == e {
			s.oldest = e.newer
		}
	}
	e.older, e.newer = nil, nil
}

func (s *shard) remove(e *entry) {
	delete(s.entries, e.key)
	s.bytes -= e.size()
	s.unlink(e)
}
