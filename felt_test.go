package main

import (
	"testing"

	"deadpixel/metrics"
)

// What was felt more than an hour ago is forgotten.
func TestFelt(t *testing.T) {
	var f felt
	var w metrics.Waits
	w[10] = 5
	if got := f.until(w); got.Answers != 5 {
		t.Errorf("before the first reading: %d answers, want 5", got.Answers)
	}
	for range feltKept {
		f.note(w)
		w[20]++
	}
	if got := f.until(w); got.Answers != uint64(feltKept) {
		t.Errorf("in the hour since: %d answers, want %d", got.Answers, feltKept)
	}
	f.note(w)
	w[20]++
	if got := f.until(w); got.Answers != uint64(feltKept) || len(f.past) != feltKept {
		t.Errorf("after an hour: %d answers of %d readings, want %d of %d", got.Answers, len(f.past), feltKept, feltKept)
	}
}
