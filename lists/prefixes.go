package lists

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// lengths is a set of prefix lengths: bit n of the first word stands for IPv4's
// /n, bits n-1 of the other two for IPv6's /n.
type lengths [3]uint64

func (l *lengths) add(p netip.Prefix) {
	word, bit := l.place(p.Addr().Is4(), p.Bits())
	l[word] |= bit
}

func (l *lengths) place(v4 bool, n int) (word int, bit uint64) {
	if v4 {
		return 0, 1 << n
	}
	return 1 + (n-1)/64, 1 << ((n - 1) % 64)
}

func (l *lengths) join(o lengths) {
	for i := range l {
		l[i] |= o[i]
	}
}

// any says whether there is one.
func (l *lengths) any() bool { return l[0]|l[1]|l[2] != 0 }

// each calls f with every length that there is for the family of ip, the shortest
// first.
func (l *lengths) each(v4 bool, f func(n int)) {
	if v4 {
		for w := l[0]; w != 0; w &= w - 1 {
			f(bits.TrailingZeros64(w))
		}
		return
	}
	for i, w := range l[1:] {
		for ; w != 0; w &= w - 1 {
			f(64*i + bits.TrailingZeros64(w) + 1)
		}
	}
}

// hashNetwork is the hash of the network of n bits that ip lies in. No name
// shares it but by chance: 0xff is in no normalised name.
func (s *Seed) hashNetwork(ip netip.Addr, n int) uint64 {
	h := s.start()
	if ip.Is4() {
		a := ip.As4()
		network := binary.BigEndian.Uint32(a[:]) &^ uint32(1<<(32-n)-1)
		h.add([]byte{0xff, byte(n), byte(network >> 24), byte(network >> 16), byte(network >> 8), byte(network)})
		return h.sum()
	}
	a := ip.As16()
	for i := range a {
		if kept := n - 8*i; kept < 8 {
			a[i] &= ^byte(0xff >> max(kept, 0))
		}
	}
	h.add([]byte{0xff, 0xff, byte(n)})
	h.add(a[:])
	return h.sum()
}

// hashOf is the hash under which a rule is found.
func (s *Seed) hashOf(r *Rule) uint64 {
	if r.Shape == Address {
		return s.hashNetwork(r.Network.Addr(), r.Network.Bits())
	}
	return s.hash(raw(r.Name))
}
