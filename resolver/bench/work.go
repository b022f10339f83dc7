//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
)

// class is what an answer is expected to be.
type class uint8

const (
	blocked   class = iota // NXDOMAIN
	cached                 // the address, asked for before
	forwarded              // the address, never asked for before
)

// work is one list and the queries that go with it. All servers get the same.
type work struct {
	list    []string
	blocked [][]byte // packets with id 0
	cached  [][]byte
	fresh   atomic.Uint64 // how many names have been made that nobody asked for before
}

// variety bounds how many listed names are asked for: enough to defeat the
// processor's caches in the server, not so many as to slow the generator.
const variety = 20_000

// newWork makes the queries for a list. Every other blocked one is for a name
// below the listed one, unless exact. No cached one is for a name below those in
// set, which is nil for a list that was made up: domain cannot repeat itself.
func newWork(list []string, set map[string]bool, names int, exact bool) *work {
	w := &work{list: list}
	if n := min(len(list), variety); n > 0 {
		order := rand.New(rand.NewPCG(1, 2))
		w.blocked = make([][]byte, n)
		for i, at := range order.Perm(n) {
			name := list[i*len(list)/n]
			if i%2 == 1 && !exact {
				name = "px." + name
			}
			w.blocked[at] = packet(name)
		}
	}
	for number := maxRules; len(w.cached) < names; number++ {
		if name := "www." + domain(number); !covered(set, name) {
			w.cached = append(w.cached, packet(name))
		}
	}
	return w
}

// packet is a query for the address of a name, without EDNS, as most stub
// resolvers send it.
func packet(name string) []byte {
	p := make([]byte, 12, 12+len(name)+2+4)
	p[2] = 1 // recursion desired
	p[5] = 1 // one question
	for label := range strings.SplitSeq(name, ".") {
		p = append(p, byte(len(label)))
		p = append(p, label...)
	}
	return append(p, 0, 0, 1, 0, 1)
}

// unasked is a query for a name that was never asked for. Its domain has a dash,
// which no generated name has.
func (w *work) unasked() []byte {
	return packet(fmt.Sprintf("f%08d.bench-fresh.net", w.fresh.Add(1)))
}

// questions gives one query after another: a packet, to be sent with another
// id, and what its answer must be. It is for one goroutine.
type questions func() ([]byte, class)

// mix says how many in a hundred are blocked and cached; the rest is forwarded.
type mix struct{ blocked, cached int }

var household = mix{20, 70}

// questions draws from the mix. The seed tells askers apart.
func (w *work) questions(m mix, seed uint64) questions {
	if len(w.blocked) == 0 {
		m = mix{0, 100}
	}
	random := rand.NewPCG(seed, 53)
	return func() ([]byte, class) {
		luck := random.Uint64()
		percent, index := int(luck>>32%100), int(luck&0x7fff_ffff)
		switch {
		case percent < m.blocked:
			return w.blocked[index%len(w.blocked)], blocked
		case percent < m.blocked+m.cached:
			return w.cached[index%len(w.cached)], cached
		default:
			return w.unasked(), forwarded
		}
	}
}

// inTurn gives every cached name once, starting with the first.
func (w *work) inTurn() questions {
	var i int
	return func() ([]byte, class) {
		i++
		return w.cached[(i-1)%len(w.cached)], cached
	}
}

// below asks for another name under a blocked domain each time.
func below(domain string) questions {
	var i int
	return func() ([]byte, class) {
		i++
		return packet(fmt.Sprintf("p%d.%s", i, domain)), blocked
	}
}

// address is what the upstream says of every name (RFC 5737).
var address = [4]byte{192, 0, 2, 1}

// verdict is what became of a query.
type verdict uint8

const (
	lost   verdict = iota // no answer
	right                 // the answer that its class asks for
	failed                // SERVFAIL
	wrong                 // any other
)

// Codes of RFC 1035, 4.1.1.
const (
	rcodeSuccess  = 0
	rcodeFailure  = 2
	rcodeNXDomain = 3
)

// standard is what counts as right at one server.
type standard struct {
	echo bool // the packet itself comes back: only the id can be checked
	zero bool // 0.0.0.0 will do for a blocked name
}

// judge compares a reply with what was asked for.
func (s standard) judge(want class, asked, reply []byte) verdict {
	switch {
	case s.echo:
		return right
	case len(reply) < len(asked) || reply[2]&0x80 == 0 || string(reply[12:len(asked)]) != string(asked[12:]):
		return wrong
	}
	code, answers := reply[3]&0xf, binary.BigEndian.Uint16(reply[6:])
	// No reply here has anything behind its one address.
	last := [4]byte(reply[len(reply)-4:])
	switch {
	case code == rcodeFailure:
		return failed
	case want == blocked && code == rcodeNXDomain,
		want == blocked && s.zero && code == rcodeSuccess && answers == 1 && last == [4]byte{},
		want != blocked && code == rcodeSuccess && answers == 1 && last == address:
		return right
	}
	return wrong
}
