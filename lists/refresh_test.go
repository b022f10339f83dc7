package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// running runs a store in a bubble of synctest; the returned function stops it.
func running(t *testing.T, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}

// diary is a Source that notes when it was asked.
type diary struct {
	shop
	times []time.Time
}

func (d *diary) Fetch(ctx context.Context, v Validators) (Fetched, error) {
	d.mu.Lock()
	d.times = append(d.times, time.Now())
	d.mu.Unlock()
	return d.shop.Fetch(ctx, v)
}

// gaps are the times between questions since the last call.
func (d *diary) gaps() []time.Duration {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []time.Duration
	for i := 1; i < len(d.times); i++ {
		all = append(all, d.times[i].Sub(d.times[i-1]))
	}
	d.times = d.times[max(len(d.times)-1, 0):]
	return all
}

func openDiary(t *testing.T, dir string, d *diary, refresh time.Duration) *Store {
	t.Helper()
	s, err := NewStore(Options{Dir: dir, Lists: []Config{{Name: "a", Kind: Deny, Source: "https://lists.example/a", Fetcher: d, Remote: true, Refresh: refresh}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Each retry waits about twice as long, up to the refresh interval and never
// longer or shorter, also after months.
func TestRetriesDouble(t *testing.T) {
	for _, refresh := range []time.Duration{time.Second, time.Minute, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			d := &diary{shop: shop{err: errors.New("no internet")}}
			stop := running(t, openDiary(t, "", d, refresh))
			time.Sleep(100 * refresh)
			want := min(retryFirst, refresh)
			gaps := d.gaps()
			if len(gaps) < 90 {
				t.Errorf("refresh %v: %d retries", refresh, len(gaps))
			}
			for i, got := range gaps {
				if got > want || got < want*9/10-1 {
					t.Fatalf("refresh %v: retry %d after %v, want %v", refresh, i+1, got, want)
				}
				want = min(2*want, refresh)
			}
			stop()
		})
	}
}

// Refreshes come up to a tenth of their interval early, and not in step.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{shop: shop{text: names(3)}}
		s := openDiary(t, t.TempDir(), d, time.Hour)
		stop := running(t, s)
		time.Sleep(50 * time.Hour)
		different := map[time.Duration]bool{}
		for _, got := range d.gaps() {
			if got > time.Hour || got < 54*time.Minute {
				t.Errorf("refreshed after %v", got)
			}
			different[got] = true
		}
		if len(different) < 20 {
			t.Errorf("%d different intervals", len(different))
		}
		if next := time.Until(s.Status()[0].Next); next <= 0 || next > time.Hour {
			t.Errorf("next in %v", next)
		}
		stop()
	})
}

// Over a restart the interval goes on; what became too old meanwhile is renewed
// within seconds, and a clock that was set back does not stop refreshes.
func TestRestartKeepsTheInterval(t *testing.T) {
	for _, c := range []struct {
		name              string
		off               time.Duration // between stop and start
		earliest, latests time.Duration // of the refresh
	}{
		{"soon", 10 * time.Minute, 44 * time.Minute, 50 * time.Minute},
		{"late", 48 * time.Hour, 0, catchUp},
		{"the past", -1000 * time.Hour, 0, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			d := &diary{shop: shop{text: names(3), etag: "1"}}
			time.Sleep(2000 * time.Hour)
			if err := openDiary(t, dir, d, time.Hour).Refresh(t.Context(), "", false); err != nil {
				t.Fatal(err)
			}
			if c.off > 0 {
				time.Sleep(c.off)
			}
			s := openDiary(t, dir, d, time.Hour)
			if c.off < 0 {
				s.lists[0].meta.Checked = time.Now().Add(-c.off)
			}
			s.wants(t, "host1.example", Deny)
			stop := running(t, s)
			start := time.Now()
			synctest.Wait()
			got := s.Status()[0].Next.Sub(start)
			if got < c.earliest || got > c.latests {
				t.Errorf("%s: refreshed after %v", c.name, got)
			}
			time.Sleep(time.Hour)
			if len(d.gaps()) == 0 {
				t.Errorf("%s: not refreshed", c.name)
			}
			stop()
		})
	}
}

// A list that shrank is asked for again in due time, not by retries, so that a
// server's bad minute does not confirm itself; a restart changes nothing of that.
func TestShrunkenListTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := &diary{shop: shop{text: names(100)}}
		stop := running(t, openDiary(t, dir, d, 24*time.Hour))
		time.Sleep(time.Minute)
		d.put(names(3), "", nil)
		time.Sleep(24 * time.Hour)
		d.gaps()
		stop()
		s := openDiary(t, dir, d, 24*time.Hour)
		if st := s.Status()[0]; st.Entries != 100 || !strings.Contains(st.LastError, "100 to 3") {
			t.Errorf("after a restart: %+v", st)
		}
		stop = running(t, s)
		time.Sleep(12 * time.Hour)
		if gaps := d.gaps(); len(gaps) > 0 {
			t.Errorf("asked again after %v", gaps)
		}
		s.wants(t, "host99.example", Deny)
		time.Sleep(36 * time.Hour)
		synctest.Wait()
		s.wants(t, "host99.example", None)
		if st := s.Status()[0]; st.Entries != 3 || st.LastError != "" {
			t.Errorf("at the third time: %+v", st)
		}
		stop()
	})
}

// gate is a Source that answers when it is told to.
type gate struct {
	open chan struct{}

	mu           sync.Mutex
	inside, most int
}

func (g *gate) Fetch(ctx context.Context, _ Validators) (Fetched, error) {
	g.mu.Lock()
	g.inside++
	g.most = max(g.most, g.inside)
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.inside--
		g.mu.Unlock()
	}()
	select {
	case <-g.open:
		return Fetched{Body: io.NopCloser(strings.NewReader("a.example\n"))}, nil
	case <-ctx.Done():
		return Fetched{}, ctx.Err()
	}
}

func TestFourAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		var o Options
		for i := range 20 {
			o.Lists = append(o.Lists, Config{Name: fmt.Sprint("list", i), Kind: Deny, Fetcher: g, Remote: true})
		}
		s, err := NewStore(o)
		if err != nil {
			t.Fatal(err)
		}
		stop := running(t, s)
		synctest.Wait()
		if g.inside != maxFetching {
			t.Errorf("%d at once", g.inside)
		}
		close(g.open)
		synctest.Wait()
		for _, st := range s.Status() {
			if st.Entries != 1 {
				t.Errorf("%s has %d entries", st.Name, st.Entries)
			}
		}
		if g.most != maxFetching {
			t.Errorf("up to %d at once", g.most)
		}
		stop()
	})
}

// Who waits for a slow list keeps no other list from being fetched, and may
// leave. Being stopped is no failure of a list.
func TestSlowListDisturbsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := 0
		slow := &gate{open: make(chan struct{})}
		s, err := NewStore(Options{OnFailure: func(string) { failed++ }, Lists: []Config{
			{Name: "slow", Kind: Deny, Fetcher: slow, Remote: true},
			{Name: "quick", Kind: Deny, Fetcher: &shop{text: names(3)}, Remote: true}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for range 3 * maxFetching {
			waiting.Go(func() {
				if err := s.Refresh(ctx, "slow", false); !errors.Is(err, context.Canceled) {
					t.Errorf("left with %v", err)
				}
			})
		}
		synctest.Wait()
		if err := s.Refresh(t.Context(), "quick", false); err != nil {
			t.Error(err)
		}
		s.wants(t, "host1.example", Deny)
		cancel()
		waiting.Wait()
		if st := s.Status()[0]; failed != 0 || st.LastError != "" {
			t.Errorf("%d failures, %+v", failed, st)
		}
	})
}

// Queries are answered from whole sets while lists change.
func TestMatchDuringRefresh(t *testing.T) {
	a := &shop{text: "one.example\nboth.example\n"}
	s := openTestStore(t, t.TempDir(), map[string]*shop{"a": a})
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s.Match([]byte("both.example"), 1, nil).Action != Deny {
					t.Error("a name of both versions was let through")
					return
				}
				set := s.Set()
				if set.Match([]byte("one.example"), 1, nil).Action == set.Match([]byte("two.example"), 1, nil).Action {
					t.Error("a set of both versions, or of none")
					return
				}
				s.Status()
				if len(s.Explain("both.example", 1, nil)) == 0 {
					t.Error("a set without a rule that both have")
					return
				}
			}
		})
	}
	for i := range 50 {
		a.put([]string{"two.example\nboth.example\n", "one.example\nboth.example\n"}[i%2], "", nil)
		if err := s.Refresh(t.Context(), "", false); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	asking.Wait()
}
