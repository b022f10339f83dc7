package metrics

import (
	"hash/maphash"
	"sync/atomic"

	"deadpixel/resolver"
)

// sources tells whether all queries come from one address, as they do behind a
// router that forwards for everybody. It keeps no address: only a hash of the
// first, by a key that is nowhere else, and only until there is another.
type sources struct {
	seed    maphash.Seed
	day     atomic.Int64 // since 1970, that what follows is of
	first   atomic.Uint64
	queries atomic.Uint64 // from it, up to enoughQueries
	several atomic.Bool
}

// enoughQueries is how many have to come from one address before that says
// something.
const enoughQueries = 200

func newSources() sources { return sources{seed: maphash.MakeSeed()} }

// note takes in who asked. The machine itself does not count.
func (s *sources) note(e *resolver.Event) {
	if day := e.Time.Unix() / 86400; s.day.Load() != day && s.day.Swap(day) != day {
		s.forget()
	}
	if s.several.Load() || !e.Client.IsValid() || e.Client.IsLoopback() {
		return
	}
	hash := maphash.Comparable(s.seed, e.Client) | 1 // never 0
	switch first := s.first.Load(); {
	case first == 0 && s.first.CompareAndSwap(0, hash), first == hash:
		if s.queries.Load() < enoughQueries {
			s.queries.Add(1)
		}
	case s.first.Load() != hash:
		s.several.Store(true)
		s.first.Store(0)
	}
}

// one says whether so many queries came from one address, and none from another.
func (s *sources) one() bool { return !s.several.Load() && s.queries.Load() >= enoughQueries }

// forget begins anew.
func (s *sources) forget() {
	s.first.Store(0)
	s.queries.Store(0)
	s.several.Store(false)
}

// held is how many addresses there is a hash of.
func (s *sources) held() int {
	if s.first.Load() == 0 {
		return 0
	}
	return 1
}
