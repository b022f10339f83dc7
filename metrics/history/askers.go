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

// shard counts who asks, and which names are blocked, for one core. Its lock is that core's alone but for a moment
// once a minute, and for connections, which share the shards in turn.
type shard struct {
	mu    sync.Mutex
	now   *askers
	spare *askers // empty; only drain touches it

	names      *metNames
	spareNames *metNames // likewise
	_          [64]byte
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

// count counts one query: its client, when clients are counted, and its name, when that
// was blocked. Whoever may not ask, or said nothing that can be read, is nobody's client
// and could fill the table.
func (h *History) count(s *shard, e *resolver.Event) {
	blocked := e.Outcome == resolver.Blocked
	clients := h.counting.Load() && e.Client.IsValid() && e.Outcome != resolver.Refused && e.Outcome != resolver.Dropped
	if !clients && !blocked {
		return
	}
	s.mu.Lock()
	if clients {
		u := s.now.of(e.Client)
		u.Queries++
		if blocked {
			u.Blocked++
		}
	}
	if blocked {
		s.names.meet(e.BlockedName(), h.seed, h.options.Owner)
	}
	s.mu.Unlock()
}

// drain hands over what was counted, and begins anew. The address of those for whom
// there was no room is the zero one. Only one goroutine may drain at a time.
func (s *shard) drain(take func(netip.Addr, Use), meet func(company string, hash uint64)) {
	s.mu.Lock()
	full, names := s.now, s.names
	s.now, s.spare = s.spare, full
	s.names, s.spareNames = s.spareNames, names
	s.mu.Unlock()
	names.take(meet)
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

// Observe counts who asks, and which names are blocked.
func (f fork) Observe(e resolver.Event) { f.h.count(f.shard, &e) }

// ObserveExchange does nothing: no upstream is in the history.
func (f fork) ObserveExchange(resolver.Exchange) {}

// Observe counts like that of a Fork, for those without one.
func (h *History) Observe(e resolver.Event) { h.count(&h.shards[0], &e) }

// ObserveExchange does nothing: no upstream is in the history.
func (h *History) ObserveExchange(resolver.Exchange) {}
