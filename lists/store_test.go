package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shop is a Source whose goods a test puts on the shelf.
type shop struct {
	mu    sync.Mutex
	text  string
	etag  string
	err   error
	cut   bool // the body breaks off
	asked int
	sent  []Validators
}

func (s *shop) put(text, etag string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.etag, s.err = text, etag, err
}

func (s *shop) Fetch(_ context.Context, v Validators) (Fetched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.sent = append(s.sent, v)
	if s.err != nil {
		return Fetched{}, s.err
	}
	if s.etag != "" && v.ETag == s.etag {
		return Fetched{Validators: v, NotModified: true}, nil
	}
	var body io.Reader = strings.NewReader(s.text)
	if s.cut {
		body = io.MultiReader(body, broken{})
	}
	return Fetched{Body: io.NopCloser(body), Validators: Validators{ETag: s.etag}}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// names is a list of n names.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "host%d.example\n", i)
	}
	return b.String()
}

func openTestStore(t *testing.T, dir string, sources map[string]*shop) *Store {
	t.Helper()
	o := Options{Dir: dir, Own: []OwnRules{{Level: Own, Kind: Deny, Rules: []OwnRule{{"mine.example", 7}}}, {Level: Own, Kind: Allow, Rules: []OwnRule{{"good.example", 9}}}}, OwnSource: "config.toml"}
	for _, name := range []string{"a", "b"} {
		if s := sources[name]; s != nil {
			o.Lists = append(o.Lists, Config{Name: name, Kind: Deny, Source: "https://lists.example/" + name, Fetcher: s, Remote: true, Refresh: time.Hour})
		}
	}
	store, err := NewStore(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func (s *Store) wants(t *testing.T, name string, want Action) {
	t.Helper()
	if got := s.Match([]byte(name), 1, nil).Action; got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// Whatever a source does, the last good copy stays, also over a restart, and no
// other list is touched.
func TestLastGoodCopyStays(t *testing.T) {
	dir := t.TempDir()
	a, b := &shop{text: names(100), etag: "1"}, &shop{text: "other.example\n"}
	s := openTestStore(t, dir, map[string]*shop{"a": a, "b": b})
	s.wants(t, "host1.example", None)
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	s.wants(t, "host1.example", Deny)
	bad := map[string]func(){
		"an error":   func() { a.put("", "2", errors.New("the server says 404 Not Found")) },
		"a web page": func() { a.put("<!doctype html><p>moved", "2", nil) },
		"nothing":    func() { a.put("", "2", nil) },
		"no rule":    func() { a.put("# soon\n", "2", nil) },
		"half":       func() { a.put(names(70), "2", nil); a.cut = true },
		"rubbish":    func() { a.put("\x00\x01\x02\x03\x04\x05", "2", nil) },
		"shrunk":     func() { a.put(names(10), "2", nil) },
	}
	for name, spoil := range bad {
		a.cut = false
		spoil()
		if err := s.Refresh(t.Context(), "a", false); err == nil {
			t.Errorf("%s: accepted", name)
		}
		s.wants(t, "host99.example", Deny)
		s.wants(t, "other.example", Deny)
		if st := s.Status()[0]; st.Entries != 100 || st.LastError == "" {
			t.Errorf("%s: status %+v", name, st)
		}
		if st := s.Status()[1]; st.LastError != "" {
			t.Errorf("%s: the other list has %q", name, st.LastError)
		}
	}
	a.put("", "", errors.New("no internet"))
	again := openTestStore(t, dir, map[string]*shop{"a": a, "b": b})
	again.wants(t, "host99.example", Deny)
	again.wants(t, "other.example", Deny)
	if st := again.Status()[0]; st.Entries != 100 || st.Updated.IsZero() || st.Format != Domains {
		t.Errorf("status after a restart: %+v", st)
	}
}

func TestConditionalRequests(t *testing.T) {
	dir := t.TempDir()
	a := &shop{text: names(5), etag: `"v1"`}
	s := openTestStore(t, dir, map[string]*shop{"a": a})
	for range 2 {
		if err := s.Refresh(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
	}
	s = openTestStore(t, dir, map[string]*shop{"a": a})
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	want := []Validators{{}, {ETag: `"v1"`}, {ETag: `"v1"`}}
	if fmt.Sprint(a.sent) != fmt.Sprint(want) {
		t.Errorf("validators %v, want %v", a.sent, want)
	}
	s.wants(t, "host4.example", Deny)
}

// A list that lost more than half is believed when it comes three times alike,
// or by force.
func TestShrunkenList(t *testing.T) {
	dir := t.TempDir()
	a := &shop{text: names(100)}
	s := openTestStore(t, dir, map[string]*shop{"a": a})
	refresh := func(force bool) error { return s.Refresh(t.Context(), "a", force) }
	if err := refresh(false); err != nil {
		t.Fatal(err)
	}
	a.put(names(49), "", nil)
	for range 2 {
		if refresh(false) == nil {
			t.Error("accepted before the third time")
		}
	}
	a.put(names(48), "", nil) // other content: from the beginning
	if refresh(false) == nil {
		t.Error("accepted with other content")
	}
	s = openTestStore(t, dir, map[string]*shop{"a": a}) // the count outlives a restart
	if refresh(false) == nil {
		t.Error("accepted at the second time")
	}
	if err := refresh(false); err != nil {
		t.Errorf("refused at the third time: %v", err)
	}
	s.wants(t, "host47.example", Deny)
	s.wants(t, "host48.example", None)
	a.put(names(3), "", nil)
	if err := refresh(true); err != nil {
		t.Errorf("refused by force: %v", err)
	}
	a.put(names(2), "", nil)
	if err := refresh(false); err != nil {
		t.Errorf("two of three is more than half: %v", err)
	}
}

// The same whether a list is read as fast as can be or gently.
func TestExplainShowsTheLine(t *testing.T) {
	for _, gentle := range []bool{false, true} {
		t.Run(fmt.Sprint("gently ", gentle), func(t *testing.T) { explainShowsTheLine(t, gentle) })
	}
}

func explainShowsTheLine(t *testing.T, gentle bool) {
	a := &shop{text: "# head\n||tracker.example^ # why\n/^ads\\./\n" + names(20_000)}
	s := openTestStore(t, t.TempDir(), map[string]*shop{"a": a})
	s.gentle.Store(gentle)
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]told{
		"x.tracker.example": {Deny, "a", "||tracker.example^ # why", "https://lists.example/a", 2},
		"ads.example":       {Deny, "a", "/^ads\\./", "https://lists.example/a", 3},
		"x.mine.example":    {Deny, OwnList, "mine.example", "config.toml", 7},
		"good.example":      {Allow, OwnList, "good.example", "config.toml", 9},
	} {
		got := s.Explain(name, 1, nil)
		if len(got) != 1 || tellOf(got[0]) != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestWrongOwnRule(t *testing.T) {
	_, err := NewStore(Options{Dir: t.TempDir(), Own: []OwnRules{{Kind: Deny, Rules: []OwnRule{{"/(/", 3}}}}, OwnSource: "config.toml"})
	if err == nil || !strings.HasPrefix(err.Error(), "config.toml:3: ") {
		t.Errorf("got %v", err)
	}
}

// A store without a disk works until the program ends.
func TestWithoutDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openTestStore(t, filepath.Join(file, "dir"), map[string]*shop{"a": {text: names(3)}})
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	s.wants(t, "host1.example", Deny)
}

// However a file was damaged or is missing, the next start is clean: it has the
// copy or fetches it again.
func TestDamagedFiles(t *testing.T) {
	spoil := map[string]func(path string) error{
		"missing":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"half":      func(path string) error { info, _ := os.Stat(path); return os.Truncate(path, info.Size()/2) },
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	}
	for how, damage := range spoil {
		for _, which := range []string{"*.json", "*.raw", "*.list", "../seed"} {
			t.Run(how+" "+which, func(t *testing.T) {
				dir := t.TempDir()
				a := &shop{text: names(50)}
				s := openTestStore(t, dir, map[string]*shop{"a": a})
				if err := s.Refresh(t.Context(), "", false); err != nil {
					t.Fatal(err)
				}
				files, err := filepath.Glob(filepath.Join(dir, "lists", which))
				if err != nil || len(files) != 1 {
					t.Fatalf("%v, %v", files, err)
				}
				if err := damage(files[0]); err != nil {
					t.Fatal(err)
				}
				s = openTestStore(t, dir, map[string]*shop{"a": a})
				if which == "*.list" || which == "*.raw" && how != "directory" {
					s.wants(t, "host7.example", Deny) // from the other one
				}
				if err := s.Refresh(t.Context(), "", true); err != nil {
					t.Fatal(err)
				}
				s.wants(t, "host7.example", Deny)
			})
		}
	}
}

// Retries begin within seconds, grow to the refresh interval, and end with success.
func TestRunRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &shop{err: errors.New("no internet")}
		s := openTestStore(t, "", map[string]*shop{"a": a})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(done)
		}()
		count := func() int {
			synctest.Wait()
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.asked
		}
		if n := count(); n != 1 {
			t.Errorf("asked %d times at once", n)
		}
		time.Sleep(5 * time.Second)
		if n := count(); n != 2 {
			t.Errorf("asked %d times in 5 s", n)
		}
		time.Sleep(24 * time.Hour)
		if n := count(); n < 30 || n > 50 {
			t.Errorf("asked %d times in a day", n)
		}
		a.put(names(3), "", nil)
		time.Sleep(time.Hour)
		count()
		s.wants(t, "host1.example", Deny)
		before := count()
		time.Sleep(24 * time.Hour)
		if n := count() - before; n < 24 || n > 27 {
			t.Errorf("asked %d times in a day though all is well", n)
		}
		cancel()
		<-done
	})
}

func TestRefreshOfNothing(t *testing.T) {
	s := openTestStore(t, t.TempDir(), nil)
	if err := s.Refresh(t.Context(), "x", false); !errors.Is(err, ErrNoList) {
		t.Errorf("got %v", err)
	}
}

// Own rules are replaced without touching the lists, again and again.
func TestReplaceOwn(t *testing.T) {
	sources := map[string]*shop{}
	for _, name := range []string{"a", "b"} {
		sources[name] = &shop{text: "||listed.example^\n||" + name + ".example^$dnstype=A\n"}
	}
	store := openTestStore(t, t.TempDir(), sources)
	if err := store.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	verdict := func(name string) Action { return store.Match([]byte(name), 1, nil).Action }
	check := func(when string, want map[string]Action) {
		t.Helper()
		for _, name := range []string{"listed.example", "a.example", "b.example", "mine.example", "first.example", "second.example"} {
			if got := verdict(name); got != want[name] {
				t.Errorf("%s: %s is %v, want %v", when, name, got, want[name])
			}
		}
	}
	listed := map[string]Action{"listed.example": Deny, "a.example": Deny, "b.example": Deny}
	with := func(more map[string]Action) map[string]Action {
		all := maps.Clone(listed)
		maps.Copy(all, more)
		return all
	}
	check("at first", with(map[string]Action{"mine.example": Deny}))
	own := func(deny, allow string) []OwnRules {
		return []OwnRules{{Level: Own, Kind: Deny, Rules: []OwnRule{{deny, 1}}}, {Level: Own, Kind: Allow, Source: "rules.txt", Rules: []OwnRule{{allow, 2}}}}
	}
	for range 3 {
		if err := store.ReplaceOwn(own("first.example", "listed.example")); err != nil {
			t.Fatal(err)
		}
		check("replaced", with(map[string]Action{"first.example": Deny, "listed.example": Allow}))
		if err := store.ReplaceOwn(own("second.example", "192.0.2.1")); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		check("replaced again", with(map[string]Action{"second.example": Deny}))
	}
	if !store.Addresses() {
		t.Error("an address among the own rules is not known")
	}
	if err := store.ReplaceOwn(own("listed.example", "second.example")); err != nil {
		t.Fatal(err)
	}
	found := store.Explain("listed.example", 1, nil)
	if len(found) != 3 || found[0].List != OwnList || found[0].Source != "config.toml" || found[0].Place != 0 || found[1].List != "a" || found[1].Place != 2 {
		t.Errorf("explained as %+v", found)
	}
	if found := store.Explain("second.example", 1, nil); len(found) != 1 || found[0].Source != "rules.txt" || found[0].Line != 2 {
		t.Errorf("explained as %+v", found)
	}
	for _, faulty := range [][]OwnRules{own("/(/", "x.example"), own("x.example", "y.example")[:1]} {
		if err := store.ReplaceOwn(faulty); err == nil || verdict("listed.example") != Deny {
			t.Errorf("%v: %v", faulty, err)
		}
	}
	store.rebuild()
	check("after a refresh", with(map[string]Action{"second.example": Allow}))
}
