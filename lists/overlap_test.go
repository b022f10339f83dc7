package lists

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// overlapStore has lists of these texts, in adblock syntax but where it says otherwise.
func overlapStore(t testing.TB, dir string, texts ...string) *Store {
	t.Helper()
	o := Options{Dir: dir, Own: []OwnRules{{Level: Own, Kind: Deny, Rules: []OwnRule{{"example", 1}}}}}
	for i, text := range texts {
		c := Config{Name: fmt.Sprint("list", i+1), Kind: Deny, Source: fmt.Sprint("https://lists.example/", i+1), Remote: true, Format: Adblock}
		if hosts, ok := strings.CutPrefix(text, "hosts:"); ok {
			c.Format, text = Hosts, hosts
		}
		if allow, ok := strings.CutPrefix(text, "allow:"); ok {
			c.Kind, text = Allow, allow
		}
		c.Fetcher = &shop{text: text, etag: "1"}
		o.Lists = append(o.Lists, c)
	}
	s, err := NewStore(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOverlaps(t *testing.T) {
	// What list1 has in common with list2: its rules, only it, the same, covered.
	cases := []struct {
		name, one, other           string
		rules, only, same, covered int
	}{
		{"nothing", "||a.example^\n", "||b.example^\n", 1, 1, 0, 0},
		{"the same", "||a.example^\n||b.example^\n", "||b.example^\n", 2, 1, 1, 1},
		{"exact below a subtree", "hosts:0.0.0.0 x.a.example\n", "||a.example^\n", 1, 0, 0, 1},
		{"exact at a subtree", "hosts:0.0.0.0 a.example\n", "||a.example^\n", 1, 0, 0, 1},
		{"subtree at an exact name", "||a.example^\n", "hosts:0.0.0.0 a.example\n", 1, 1, 0, 0},
		{"subtree below an exact name", "||x.a.example^\n", "hosts:0.0.0.0 a.example\n", 1, 1, 0, 0},
		{"subtree below a subtree", "||x.a.example^\n", "||a.example^\n", 1, 0, 0, 1},
		{"subtree above a subtree", "||a.example^\n", "||x.a.example^\n", 1, 1, 0, 0},
		{"subtree at what is below only", "||a.example^\n", "||*.a.example^\n", 1, 1, 0, 0},
		{"below only at a subtree", "||*.a.example^\n", "||a.example^\n", 1, 0, 0, 1},
		{"below only at itself", "||*.a.example^\n", "||*.a.example^\n", 1, 0, 1, 1},
		{"exact below what is below only", "hosts:0.0.0.0 x.a.example\n", "||*.a.example^\n", 1, 0, 0, 1},
		{"not a part of a label", "||ba.example^\n", "||a.example^\n", 1, 1, 0, 0},
		{"the same and covered, once", "||x.a.example^\n", "||a.example^\n||x.a.example^\n", 1, 0, 1, 1},
		{"allowed is not denied", "||x.a.example^\n", "@@||a.example^\n", 1, 1, 0, 0},
		{"both allow", "allow:||x.a.example^\n", "@@||a.example^\n", 1, 0, 0, 1},
		{"important is not covered by less", "||a.example^$important\n", "||a.example^\n", 1, 1, 0, 0},
		{"important covers", "||x.a.example^\n", "||a.example^$important\n", 1, 0, 0, 1},
		{"a type is covered by all", "||x.a.example^$dnstype=A\n", "||a.example^\n", 1, 0, 0, 1},
		{"all are not covered by a type", "||x.a.example^\n", "||a.example^$dnstype=A\n", 1, 1, 0, 0},
		{"the same type", "||a.example^$dnstype=A\n", "||a.example^$dnstype=A\n||a.example^$dnstype=AAAA\n", 1, 0, 1, 1},
		{"rewriting is not denying", "||x.a.example^$dnsrewrite=192.0.2.1\n", "||a.example^\n", 1, 1, 0, 0},
		{"the same rewriting", "||a.example^$dnsrewrite=192.0.2.1\n", "||a.example^$dnsrewrite=192.0.2.1\n", 1, 0, 1, 1},
		{"a pattern", "||ads*.example^\n", "||ads*.example^\n||b*.example^\n", 1, 0, 1, 1},
		{"a pattern covers no name", "||ads1.example^\n", "||ads*.example^\n", 1, 1, 0, 0},
		{"an expression", "/^ad[sx]\\./\n", "/^ad[sx]\\./\n", 1, 0, 1, 1},
		{"an address in a network", "||203.0.113.7^\n", "203.0.113.0/24\n", 1, 0, 0, 1},
		{"a network around an address", "203.0.113.0/24\n", "||203.0.113.7^\n", 1, 1, 0, 0},
		{"the same network", "203.0.113.0/24\n2001:db8::/32\n", "203.0.113.0/24\n2001:db8::/32\n", 2, 0, 2, 2},
		{"written twice", "||a.example^\n||b.example^\n||a.example^\n", "||a.example^\n", 2, 1, 1, 1},
		{"twice in a line", "hosts:0.0.0.0 a.example a.example b.example\n", "||a.example^\n", 2, 1, 0, 1},
		{"taken out", "||a.example^\n||b.example^\n||a.example^$badfilter\n", "||a.example^\n", 1, 1, 0, 0},
		{"own rules do not count", "||example^\n", "||b.example^\n", 1, 1, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := overlapStore(t, t.TempDir(), c.one, c.other)
			all, err := s.Overlaps(t.Context())
			if err != nil || len(all) != 2 {
				t.Fatalf("%v, %v", all, err)
			}
			want := Overlap{Name: "list1", Kind: s.lists[0].Kind, Rules: c.rules, Only: c.only}
			if c.covered > 0 {
				want.Others = []Common{{"list2", c.same, c.covered}}
			}
			if !reflect.DeepEqual(all[0], want) {
				t.Errorf("got %+v, want %+v", all[0], want)
			}
		})
	}
}

// subsumed says slowly whether o wants the same as r wherever that speaks.
func subsumed(r, o *Rule) bool {
	if r.same(o) {
		return true
	}
	if !o.simple() || !r.Shape.hashed() || r.Rewrite != nil || r.Action != o.Action || r.Important && !o.Important {
		return false
	}
	if r.Shape == Address || o.Shape == Address {
		return r.Shape == o.Shape && o.Network.Bits() <= r.Network.Bits() && o.Network.Contains(r.Network.Addr())
	}
	is, below := r.Name == o.Name, strings.HasSuffix(r.Name, "."+o.Name)
	switch o.Shape {
	case Exact:
		return is && r.Shape == Exact
	case Below:
		return below || is && r.Shape == Below
	}
	return is || below
}

// randomList is a list of few names, so that much of it is elsewhere too.
func randomList(random *rand.Rand) string {
	var b strings.Builder
	for range random.IntN(60) {
		labels := make([]string, 1+random.IntN(4))
		for i := range labels {
			labels[i] = string(rune('a' + random.IntN(3)))
		}
		name := strings.Join(append(labels, "example"), ".")
		modifier := ""
		if random.IntN(4) == 0 {
			modifier = []string{"$important", "$dnstype=A", "$denyallow=q.example", "$dnsrewrite=192.0.2.1", "$badfilter"}[random.IntN(5)]
		}
		switch random.IntN(8) {
		case 0:
			fmt.Fprintf(&b, "@@||%s^%s\n", name, modifier)
		case 1:
			fmt.Fprintf(&b, "||*.%s^%s\n", name, modifier)
		case 2:
			fmt.Fprintf(&b, "|%s^%s\n", name, modifier)
		case 3:
			fmt.Fprintf(&b, "%s\n", netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(random.IntN(8))}), 29+random.IntN(4)).Masked())
		case 4:
			fmt.Fprintf(&b, "||%c*.example^\n", 'a'+random.IntN(3))
		default:
			fmt.Fprintf(&b, "||%s^%s\n", name, modifier)
		}
	}
	b.WriteString("||always.example^\n")
	return b.String()
}

// different are the rules that a text makes, each once.
func different(t *testing.T, text string) []Rule {
	var rules, cancel []Rule
	_, err := Parse(strings.NewReader(text), ParseOptions{Format: Adblock, Kind: Deny}, func(r Rule) {
		r = r.clone()
		same := func(o Rule) bool { return o.same(&r) }
		if r.Cancel {
			cancel = append(cancel, r)
		} else if !contains(rules, same) {
			rules = append(rules, r)
		}
	}, func(s Skip) { t.Fatal(s) })
	if err != nil {
		t.Fatal(err)
	}
	var left []Rule
	for _, r := range rules {
		if !contains(cancel, r.sameAs) {
			left = append(left, r)
		}
	}
	return left
}

func contains(rules []Rule, is func(Rule) bool) bool {
	for _, r := range rules {
		if is(r) {
			return true
		}
	}
	return false
}

func TestOverlapsAgreeWithTheObvious(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		texts := make([]string, 1+random.IntN(4))
		rules := make([][]Rule, len(texts))
		for i := range texts {
			texts[i] = randomList(random)
			rules[i] = different(t, texts[i])
		}
		s := overlapStore(t, t.TempDir(), texts...)
		got, err := s.Overlaps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var want []Overlap
		for i := range rules {
			one := Overlap{Name: fmt.Sprint("list", i+1), Kind: Deny, Rules: len(rules[i])}
			counts := make([]Common, len(rules))
			for _, r := range rules[i] {
				alone := true
				for j := range rules {
					if j == i {
						continue
					}
					if contains(rules[j], func(o Rule) bool { return subsumed(&r, &o) }) {
						counts[j].Covered++
						alone = false
					}
					if contains(rules[j], r.sameAs) {
						counts[j].Same++
					}
				}
				if alone {
					one.Only++
				}
			}
			for j, n := range counts {
				if n.Covered > 0 {
					n.Name = fmt.Sprint("list", j+1)
					one.Others = append(one.Others, n)
				}
			}
			want = append(want, one)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d:\ngot  %+v\nwant %+v\nof %s", round, got, want, strings.Join(texts, "\n--\n"))
		}
	}
}

// Where the text is lost, rules about the same names are still compared.
func TestOverlapsWithoutText(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := overlapStore(t, dir, "||a.example^\n||x.b.example^\n|c.example^\n", "||a.example^\n||b.example^\n||c.example^\n")
		files, err := filepath.Glob(filepath.Join(dir, "lists", "*.raw"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Overlaps(t.Context())
		want := Overlap{Name: "list1", Kind: Deny, Rules: 3, Only: 1, Others: []Common{{"list2", 1, 2}}, NoText: true}
		if err != nil || !reflect.DeepEqual(all[0], want) {
			t.Errorf("in %q: %+v, %v, want %+v", dir, all[0], err, want)
		}
	}
}

// A text that breaks off in the middle is as good as none.
func TestOverlapsOfABrokenText(t *testing.T) {
	var text bytes.Buffer
	random := rand.New(rand.NewPCG(5, 6))
	for range 50_000 {
		fmt.Fprintf(&text, "||a%d.example^\n", random.Uint64())
	}
	s := overlapStore(t, t.TempDir(), text.String(), "||b.example^\n")
	files, err := filepath.Glob(filepath.Join(s.disk.dir, "lists", "list1-*.raw"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	all, err := s.Overlaps(t.Context())
	if err != nil || !all[0].NoText || all[0].Only != 50_000 || all[0].Rules != 50_000 {
		t.Errorf("%+v, %v", all[0], err)
	}
}

// barrier is a Source on this machine which, once it is shut, waits to be opened.
type barrier struct {
	shop
	shut chan struct{} // nil while it is open
}

func (g *barrier) Fetch(ctx context.Context, v Validators) (Fetched, error) {
	if g.shut != nil {
		<-g.shut
	}
	return g.shop.Fetch(ctx, v)
}

// barredStore keeps no texts, so that they are read from the source: the first one
// from behind a barrier that is shut.
func barredStore(t *testing.T) (*Store, *barrier) {
	t.Helper()
	g := &barrier{shop: shop{text: "||a.example^\n", etag: "1"}}
	s, err := NewStore(Options{Own: []OwnRules{{Level: Own, Kind: Deny}}, Lists: []Config{
		{Name: "a", Kind: Deny, Source: "a.txt", Fetcher: g}, {Name: "b", Kind: Deny, Source: "b.txt", Fetcher: &shop{text: "||a.example^\n", etag: "1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.shut = make(chan struct{})
	return s, g
}

// It is counted once for all who ask, again when a list has changed, and nobody
// has to wait for it.
func TestOverlapsAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := barredStore(t)
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Overlaps(late); err != context.DeadlineExceeded {
			t.Errorf("who has waited is told %v", err)
		}
		answers := make(chan []Overlap)
		for range 3 {
			go func() {
				all, err := s.Overlaps(t.Context())
				if err != nil {
					t.Error(err)
				}
				answers <- all
			}()
		}
		synctest.Wait()
		asked := g.asked
		close(g.shut)
		first := <-answers
		for range 2 {
			if again := <-answers; &again[0] != &first[0] {
				t.Error("it was counted twice")
			}
		}
		if g.asked != asked+1 || first[0].Only != 0 || first[0].NoText {
			t.Errorf("the text was read %d times: %+v", g.asked-asked, first)
		}
		if err := s.ReplaceOwn([]OwnRules{{Level: Own, Kind: Deny}}); err != nil {
			t.Fatal(err)
		}
		if again, _ := s.Overlaps(t.Context()); &again[0] != &first[0] {
			t.Error("counted again though no list has changed")
		}
		s.lists[1].Fetcher.(*shop).put("||b.example^\n", "2", nil)
		if err := s.Refresh(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		if again, err := s.Overlaps(t.Context()); err != nil || again[0].Only != 1 {
			t.Errorf("after a change: %+v, %v", again, err)
		}
	})
}

// The end of Run ends a count.
func TestOverlapsEndWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := barredStore(t)
		stop := running(t, s)
		told := make(chan error)
		go func() {
			_, err := s.Overlaps(t.Context())
			told <- err
		}()
		synctest.Wait()
		stop()
		close(g.shut)
		if err := <-told; err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}

// Two million rules in eight lists, a quarter of which are in two of them, and as
// many below what another one has.
func BenchmarkOverlaps(b *testing.B) {
	const lists, rules = 8, 250_000
	var texts []string
	for i := range lists {
		var text bytes.Buffer
		for n := i * rules; n < (i+1)*rules; n++ {
			switch n % 4 {
			case 0:
				fmt.Fprintf(&text, "||%s^\n", nameOf((n+rules+1)%(lists*rules)))
			case 1:
				fmt.Fprintf(&text, "||%s^\n", nameOf(n))
			case 2:
				fmt.Fprintf(&text, "||www.%s^\n", nameOf((n+rules-1)%(lists*rules)))
			case 3:
				fmt.Fprintf(&text, "||%s^\n", nameOf(n))
			}
		}
		texts = append(texts, text.String())
	}
	for _, gentle := range []bool{false, true} {
		b.Run(fmt.Sprintf("gentle=%v", gentle), func(b *testing.B) {
			s := overlapStore(b, b.TempDir(), texts...)
			s.gentle.Store(gentle)
			b.ReportAllocs()
			for b.Loop() {
				s.overlaps.last = nil
				if _, err := s.Overlaps(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(lists*rules), "ns/rule")
		})
	}
}
