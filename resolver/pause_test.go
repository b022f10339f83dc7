package resolver

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

// A pause is of one target, ends by itself, and each change is seen.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pause
		kids, tablet := Target{Group: "kids"}, Target{Client: "tablet"}
		check := func(when string, target Target, want bool, wantUntil time.Time) {
			t.Helper()
			if on, until := p.Paused(target, time.Now()); on != want || !until.Equal(wantUntil) {
				t.Errorf("%s: %+v is %v until %v, want %v until %v", when, target, on, until, want, wantUntil)
			}
		}
		start, versions := time.Now(), map[uint64]bool{p.version.Load(): true}
		change := func(f func()) {
			t.Helper()
			if f(); versions[p.version.Load()] {
				t.Error("the version did not change")
			}
			versions[p.version.Load()] = true
		}
		check("at first", Target{}, false, time.Time{})
		change(func() { p.For(kids, time.Minute) })
		check("paused", kids, true, start.Add(time.Minute))
		for _, other := range []Target{{}, tablet, {Client: "kids"}, {Group: "tablet"}} {
			check("another", other, false, time.Time{})
		}
		change(func() { p.For(tablet, 0) })
		time.Sleep(time.Minute - 1)
		check("in the last moment", kids, true, start.Add(time.Minute))
		time.Sleep(time.Nanosecond)
		check("at its end", kids, false, time.Time{})
		time.Sleep(10_000 * time.Hour)
		check("until resumed", tablet, true, time.Time{})
		change(func() { p.For(tablet, time.Hour) })
		check("with an end now", tablet, true, time.Now().Add(time.Hour))
		change(func() { p.Resume(kids) })
		check("another is resumed", tablet, true, time.Now().Add(time.Hour))
		change(func() { p.Resume(tablet) })
		check("resumed", tablet, false, time.Time{})
		change(func() { p.For(Target{}, 0) })
		change(func() { p.For(kids, 0) })
		change(func() { p.Resume(Target{}) })
		check("everybody", Target{}, false, time.Time{})
		check("and all others", kids, false, time.Time{})
		change(func() { p.Resume(kids) }) // also when nothing was
	})
}

// What is on is told, and taken over by the next run.
func TestPauseOutlivesRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var before, after Pause
		if all := before.All(time.Now()); len(all) > 0 {
			t.Errorf("at first: %v", all)
		}
		start := time.Now()
		before.For(Target{}, time.Minute)
		before.For(Target{Group: "kids"}, time.Hour)
		before.For(Target{Client: "tablet"}, 0)
		time.Sleep(time.Minute)
		all := before.All(time.Now())
		want := map[Target]time.Time{{Group: "kids"}: start.Add(time.Hour), {Client: "tablet"}: {}}
		if !maps.EqualFunc(all, want, time.Time.Equal) {
			t.Errorf("%v, want %v", all, want)
		}
		clear(all) // it is the caller's
		after.For(Target{Group: "adults"}, 0)
		version := after.version.Load()
		after.Restore(before.All(time.Now()))
		want[Target{Group: "adults"}] = time.Time{}
		if got := after.All(time.Now()); !maps.EqualFunc(got, want, time.Time.Equal) || after.version.Load() == version {
			t.Errorf("taken over: %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		if got := after.All(time.Now()); len(got) != 2 {
			t.Errorf("an hour later: %v", got)
		}
	})
}
