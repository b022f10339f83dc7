package resolver

import (
	"sync/atomic"
	"time"
)

// Crew runs functions in goroutines that are used again: a new one begins with a
// small stack, and growing that to what the walk of a query needs costs more than
// all the rest of starting it. The zero value is not ready; see NewCrew. It is
// safe for concurrent use.
type Crew struct {
	work    chan func()
	idle    atomic.Int32
	resting atomic.Bool // dismiss will be called
}

// Who is idle stays so for a moment, and not in any number.
const (
	crewIdle = 256
	crewRest = 250 * time.Millisecond
)

// NewCrew makes a Crew without anybody in it.
func NewCrew() *Crew { return &Crew{work: make(chan func())} }

// Go runs f at once, in a goroutine of its own while it lasts.
func (c *Crew) Go(f func()) {
	select {
	case c.work <- f: // somebody is idle
	default:
		go c.run(f)
	}
}

func (c *Crew) run(f func()) {
	for f != nil {
		f()
		f = nil // it may hold on to much
		if c.idle.Add(1) <= crewIdle {
			c.rest()
			f = <-c.work
		}
		c.idle.Add(-1)
	}
}

// rest sees to it that who is idle now does not stay for long.
func (c *Crew) rest() {
	if c.resting.CompareAndSwap(false, true) {
		time.AfterFunc(crewRest, c.dismiss)
	}
}

// dismiss sends all home who are idle. Those who are about to be wait for the
// next time: one timer for all is cheaper than one for each.
func (c *Crew) dismiss() {
	for {
		select {
		case c.work <- nil:
			continue
		default:
		}
		break
	}
	c.resting.Store(false)
	if c.idle.Load() > 0 {
		c.rest()
	}
}
