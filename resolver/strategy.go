package resolver

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Strategy is how Forward chooses among the servers of a query.
type Strategy uint8

const (
	Fastest Strategy = iota // at random, the faster the likelier
	Race                    // the two fastest at once
	InOrder                 // as written
	Spread                  // one after the other
)

var strategies = [...]string{"fastest", "race", "in_order", "spread"}

// ParseStrategy reads the value of [upstream] strategy.
func ParseStrategy(s string) (Strategy, error) {
	for i, name := range strategies {
		if s == name {
			return Strategy(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no strategy: write \"fastest\", \"race\", \"in_order\" or \"spread\"", s)
}

// unmeasured is the latency that a server is given before it has answered: good
// enough to be tried.
const unmeasured = 20 * time.Millisecond

// server is an Upstream and what Forward has noticed itself.
type server struct {
	Upstream
	suspect atomic.Int64 // Unix nanoseconds until which it comes last: an answer is overdue
}

// group is the servers that a query may go to.
type group struct {
	servers []*server
	turn    atomic.Uint32
}

// choice is a server on its way to being asked.
type choice struct {
	*server
	good    bool // healthy, and no answer overdue
	latency time.Duration
}

// order is in which order the servers are to be asked now; good ones first.
func (g *group) order(s Strategy, now time.Time) []choice {
	all := make([]choice, len(g.servers))
	for i, srv := range g.servers {
		ok, latency := srv.Health()
		if latency <= 0 {
			latency = unmeasured
		}
		all[i] = choice{srv, ok && srv.suspect.Load() <= now.UnixNano(), latency}
	}
	switch s {
	case Spread:
		turn := int(g.turn.Add(1)-1) % len(all)
		all = slices.Concat(all[turn:], all[:turn])
	case Fastest, Race:
		slices.SortStableFunc(all, func(a, b choice) int { return cmp.Compare(a.latency, b.latency) })
	}
	slices.SortStableFunc(all, func(a, b choice) int {
		if a.good == b.good {
			return 0
		}
		if a.good {
			return -1
		}
		return 1
	})
	if s == Fastest {
		if i := draw(all); i > 0 {
			first := all[i]
			copy(all[1:i+1], all[:i])
			all[0] = first
		}
	}
	return all
}

// draw picks one of the good servers; a server twice as slow is asked a quarter
// as often, so that its latency stays known.
func draw(all []choice) int {
	sum := 0.0
	for _, c := range all {
		if c.good {
			sum += weight(c.latency)
		}
	}
	at := rand.Float64() * sum
	for i, c := range all {
		if !c.good {
			break
		}
		if at -= weight(c.latency); at <= 0 {
			return i
		}
	}
	return 0
}

func weight(latency time.Duration) float64 {
	ms := max(float64(latency)/float64(time.Millisecond), 0.5)
	return 1 / (ms * ms)
}
