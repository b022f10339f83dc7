package lists

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	p := NewPlaces(130)
	for _, place := range []int{0, 63, 64, 129} {
		p.Add(place)
	}
	for place := range 300 {
		if want := place == 0 || place == 63 || place == 64 || place == 129; p.Has(place) != want {
			t.Errorf("%d: %v, want %v", place, p.Has(place), want)
		}
	}
	if NewPlaces(0).Has(0) {
		t.Error("the empty set has a place")
	}
}

// somebody asks, and some of n lists apply.
func somebody(random *rand.Rand, n int) *Who {
	switch random.IntN(4) {
	case 0:
		return nil
	case 1:
		return &Who{Name: "Mum"}
	}
	who := &Who{Lists: NewPlaces(n)}
	for place := range n {
		if random.IntN(2) == 0 {
			who.Lists.Add(place)
		}
	}
	return who
}

// Lists that do not apply do not count, whether they are joined with others or
// alone on their level.
func TestOnlyListsThatApplyCount(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	seed := Seed{5}
	name := func() string {
		labels := make([]string, 1+random.IntN(3))
		for i := range labels {
			labels[i] = "abcd"[:2+random.IntN(3)]
		}
		return strings.Join(labels, ".")
	}
	found := map[Action]int{}
	for range 300 {
		n := 1 + random.IntN(70) // more than a word of places now and then
		if random.IntN(4) > 0 {
			n = 1 + random.IntN(4)
		}
		rules, all := make([][]Rule, n), make([]*List, n)
		for place := range all {
			b := NewBuilder(fmt.Sprint(place), Deny, seed)
			for range random.IntN(4) {
				r := Rule{Action: Deny + Action(random.IntN(2)), Shape: Shape(random.IntN(3)), Name: name(), Important: random.IntN(4) == 0, Line: 1}
				rules[place] = append(rules[place], r)
				if random.IntN(3) == 0 { // the same rule with a modifier that asks for nothing
					r.Types, r.NotTypes = []uint16{99}, true
				}
				b.Add(r)
			}
			all[place] = b.Build()
		}
		set := NewSet(seed, all...)
		for range 30 {
			asked, who := name(), somebody(random, n)
			var applying []Rule
			for place := range rules {
				if who == nil || who.Lists == nil || who.Lists.Has(place) {
					applying = append(applying, rules[place]...)
				}
			}
			want := obvious(applying, asked)
			v := set.Match([]byte(asked), 1, who)
			found[v.Action]++
			if v.Action != want {
				t.Fatalf("%s for %+v: %v, want %v by %+v", asked, who, v.Action, want, rules)
			}
			explained := set.Explain([]byte(asked), 1, who)
			if want != None && (len(explained) == 0 || explained[0].Action != want || explained[0].List != v.List) || want == None && len(explained) > 0 {
				t.Fatalf("%s for %+v: explained as %v, want %v", asked, who, explained, v)
			}
		}
	}
	for _, a := range []Action{None, Deny, Allow} {
		if found[a] < 100 {
			t.Errorf("%v only %d times", a, found[a])
		}
	}
}

// Patterns and rewritings of lists that do not apply do not count either.
func TestPatternsAndRewritingsOfOtherLists(t *testing.T) {
	set := NewSet(Seed{1}, listOf(t, Seed{1}, "track*.example^"), listOf(t, Seed{1}, "||track1.example^$dnsrewrite=192.0.2.1"),
		listOf(t, Seed{1}, "@@||track1.example^$dnsrewrite"), listOf(t, Seed{1}, "||track1.example^$dnsrewrite=192.0.2.2"))
	for places, want := range map[string]string{
		"":     "untouched",
		"0":    "blocked",
		"1":    "rewritten NOERROR;A;192.0.2.1",
		"01":   "rewritten NOERROR;A;192.0.2.1",
		"3":    "rewritten NOERROR;A;192.0.2.2",
		"13":   "rewritten NOERROR;A;192.0.2.1 NOERROR;A;192.0.2.2",
		"12":   "untouched",
		"2":    "untouched",
		"0123": "blocked",
	} {
		who := &Who{Lists: NewPlaces(4)}
		for _, place := range places {
			who.Lists.Add(int(place - '0'))
		}
		if got := verdictText(set.Match([]byte("track1.example"), 1, who)); got != want {
			t.Errorf("lists %q: %s, want %s", places, got, want)
		}
		for _, v := range set.Explain([]byte("track1.example"), 1, who) {
			if (v.Action == Rewrite) != (len(v.Rewrites()) > 0) {
				t.Errorf("lists %q: explained as %v", places, v)
			}
		}
	}
}

func TestMatchForSomebodyDoesNotAllocate(t *testing.T) {
	texts := []string{
		"||a.example^\n||b.example^$dnstype=A\n198.51.100.0/24\n2001:db8::/32",
		"@@||c.example^\n||c.example^\n||m.example^$client=~'Dad'|Mum\n198.51.100.7$client=192.0.2.0/24",
		"/^track[0-9]+\\./\nads*.d.example^\n@@198.51.100.9",
	}
	var all []*List
	for _, text := range texts {
		all = append(all, listOf(t, Seed{1}, text))
	}
	who := &Who{Lists: NewPlaces(3), Address: netip.MustParseAddr("192.0.2.7"), Name: "Mum"}
	for place := range all {
		who.Lists.Add(place)
	}
	for how, set := range map[string]*Set{"joined": NewSet(Seed{1}, all...), "alone": NewSet(Seed{1}, all[1])} {
		for _, name := range []string{"www.some.where.example", "x.a.example", "b.example", "c.example", "m.example", "ads1.d.example", "track1.example"} {
			asked, most := []byte(name), 0.0
			if name == "track1.example" && raceDetector() {
				most = 4 // of package regexp: then its sync.Pool loses a quarter of what it has, at random
			}
			if n := testing.AllocsPerRun(100, func() { set.Match(asked, 1, who) }); n > most {
				t.Errorf("%s, %s: %v allocations", how, name, n)
			}
		}
		for _, address := range []string{"198.51.100.7", "198.51.100.9", "203.0.113.1", "2001:db8::1", "2001:db9::1"} {
			ip := netip.MustParseAddr(address)
			if n := testing.AllocsPerRun(100, func() { set.MatchAddress(ip, 1, who) }); n > 0 {
				t.Errorf("%s, %s: %v allocations", how, address, n)
			}
		}
	}
}

// raceDetector says whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
