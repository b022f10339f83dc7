package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists/owners"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// Bounds of what is shown to whoever watches: how many queries wait for the next time
// that something is sent, and how often that is.
const (
	tailWaiting = 200
	tailEvery   = 500 * time.Millisecond
)

// tail shows blocked queries to those who watch, and is nothing while nobody does. It
// implements resolver.Observer. What it has it forgets as soon as that is sent.
type tail struct {
	watched  atomic.Bool
	mu       sync.Mutex
	watchers map[*watcher]bool
}

// watcher is somebody who watches.
type watcher struct {
	waiting []glimpse
	missed  uint64
}

// glimpse is a blocked query as it was observed.
type glimpse struct {
	ui.Seen
	ip      netip.Addr
	blocked string // the name that a rule was about
}

// Observe implements resolver.Observer. Somebody who watches costs each blocked query a
// lock and two copies of names.
func (t *tail) Observe(e resolver.Event) {
	if e.Outcome != resolver.Blocked || !t.watched.Load() {
		return
	}
	g := glimpse{Seen: ui.Seen{Time: e.Time, Name: string(e.Name), Type: dns.Type(e.Type).String(), Behind: string(e.Hidden), List: e.List, Reason: e.Reason.String()},
		ip: e.Client, blocked: string(e.BlockedName())}
	if len(e.Groups) > 0 {
		g.Group = e.Groups[0]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		if len(w.waiting) < tailWaiting {
			w.waiting = append(w.waiting, g)
		} else {
			w.missed++
		}
	}
}

// ObserveExchange implements resolver.Observer.
func (t *tail) ObserveExchange(resolver.Exchange) {}

// take is what has come for w since the last time.
func (t *tail) take(w *watcher) ([]glimpse, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting, missed := w.waiting, w.missed
	w.waiting, w.missed = nil, 0
	return waiting, missed
}

func (t *tail) enter() *watcher {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &watcher{}
	if t.watchers == nil {
		t.watchers = map[*watcher]bool{}
	}
	t.watchers[w] = true
	t.watched.Store(true)
	return w
}

func (t *tail) leave(w *watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.watchers, w)
	t.watched.Store(len(t.watchers) > 0)
}

// watch tells of blocked queries until ctx ends; then it closes the channel.
func (s *server) watch(ctx context.Context) <-chan ui.Sight {
	told := make(chan ui.Sight)
	w := s.tail.enter()
	go func() {
		defer close(told)
		defer s.tail.leave(w)
		tick := time.NewTicker(tailEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			waiting, missed := s.tail.take(w)
			if len(waiting) == 0 {
				continue
			}
			select {
			case told <- s.sight(waiting, missed):
			case <-ctx.Done():
				return
			}
		}
	}()
	return told
}

// sight is what was observed, with whose it is and who asked in the form that is
// permitted.
func (s *server) sight(waiting []glimpse, missed uint64) ui.Sight {
	all := ui.Sight{Missed: missed}
	data := s.current.Load().owners.data.Load()
	for _, g := range slices.Backward(waiting) { // the newest first
		o, _ := owners.Lookup(data, []byte(g.blocked))
		g.Owner, g.Category = o.Company, o.Category
		g.Client = s.history.Appears(g.ip, g.Time)
		all.Seen = append(all.Seen, g.Seen)
	}
	return all
}
