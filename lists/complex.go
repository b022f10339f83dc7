package lists

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// complexRule is a rule that asks for more than a name.
type complexRule struct {
	Rule
	expression *regexp.Regexp // of a Regexp rule
}

// applies says whether the modifiers let the rule speak about name and qtype.
func (r *Rule) applies(name []byte, qtype uint16) bool {
	if len(r.Types) > 0 && slices.Contains(r.Types, qtype) == r.NotTypes {
		return false
	}
	for _, spared := range r.DenyAllow {
		if within(name, spared) {
			return false
		}
	}
	return true
}

// within says whether name is suffix or lies below it.
func within(name []byte, suffix string) bool {
	n, s := len(name), len(suffix)
	return n >= s && string(name[n-s:]) == suffix && (n == s || name[n-s-1] == '.')
}

// gramSize is how many bytes of a pattern's fixed text find it.
const gramSize = 4

type gram [gramSize]byte

// patterns are rules without a name of their own. Each is found by four bytes
// that every match must contain, so that a name is not held against all of them;
// the few without such bytes always are.
type patterns struct {
	rules  []complexRule
	byGram map[gram][]int
	always []int
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

// index prepares the search.
func (p *patterns) index() {
	p.byGram, p.always = map[gram][]int{}, nil
	for i := range p.rules {
		text := p.rules[i].fixed()
		if len(text) < gramSize {
			p.always = append(p.always, i)
			continue
		}
		// Of all its grams the one that leads to fewest others.
		best := gram([]byte(text[:gramSize]))
		for at := 1; at+gramSize <= len(text); at++ {
			if g := gram([]byte(text[at : at+gramSize])); len(p.byGram[g]) < len(p.byGram[best]) {
				best = g
			}
		}
		p.byGram[best] = append(p.byGram[best], i)
	}
}

// each calls found with every rule that matches; it may do so twice for a name
// that repeats itself.
func (p *patterns) each(name []byte, qtype uint16, found func(*complexRule)) {
	try := func(i int) {
		if r := &p.rules[i]; r.matches(name) && r.applies(name, qtype) {
			found(r)
		}
	}
	for _, i := range p.always {
		try(i)
	}
	if len(p.byGram) == 0 {
		return
	}
	for at := 0; at+gramSize <= len(name); at++ {
		for _, i := range p.byGram[gram(name[at:at+gramSize])] {
			try(i)
		}
	}
}

func (r *complexRule) matches(name []byte) bool {
	if r.Shape == Regexp {
		return r.expression.Match(name)
	}
	return matchPattern(r.Pattern, name)
}

// fixed is the longest text that every match contains.
func (r *complexRule) fixed() string {
	longest := ""
	if r.Shape == Pattern {
		for _, part := range strings.FieldsFunc(r.Pattern, func(c rune) bool { return c == '*' || c == '|' || c == '^' }) {
			if len(part) > len(longest) {
				longest = part
			}
		}
		return longest
	}
	parsed, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	return fixedText(parsed.Simplify())
}

// fixedText is the longest literal that a match of re must contain.
func fixedText(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if text := string(re.Rune); text == strings.ToLower(text) {
			return text
		}
	case syntax.OpCapture, syntax.OpPlus:
		return fixedText(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if text := fixedText(sub); len(text) > len(longest) {
				longest = text
			}
		}
		return longest
	}
	return ""
}

// compileExpression compiles RE2 (https://github.com/google/re2/wiki/Syntax)
// without regard to case, since names have none.
func compileExpression(s string) (*regexp.Regexp, error) { return regexp.Compile("(?i)" + s) }

// matchPattern matches an adblock pattern against a name: "||" at the start is a
// label boundary, "|" at either end the end of the name, "^" the end of the name
// (a name has no other separator), "*" any text; otherwise it is searched in the
// name (AdGuard, "DNS filtering rules syntax").
func matchPattern(pattern string, name []byte) bool {
	if rest, ok := strings.CutPrefix(pattern, "||"); ok {
		for start := 0; ; {
			if matchHere(rest, name[start:]) {
				return true
			}
			next := slices.Index(name[start:], '.')
			if next < 0 {
				return false
			}
			start += next + 1
		}
	}
	if rest, ok := strings.CutPrefix(pattern, "|"); ok {
		return matchHere(rest, name)
	}
	return matchHere("*"+pattern, name)
}

// matchHere matches from the start of name, remembering the last star only: an
// earlier one need never be tried again.
func matchHere(pattern string, name []byte) bool {
	p, n := 0, 0
	star, resume := -1, 0
	for {
		switch {
		case p == len(pattern):
			return true // the rest of the name does not matter
		case pattern[p] == '*':
			star, resume = p, n
			p++
			continue
		case pattern[p] == '^' || pattern[p] == '|' && p == len(pattern)-1:
			if n == len(name) {
				p++
				continue
			}
		case n < len(name) && pattern[p] == name[n]:
			p++
			n++
			continue
		}
		if star < 0 || resume >= len(name) {
			return false
		}
		resume++
		p, n = star+1, resume
	}
}
