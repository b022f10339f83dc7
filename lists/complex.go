package lists

import (
	"regexp"
	"slices"
	"strings"
)

// complexRule is a rule that asks for more than a name.
type complexRule struct {
	Rule
	expression *regexp.Regexp // of a Regexp rule
	rewriting  uint32         // number of its Rewrite in List.rewritings; 0 for none
}

// applies says whether the modifiers let the rule speak about what is asked.
func (r *Rule) applies(q *asking) bool {
	if r.Rewrite != nil && r.Rewrite.Name != "" && string(q.name) == r.Rewrite.Name {
		return false // a name cannot lead to itself
	}
	if len(r.Types) > 0 && slices.Contains(r.Types, q.qtype) == r.NotTypes {
		return false
	}
	for _, spared := range r.DenyAllow {
		if Within(q.name, spared) {
			return false
		}
	}
	return len(r.Clients) == 0 || r.isFor(q.who)
}

// Within says whether name is suffix or lies below it; both are normalised.
func Within(name []byte, suffix string) bool {
	n, s := len(name), len(suffix)
	return n >= s && string(name[n-s:]) == suffix && (n == s || name[n-s-1] == '.')
}

func (r *complexRule) matches(name []byte) bool {
	if r.Shape == Regexp {
		return r.expression.Match(name)
	}
	return matchPattern(r.Pattern, name)
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
