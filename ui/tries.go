package ui

import (
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Bounds of wrong passwords and tokens in tryTime: from one address (of IPv6 its /64,
// which one household has), and from all of those from which nobody has signed in yet.
// So whoever guesses locks out himself, and strangers, but not the owner at home; and at
// the machine itself there is always a way in.
const (
	tryTime     = time.Minute
	maxTries    = 10
	maxAllTries = 60
	maxFriends  = 1000
)

var errTooMany = errors.New("too many wrong passwords or tokens; wait a minute")

// tries counts what was wrong. The zero value has counted nothing. It is safe for
// concurrent use.
type tries struct {
	mu      sync.Mutex
	since   time.Time
	of      map[netip.Prefix]int
	all     int
	friends map[netip.Prefix]bool // from where somebody has signed in
}

// source is what tries of an address count for.
func source(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.WithZone("").Prefix(bits) // the zero one of no address
	return p
}

// begin counts a try as wrong, until it proves right or where that is known already; the
// error says that there were too many.
func (t *tries) begin(ip netip.Addr, now time.Time, right bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if gone := now.Sub(t.since); gone > tryTime || gone < 0 {
		t.since, t.all, t.of = now, 0, map[netip.Prefix]int{}
	}
	from := source(ip)
	if t.of[from] >= maxTries || t.all >= maxAllTries && !t.friends[from] && !ip.IsLoopback() {
		return errTooMany
	}
	if right {
		return nil
	}
	t.of[from]++
	t.all++
	return nil
}

// right takes a try back, which has proved right.
func (t *tries) right(ip netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := source(ip)
	if t.of[from] > 0 {
		t.of[from]--
		t.all--
	}
	if t.of[from] == 0 {
		delete(t.of, from)
	}
	if t.friends == nil || len(t.friends) >= maxFriends {
		t.friends = map[netip.Prefix]bool{}
	}
	t.friends[from] = true
}

// wait is for how many seconds whoever has too many wrong tries has to, as Retry-After
// says it (RFC 9110, section 10.2.3).
func (t *tries) wait(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := tryTime - now.Sub(t.since)
	return strconv.Itoa(int(max(left, 0)/time.Second) + 1)
}

// held is from how many networks tries are counted, and from how many somebody has
// signed in.
func (t *tries) held() (tried, friends int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.of), len(t.friends)
}
