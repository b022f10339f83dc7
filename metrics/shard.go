package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"deadpixel/resolver"
)

// shard is what is counted of queries. There is one for each core, so that the
// goroutines that read sockets share no memory when they count; a scrape adds
// them up. Nothing in it takes a lock, and several goroutines may share one.
type shard struct {
	queries   [resolver.Outcomes][transports]atomic.Uint64
	durations [resolver.Outcomes]histogram
	owners    table[string, table[cause, atomic.Uint64]] // what was blocked, by the company and by why
	noAccount table[string, atomic.Uint64]               // companies that nobody has an account with
	escapes   [resolver.Escapes]atomic.Uint64
	_         [64]byte // keeps the next shard off the last cache line
}

// cause is why a query was blocked.
type cause struct {
	list   string
	reason resolver.Reason
}

// count counts one query.
func (s *shard) count(e *resolver.Event, o *Options) {
	s.queries[e.Outcome][e.Transport].Add(1)
	if e.Outcome != resolver.Dropped {
		s.durations[e.Outcome].observe(e.Duration, queryLimits)
	}
	escape := e.Escape
	if e.Outcome == resolver.Blocked {
		company := o.Owner(e.BlockedName())
		s.owners.at(company).at(cause{e.List, e.Reason}).Add(1)
		if company != "" && o.NoAccount(e.Groups, company) {
			s.noAccount.at(company).Add(1)
		}
		if escape == resolver.NoEscape {
			escape = o.Escape(e.Name)
		}
	}
	if escape != resolver.NoEscape {
		s.escapes[escape].Add(1)
	}
}

// table holds a V for each K that has been met. It is for keys of which there are
// few: a new one copies the whole table, and the others are found without a lock.
type table[K comparable, V any] struct {
	now atomic.Pointer[map[K]*V]
	mu  sync.Mutex // held while it grows
}

// at returns what belongs to key.
func (t *table[K, V]) at(key K) *V {
	if v, known := t.all()[key]; known {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, known := t.all()[key]; known {
		return v
	}
	grown := make(map[K]*V, len(t.all())+1)
	maps.Copy(grown, t.all())
	v := new(V)
	grown[key] = v
	t.now.Store(&grown)
	return v
}

// all is the table, which nobody may change.
func (t *table[K, V]) all() map[K]*V {
	if m := t.now.Load(); m != nil {
		return *m
	}
	return nil
}
