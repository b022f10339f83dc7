package lists

import (
	"math/bits"
	"regexp/syntax"
	"strings"
)

// patterns are rules without a name of their own. Each is found by three bytes
// that every match must contain, so that a name is not held against all of them;
// the few without such bytes always are.
type patterns struct {
	rules  []complexRule
	byGram map[gram][]int
	filter gramFilter // of the keys of byGram
	always []int
}

// gramSize is how many bytes of a pattern's fixed text find it.
const gramSize = 3

// gram is so many bytes, little-endian.
type gram uint32

func gramAt[Text string | []byte](text Text, at int) gram {
	return gram(text[at]) | gram(text[at+1])<<8 | gram(text[at+2])<<16
}

// gramFilter tells most grams that no pattern has without a look at the map: a
// set of bits by hash, of which there are a power of two.
type gramFilter struct {
	bits  []uint64
	shift uint8
}

// Sizes of a filter: so many bits a rule, and at least so many in all.
const (
	filterBitsPerRule = 16
	filterLeast       = 1 << 10
)

func newGramFilter(rules int) gramFilter {
	log := bits.Len(uint(max(rules*filterBitsPerRule, filterLeast) - 1))
	return gramFilter{make([]uint64, 1<<log/64), uint8(32 - log)}
}

// bit is where g's bit is. The factor is 2^32 divided by the golden ratio
// (Knuth, "The Art of Computer Programming", volume 3, section 6.4).
func (f *gramFilter) bit(g gram) (word uint32, mask uint64) {
	hash := uint32(g) * 0x9e3779b1 >> f.shift
	return hash / 64, 1 << (hash % 64)
}

func (f *gramFilter) add(g gram) {
	word, mask := f.bit(g)
	f.bits[word] |= mask
}

func (f *gramFilter) has(g gram) bool {
	word, mask := f.bit(g)
	return f.bits[word]&mask != 0
}

func (p *patterns) len() int { return len(p.rules) }

// add takes a Pattern or Regexp rule; the expression was compiled once when it
// was parsed.
func (p *patterns) add(r Rule) {
	c := complexRule{Rule: r}
	if r.Shape == Regexp {
		expression, err := compileExpression(r.Pattern)
		if err != nil {
			return
		}
		c.expression = expression
	}
	p.rules = append(p.rules, c)
}

// index prepares the search: of all its grams, each rule is found by the one that
// fewest rules have.
func (p *patterns) index() {
	p.byGram, p.filter, p.always = map[gram][]int{}, newGramFilter(len(p.rules)), nil
	common := map[gram]int{}
	for i := range p.rules {
		p.rules[i].eachGram(func(g gram) { common[g]++ })
	}
	for i := range p.rules {
		best, found := gram(0), false
		p.rules[i].eachGram(func(g gram) {
			if !found || common[g] < common[best] {
				best, found = g, true
			}
		})
		if !found {
			p.always = append(p.always, i)
			continue
		}
		p.byGram[best] = append(p.byGram[best], i)
		p.filter.add(best)
	}
}

// each calls found with every rule that matches; it may do so twice for a name
// that repeats itself.
func (p *patterns) each(q *asking, found func(*complexRule)) {
	for _, i := range p.always {
		p.try(i, q, found)
	}
	if len(p.byGram) == 0 {
		return
	}
	for at := 0; at+gramSize <= len(q.name); at++ {
		if g := gramAt(q.name, at); p.filter.has(g) {
			for _, i := range p.byGram[g] {
				p.try(i, q, found)
			}
		}
	}
}

func (p *patterns) try(i int, q *asking, found func(*complexRule)) {
	if r := &p.rules[i]; r.matches(q.name) && r.applies(q) {
		found(r)
	}
}

// eachGram calls f with all grams that every match contains.
func (r *complexRule) eachGram(f func(gram)) {
	for _, text := range r.fixed() {
		for at := 0; at+gramSize <= len(text); at++ {
			f(gramAt(text, at))
		}
	}
}

// fixed are texts that every match contains.
func (r *complexRule) fixed() []string {
	if r.Shape == Pattern {
		return strings.FieldsFunc(r.Pattern, func(c rune) bool { return c == '*' || c == '|' || c == '^' })
	}
	parsed, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return fixedTexts(parsed.Simplify(), nil)
}

// fixedTexts appends the literals that a match of re must contain, in lower case
// like all names.
func fixedTexts(re *syntax.Regexp, texts []string) []string {
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if c >= 0x80 { // some of these match ASCII when case does not matter
				return texts
			}
		}
		return append(texts, strings.ToLower(string(re.Rune)))
	case syntax.OpCapture, syntax.OpPlus:
		return fixedTexts(re.Sub[0], texts)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			texts = fixedTexts(sub, texts)
		}
	}
	return texts
}
