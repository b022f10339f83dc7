package main

import (
	"context"
	"sync"
	"time"

	"deadpixel/metrics"
	"deadpixel/ui"
)

// felt remembers how long people waited in the last hour, without who or for what.
type felt struct {
	mu   sync.Mutex
	past []metrics.Waits // readings, the oldest first
}

// How often the counters are read, and of how many readings the oldest is an hour old.
const (
	feltEvery = 5 * time.Minute
	feltKept  = int(time.Hour / feltEvery)
)

// note takes a reading.
func (f *felt) note(w metrics.Waits) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.past = append(f.past, w); len(f.past) > feltKept {
		f.past = f.past[1:]
	}
}

// run takes readings until ctx ends.
func (f *felt) run(ctx context.Context, m *metrics.Metrics) {
	for tick := time.NewTicker(feltEvery); ; {
		select {
		case <-tick.C:
			f.note(m.Waits())
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// until says what has been felt since the oldest reading; before there is one, since the
// start.
func (f *felt) until(now metrics.Waits) ui.Felt {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.past) > 0 {
		now = now.Since(f.past[0])
	}
	return ui.Felt{Half: now.Quantile(0.5), Most: now.Quantile(0.99), Answers: now.Answers(), Over: time.Hour}
}
