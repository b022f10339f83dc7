package lists

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Seed keys the hash of names. It is a secret of one installation, so that
// nobody can write a list whose names collide on purpose.
type Seed [16]byte

// NewSeed makes a random seed.
func NewSeed() Seed {
	var s Seed
	rand.Read(s[:])
	return s
}

// suffixHash hashes a name label by label from its end, so that the hashes of a
// name and of all names above it come from one walk. It is SipHash-1-3 (Aumasson
// and Bernstein, "SipHash: a fast short-input PRF", 2012; the rounds that Rust
// and Python use for their tables) over words of 8 bytes: each label in as many
// as it needs, with its length in the last byte of its last word.
//
// Its 64 bits stand for the name: an asked name that is on no list shares the
// hash of one of n rules with a chance of n in 2^64 for each of its labels. With
// a million rules and a million new names a day, one wrong verdict is to be
// expected in some ten thousand years. As the seed is secret, nobody can look for
// such a name.
type suffixHash struct{ v0, v1, v2, v3 uint64 }

// start is the state before the first label.
func (s *Seed) start() suffixHash {
	k0, k1 := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:])
	// The constants of the SipHash paper, section 2.1.
	return suffixHash{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
}

// add takes in one more label.
func (h *suffixHash) add(label []byte) {
	v0, v1, v2, v3 := h.v0, h.v1, h.v2, h.v3
	rest := label
	for len(rest) >= 8 {
		w := binary.LittleEndian.Uint64(rest)
		v0, v1, v2, v3 = round(v0, v1, v2, v3^w)
		v0 ^= w
		rest = rest[8:]
	}
	last := uint64(len(label))<<56 | upTo7(rest)
	v0, v1, v2, v3 = round(v0, v1, v2, v3^last)
	h.v0, h.v1, h.v2, h.v3 = v0^last, v1, v2, v3
}

// upTo7 is at most 7 bytes as a little-endian number.
func upTo7(b []byte) uint64 {
	switch n := len(b); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
	}
	return 0
}

// round is one SipRound (section 2.2 of the paper).
func round(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v2 += v1
	v0 = bits.RotateLeft64(v0, 32) + v3
	return v0, bits.RotateLeft64(v1, 17) ^ v2, bits.RotateLeft64(v2, 32), bits.RotateLeft64(v3, 21) ^ v0
}

// sum is the hash of the labels so far. More may be added after it.
func (h *suffixHash) sum() uint64 {
	v0, v1, v2, v3 := round(h.v0, h.v1, h.v2^0xff, h.v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	return v0 ^ v1 ^ v2 ^ v3
}

// hash is the hash of a whole normalised name.
func (s *Seed) hash(name []byte) uint64 {
	h := s.start()
	for end := len(name); end >= 0; {
		begin := labelStart(name, end)
		h.add(name[begin:end])
		end = begin - 1
	}
	return h.sum()
}

// labelStart is where the label begins that ends at end.
func labelStart(name []byte, end int) int {
	for end >= 8 {
		if dots := dotsIn(binary.LittleEndian.Uint64(name[end-8:])); dots != 0 {
			return end - bits.LeadingZeros64(dots)/8
		}
		end -= 8
	}
	if len(name) >= 8 { // what follows the label is shifted out
		return end - min(bits.LeadingZeros64(dotsIn(binary.LittleEndian.Uint64(name)<<(64-8*end)))/8, end)
	}
	for end > 0 && name[end-1] != '.' {
		end--
	}
	return end
}

// dotsIn has the highest bit set of each byte that is a dot (after Mycroft's test
// for a zero byte, in the form that is exact for every byte).
func dotsIn(w uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	w ^= 0x2e2e2e2e2e2e2e2e
	return ^((w&low7 + low7) | w | low7)
}
