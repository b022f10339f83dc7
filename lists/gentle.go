package lists

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Go's scheduler looks for packets when a processor has nothing else to do, and
// else every 10 ms. So whoever computes for long keeps those waiting who answer
// queries, when there are as many such goroutines as processors.
const (
	stretch = 500 * time.Microsecond // how long to compute without a rest
	rest    = 100 * time.Microsecond // not over when the processor looks for packets; it is longer when there are none
)

var gentle atomic.Bool

// Gently says whether somebody waits for this program's processors. Lists are
// then read and compiled in short stretches, which takes up to three times as
// long, and are otherwise done with as soon as possible.
func Gently(on bool) { gentle.Store(on) }

// worker is a goroutine that computes for long. The zero value is ready.
type worker struct{ since time.Time }

// step is called between small pieces of work, of some 100 µs at most.
func (w *worker) step() {
	if !gentle.Load() {
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
