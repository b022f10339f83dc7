package lists

import (
	"cmp"
	_ "embed"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

//go:embed builtin/popular.txt
var popularText string

// Popular is what becomes of a new rule that denies a popular name.
type Popular uint8

const (
	PopularFlag Popular = iota // it is used and told of
	PopularHold                // it is left out until a forced refresh accepts it
	PopularOff                 // nobody looks
)

// ParsePopular reads the value of a list's popular.
func ParsePopular(s string) (Popular, error) {
	switch s {
	case "flag":
		return PopularFlag, nil
	case "hold":
		return PopularHold, nil
	case "off":
		return PopularOff, nil
	}
	return PopularFlag, fmt.Errorf("%q is none of \"flag\", \"hold\", \"off\"", s)
}

// popularSetting is what becomes of such rules: an allow list has none.
func (c *Config) popularSetting() Popular {
	if c.Kind == Allow {
		return PopularOff
	}
	return c.Popular
}

// PopularRule is a rule that a refresh brought and that denies popular names.
type PopularRule struct {
	Rule  string   // as written in adblock lists
	Line  int      // in the list when it came
	Names []string // the first of them
	Count int      // of all of them
	Asked int      // names, popular or not, that this household has asked for of late; they are not told
	Held  bool     // it is left out until a forced refresh
}

// Bounds of what is kept of such rules.
const (
	maxPopular = 1000 // rules, held and flagged each
	maxNames   = 5    // of a rule
)

// hit is a PopularRule as it is stored.
type hit struct {
	Rule  Rule
	Names []string
	Count int
	Asked int `json:",omitempty"`
}

func (h *hit) add(name string) {
	if len(h.Names) < maxNames {
		h.Names = append(h.Names, name)
	}
	h.Count++
}

// popular is what is remembered of a copy's rules about popular names.
type popular struct {
	Held    []hit `json:",omitempty"` // left out of the compiled list
	Flagged []hit `json:",omitempty"` // in use
}

// has says whether a rule is already known to be about popular names.
func (p *popular) has(r *Rule) bool {
	for _, hits := range [][]hit{p.Held, p.Flagged} {
		for i := range hits {
			if hits[i].Rule.same(r) {
				return true
			}
		}
	}
	return false
}

// rules are those of p, for people; kind is that of the list.
func (p *popular) rules(kind Action) (all []PopularRule) {
	add := func(hits []hit, held bool) {
		for _, h := range hits {
			all = append(all, PopularRule{h.Rule.written(kind), int(h.Rule.Line), h.Names, h.Count, h.Asked, held})
		}
	}
	add(p.Held, true)
	add(p.Flagged, false)
	return all
}

// settle takes over a setting that has changed since p was stored: what it no
// longer holds comes to use.
func (p *popular) settle(setting Popular) {
	switch setting {
	case PopularFlag:
		p.Flagged = atMost(append(p.Flagged, p.Held...))
		p.Held = nil
	case PopularOff:
		*p = popular{}
	}
}

func atMost(hits []hit) []hit { return hits[:min(len(hits), maxPopular)] }

// popularNames are the names that come with the program, and those that a household has
// asked for.
type popularNames struct {
	names    []string        // those with fewer labels first, since they say more
	asked    []string        // by the household; they are counted, and named nowhere
	suffixes map[string]bool // the names and all above them
}

func readPopular(asked []string) *popularNames {
	p := &popularNames{suffixes: map[string]bool{}, asked: asked}
	for _, name := range asked {
		p.above(name)
	}
	for line := range strings.Lines(popularText) {
		name := strings.TrimSpace(line)
		if name == "" || name[0] == '#' {
			continue
		}
		p.names = append(p.names, name)
		p.above(name)
	}
	slices.SortStableFunc(p.names, func(a, b string) int { return cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")) })
	return p
}

// above notes a name and all above it.
func (p *popularNames) above(name string) {
	for above, more := name, true; more; _, above, more = strings.Cut(above, ".") {
		p.suffixes[above] = true
	}
}

// near says whether a rule could be about one of the names.
func (p *popularNames) near(r *Rule) bool {
	switch {
	case !r.Shape.hashed():
		return true
	case r.Shape == Address:
		return false
	}
	return p.suffixes[r.Name]
}

// askedTypes are the types that a browser asks for (IANA, "DNS Parameters"): A,
// AAAA and HTTPS.
var askedTypes = [...]uint16{1, 28, 65}

// denied are the rules among those, of one text, that deny names which before
// lets through, or rewrite their answers, by order; an exception among them
// counts. Rules for some clients only concern nobody here. See ParseOptions.Gentle.
func (p *popularNames) denied(rules []Rule, before *List, seed Seed, gentle bool) []hit {
	if len(rules) == 0 {
		return nil
	}
	b := NewBuilder(before.Name, Deny, seed)
	types := askedTypes[:1]
	for i, r := range rules {
		if len(r.Types) > 0 {
			types = askedTypes[:]
		}
		r.Line = uint32(i + 1) // by which it is found again
		b.Add(r)
	}
	fresh, old := NewSet(seed, b.Build()), NewSet(seed, before)
	hits := make([]hit, len(rules))
	work := worker{gentle: gentle}
	judge := func(name string, note func(*hit)) {
		work.step()
		last := map[uint32]bool{} // rules that were found for another type
		for _, t := range types {
			if old.Match([]byte(name), t, nil).Action == Deny {
				continue
			}
			for _, v := range fresh.Explain([]byte(name), t, nil) {
				if v.Action == Allow {
					break // it wins against all that follow
				}
				if !last[v.Line] {
					last[v.Line] = true
					note(&hits[v.Line-1])
				}
			}
		}
	}
	for _, name := range p.names {
		judge(name, func(h *hit) { h.add(name) })
	}
	for _, name := range p.asked {
		judge(name, func(h *hit) { h.Asked++ })
	}
	runtime.KeepAlive(before)
	var found []hit
	for i := range hits {
		if hits[i].Count+hits[i].Asked > 0 {
			hits[i].Rule = rules[i]
			found = append(found, hits[i])
		}
	}
	return found
}
