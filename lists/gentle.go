package lists

import (
	"runtime"
	"time"
)

// Go's scheduler looks for packets when a processor has nothing else to do, and
// else every 10 ms. So whoever computes for long keeps those waiting who answer
// queries, when there are as many such goroutines as processors.
const (
	stretch = 500 * time.Microsecond // how long to compute without a rest
	rest    = 100 * time.Microsecond // not over when the processor looks for packets; it is longer when there are none
)

// worker is a goroutine that computes for long: gently, when there are queries to
// answer meanwhile, which takes up to three times as long.
type worker struct {
	gentle bool
	since  time.Time
}

// step is called between small pieces of work, of some 100 µs at most.
func (w *worker) step() {
	if !w.gentle {
		return
	}
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	if now.Sub(w.since) >= stretch {
		time.Sleep(rest)
		runtime.Gosched() // who has slept goes first otherwise, before those whose packet has come
		w.since = time.Now()
	}
}
