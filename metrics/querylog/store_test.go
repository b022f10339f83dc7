package querylog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"deadpixel/resolver"
)

// record is a query of a client for a name.
func record(at time.Time, client, name string, outcome resolver.Outcome) Record {
	r := Record{Time: at, Client: client, Name: name, Type: 1, Outcome: outcome, Duration: 1500 * time.Microsecond}
	if ip, err := netip.ParseAddr(client); err == nil {
		r.Address = ip
	}
	return r
}

// opened is a store in a directory.
func opened(t testing.TB, set StoreSettings) *Store {
	t.Helper()
	s, err := OpenStore(set)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Store) put(t testing.TB, records ...Record) {
	t.Helper()
	if err := s.Write(context.Background(), records); err != nil {
		t.Fatal(err)
	}
}

// names are those of all lines, the newest first, read in pages of three.
func (s *Store) names(t testing.TB, q Query) string {
	t.Helper()
	var all []string
	for q.Limit = 3; ; {
		p, err := s.Read(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Lines {
			all = append(all, l.Name)
		}
		if q.From = p.Next; p.Next == "" {
			return strings.Join(all, " ")
		}
	}
}

func loose(dir string) StoreSettings {
	return StoreSettings{Dir: dir, Keep: 720 * time.Hour, Scope: All, Clients: true, Address: true}
}

// holds says whether any file of a directory has a text in it, packed or not.
func holds(t testing.TB, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if plain, err := exec.Command("zcat", path).Output(); err == nil {
			b = append(b, plain...)
		}
		found = found || bytes.Contains(b, []byte(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, loose(dir))
	now := time.Now()
	yesterday := now.AddDate(0, 0, -1)
	for i := range 7 {
		s.put(t, record(yesterday.Add(time.Duration(i)*time.Second), "192.0.2.1", fmt.Sprintf("y%d.example", i), resolver.Cached))
	}
	if _, err := s.Read(context.Background(), Query{Limit: 1}); err != nil { // which writes what waits
		t.Fatal(err)
	}
	s.put(t, record(now, "192.0.2.2", "a.example", resolver.Blocked), record(now, "192.0.2.1", "b.example", resolver.Failed))
	for q, want := range map[Query]string{
		{}:                                   "b.example a.example y6.example y5.example y4.example y3.example y2.example y1.example y0.example",
		{Name: "y3"}:                         "y3.example",
		{Client: "192.0.2.2"}:                "a.example",
		{Outcome: "failed"}:                  "b.example",
		{Name: "y", Client: "192.0.2.2"}:     "",
		{Name: "example", Outcome: "cached"}: "y6.example y5.example y4.example y3.example y2.example y1.example y0.example",
	} {
		if got := s.names(t, q); got != want {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
	for _, from := range []string{"x", "../x/0/0", "2026-11-25.jsonl.gz/0", "2026-11-25.jsonl.gz/a/b"} {
		if _, err := s.Read(context.Background(), Query{From: from}); err == nil {
			t.Errorf("a page from %q", from)
		}
	}
	h, err := s.Held(context.Background())
	if err != nil || h.Lines != 9 || h.Files != 2 || !h.Oldest.Equal(yesterday.UTC().Truncate(time.Millisecond)) || !h.Until.After(now) {
		t.Errorf("held: %+v, %v", h, err)
	}
	if n, err := s.Count(context.Background(), "192.0.2.1", "laptop"); n != 8 || err != nil {
		t.Errorf("%d lines of a client, %v", n, err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := s.Count(ended, "192.0.2.1"); !errors.Is(err, context.Canceled) {
		t.Errorf("counting without time: %v", err)
	}
	if names, err := s.Names(context.Background(), now.Add(-time.Hour)); len(names) != 1 || names["b.example"] != 1 || err != nil {
		t.Errorf("names: %v, %v", names, err)
	}
	if n, err := s.EraseClient(context.Background(), "192.0.2.1"); n != 8 || err != nil || holds(t, dir, "192.0.2.1") || holds(t, dir, "b.example") || !holds(t, dir, "a.example") {
		t.Errorf("erased %d lines of a client, %v", n, err)
	}
	if err := s.Erase(context.Background()); err != nil || holds(t, dir, "example") {
		t.Errorf("erasing: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What a stricter setting does not permit is gone, also when it was made while the
// program did not run.
func TestStoreObeys(t *testing.T) {
	for _, running := range []bool{true, false} {
		dir := t.TempDir()
		s := opened(t, loose(dir))
		s.put(t, record(time.Now(), "192.0.2.1", "allowed.example", resolver.Cached), record(time.Now(), "192.0.2.2", "blocked.example", resolver.Blocked))
		set := loose(dir)
		use := func() {
			t.Helper()
			if running {
				if err := s.Use(set); err != nil {
					t.Fatal(err)
				}
				return
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = opened(t, set)
		}
		want := func(allowed, blocked, address bool) {
			t.Helper()
			for text, want := range map[string]bool{"allowed.example": allowed, "blocked.example": blocked, "192.0.2.": address} {
				if got := holds(t, dir, text); got != want {
					t.Errorf("running %v, %v: %s is there: %v", running, set, text, got)
				}
			}
		}
		if use(); !holds(t, dir, "allowed.example") && !running {
			t.Error("nothing was written")
		}
		set.Scope = Blocked
		use()
		want(false, true, true)
		set.Address = false
		use()
		want(false, true, false)
		s.put(t, record(time.Now(), "192.0.2.1", "allowed.example", resolver.Cached)) // noted before the reload
		if got := s.names(t, Query{}); got != "blocked.example" {
			t.Errorf("what was noted before: %s", got)
		}
		s.Close()
		foreign := filepath.Join(dir, storeDir, "diary.txt")
		if err := os.WriteFile(foreign, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Remove(dir); err != nil || holds(t, dir, "example") {
			t.Errorf("none: %v", err)
		}
		if _, err := os.Stat(foreign); err != nil {
			t.Errorf("what is not the store's own: %v", err)
		}
		if err := os.Remove(foreign); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(Remove(dir), Remove(dir)); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Dir(foreign)); err == nil {
			t.Error("the directory is still there")
		}
	}
}

// A file is deleted when what is oldest in it has had its time, also when nothing is
// asked any more.
func TestStoreExpires(t *testing.T) {
	for keep, hours := range map[time.Duration]int{time.Hour: 1, 30 * time.Hour: 30, 72 * time.Hour: 72} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(26*365*24*time.Hour + 30*time.Minute)
			set := loose(dir)
			set.Keep = keep
			s := opened(t, set)
			defer s.Close()
			s.put(t, record(time.Now(), "192.0.2.1", "x.example", resolver.Cached))
			time.Sleep(2 * flushEvery)
			if !holds(t, dir, "x.example") {
				t.Errorf("%v: it was not written", keep)
			}
			time.Sleep(time.Duration(hours) * time.Hour)
			if holds(t, dir, "x.example") {
				t.Errorf("%v: it is still there", keep)
			}
			if files, err := s.files(); len(files) > 0 || err != nil {
				t.Errorf("%v: files are still there: %v, %v", keep, files, err)
			}
		})
	}
}

// A file that was cut off, or is damaged, costs what is damaged and nothing else.
func TestStoreMends(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"cut off":               func(b []byte) []byte { return b[:len(b)-7] },
		"cut off in a header":   func(b []byte) []byte { return append(b, 0x1f, 0x8b, 8) },
		"zeros behind":          func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
		"nonsense behind":       func(b []byte) []byte { return append(b, bytes.Repeat([]byte("nonsense"), 100)...) },
		"a bit in the last one": func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
	} {
		dir := t.TempDir()
		s := opened(t, loose(dir))
		for _, n := range []string{"a.example", "b.example"} {
			s.put(t, record(time.Now(), "192.0.2.1", n, resolver.Cached))
			s.names(t, Query{})
		}
		path := filepath.Join(s.dir, s.fileOf(time.Now()))
		s.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, harm(b), 0o600); err != nil {
			t.Fatal(err)
		}
		s = opened(t, loose(dir))
		s.put(t, record(time.Now(), "192.0.2.1", "c.example", resolver.Cached))
		got := strings.Fields(s.names(t, Query{}))
		if !slices.Contains(got, "a.example") || !slices.Contains(got, "c.example") {
			t.Errorf("%s: %v", name, got)
		}
		if _, err := s.EraseClient(context.Background(), "192.0.2.1"); err != nil || s.names(t, Query{}) != "" {
			t.Errorf("%s: erasing: %v", name, err)
		}
		if err := s.Erase(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if h, _ := s.Held(context.Background()); len(h.Aside) > 0 || holds(t, dir, "example") {
			t.Errorf("%s: set aside: %v", name, h.Aside)
		}
		s.Close()
	}
}

// A disk that cannot be written costs nothing while there is room in memory.
func TestStoreWaits(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, loose(dir))
	defer s.Close()
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	s.put(t, record(time.Now(), "192.0.2.1", "a.example", resolver.Cached))
	s.names(t, Query{})
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := s.names(t, Query{}); got != "a.example" {
		t.Errorf("when it can be written again: %q", got)
	}
	many := make([]Record, maxWaiting+1)
	if err := s.Write(context.Background(), many); err == nil {
		t.Error("more than there is room for")
	}
}

func FuzzMembers(f *testing.F) {
	b, err := pack([]Line{{Name: "a.example"}, {Name: "b.example"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(slices.Clone(b), b...))
	f.Add(append(slices.Clone(b), 0x1f, 0x8b))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		all, end, err := members(file)
		if err != nil && !errors.Is(err, errMember) || end > int64(len(b)) {
			t.Errorf("%v, to %d of %d", err, end, len(b))
		}
		for _, m := range all {
			m.read(file, nil, func([]byte) error { return nil })
		}
	})
}
