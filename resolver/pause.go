package resolver

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Target is whose blocking a pause switches off: a group's, a client's, or with
// neither, everybody's.
type Target struct{ Group, Client string }

// Pause switches blocking off for a while. The zero value blocks. It outlives
// reloads, and is safe for concurrent use.
type Pause struct {
	version atomic.Uint64 // changes with what follows

	mu    sync.Mutex
	until map[Target]time.Time // zero: until resumed
}

// For pauses t's blocking for d from now on, or until Resume when d is 0.
func (p *Pause) For(t Target, d time.Duration) {
	until := time.Time{}
	if d > 0 {
		until = time.Now().Add(d)
	}
	p.change(func(all map[Target]time.Time) { all[t] = until })
}

// Resume blocks again; for everybody, whatever was paused.
func (p *Pause) Resume(t Target) {
	p.change(func(all map[Target]time.Time) {
		if t == (Target{}) {
			clear(all)
		}
		delete(all, t)
	})
}

// Restore takes over what All returned before the program was started again.
func (p *Pause) Restore(until map[Target]time.Time) {
	p.change(func(all map[Target]time.Time) { maps.Copy(all, until) })
}

func (p *Pause) change(f func(map[Target]time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[Target]time.Time{}
	}
	f(p.until)
	p.version.Add(1)
}

// Paused says whether a pause of t itself is on at now, and until when; the zero
// time means until Resume.
func (p *Pause) Paused(t Target, now time.Time) (bool, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until[t]
	if !ok || !until.IsZero() && !now.Before(until) {
		return false, time.Time{}
	}
	return true, until
}

// All are the pauses that are on at now, with their ends; see Paused.
func (p *Pause) All(now time.Time) map[Target]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := maps.Clone(p.until)
	maps.DeleteFunc(all, func(_ Target, until time.Time) bool { return !until.IsZero() && !now.Before(until) })
	return all
}
