package metrics

import (
	"math"
	"time"

	"deadpixel/resolver"
)

// Waits are how long people waited for answers, in buckets about a tenth apart: as
// counted since the start, or what that has gained in some time.
type Waits [lastKey - firstKey + 1]uint64

// Waits reads the counters. What was refused, limited or dropped does not count: it
// comes quickly, and is no answer.
func (m *Metrics) Waits() (w Waits) {
	for i := range m.shards {
		for outcome := range m.shards[i].durations {
			switch resolver.Outcome(outcome) {
			case resolver.Refused, resolver.Limited, resolver.Dropped:
				continue
			}
			h := &m.shards[i].durations[outcome]
			for key := range h.native {
				w[key] += h.native[key].Load()
			}
		}
	}
	return w
}

// Since is what w has gained over an older reading.
func (w Waits) Since(old Waits) Waits {
	for i, n := range old {
		w[i] -= n
	}
	return w
}

// Answers is how many there were.
func (w Waits) Answers() (n uint64) {
	for _, in := range w {
		n += in
	}
	return n
}

// Quantile is how long the part q (0 to 1) of the answers took at most, a tenth too
// long at worst; 0 when there is none.
func (w Waits) Quantile(q float64) time.Duration {
	all := w.Answers()
	rank := max(uint64(math.Ceil(q*float64(all))), 1)
	var below uint64
	for i, n := range w {
		if below += n; below >= rank {
			return time.Duration(math.Exp2(float64(firstKey+i)/nativePerTwo) * float64(time.Second))
		}
	}
	return 0
}
