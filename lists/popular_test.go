package lists

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What comes along is in order, and the starter list blocks none of it.
func TestPopularNames(t *testing.T) {
	p := readPopular(nil)
	if n := len(p.names); n < 1500 || n > 2500 || len(popularText) > 40<<10 {
		t.Errorf("%d names, %d bytes", n, len(popularText))
	}
	last := ""
	for line := range strings.Lines(popularText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			if line <= last {
				t.Errorf("%s stands behind %s", line, last)
			}
			last = line
		}
	}
	text, _ := Builtins{}.Text("starter")
	b := NewBuilder("starter", Deny, Seed{})
	if _, err := Parse(text, ParseOptions{Kind: Deny}, b.Add, func(s Skip) { t.Errorf("skipped %v", s) }); err != nil {
		t.Fatal(err)
	}
	set := NewSet(Seed{}, b.Build())
	for _, name := range p.names {
		if clean, err := Normalize(name); err != nil || clean != name || !strings.Contains(name, ".") {
			t.Errorf("%q is not in normalised form", name)
		}
		for _, qtype := range askedTypes {
			if set.Match([]byte(name), qtype, nil).Action != None {
				t.Errorf("the starter list blocks %s", name)
			}
		}
	}
	for _, want := range []string{"google.com", "www.google.com", "captive.apple.com", "github.com", "wikipedia.org"} {
		if !slices.Contains(p.names, want) {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestParsePopular(t *testing.T) {
	for text, want := range map[string]Popular{"flag": PopularFlag, "hold": PopularHold, "off": PopularOff} {
		if got, err := ParsePopular(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := ParsePopular("hide"); err == nil || !strings.Contains(err.Error(), `"hold"`) {
		t.Errorf("got %v", err)
	}
}

// hits are the rules about popular names as "line rule: first name", with "held "
// before.
func (s *Store) hits() []string {
	var all []string
	for _, p := range s.Status()[0].Popular {
		text := fmt.Sprintf("%d %s: %s", p.Line, p.Rule, p.Names[0])
		if p.Held {
			text = "held " + text
		}
		all = append(all, text)
	}
	return all
}

func (s *Store) wantHits(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := s.hits(); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", when, got, want)
	}
}

// Which new rules are about popular names.
func TestPopularRules(t *testing.T) {
	const old = "||keep.example^\n||also.example^\n||third.example^\n"
	cases := []struct {
		name          string
		kind          Action
		before, after string
		want          string
	}{
		{"the name itself", Deny, old, "|github.com^", "4 github.com: github.com"},
		{"a name above", Deny, old, "||google.com^", "4 ||google.com^: google.com"},
		{"below", Deny, old, "||*.github.com^", "4 *.github.com^: api.github.com"},
		{"a whole top-level domain", Deny, old, "||org^", "4 ||org^: abuse.ch"},
		{"a name below", Deny, old, "||pixel.github.com^", ""},
		{"nobody's name", Deny, old, "||github.example^", ""},
		{"a pattern", Deny, old, "||githu*.com^", "4 ||githu*.com^: github.com"},
		{"an expression", Deny, old, `/^github\.c/`, `4 /^github\.c/: github.com`},
		{"important", Deny, old, "|github.com^$important", "4 |github.com^$important: github.com"},
		{"for HTTPS records", Deny, old, "|github.com^$dnstype=HTTPS", "4 |github.com^$dnstype=HTTPS: github.com"},
		{"for TXT records", Deny, old, "|github.com^$dnstype=TXT", ""},
		{"all but TXT records", Deny, old, "|github.com^$dnstype=~TXT", "4 |github.com^$dnstype=~TXT: github.com"},
		{"spared", Deny, old, "||github.com^$denyallow=github.com", ""},
		{"excepted", Deny, old, "|github.com^\n@@||github.com^", ""},
		{"excepted before", Deny, old + "@@||github.com^\n", "@@||github.com^\n|github.com^", ""},
		{"excepted, but important", Deny, old, "@@||github.com^\n|github.com^$important\n|github.com^", "5 |github.com^$important: github.com"},
		{"taken out", Deny, old, "|github.com^\n|github.com^$badfilter", ""},
		{"blocked before by another rule", Deny, old + "||github.com^\n", "|github.com^", ""},
		{"in use before", Deny, old + "|github.com^\n", "|github.com^\n||new.example^", ""},
		{"twice", Deny, old, "|github.com^\n|github.com^", "4 github.com: github.com"},
		{"rewritten", Deny, old, "|github.com^$dnsrewrite=192.0.2.1", "4 |github.com^$dnsrewrite=NOERROR;A;192.0.2.1: github.com"},
		{"rewritten and undone", Deny, old, "|github.com^$dnsrewrite=192.0.2.1\n@@|github.com^$dnsrewrite", ""},
		{"for one client", Deny, old, "|github.com^$client=192.0.2.7", ""},
		{"an address", Deny, old, "||192.0.2.1^", ""},
		{"an allow list", Allow, old, "||github.com^", ""},
	}
	for _, c := range cases {
		for _, setting := range []Popular{PopularFlag, PopularHold, PopularOff} {
			t.Run(fmt.Sprint(c.name, " ", setting), func(t *testing.T) {
				from := new(shop)
				s := openList(t, t.TempDir(), Config{Fetcher: from, Kind: c.kind, Popular: setting})
				s.renew(t, from, c.before)
				s.wantHits(t, "the first copy")
				s.renew(t, from, old+c.after)
				want := c.want
				switch {
				case setting == PopularOff:
					want = ""
				case setting == PopularHold && want != "":
					want = "held " + want
					if s.Match([]byte("github.com"), 1, nil).Action == Deny {
						t.Error("what is held back is in use")
					}
				}
				got := s.hits()
				if c.name == "a whole top-level domain" && len(got) == 1 {
					got[0], _, _ = strings.Cut(got[0], ": ")
					want, _, _ = strings.Cut(want, ": ")
				}
				if strings.Join(got, ", ") != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// Of a rule about many, some names are kept and their number.
func TestPopularRuleOfMany(t *testing.T) {
	from := new(shop)
	s := openList(t, t.TempDir(), Config{Fetcher: from})
	s.renew(t, from, "keep.example\n")
	s.renew(t, from, "keep.example\n/\\./\n")
	all := s.Status()[0].Popular
	if len(all) != 1 || len(all[0].Names) != maxNames || all[0].Count != len(readPopular(nil).names) {
		t.Errorf("got %+v", all)
	}
}

// A flagged rule is in use and told of until it goes or somebody accepts it, also
// over a restart.
func TestPopularFlag(t *testing.T) {
	dir, from, log := t.TempDir(), new(shop), new(strings.Builder)
	s := openList(t, dir, Config{Fetcher: from})
	s.log = slog.New(slog.NewTextHandler(log, nil))
	s.renew(t, from, "keep.example\n")
	s.renew(t, from, "keep.example\ngithub.com\nwikipedia.org\n")
	s.wants(t, "github.com", Deny)
	both := []string{"2 github.com: github.com", "3 wikipedia.org: wikipedia.org"}
	s.wantHits(t, "come", both...)
	if n := strings.Count(log.String(), "popular names"); n != 1 || !strings.Contains(log.String(), "github.com") {
		t.Errorf("told %d times: %s", n, log)
	}
	s = openList(t, dir, Config{Fetcher: from})
	s.wantHits(t, "after a restart", both...)
	s.renew(t, from, "keep.example\ngithub.com\nwikipedia.org\ngoogle.com\n")
	s.wantHits(t, "with another", append(slices.Clone(both), "4 google.com: google.com")...)
	s.renew(t, from, "keep.example\ngithub.com\ngoogle.com\n")
	s.wantHits(t, "with one less", both[0], "4 google.com: google.com")
	if err := s.Refresh(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	s.wantHits(t, "accepted")
	s.wants(t, "github.com", Deny)
	openList(t, dir, Config{Fetcher: from}).wantHits(t, "accepted, after a restart")
}

// A rule that is held back stays so over refreshes, restarts and a new parser,
// until a forced refresh accepts it, also when nothing else has changed.
func TestPopularHold(t *testing.T) {
	for _, etag := range []string{"", "2"} {
		t.Run("version "+etag, func(t *testing.T) {
			dir, from := t.TempDir(), new(shop)
			config := Config{Fetcher: from, Popular: PopularHold}
			s := openList(t, dir, config)
			s.renew(t, from, "keep.example\nold.example\n")
			from.put("new.example\nkeep.example\ngithub.com\ngithub.com\n/wikipedi[a]\\.org/\n", etag, nil)
			refresh := func(force bool) {
				t.Helper()
				if err := s.Refresh(t.Context(), "a", force); err != nil {
					t.Fatal(err)
				}
			}
			held := func(when string) {
				t.Helper()
				s.wantHits(t, when, "held 3 github.com: github.com", "held 5 /wikipedi[a]\\.org/: wikipedia.org")
				s.wants(t, "github.com", None)
				s.wants(t, "wikipedia.org", None)
				s.wants(t, "new.example", Deny)
				s.wants(t, "old.example", None)
			}
			refresh(false)
			held("come")
			if c := s.changes(t); len(c) != 1 || !slices.Equal(c[0].New, []string{"new.example"}) || c[0].Added != 1 {
				t.Errorf("what is held back is told of as added: %+v", c)
			}
			refresh(false)
			held("the same again")
			s = openList(t, dir, config)
			held("after a restart")
			compiled, err := filepath.Glob(filepath.Join(dir, "lists", "*.list"))
			if err != nil || len(compiled) == 0 {
				t.Fatalf("%v, %v", compiled, err)
			}
			for _, path := range compiled {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			s = openList(t, dir, config)
			held("compiled anew")
			from.put("new.example\nkeep.example\ngithub.com\ngithub.com\n/wikipedi[a]\\.org/\nlater.example\n", etag+"+", nil)
			refresh(false)
			held("with another text")
			s.wants(t, "later.example", Deny)
			refresh(true)
			s.wantHits(t, "accepted")
			s.wants(t, "github.com", Deny)
			s.wants(t, "wikipedia.org", Deny)
			if c := s.changes(t)[0]; c.Added != 2 || c.Removed != 0 {
				t.Errorf("accepted: %+v", c)
			}
			s = openList(t, dir, config)
			s.wantHits(t, "accepted, after a restart")
			s.wants(t, "github.com", Deny)
			refresh(false)
			s.wantHits(t, "accepted, and refreshed")
			s.wants(t, "github.com", Deny)
		})
	}
}

// What nobody has seen before is told of when it comes by force.
func TestPopularForce(t *testing.T) {
	from := new(shop)
	s := openList(t, t.TempDir(), Config{Fetcher: from, Popular: PopularHold})
	s.renew(t, from, "keep.example\n")
	s.renew(t, from, "keep.example\ngithub.com\n")
	from.put("keep.example\ngithub.com\nwikipedia.org\n", "", nil)
	if err := s.Refresh(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	s.wants(t, "wikipedia.org", Deny)
	s.wantHits(t, "by force", "3 wikipedia.org: wikipedia.org")
}

// A setting that changes acts at the next start.
func TestPopularSettingChanges(t *testing.T) {
	for setting, want := range map[Popular][]string{
		PopularHold: {"held 2 github.com: github.com"}, PopularFlag: {"2 github.com: github.com"}, PopularOff: nil,
	} {
		dir, from := t.TempDir(), new(shop)
		s := openList(t, dir, Config{Fetcher: from, Popular: PopularHold})
		s.renew(t, from, "keep.example\n")
		s.renew(t, from, "keep.example\ngithub.com\n")
		for range 2 {
			s = openList(t, dir, Config{Fetcher: from, Popular: setting})
			s.wantHits(t, fmt.Sprint(setting), want...)
			action := Deny
			if setting == PopularHold {
				action = None
			}
			s.wants(t, "github.com", action)
		}
	}
}

// So many rules about popular names are no list of trackers.
func TestPopularHoldsNotEverything(t *testing.T) {
	all := strings.Join(readPopular(nil).names[:maxPopular+1], "\n")
	for setting, want := range map[Popular]string{PopularHold: "1001 of its new rules deny popular names", PopularFlag: "", PopularOff: ""} {
		from := new(shop)
		s := openList(t, t.TempDir(), Config{Fetcher: from, Popular: setting})
		s.renew(t, from, "keep.example\n")
		from.put("keep.example\n"+all, "", nil)
		err := s.Refresh(t.Context(), "a", false)
		if got := fmt.Sprint(err); want != "" && !strings.Contains(got, want) || want == "" && err != nil {
			t.Errorf("%v: %s", setting, got)
		}
		st := s.Status()[0]
		switch setting {
		case PopularHold:
			if st.Entries != 1 || st.LastError == "" || len(st.Popular) != 0 {
				t.Errorf("%v: %d entries, %q", setting, st.Entries, st.LastError)
			}
			if err := s.Refresh(t.Context(), "a", true); err != nil {
				t.Fatal(err)
			}
		case PopularFlag:
			if len(st.Popular) != maxPopular {
				t.Errorf("%d are told of", len(st.Popular))
			}
		}
		if n := s.Status()[0].Entries; n != maxPopular+2 {
			t.Errorf("%v: %d entries", setting, n)
		}
	}
	from := new(shop)
	s := openList(t, t.TempDir(), Config{Fetcher: from, Popular: PopularHold})
	s.renew(t, from, "keep.example\n")
	from.put("github.com\n", "", nil)
	if err := s.Refresh(t.Context(), "a", false); !errors.Is(err, errEmpty) || !strings.Contains(err.Error(), "1 held back") {
		t.Errorf("when nothing is left: %v", err)
	}
	s.wants(t, "keep.example", Deny)
}

// A list that shrank and has rules about popular names is distrusted for both.
func TestPopularInShrunkenList(t *testing.T) {
	from := new(shop)
	s := openList(t, t.TempDir(), Config{Fetcher: from, Popular: PopularHold})
	s.renew(t, from, names(10))
	from.put("host1.example\nhost2.example\ngithub.com\n", "", nil)
	for i := range shrinkConfirm {
		if err := s.Refresh(t.Context(), "a", false); (err == nil) != (i == shrinkConfirm-1) {
			t.Errorf("at the time %d: %v", i+1, err)
		}
	}
	s.wantHits(t, "confirmed", "held 3 github.com: github.com")
	s.wants(t, "github.com", None)
	s.wants(t, "host3.example", None)
}

// Between the files of what is held back and of what is accepted, of the same
// text, a start finds one or the other.
func TestEveryMomentOfAccepting(t *testing.T) {
	dir, from := t.TempDir(), new(shop)
	config := Config{Fetcher: from, Popular: PopularHold}
	s := openList(t, dir, config)
	s.renew(t, from, "keep.example\n")
	s.renew(t, from, "keep.example\ngithub.com\n")
	before := files(t, dir)
	if err := s.Refresh(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	after := files(t, dir)
	var order []string
	for _, end := range []string{".list", ".json"} {
		for name, b := range after {
			if strings.HasSuffix(name, end) && !strings.HasSuffix(name, "-changes.json") && !bytes.Equal(before[name], b) {
				order = append(order, name)
			}
		}
	}
	if len(order) != 2 {
		t.Fatalf("%v", order)
	}
	for done := range len(order) + 1 {
		state := maps.Clone(before)
		for _, name := range order[:done] {
			state[name] = after[name]
		}
		s := openList(t, restored(t, state), config)
		if done < len(order) {
			s.wantHits(t, fmt.Sprint(done), "held 2 github.com: github.com")
			s.wants(t, "github.com", None)
		} else {
			s.wantHits(t, fmt.Sprint(done))
			s.wants(t, "github.com", Deny)
		}
		s.wants(t, "keep.example", Deny)
	}
}

// A rule about what a household has asked for is told of by how many names, and names
// none of them, in memory or on disk.
func TestAskedNames(t *testing.T) {
	for _, setting := range []Popular{PopularFlag, PopularHold} {
		dir := t.TempDir()
		from := new(shop)
		s := openList(t, dir, Config{Fetcher: from, Kind: Deny, Popular: setting})
		var log strings.Builder
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		s.asked = func() []string { return []string{"clinic.example", "www.clinic.example", "github.com", "fine.example"} }
		s.renew(t, from, "||old.example^\n")
		s.renew(t, from, "||old.example^\n||clinic.example^\n|github.com^\n||nobody.example^\n")
		all := s.Status()[0].Popular
		if len(all) != 2 || all[0].Asked != 2 || len(all[0].Names) != 0 || all[1].Asked != 1 || len(all[1].Names) != 1 || all[0].Held != (setting == PopularHold) {
			t.Errorf("%v: %+v", setting, all)
		}
		if blocked := s.Match([]byte("www.clinic.example"), 1, nil).Action == Deny; blocked == (setting == PopularHold) {
			t.Errorf("%v: blocked: %v", setting, blocked)
		}
		if text := log.String(); strings.Contains(text, "clinic") || !strings.Contains(text, "github.com") || !strings.Contains(text, "rules=2") {
			t.Errorf("%v: the log says %s", setting, text)
		}
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte("www.clinic.example")) || bytes.Contains(b, []byte("fine.example")) {
				t.Errorf("%s has a name that somebody asked for", path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// What is known of a copy follows a setting that has changed.
func TestPopularSettings(t *testing.T) {
	for setting, want := range map[Popular][2]int{PopularFlag: {0, maxPopular}, PopularHold: {600, 600}, PopularOff: {0, 0}} {
		p := popular{Held: make([]hit, 600), Flagged: make([]hit, 600)}
		p.settle(setting)
		if got := [2]int{len(p.Held), len(p.Flagged)}; got != want {
			t.Errorf("%v: %v are held and flagged, want %v", setting, got, want)
		}
	}
}
