package lists

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// setOf builds a set of own rules and of lists, each a text in adblock syntax.
func setOf(t testing.TB, own string, texts ...string) *Set {
	t.Helper()
	build := func(name, text string, level Level) *List {
		b := NewBuilder(name, Deny, Seed{1}).At(level)
		for i, line := range strings.Fields(text) {
			rules, err := ParseRule(strings.TrimSuffix(line, "$badfilter"), Deny)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rules {
				r.Line = uint32(i + 1)
				r.Cancel = strings.HasSuffix(line, "$badfilter")
				b.Add(r)
			}
		}
		return b.Build()
	}
	var all []*List
	if own != "" {
		all = append(all, build(OwnList, own, Own))
	}
	for i, text := range texts {
		all = append(all, build(fmt.Sprint("list", i+1), text, Listed))
	}
	return NewSet(Seed{1}, all...)
}

func TestPrecedence(t *testing.T) {
	cases := []struct {
		name, own string
		lists     []string
		asked     string
		want      Action
		list      string
		line      uint32
	}{
		{"nothing", "", nil, "a.example", None, "", 0},
		{"deny", "", []string{"||a.example^"}, "x.a.example", Deny, "list1", 1},
		{"allow beats deny", "", []string{"||x.a.example^", "@@||a.example^"}, "x.a.example", Allow, "list2", 1},
		{"important deny beats allow", "", []string{"||a.example^$important", "@@||x.a.example^"}, "x.a.example", Deny, "list1", 1},
		{"important allow beats important deny", "", []string{"||a.example^$important", "@@||a.example^$important"}, "a.example", Allow, "list2", 1},
		{"own deny beats important", "a.example", []string{"@@||a.example^$important"}, "a.example", Deny, OwnList, 1},
		{"own allow beats own deny", "a.example @@x.a.example", []string{"||a.example^$important"}, "x.a.example", Allow, OwnList, 2},
		{"the nearest name decides", "", []string{"||example^ ||a.example^"}, "x.a.example", Deny, "list1", 2},
		{"the first list decides", "", []string{"||a.example^", "||a.example^"}, "a.example", Deny, "list1", 1},
		{"names before patterns", "", []string{"||a*ple^ ||example^"}, "a.example", Deny, "list1", 2},
		{"the whole top level", "", []string{"||zip^"}, "a.b.zip", Deny, "list1", 1},
		{"not a part of a label", "", []string{"||ample^"}, "a.example", None, "", 0},
		{"below only", "", []string{"||*.a.example^"}, "a.example", None, "", 0},
		{"below", "", []string{"||*.a.example^"}, "x.a.example", Deny, "list1", 1},
		{"pattern", "", []string{"||ads*.example^"}, "x.ads7.example", Deny, "list1", 1},
		{"pattern to the end", "", []string{"||ads*.example^"}, "x.ads7.example.org", None, "", 0},
		{"expression", "", []string{"/^ad[sx]\\./"}, "adx.example", Deny, "list1", 1},
		{"badfilter", "", []string{"||a.example^ ||a.example^$badfilter"}, "a.example", None, "", 0},
		{"badfilter in another list", "", []string{"||a.example^", "||a.example^$badfilter"}, "a.example", Deny, "list1", 1},
		{"denyallow", "", []string{"||example^$denyallow=a.example"}, "x.a.example", None, "", 0},
		{"denyallow elsewhere", "", []string{"||example^$denyallow=a.example"}, "b.example", Deny, "list1", 1},
		{"type", "", []string{"||a.example^$dnstype=AAAA"}, "a.example", None, "", 0},
		{"not type", "", []string{"||a.example^$dnstype=~AAAA"}, "a.example", Deny, "list1", 1},
		{"first of the same", "", []string{"||b.example^ ||a.example^ ||a.example^"}, "a.example", Deny, "list1", 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			set := setOf(t, c.own, c.lists...)
			v := set.Match([]byte(c.asked), 1, nil)
			list := ""
			if v.List != nil {
				list = v.List.Name
			}
			if v.Action != c.want || list != c.list || v.Line != c.line && v.Line != 0 {
				t.Errorf("%v by %s:%d, want %v by %s:%d", v.Action, list, v.Line, c.want, c.list, c.line)
			}
			all := set.Explain([]byte(c.asked), 1, nil)
			v.Line = c.line // a joined set leaves it out
			if c.want == None && len(all) > 0 || c.want != None && (len(all) == 0 || !reflect.DeepEqual(all[0], v)) {
				t.Errorf("explained as %v", all)
			}
		})
	}
}

// obvious is what a set should say, worked out slowly: the strongest of all rules.
func obvious(rules []Rule, name string) Action {
	best, action := 0, None
	for _, r := range rules {
		is := name == r.Name
		below := strings.HasSuffix(name, "."+r.Name)
		if !(r.Shape == Exact && is || r.Shape == Subtree && (is || below) || r.Shape == Below && below) {
			continue
		}
		strength := 1
		if r.Important {
			strength = 3
		}
		if r.Action == Allow {
			strength++
		}
		if strength > best {
			best, action = strength, r.Action
		}
	}
	return action
}

func TestSetAgreesWithTheObvious(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		labels := make([]string, 1+random.IntN(4))
		for i := range labels {
			labels[i] = string(rune('a' + random.IntN(3)))
		}
		return strings.Join(labels, ".")
	}
	for range 300 {
		var rules []Rule
		b := NewBuilder("t", Deny, Seed{3})
		parts := [2]*Builder{NewBuilder("one", Deny, Seed{3}), NewBuilder("two", Deny, Seed{3})}
		for i := range random.IntN(12) {
			r := Rule{Action: Deny + Action(random.IntN(2)), Shape: Shape(random.IntN(3)), Name: name(), Important: random.IntN(4) == 0, Line: 1}
			rules = append(rules, r)
			b.Add(r)
			parts[i%2].Add(r)
		}
		l := b.Build()
		joined := NewSet(Seed{3}, parts[0].Build(), parts[1].Build())
		again, err := ReadList(written(t, l, Seed{3}), Seed{3}, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			asked := name()
			want := obvious(rules, asked)
			if got := joined.Match([]byte(asked), 1, nil).Action; got != want {
				t.Fatalf("%s in two lists: %v, want %v by %+v", asked, got, want, rules)
			}
			for _, list := range []*List{l, again} {
				if got := NewSet(Seed{3}, list).Match([]byte(asked), 1, nil).Action; got != want {
					t.Fatalf("%s: %v, want %v by %+v", asked, got, want, rules)
				}
			}
		}
	}
}

// Labels are found a word at a time as they are byte by byte.
func TestLabelStart(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for range 100_000 {
		name := make([]byte, random.IntN(40))
		for i := range name {
			name[i] = "..-/\x00\x2f\xae\xffab"[random.IntN(10)]
		}
		for end := range len(name) + 1 {
			want := end
			for want > 0 && name[want-1] != '.' {
				want--
			}
			if got := labelStart(name, end); got != want {
				t.Fatalf("%q before %d: %d, want %d", name, end, got, want)
			}
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	set := setOf(t, "mine.example", "||a.example^ ||b.example^$dnstype=A ||ads*.d.example^ /^track[0-9]+\\./", "@@||c.example^")
	for _, name := range []string{"www.some.where.example", "x.a.example", "b.example", "c.example", "ads1.d.example", "track1.example"} {
		asked := []byte(name)
		if n := testing.AllocsPerRun(100, func() { set.Match(asked, 1, nil) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func storedList(t testing.TB) []byte {
	set := setOf(t, "", "||a.example^ @@||b.example^$important ||c.example^$dnstype=A /^x/ ||ads*.example^")
	return written(t, set.Lists()[0], Seed{1})
}

// written is the stored form of a list.
func written(t testing.TB, l *List, seed Seed) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := l.Write(&b, seed, false); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDamagedListIsRefused(t *testing.T) {
	stored := storedList(t)
	if l, err := ReadList(stored, Seed{1}, false); err != nil || l.Entries() != 5 {
		t.Fatalf("%v, %v", l, err)
	}
	if _, err := ReadList(stored, Seed{2}, false); err == nil {
		t.Error("a list of another installation was read")
	}
	for i := range stored {
		damaged := bytes.Clone(stored)
		damaged[i] ^= 0x10
		if _, err := ReadList(damaged, Seed{1}, false); err == nil {
			t.Errorf("a list with byte %d changed was read", i)
		}
		if _, err := ReadList(stored[:i], Seed{1}, false); err == nil {
			t.Errorf("the first %d bytes were read", i)
		}
	}
}

func FuzzReadList(f *testing.F) {
	f.Add(storedList(f))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadList(b, Seed{1}, false)
		if err != nil {
			return
		}
		set := NewSet(Seed{1}, l)
		set.Match([]byte("a.b.example"), 1, nil)
		set.Explain([]byte("a.b.example"), 1, nil)
	})
}
