package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a Source whose server answers after a second, and sends half of the text a
// second later, and the rest after one more.
type slow struct {
	shop
	size bool // it says how long the text is
}

func (s *slow) Fetch(ctx context.Context, v Validators) (Fetched, error) {
	time.Sleep(time.Second)
	f, err := s.shop.Fetch(ctx, v)
	if err != nil || f.Body == nil {
		return f, err
	}
	half := len(s.text) / 2
	f.Body = io.NopCloser(io.MultiReader(&late{Reader: strings.NewReader(s.text[:half])}, &late{Reader: strings.NewReader(s.text[half:])}))
	if s.size {
		f.Size = int64(len(s.text))
	}
	return f, nil
}

// late is a text that comes after a second.
type late struct {
	io.Reader
	here bool
}

func (l *late) Read(b []byte) (int, error) {
	if !l.here {
		time.Sleep(time.Second)
		l.here = true
	}
	return l.Reader.Read(b)
}

// brief is a Progress without its times.
func brief(p Progress) string {
	s := fmt.Sprintf("%s %d/%d", p.Stage, p.Bytes, p.Size)
	if p.Reason != "" {
		s += " " + p.Reason
	}
	return s
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := names(100)
		n := len(text)
		a, b := &slow{shop: shop{text: text, etag: "1"}, size: true}, &slow{shop: shop{text: text, err: errors.New("no internet")}}
		s, err := NewStore(Options{Dir: t.TempDir(), Lists: []Config{
			{Name: "a", Kind: Deny, Source: "https://lists.example/a", Fetcher: a, Remote: true, Refresh: 24 * time.Hour},
			{Name: "b", Kind: Deny, Source: "https://lists.example/b", Fetcher: b, Remote: true, Refresh: 24 * time.Hour}}})
		if err != nil {
			t.Fatal(err)
		}
		wants := func(when string, wants ...string) {
			t.Helper()
			synctest.Wait()
			for i, p := range s.Progress()[:len(wants)] {
				if brief(p) != wants[i] || p.Name != string(rune('a'+i)) {
					t.Errorf("%s: %s is %q, want %q", when, p.Name, brief(p), wants[i])
				}
				if ended := p.Stage == Unchanged || p.Stage == Done || p.Stage == Failed; ended == p.Ended.IsZero() {
					t.Errorf("%s: %s ended at %v", when, p.Name, p.Ended)
				}
			}
		}
		wants("before", "idle 0/0", "idle 0/0")
		if err := s.Begin("cats", false); !errors.Is(err, ErrNoList) {
			t.Errorf("an unknown list: %v", err)
		}
		if err := s.Begin("", false); err != nil {
			t.Fatal(err)
		}
		wants("asked", "waiting 0/0", "waiting 0/0")
		if err := s.Begin("a", false); err != nil { // the same refresh
			t.Fatal(err)
		}
		stop := running(t, s)
		defer func() { stop() }()
		time.Sleep(500 * time.Millisecond)
		wants("asked for", "fetching 0/0", "fetching 0/0")
		time.Sleep(time.Second)
		wants("on its way", fmt.Sprintf("fetching 0/%d", n), "failed 0/0 no internet")
		time.Sleep(time.Second)
		wants("half of it", fmt.Sprintf("fetching %d/%d", n/2, n), "failed 0/0 no internet")
		time.Sleep(time.Second)
		done := fmt.Sprintf("done %d/%d", n, n)
		wants("all of it", done, "failed 0/0 no internet")

		// Who asks while it is fetched gets another one. The other list is tried again by itself.
		b.put(text, "1", nil)
		if err := s.Begin("a", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		wants("again", "fetching 0/0")
		if err := s.Begin("a", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wants("once more", "fetching 0/0")
		time.Sleep(time.Second)
		wants("the same", "unchanged 0/0")
		time.Sleep(4 * time.Second)
		wants("a size that is not known", "unchanged 0/0", fmt.Sprintf("done %d/0", n))
		if asked := a.asked; asked != 3 {
			t.Errorf("fetched %d times, want 3", asked)
		}
	})
}

// What was asked for with force is fetched with force, also when somebody asks again
// without; and the end of Run leaves nothing behind.
func TestBeginWithForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &shop{text: names(100), etag: "1"}
		s := openTestStore(t, t.TempDir(), map[string]*shop{"a": a})
		if err := s.Refresh(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		a.put(names(10), "2", nil)
		stop := running(t, s)
		for _, force := range []bool{true, false} {
			if err := s.Begin("a", force); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := s.Status()[0].Entries; n != 10 {
			t.Errorf("%d entries in use, want 10", n)
		}
		stop()
		if err := s.Begin("a", false); err != nil {
			t.Fatal(err)
		}
		if p := s.Progress()[0]; p.Stage != Waiting {
			t.Errorf("without Run it is %v", p.Stage)
		}
		stop = running(t, s) // as after a configuration that was refused
		synctest.Wait()
		if p := s.Progress()[0]; p.Stage != Unchanged {
			t.Errorf("with Run again it is %v", p.Stage)
		}
		stop()
	})
}
