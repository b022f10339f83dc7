package resolver

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func stored(key string) *entry {
	return &entry{key: key, wire: make([]byte, 100), expires: time.Now().Add(time.Hour)}
}

// What is asked for again and again stays, however much is asked for once.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := NewCache(64 << 10)
	for i := range 20 {
		c.put(stored(fmt.Sprint("popular", i)))
	}
	for i := range 10_000 {
		for j := range 20 {
			if c.get(fmt.Append(nil, "popular", j)) == nil {
				t.Fatalf("popular%d is gone after %d others", j, i)
			}
		}
		c.put(stored(fmt.Sprint("once", i)))
	}
	if c.Bytes() > 64<<10 || c.Evictions() == 0 {
		t.Errorf("%d bytes, %d evictions", c.Bytes(), c.Evictions())
	}
}

// The sums are those of what can be found, through any sequence of changes; and
// an answer put again takes the place of the older one.
func TestCacheSums(t *testing.T) {
	c := NewCache(100 << 10)
	random := rand.New(rand.NewPCG(3, 3))
	for range 50_000 {
		key := fmt.Sprint("name", random.IntN(600))
		if random.IntN(2) == 0 {
			c.put(stored(key))
		} else {
			c.get([]byte(key))
		}
	}
	entries, bytes := 0, int64(0)
	for i := range 600 {
		if e := c.get(fmt.Append(nil, "name", i)); e != nil {
			entries++
			bytes += e.size()
		}
	}
	if entries != c.Entries() || bytes != c.Bytes() || bytes > 100<<10 || entries < 100 {
		t.Errorf("%d entries of %d bytes found; counted %d of %d", entries, bytes, c.Entries(), c.Bytes())
	}
	c.put(stored("name1"))
	newer := stored("name1")
	c.put(newer)
	if c.get([]byte("name1")) != newer {
		t.Error("the older answer is found")
	}
}

// An answer too large for its part of the cache is not stored, and nothing else
// gives way to it.
func TestCacheTooLarge(t *testing.T) {
	c := NewCache(64 << 10)
	c.put(stored("small"))
	huge := stored("huge")
	huge.wire = make([]byte, 60<<10)
	c.put(huge)
	if c.get([]byte("small")) == nil || c.get([]byte("huge")) != nil || c.Entries() != 1 {
		t.Errorf("%d entries", c.Entries())
	}
}

// Searching needs no lock: what is found while others change the cache has the
// key that was asked for, and what is never removed is always found.
func TestCacheConcurrently(t *testing.T) {
	c := NewCache(1 << 20)
	for i := range 50 {
		c.put(stored(fmt.Sprint("stays", i)))
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for range 20_000 {
				key := fmt.Sprint("comes", random.IntN(5000))
				if e := c.get([]byte(key)); e != nil && e.key != key {
					t.Errorf("%s found for %s", e.key, key)
				}
				if g < 2 {
					c.put(stored(key))
				}
				if stays := fmt.Sprint("stays", random.IntN(50)); c.get([]byte(stays)) == nil && c.Evictions() == 0 {
					t.Errorf("%s is gone", stays)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkCacheGet(b *testing.B) {
	c := NewCache(32 << 20)
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "www.site%d.example\x00\x01\x00\x01\x00", i)
		c.put(stored(string(keys[i])))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if c.get(keys[i%len(keys)]) == nil {
				b.Fail()
			}
		}
	})
}
