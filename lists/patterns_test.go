package lists

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The search by three bytes finds what holding a name against every rule finds.
func TestPatternsAgreeWithTheObvious(t *testing.T) {
	var all patterns
	for _, pattern := range []string{"||ads*.example^", "ban*ner", "||abcd", "|abcd.", "a*b", "*", "abcd^", "||ab^", "trac*ker*.net^"} {
		all.add(Rule{Action: Deny, Shape: Pattern, Pattern: pattern})
	}
	for _, expression := range []string{`^ads[0-9]+\.`, `(abcd)+x`, `ABCD`, `abcd|efgh`, `(banner|tracker)\.net$`, `track{2}er`, `.`, `^$`, `(abcd)?`,
		`\bban.*ner\b`, `ſabc`, `Kabcd`, `[a]bcd`, `(?i)AbCd\.example`, `a.*b.*cdef`} {
		all.add(Rule{Action: Deny, Shape: Regexp, Pattern: expression})
	}
	all.index()
	if want := 24; all.len() != want {
		t.Fatalf("%d rules, want %d", all.len(), want)
	}
	parts := []string{"ads", "ads12", ".", ".example", "abcd", "x", "ban", "banner", "tracker", ".net", "trackker", "a", "b", "efgh", "sabc", "kabcd", "cdef"}
	random := rand.New(rand.NewPCG(5, 5))
	matched := map[int]bool{}
	for range 20_000 {
		var name []byte
		for range 1 + random.IntN(6) {
			name = append(name, parts[random.IntN(len(parts))]...)
		}
		var want, got []int
		for i := range all.rules {
			if all.rules[i].matches(name) {
				want = append(want, i)
				matched[i] = true
			}
		}
		all.each(&asking{name: name, qtype: 1}, func(r *complexRule) {
			got = append(got, slices.IndexFunc(all.rules, func(o complexRule) bool { return o.Pattern == r.Pattern }))
		})
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", name, got, want)
		}
	}
	for i, r := range all.rules {
		if !matched[i] && r.Pattern != `^$` {
			t.Errorf("%s has matched nothing", r.Pattern)
		}
	}
	if len(all.always) != 8 {
		var names []string
		for _, i := range all.always {
			names = append(names, all.rules[i].Pattern)
		}
		t.Errorf("held against every name: %s", strings.Join(names, "  "))
	}
}
