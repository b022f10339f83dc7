package lists

import (
	"errors"
	"fmt"
	"strings"
)

// ParseRule reads a rule of one's own, written in the syntax of any list. Unlike
// in a list, a plain name stands for itself and everything below, which is what
// a person means. kind, Deny or Allow, is what it does unless it says "@@".
func ParseRule(text string, kind Action) ([]Rule, error) {
	line := strings.TrimSpace(text)
	if line == "" || strings.ContainsAny(line, "\n\r\x00") {
		return nil, fmt.Errorf("%q is no rule: write a name, or a rule in the syntax of any list", text)
	}
	var rules []Rule
	var reasons []error
	p := newParser(ParseOptions{Kind: kind, Match: MatchSubtree}, func(r Rule) { rules = append(rules, r) },
		func(s Skip) { reasons = append(reasons, errors.New(s.Reason)) })
	p.line, p.own = 1, true
	format := classify(line)
	if format == Hosts || format == RPZ { // with an address or a record, a name is meant as there
		p.Match = MatchExact
	}
	if format == Auto && (strings.ContainsAny(line, "^$*") || isExpression(line)) {
		format = Adblock
	}
	p.one(format, line)
	p.closeZones()
	switch {
	case len(reasons) > 0:
		return nil, fmt.Errorf("%q is no rule: %w", text, errors.Join(reasons...))
	case len(rules) == 0:
		return nil, fmt.Errorf("%q is no rule: write a name, or a rule in the syntax of any list", text)
	}
	for i := range rules {
		rules[i].Line = 0
		if rules[i].Cancel {
			return nil, fmt.Errorf("%q is no rule: $badfilter has nothing to take out here; write an allow rule", text)
		}
	}
	return rules, nil
}
