package lists

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openList makes a store of one list that comes over a network.
func openList(t *testing.T, dir string, c Config) *Store {
	t.Helper()
	c.Name, c.Source, c.Remote = "a", "https://lists.example/a", true
	if c.Kind == None {
		c.Kind = Deny
	}
	s, err := NewStore(Options{Dir: dir, Lists: []Config{c}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// renew puts a text on the shelf and fetches it.
func (s *Store) renew(t *testing.T, from *shop, text string) {
	t.Helper()
	from.put(text, "", nil)
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) changes(t *testing.T) []Change {
	t.Helper()
	all, err := s.Changes("a")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestChanges(t *testing.T) {
	const adblock = "||keep.example^\n||also.example^\n||third.example^\n"
	const domains = "keep.example\nalso.example\nthird.example\n"
	cases := []struct {
		name          string
		kind          Action
		before, after string
		added, gone   string // with a space between
	}{
		{"names", Deny, domains + "a.example", domains + "b.example\nc.example", "b.example c.example", "a.example"},
		{"hosts", Deny, "0.0.0.0 a.example\n0.0.0.0 keep.example", "0.0.0.0 keep.example\n0.0.0.0 b.example", "b.example", "a.example"},
		{"subtrees", Deny, adblock + "||a.example^", adblock + "||b.example^", "||b.example^", "||a.example^"},
		{"wildcards", Deny, domains + "*.a.example", domains + "*.b.example", "||b.example^", "||a.example^"},
		{"below", Deny, "*.a.example CNAME .\nk.example CNAME .", "*.b.example CNAME .\nk.example CNAME .", "*.b.example^", "*.a.example^"},
		{"other reach", Deny, adblock + "|a.example^", adblock + "||a.example^", "||a.example^", "a.example"},
		{"patterns", Deny, adblock + "||ads*.example^", adblock + "||ads-*.example^", "||ads-*.example^", "||ads*.example^"},
		{"expressions", Deny, adblock + `/^a\d/`, adblock + `/^b\d/`, `/^b\d/`, `/^a\d/`},
		{"exceptions", Deny, adblock + "@@||a.example^", adblock + "@@||b.example^", "@@||b.example^", "@@||a.example^"},
		{"exception becomes denial", Deny, adblock + "@@||a.example^", adblock + "||a.example^", "||a.example^", "@@||a.example^"},
		{"important", Deny, adblock + "||a.example^", adblock + "||a.example^$important", "||a.example^$important", "||a.example^"},
		{"spared names", Deny, adblock + "||a.example^$denyallow=b.a.example", adblock + "||a.example^$denyallow=b.a.example|c.a.example",
			"||a.example^$denyallow=b.a.example|c.a.example", "||a.example^$denyallow=b.a.example"},
		{"types", Deny, adblock + "||a.example^$dnstype=AAAA", adblock + "||a.example^$dnstype=~A|~TYPE999", "||a.example^$dnstype=~A|~TYPE999", "||a.example^$dnstype=AAAA"},
		{"modifiers on a pattern", Deny, adblock + "||ads*.example^", adblock + "||ads*.example^$important", "||ads*.example^$important", "||ads*.example^"},
		{"addresses", Deny, adblock + "||192.0.2.1^", adblock + "||192.0.2.2^\n||2001:db8::/32^", "192.0.2.2 2001:db8::/32", "192.0.2.1"},
		{"address of an answer's type", Deny, adblock + "||192.0.2.1^", adblock + "||192.0.2.1^$dnstype=A", "192.0.2.1$dnstype=A", "192.0.2.1"},
		{"clients", Deny, adblock + "||a.example^$client=192.0.2.1", adblock + "||a.example^$client=~tablet|192.0.2.0/24", "||a.example^$client=~'tablet'|192.0.2.0/24", "||a.example^$client=192.0.2.1/32"},
		{"rewritings", Deny, adblock + "||a.example^$dnsrewrite=192.0.2.1", adblock + "||a.example^$dnsrewrite=NXDOMAIN\n@@||b.example^$dnsrewrite",
			"||a.example^$dnsrewrite=NXDOMAIN;; @@||b.example^$dnsrewrite=", "||a.example^$dnsrewrite=NOERROR;A;192.0.2.1"},
		{"taken out", Deny, adblock + "||a.example^", adblock + "||a.example^\n||a.example^$badfilter", "", "||a.example^"},
		{"came taken out", Deny, adblock, adblock + "||a.example^\n||a.example^$badfilter\n||b.example^", "||b.example^", ""},
		{"written twice", Deny, domains + "a.example\na.example", domains + "b.example\nb.example\nb.example", "b.example", "a.example"},
		{"fewer times", Deny, domains + "a.example\na.example", domains + "a.example", "", ""},
		{"order and comments", Deny, domains, "# new\nthird.example\nalso.example\nkeep.example\n", "", ""},
		{"allow list", Allow, domains + "a.example", domains + "b.example", "b.example", "a.example"},
		{"all else", Deny, "a.example\nb.example", "c.example\nd.example", "c.example d.example", "a.example b.example"},
	}
	for _, c := range cases {
		for _, gentle := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gently %v", c.name, gentle), func(t *testing.T) {
				from := new(shop)
				s := openList(t, t.TempDir(), Config{Fetcher: from, Kind: c.kind})
				s.gentle.Store(gentle)
				s.renew(t, from, c.before)
				if all := s.changes(t); len(all) != 0 || !s.Status()[0].Changed.IsZero() {
					t.Errorf("the first copy: %+v", all)
				}
				s.renew(t, from, c.after)
				added, gone := strings.Fields(c.added), strings.Fields(c.gone)
				all := s.changes(t)
				if len(added)+len(gone) == 0 {
					if len(all) != 0 {
						t.Errorf("got %+v, want no change", all)
					}
					return
				}
				if len(all) != 1 {
					t.Fatalf("%d changes", len(all))
				}
				got := all[0]
				if !slices.Equal(got.New, added) || !slices.Equal(got.Gone, gone) || got.Added != len(added) || got.Removed != len(gone) || got.Note != "" {
					t.Errorf("got  %+v\nwant %q, %q", got, added, gone)
				}
				if st := s.Status()[0]; st.Added != len(added) || st.Removed != len(gone) || !st.Changed.Equal(got.Time) {
					t.Errorf("status %+v", st)
				}
			})
		}
	}
}

// However much changes, a sample of it is kept, and the last changes.
func TestChangesAreBounded(t *testing.T) {
	from := new(shop)
	s := openList(t, t.TempDir(), Config{Fetcher: from})
	const n = maxFresh + 500
	s.renew(t, from, names(n))
	s.renew(t, from, strings.ReplaceAll(names(n), "host", "other"))
	c := s.changes(t)[0]
	if c.Added != n || c.Removed != n || len(c.New) != maxSample || len(c.Gone) != maxSample || c.Note != "" {
		t.Errorf("%d added of which %d are named, %d removed of which %d, %q", c.Added, len(c.New), c.Removed, len(c.Gone), c.Note)
	}
	if c.New[0] != "other0.example" || c.Gone[maxSample-1] != fmt.Sprintf("host%d.example", maxSample-1) {
		t.Errorf("not the first ones: %s, %s", c.New[0], c.Gone[maxSample-1])
	}
	from.put("keep.example\nalso.example\nv.example\n", "", nil)
	if err := s.Refresh(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	for i := range maxChanges + 5 {
		s.renew(t, from, fmt.Sprintf("keep.example\nalso.example\nv%d.example\n", i))
	}
	all := s.changes(t)
	last := fmt.Sprintf("v%d.example", maxChanges+4)
	if len(all) != maxChanges || !slices.Equal(all[0].New, []string{last}) {
		t.Errorf("%d changes, the newest %+v", len(all), all[0])
	}
	long := "/" + strings.Repeat("a", 5000) + "/"
	s.renew(t, from, "keep.example\nalso.example\n"+last+"\n"+long+"\n")
	if got := s.changes(t)[0].New; len(got) != 1 || len(got[0]) != maxWritten {
		t.Errorf("a long rule is kept as %q", got)
	}
}

// What is held back for another reason changes nothing, and by force it does.
func TestChangesOfShrunkenList(t *testing.T) {
	from := &shop{text: names(10)}
	s := openList(t, t.TempDir(), Config{Fetcher: from})
	s.renew(t, from, names(10))
	from.put(names(2), "", nil)
	if s.Refresh(t.Context(), "a", false) == nil || len(s.changes(t)) != 0 {
		t.Error("what was held back is told of")
	}
	if err := s.Refresh(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	if all := s.changes(t); len(all) != 1 || all[0].Removed != 8 {
		t.Errorf("%+v", all)
	}
}

func TestChangesAfterRestart(t *testing.T) {
	dir, from := t.TempDir(), new(shop)
	s := openList(t, dir, Config{Fetcher: from})
	s.renew(t, from, "a.example\nkeep.example\n")
	s.renew(t, from, "b.example\nkeep.example\n")
	s.renew(t, from, "b.example\nkeep.example\n# the same\n")
	want := fmt.Sprint(s.changes(t))
	before := s.Status()[0]
	s = openList(t, dir, Config{Fetcher: from})
	if got := fmt.Sprint(s.changes(t)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if st := s.Status()[0]; st.Added != 1 || st.Removed != 1 || !st.Changed.Equal(before.Changed) {
		t.Errorf("status %+v", st)
	}
	s.renew(t, from, "c.example\nkeep.example\n")
	if all := s.changes(t); len(all) != 2 || all[0].New[0] != "c.example" || all[0].Gone[0] != "b.example" {
		t.Errorf("%+v", all)
	}
}

// Without the text before, or with a damaged one, the numbers are right still.
func TestChangesWithoutTheText(t *testing.T) {
	for how, spoil := range map[string]func(string) error{
		"missing": os.Remove,
		"half":    func(path string) error { return os.Truncate(path, 40) },
		"no gzip": func(path string) error { return os.WriteFile(path, []byte("a.example\n"), 0o600) },
	} {
		t.Run(how, func(t *testing.T) {
			dir, from := t.TempDir(), new(shop)
			s := openList(t, dir, Config{Fetcher: from})
			s.renew(t, from, names(50))
			texts, err := filepath.Glob(filepath.Join(dir, "lists", "*.raw"))
			if err != nil || len(texts) != 1 {
				t.Fatalf("%v, %v", texts, err)
			}
			if err := spoil(texts[0]); err != nil {
				t.Fatal(err)
			}
			s.renew(t, from, names(48)+"new.example\n")
			c := s.changes(t)[0]
			if c.Added != 1 || c.Removed != 2 || !slices.Equal(c.New, []string{"new.example"}) || len(c.Gone) != 0 || !strings.Contains(c.Note, "cannot be read") {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// A damaged record is set aside and begun anew, and disturbs no refresh.
func TestChangesDamaged(t *testing.T) {
	for how, spoil := range map[string]func(string) error{
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"half":      func(path string) error { return os.Truncate(path, 30) },
		"other":     func(path string) error { return os.WriteFile(path, []byte(`{"Added":"many"}`), 0o600) },
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(how, func(t *testing.T) {
			dir, from, log := t.TempDir(), new(shop), new(strings.Builder)
			s := openList(t, dir, Config{Fetcher: from})
			s.log = slog.New(slog.NewTextHandler(log, nil))
			s.renew(t, from, "a.example\n")
			s.renew(t, from, "a.example\nb.example\n")
			path := s.disk.changesFile(s.lists[0].Config)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Changes("a"); err == nil || !strings.Contains(err.Error(), "list a") {
				t.Errorf("it reads as %v", err)
			}
			s.renew(t, from, "a.example\nb.example\nc.example\n")
			if all := s.changes(t); len(all) != 1 || all[0].New[0] != "c.example" {
				t.Errorf("%+v", all)
			}
			if _, err := os.Stat(path + damaged); err != nil || !strings.Contains(log.String(), damaged) {
				t.Errorf("set aside: %v; the log says %s", err, log)
			}
			s.renew(t, from, "a.example\nb.example\n")
			if _, err := os.Stat(path + damaged); err != nil {
				t.Errorf("what was set aside is gone: %v", err)
			}
		})
	}
}

// Where nothing may be written, changes are known until the program ends.
func TestChangesInMemory(t *testing.T) {
	from := new(shop)
	s := openList(t, "", Config{Fetcher: from})
	for i := range maxChanges + 3 {
		s.renew(t, from, fmt.Sprintf("keep.example\nv%d.example\n", i))
	}
	all := s.changes(t)
	if len(all) != maxChanges || !slices.Equal(all[0].New, []string{fmt.Sprintf("v%d.example", maxChanges+2)}) || all[0].Note == "" {
		t.Errorf("%d changes, the newest %+v", len(all), all[0])
	}

	dir := t.TempDir()
	s = openList(t, dir, Config{Fetcher: from})
	s.renew(t, from, "keep.example\na.example\n")
	s.renew(t, from, "keep.example\nb.example\n")
	before := files(t, dir)
	look, err := NewStore(Options{Dir: dir, ReadOnly: true, Lists: []Config{s.lists[0].Config}})
	if err != nil {
		t.Fatal(err)
	}
	if err := look.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	look.renew(t, from, "keep.example\nc.example\n")
	if all := look.changes(t); len(all) != 2 || all[0].New[0] != "c.example" || all[1].New[0] != "b.example" {
		t.Errorf("read only: %+v", all)
	}
	after := files(t, dir)
	if len(after) != len(before) {
		t.Errorf("a look has left %d files of %d", len(after), len(before))
	}
	for name, b := range before {
		if string(after[name]) != string(b) {
			t.Errorf("a look has changed %s", name)
		}
	}
}

func TestChangesOfNoList(t *testing.T) {
	s := openList(t, t.TempDir(), Config{Fetcher: new(shop)})
	if _, err := s.Changes("other"); !errors.Is(err, ErrNoList) {
		t.Errorf("got %v", err)
	}
}
