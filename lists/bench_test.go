package lists

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// many is a list of n names.
func many(n int) *List { return manyOf(0, n) }

// manyOf is a list of n names of a longer list. One in sixteen is allowed.
func manyOf(first, n int) *List {
	b := NewBuilder(fmt.Sprint("from ", first), Deny, Seed{1})
	for i := first; i < first+n; i++ {
		action := Deny
		if i%16 == 0 {
			action = Allow
		}
		b.Add(Rule{Action: action, Shape: Subtree, Name: nameOf(i), Line: uint32(i + 1)})
	}
	return b.Build()
}

// nameOf is the name of a rule: of two to four labels, in the shares that real
// lists have.
func nameOf(i int) string {
	switch {
	case i%20 < 10:
		return fmt.Sprintf("tracker%d.com", i)
	case i%20 < 17:
		return fmt.Sprintf("ads.tracker%d.net", i)
	}
	return fmt.Sprintf("eu.metrics.tracker%d.org", i)
}

// A million rules in one list and in eight; names are asked for at random, so
// that they are not in the processor's caches.
func BenchmarkMatch(b *testing.B) {
	const rules = 1_000_000
	const parts = 8
	one := []*List{manyOf(0, rules)}
	var eight []*List
	for i := range parts {
		eight = append(eight, manyOf(i*rules/parts, rules/parts))
	}
	random := rand.New(rand.NewPCG(1, 1))
	asked := map[string][][]byte{}
	for range 1 << 16 {
		n := random.IntN(rules)
		asked["hit"] = append(asked["hit"], []byte(nameOf(n)))
		asked["below"] = append(asked["below"], []byte("www."+nameOf(n)))
		asked["miss"] = append(asked["miss"], fmt.Appendf(nil, "www.site%d.org", n))
	}
	for _, c := range []struct {
		name  string
		lists []*List
	}{{"1 list", one}, {"8 lists", eight}} {
		set := NewSet(Seed{1}, c.lists...)
		// What the machine takes for one access to memory of that size, for comparison.
		b.Run(c.name+"/access", func(b *testing.B) {
			at := 0
			for i := uint64(0); b.Loop(); i++ { // each says where the next is
				at = set.listed.home((set.listed.buckets[at].hashes[0] + i) * 0x9e3779b97f4a7c15)
			}
			runtime.KeepAlive(at)
		})
		for _, kind := range []string{"hit", "below", "miss"} {
			b.Run(c.name+"/"+kind, func(b *testing.B) {
				names := asked[kind]
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					set.Match(names[i%len(names)], 1, nil)
				}
				b.ReportMetric(float64(len(set.listed.buckets)*bucketBytes)/rules, "B/rule")
			})
		}
	}
}

// The longest name there can be, all of whose suffixes may have rules.
func BenchmarkMatchLongest(b *testing.B) {
	text := ""
	for depth := range 127 {
		text += "||" + strings.Repeat("a.", depth) + "b^ "
	}
	set := setOf(b, "", text)
	name := []byte(strings.Repeat("a.", 126) + "c")
	b.ReportAllocs()
	for b.Loop() {
		set.Match(name, 1, nil)
	}
}

// What a thousand patterns and expressions add to a name that none matches.
func BenchmarkMatchPatterns(b *testing.B) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "||ad%dx*.example^ /^(.+[_.-])?tracker%d[0-9]*\\.[a-z]+$/ ", i, i)
	}
	set := setOf(b, "", text.String())
	names := [][]byte{[]byte("www.site.example.org"), []byte("static.cdn.some-page.net"), []byte("telemetry.vendor.com"), []byte("adtracker.site.org")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		set.Match(names[i%len(names)], 1, nil)
	}
}

// texts are a list of n rules as its maker writes it.
func texts(n int) map[string][]byte {
	all := map[string][]byte{}
	for i := range n {
		name := fmt.Sprintf("host%d.tracker%d.example", i, i%5000)
		all["domains"] = fmt.Appendf(all["domains"], "%s\n", name)
		all["hosts"] = fmt.Appendf(all["hosts"], "0.0.0.0 %s\n", name)
		all["adblock"] = fmt.Appendf(all["adblock"], "||%s^\n", name)
		all["dnsmasq"] = fmt.Appendf(all["dnsmasq"], "local=/%s/\n", name)
		all["unbound"] = fmt.Appendf(all["unbound"], "local-zone: \"%s\" always_nxdomain\n", name)
		all["rpz"] = fmt.Appendf(all["rpz"], "%s CNAME .\n", name)
	}
	return all
}

func BenchmarkParse(b *testing.B) {
	for format, text := range texts(100_000) {
		b.Run(format, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				rules := 0
				if _, err := Parse(bytes.NewReader(text), ParseOptions{}, func(Rule) { rules++ }, func(Skip) {}); err != nil || rules != 100_000 {
					b.Fatal(rules, err)
				}
			}
		})
	}
}

// From a text of a million rules to a list that is ready to be used and stored.
func BenchmarkCompile(b *testing.B) {
	const rules = 1_000_000
	text := texts(rules)["domains"]
	debug.FreeOSMemory()
	peak := watchMemory()
	for b.Loop() {
		builder := NewBuilder("million", Deny, Seed{1})
		if _, err := Parse(bytes.NewReader(text), ParseOptions{}, builder.Add, func(Skip) {}); err != nil {
			b.Fatal(err)
		}
		if err := builder.Build().Write(io.Discard, Seed{1}, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(peak())/(1<<20), "MiB-peak")
	b.ReportMetric(rules*float64(b.N)/b.Elapsed().Seconds(), "rules/s")
}

// watchMemory returns a function that tells by how many bytes the resident memory
// has grown at most since; 0 where the system does not tell.
func watchMemory() func() int {
	resident := func() (pages int) {
		b, _ := os.ReadFile("/proc/self/statm")
		fmt.Sscan(string(b), new(int), &pages)
		return pages
	}
	var most atomic.Int64
	before, done := resident(), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				most.Store(max(most.Load(), int64(resident())))
			}
		}
	}()
	return func() int {
		close(done)
		return max(int(most.Load())-before, 0) * os.Getpagesize()
	}
}

// A list that takes out many of its own rules.
func BenchmarkBuildCancelled(b *testing.B) {
	for b.Loop() {
		builder := NewBuilder("cancelled", Deny, Seed{1})
		for i := range 200_000 {
			name := fmt.Sprintf("n%d.example", i)
			builder.Add(Rule{Shape: Subtree, Name: name})
			if i%10 == 0 {
				builder.Add(Rule{Shape: Subtree, Name: name, Cancel: true})
				builder.Add(Rule{Shape: Subtree, Name: name, Types: []uint16{1}})
				builder.Add(Rule{Shape: Subtree, Name: name, Types: []uint16{1}, Cancel: true})
			}
		}
		if list := builder.Build(); list.Entries() != 180_000 {
			b.Fatalf("%d rules are left", list.Entries())
		}
	}
}

func BenchmarkReadList(b *testing.B) {
	stored := written(b, many(682_000), Seed{1})
	b.SetBytes(int64(len(stored)))
	for b.Loop() {
		if _, err := ReadList(stored, Seed{1}, false); err != nil {
			b.Fatal(err)
		}
	}
}
