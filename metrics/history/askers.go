package history

import (
	"hash/maphash"
	"net/netip"
	"sync"

	"deadpixel/resolver"
)

// Use is how many queries came from somewhere, and how many of them were blocked.
type Use struct{ Queries, Blocked uint64 }

// maxClients is how many clients a sum tells apart; the rest counts as others.
const maxClients = 1000

// shard counts who asks, for one core. Its lock is that core's alone but for a moment
// once a minute, and for connections, which share the shards in turn.
type shard struct {
	mu    sync.Mutex
	now   *askers
	spare *askers // empty; only drain touches it
	_     [64]byte
}

// askerSlots is the size of the table of addresses: twice what it holds, so that one
// is found within a step or two.
const askerSlots = 2048

// askers are addresses and what came from them, in a table of fixed size, so that
// counting allocates nothing. Their hashes cannot be foreseen, so that nobody can make
// addresses that collide.
type askers struct {
	seed  maphash.Seed
	held  int
	slots [askerSlots]asker
	other Use // of all for whom there was no room
}

type asker struct {
	ip netip.Addr
	Use
}

func newAskers() *askers { return &askers{seed: maphash.MakeSeed()} }

// of is where what comes from ip is counted.
func (a *askers) of(ip netip.Addr) *Use {
	for i := maphash.Comparable(a.seed, ip) % askerSlots; ; i = (i + 1) % askerSlots {
		switch s := &a.slots[i]; {
		case s.ip == ip:
			return &s.Use
		case !s.ip.IsValid():
			if a.held >= maxClients {
				return &a.other
			}
			a.held++
			s.ip = ip
			return &s.Use
		}
	}
}

// count counts one query. Whoever may not ask, or said nothing that can be read, is
// nobody's client and could fill the table.
func (s *shard) count(e *resolver.Event) {
	if !e.Client.IsValid() || e.Outcome == resolver.Refused || e.Outcome == resolver.Dropped {
		return
	}
	s.mu.Lock()
	u := s.now.of(e.Client)
	u.Queries++
	if e.Outcome == resolver.Blocked {
		u.Blocked++
	}
	s.mu.Unlock()
}

// drain hands over what was counted, and begins anew. The address of those for whom
// there was no room is the zero one. Only one goroutine may drain at a time.
func (s *shard) drain(take func(netip.Addr, Use)) {
	s.mu.Lock()
	full := s.now
	s.now, s.spare = s.spare, full
	s.mu.Unlock()
	if full.held == 0 {
		return
	}
	for i := range full.slots {
		if one := &full.slots[i]; one.ip.IsValid() {
			take(one.ip.Unmap().WithZone(""), one.Use)
		}
	}
	if full.other.Queries > 0 {
		take(netip.Addr{}, full.other)
	}
	clear(full.slots[:])
	full.held, full.other = 0, Use{}
}

// fork is a History that counts in a shard of its own.
type fork struct {
	h     *History
	shard *shard
}

// Fork implements resolver.Forker. There are as many shards as cores, which are
// handed out in turn.
func (h *History) Fork() resolver.Observer {
	return fork{h, &h.shards[int(h.forks.Add(1)-1)%len(h.shards)]}
}

// Observe counts who asks.
func (f fork) Observe(e resolver.Event) {
	if f.h.counting.Load() {
		f.shard.count(&e)
	}
}

// ObserveExchange does nothing: no upstream is in the history.
func (f fork) ObserveExchange(resolver.Exchange) {}

// Observe counts who asks, for those without a Fork.
func (h *History) Observe(e resolver.Event) { fork{h, &h.shards[0]}.Observe(e) }

// ObserveExchange does nothing: no upstream is in the history.
func (h *History) ObserveExchange(resolver.Exchange) {}
