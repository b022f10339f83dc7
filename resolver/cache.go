package resolver

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps upstream answers, at most so many bytes of them. Which give way is
// decided by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): finding
// an answer only marks it, so that it takes no lock and, once marked, writes
// nothing that another core reads. It is safe for concurrent use and may outlive
// the Resolver that filled it. It never holds a verdict of the lists.
type Cache struct {
	seed      maphash.Seed
	shards    []shard
	evictions atomic.Uint64
}

// shard is a part of the cache. Who searches follows the chains of buckets
// without a lock; who changes them holds mu.
type shard struct {
	buckets []atomic.Pointer[entry]

	mu             sync.Mutex
	limit          int64
	bytes          int64
	count          int
	oldest, newest *entry // of a list through older and newer
	hand           *entry // where the search for what gives way goes on; nil means at the oldest
}

// Sizes of the cache's parts. The overhead of an entry is that of its structs,
// its bucket and the allocator, as measured on 64 bits, rounded up.
const (
	shardSize     = 256 << 10
	maxShards     = 64
	bucketSize    = 512 // bytes of answers for each bucket: about one answer
	entryOverhead = 320
)

// entry is one stored answer. What can change is guarded by the shard's lock or
// atomic; the message never changes.
type entry struct {
	key    string
	hash   uint64
	wire   []byte   // without OPT; TTLs as they were when stored
	ttls   []uint16 // where in wire the TTLs are
	ede    EDE
	failed bool // a SERVFAIL (RFC 9520)
	plain  bool // see Answer
	escape Escape

	stored  time.Time
	expires time.Time

	hits       atomic.Uint32 // up to prefetchHits
	visited    atomic.Bool   // found since the hand last came by
	refreshing atomic.Bool
	retryAt    atomic.Int64 // Unix nanoseconds before which a stale answer is not tried to be renewed

	next         atomic.Pointer[entry] // in the bucket
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
		c.shards[i].buckets = make([]atomic.Pointer[entry], max(size/n/bucketSize, 1))
	}
	return c
}

// Entries is how many answers are stored.
func (c *Cache) Entries() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.count
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

// place is where an entry with such a hash belongs.
func (c *Cache) place(hash uint64) (*shard, *atomic.Pointer[entry]) {
	s := &c.shards[hash>>32%uint64(len(c.shards))]
	return s, &s.buckets[uint64(uint32(hash))%uint64(len(s.buckets))]
}

// get returns the entry for key, expired or not.
func (c *Cache) get(key []byte) *entry {
	hash := maphash.Bytes(c.seed, key)
	_, bucket := c.place(hash)
	for e := bucket.Load(); e != nil; e = e.next.Load() {
		if e.hash == hash && e.key == string(key) {
			if !e.visited.Load() {
				e.visited.Store(true)
			}
			return e
		}
	}
	return nil
}

// put stores e in place of what had its key, and makes room.
func (c *Cache) put(e *entry) {
	e.hash = maphash.String(c.seed, e.key)
	s, bucket := c.place(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.size() > s.limit/4 {
		return
	}
	for old := bucket.Load(); old != nil; old = old.next.Load() {
		if old.hash == e.hash && old.key == e.key {
			e.visited.Store(old.visited.Load())
			s.remove(c, old)
			break
		}
	}
	for s.bytes+e.size() > s.limit {
		s.remove(c, s.victim())
		c.evictions.Add(1)
	}
	e.next.Store(bucket.Load())
	bucket.Store(e)
	s.link(e)
}

// victim is what gives way: the first from the hand on, towards the newest, that
// was not found since the hand came by.
func (s *shard) victim() *entry {
	e := s.hand
	if e == nil {
		e = s.oldest
	}
	for e.visited.Load() {
		e.visited.Store(false)
		if e = e.newer; e == nil {
			e = s.oldest
		}
	}
	s.hand = e
	return e
}

// link makes e the newest.
func (s *shard) link(e *entry) {
	e.older = s.newest
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
	s.bytes += e.size()
	s.count++
}

// remove takes e out. Whoever is searching and stands at e goes on from there.
func (s *shard) remove(c *Cache, e *entry) {
	_, at := c.place(e.hash)
	for at.Load() != e {
		at = &at.Load().next
	}
	at.Store(e.next.Load())
	if s.hand == e {
		s.hand = e.newer
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	s.bytes -= e.size()
	s.count--
}
