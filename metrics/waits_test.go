package metrics

import (
	"testing"
	"time"

	"deadpixel/resolver"
)

func TestWaits(t *testing.T) {
	m := New(Options{Owner: func([]byte) string { return "" }})
	if w := m.Waits(); w.Answers() != 0 || w.Quantile(0.5) != 0 {
		t.Errorf("before the first: %d answers, half in %v", w.Answers(), w.Quantile(0.5))
	}
	note := func(o resolver.Outcome, d time.Duration, n int) {
		for range n {
			m.Observe(resolver.Event{Outcome: o, Duration: d})
		}
	}
	note(resolver.Cached, time.Millisecond, 10)
	before := m.Waits()
	note(resolver.Blocked, 100*time.Microsecond, 60)
	note(resolver.Forwarded, 20*time.Millisecond, 39)
	note(resolver.Failed, 2*time.Second, 1)
	note(resolver.Refused, time.Microsecond, 1000)
	note(resolver.Limited, time.Microsecond, 1000)
	w := m.Waits().Since(before)
	if w.Answers() != 100 {
		t.Errorf("%d answers, want 100", w.Answers())
	}
	for q, want := range map[float64]time.Duration{0: 100 * time.Microsecond, 0.6: 100 * time.Microsecond, 0.61: 20 * time.Millisecond, 0.99: 20 * time.Millisecond, 1: 2 * time.Second} {
		if got := w.Quantile(q); got < want || got > want+want/9 {
			t.Errorf("%v of them within %v, want %v and a tenth at most", q, got, want)
		}
	}
}
