package resolver

import (
	"net/netip"
	"time"
)

// What is remembered of addresses, and for how long.
const (
	// macKept bridges a device's sleep: the kernel forgets a silent neighbour after
	// minutes.
	macKept = time.Hour
	// strangerKept is how long an address that belongs to no entry is not looked for
	// again.
	strangerKept = time.Minute
	// patience is how long an address is looked for: the kernel knows it once the
	// answer to its first query is on its way.
	patience = 3 * time.Second
	// A name of the reverse zone holds for its TTL within these bounds.
	reverseMin = time.Minute
	reverseMax = time.Hour
	// maxEncounters bounds the addresses of entries, and those of nobody, each.
	maxEncounters = 4096
)

// encounter is what is known of one address.
type encounter struct {
	mac    MAC       // of an entry; zero for all others
	seen   time.Time // when the kernel last had mac for it
	name   string    // by the reverse zone, when an entry has it; "" for all others
	until  time.Time // when name has to be asked for, the next time
	asked  bool      // name is being asked for
	met    time.Time // when a query came from it that nobody knew; zero for never
	others bool      // the kernel knows it by a MAC that no entry has
}

func (e *encounter) ours() bool { return e.mac != MAC{} || e.name != "" }

// awaited says whether looking again may tell more.
func (e *encounter) awaited(now time.Time) bool {
	return !e.met.IsZero() && !e.ours() && !e.others && now.Sub(e.met) < patience
}

// encounters are the addresses that entries have, and for a while those that
// queries came from and no entry has.
type encounters struct {
	of     map[netip.Addr]*encounter
	nobody int // how many belong to no entry, at most
}

func newEncounters() encounters { return encounters{of: map[netip.Addr]*encounter{}} }

// meet notes that a query came from an address that nobody knows. Beyond the
// bound nothing is noted, and so its next query wakes Run as well.
func (s *encounters) meet(ip netip.Addr, now time.Time) {
	e := s.of[ip]
	switch {
	case e == nil && s.nobody >= maxEncounters:
		return
	case e == nil:
		e = new(encounter)
		s.of[ip] = e
		s.nobody++
	}
	if e.met.IsZero() {
		e.met = now
	}
}

// neighbours takes in the kernel's table, of which only what entries have is
// kept, and says whether that has changed. An address that the table does not
// have stays with its device.
func (s *encounters) neighbours(table []Neighbour, ours func(MAC) bool, now time.Time) (news bool) {
	macs := make(map[netip.Addr]MAC, len(table))
	for _, n := range table {
		ip := n.Addr.Unmap().WithZone("")
		if other, twice := macs[ip]; twice && other != n.MAC {
			n.MAC = MAC{} // on two links two devices: nobody can say which one asks
		}
		macs[ip] = n.MAC
	}
	for ip, mac := range macs {
		e := s.of[ip]
		switch {
		case ours(mac):
			if e == nil {
				e = s.welcome(ip)
			}
			news = news || e.mac != mac
			e.mac, e.seen, e.others = mac, now, false
		case e != nil:
			news = news || e.mac != MAC{}
			e.mac, e.others = MAC{}, true
		}
	}
	return news
}

// welcome makes room for an address of an entry. When there are too many, the
// one unseen for longest goes.
func (s *encounters) welcome(ip netip.Addr) *encounter {
	if len(s.of)-s.nobody >= maxEncounters {
		var oldest netip.Addr
		for ip, e := range s.of {
			if e.ours() && (!oldest.IsValid() || e.seen.Before(s.of[oldest].seen)) {
				oldest = ip
			}
		}
		delete(s.of, oldest)
	}
	e := new(encounter)
	s.of[ip] = e
	return e
}

// forget drops what has had its time, and counts what is left.
func (s *encounters) forget(now time.Time) (news bool) {
	s.nobody = 0
	for ip, e := range s.of {
		if e.mac != (MAC{}) && now.Sub(e.seen) > macKept {
			e.mac, news = MAC{}, true
		}
		switch {
		case e.ours():
		case now.Sub(e.met) > strangerKept && !now.Before(e.until) && !e.asked:
			delete(s.of, ip)
		default:
			s.nobody++
		}
	}
	return news
}

// awaited says whether looking again may tell more of any.
func (s *encounters) awaited(now time.Time) bool {
	for _, e := range s.of {
		if e.awaited(now) {
			return true
		}
	}
	return false
}

// named takes in what the reverse zone says of an address: name is "" when no
// entry has it. A failure leaves what was known, and is tried again.
func (s *encounters) named(ip netip.Addr, name string, ttl time.Duration, err error, now time.Time) (news bool) {
	e := s.of[ip]
	if e == nil {
		return false
	}
	e.asked = false
	if err != nil {
		e.until = now.Add(reverseMin)
		return false
	}
	e.until = now.Add(min(max(ttl, reverseMin), reverseMax))
	news = e.name != name
	e.name = name
	return news
}
