package main

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"deadpixel/lists"
	"deadpixel/ui"
)

// Bounds of what waits for an answer.
const (
	maxRequests = 50
	requestKept = 24 * time.Hour
)

// request is somebody's wish that a name be allowed.
type request struct {
	address netip.Addr
	name    string
	time    time.Time
}

// requests are the wishes that nobody has answered, in memory only. The zero value
// has none. It is safe for concurrent use.
type requests struct {
	mu  sync.Mutex
	all []request
}

// open are those that are not too old.
func (r *requests) open() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	return slices.Clone(r.all)
}

// prune drops those that are too old. The caller holds r.mu.
func (r *requests) prune() {
	r.all = slices.DeleteFunc(r.all, func(q request) bool { return time.Since(q.time) >= requestKept })
}

var errRequests = fmt.Errorf("too many requests wait for an answer: %w", ui.ErrTooOften)

// put notes a wish, once.
func (r *requests) put(q request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	if slices.ContainsFunc(r.all, func(o request) bool { return o.address == q.address && o.name == q.name }) {
		return nil
	}
	if len(r.all) >= maxRequests {
		return errRequests
	}
	r.all = append(r.all, q)
	return nil
}

// settle drops the wishes for what is written, for whom who is true, and says how
// many there were.
func (r *requests) settle(written string, who func(request) bool) int {
	name, err := lists.Normalize(written)
	if err != nil {
		return 0
	}
	return r.drop(func(q request) bool { return q.name == name && who(q) })
}

// drop drops the wishes that gone is true for, and says how many there were.
func (r *requests) drop(gone func(request) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	before := len(r.all)
	r.all = slices.DeleteFunc(r.all, gone)
	return before - len(r.all)
}

// from are those that came from an address.
func from(ip netip.Addr) func(request) bool {
	return func(q request) bool { return q.address == ip }
}

// openRequests are what people wish, for whoever may change something.
func (s *server) openRequests() []ui.Request {
	var all []ui.Request
	for _, q := range s.requests.open() {
		policy := s.current.Load().askerAt(q.address).policy
		all = append(all, ui.Request{Name: q.name, Address: q.address.String(), Client: policy.Client, Group: policy.Groups[0], Time: q.time})
	}
	return all
}

// refuse drops a wish.
func (s *server) refuse(name, address string) error {
	ip, err := netip.ParseAddr(address)
	if err == nil && s.requests.settle(name, from(ip)) > 0 {
		return nil
	}
	return fmt.Errorf("nobody at %q asks for %q: %w", address, name, ui.ErrNotFound)
}
