package lists

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// local is a Source like a file on this machine: it has no other name than its
// content.
type local string

func (l local) Fetch(_ context.Context, v Validators) (Fetched, error) {
	now := Validators{LastModified: fmt.Sprintf("%x", sha256.Sum256([]byte(l)))}
	if v == now {
		return Fetched{Validators: now, NotModified: true}, nil
	}
	return Fetched{Body: io.NopCloser(strings.NewReader(string(l))), Validators: now}, nil
}

// look opens a store as `explain` and `check` do.
func look(t *testing.T, dir string, lists ...Config) *Store {
	t.Helper()
	s, err := NewStore(Options{Dir: dir, ReadOnly: true, Lists: lists})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// told is what an Explanation says of a rule.
type told struct {
	Action             Action
	List, Rule, Source string
	Line               int
}

func tellOf(e Explanation) told { return told{e.Action, e.List, e.Rule, e.Source, e.Line} }

// explained is the rule that decides about a name.
func explained(t *testing.T, s *Store, name string) told {
	t.Helper()
	found := s.Explain(name, 1, nil)
	if len(found) == 0 {
		return told{}
	}
	return tellOf(found[0])
}

// A look beside a running store, or where none ever ran, sees what that would
// see and changes nothing.
func TestLookChangesNothing(t *testing.T) {
	dir := t.TempDir()
	file := Config{Name: "file", Kind: Deny, Source: "/etc/list", Fetcher: local("# head\nfile.example\n")}
	page := Config{Name: "page", Kind: Deny, Source: "https://lists.example/", Fetcher: &shop{text: "page.example # why\n"}, Remote: true}

	if got, want := explained(t, look(t, dir, file, page), "file.example"), (told{Deny, "file", "file.example", "/etc/list", 2}); got != want {
		t.Errorf("before the first start: %+v, want %+v", got, want)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("made %v", slices.Collect(maps.Keys(got)))
	}
	if got := explained(t, look(t, "", file), "file.example"); got.Rule != "file.example" {
		t.Errorf("without a directory: %+v", got)
	}

	s, err := NewStore(Options{Dir: dir, Lists: []Config{file, page}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Load(t.Context()), s.Refresh(t.Context(), "", false)); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	file.Fetcher = local("new.example\n") // not yet seen by the server
	page.Format = DNSMasq                 // and a configuration that it does not have yet
	seen := look(t, dir, file, page)
	if got := explained(t, seen, "new.example"); got.Rule != "new.example" || got.Line != 1 {
		t.Errorf("a changed file: %+v", got)
	}
	if got := explained(t, seen, "file.example"); got != (told{}) {
		t.Errorf("a rule that went: %+v", got)
	}
	if got := explained(t, seen, "page.example"); got != (told{}) {
		t.Errorf("no line of dnsmasq: %+v", got)
	}
	page.Format = Auto
	if got, want := explained(t, look(t, dir, page), "page.example"), (told{Deny, "page", "page.example # why", "https://lists.example/", 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !maps.EqualFunc(before, files(t, dir), slices.Equal) {
		t.Error("something has changed")
	}
	s.wants(t, "file.example", Deny)

	if _, err := NewStore(Options{Dir: filepath.Join(dir, "seed"), ReadOnly: true}); err == nil {
		t.Error("a directory that cannot be read is no error")
	}
}

// A text that came again as it was, from a server without validators, is not
// written again: the disk may be a memory card.
func TestSameTextIsNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	a := &shop{text: names(10)}
	s := openTestStore(t, dir, map[string]*shop{"a": a})
	times := func() []time.Time {
		if err := s.Refresh(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
		return []time.Time{s.Status()[0].Updated, s.lists[0].meta.Checked}
	}
	first := times()
	set := s.Set()
	second := times()
	if !second[0].After(first[0]) || !second[1].After(first[1]) {
		t.Errorf("updated and checked at %v, then %v", first, second)
	}
	if s.Set() != set {
		t.Error("the set was made again")
	}
}

// Changed options of a list are put to use from the stored text, without network.
func TestChangedOptionsNeedNoNetwork(t *testing.T) {
	dir := t.TempDir()
	c := Config{Name: "a", Kind: Deny, Source: "https://lists.example/", Fetcher: &shop{text: "tracker.example\n"}, Remote: true}
	open := func(c Config) *Store {
		s, err := NewStore(Options{Dir: dir, Lists: []Config{c}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := open(c).Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	c.Fetcher = &shop{err: errors.New("no internet")}
	open(c).wants(t, "www.tracker.example", None)
	c.Match = MatchSubtree
	open(c).wants(t, "www.tracker.example", Deny)
	c.Kind = Allow
	open(c).wants(t, "www.tracker.example", Allow)
	c.Source = "https://lists.example/other" // another source is another list
	open(c).wants(t, "tracker.example", None)
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	lists := []Config{
		{Name: "good", Kind: Deny, Source: "/good", Fetcher: local("a.example\n")},
		{Name: "messy", Kind: Deny, Source: "/messy", Fetcher: local("a.example\n\x00\n# fine\nhttps://b.example/x\n")},
		{Name: "page", Kind: Deny, Source: "/page", Fetcher: local("<html>")},
		{Name: "gone", Kind: Deny, Source: "/gone", Fetcher: &shop{err: errors.New("open /gone: no such file")}},
		{Name: "empty", Kind: Deny, Source: "/empty", Fetcher: local("# nothing\n")},
		{Name: "stored", Kind: Deny, Source: "https://lists.example/stored", Remote: true, Fetcher: &shop{text: "a.example\nb example\n"}},
		{Name: "never", Kind: Deny, Source: "https://lists.example/never", Remote: true, Fetcher: &shop{text: "<html>"}},
	}
	s, err := NewStore(Options{Dir: dir, Lists: lists[5:6]})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	if s, err = NewStore(Options{Dir: dir, ReadOnly: true, Lists: lists}); err != nil {
		t.Fatal(err)
	}
	local := []string{
		"/messy:2 skipped NUL byte",
		"/messy:4 skipped https://b.example/x: a URL, not a name",
		"/page:0 error list page: a web page, not a list",
		"/gone:0 error list gone: open /gone: no such file",
		"/empty:0 error list empty: there is no rule in it (1 lines, 0 skipped)",
		"https://lists.example/stored:2 skipped b example: one name a line is expected",
	}
	for fetch, last := range map[bool]string{
		false: "https://lists.example/never:0 warning list never has not been fetched yet; `deadpixel check --fetch` tries",
		true:  "https://lists.example/never:0 error list never: a web page, not a list",
	} {
		var got []string
		s.Check(t.Context(), fetch, func(source string, line int, severity, message string) {
			got = append(got, fmt.Sprintf("%s:%d %s %s", source, line, severity, message))
		})
		if want := append(slices.Clone(local), last); !slices.Equal(got, want) {
			t.Errorf("fetch %v:\n%s\nwant\n%s", fetch, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Check(ctx, true, func(string, int, string, string) { t.Error("went on after its end") })
}
