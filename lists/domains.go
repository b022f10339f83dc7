package lists

import "strings"

// domains reads a line of a list of names: a name, exactly; "*.x" or ".x", x and
// everything below; /an expression/; an address or a network. Adblock rules and hosts lines that stray in
// mean what they mean at home.
func (p *parser) domains(line string) {
	if onlyName(line) { // nearly every line
		p.nameOrAddress(line, p.plain())
		return
	}
	line = strings.TrimSpace(cutComment(line, '#'))
	if line == "" || line[0] == '!' || line[0] == ';' {
		return
	}
	if isExpression(line) {
		p.expression(Rule{}, line)
		return
	}
	if strings.HasPrefix(line, "||") || strings.HasPrefix(line, "@@") || strings.HasPrefix(line, "[Adblock") {
		p.adblock(line)
		return
	}
	fields := strings.Fields(line)
	if len(fields) > 1 {
		if isAddress(fields[0]) {
			p.hosts(line)
			return
		}
		p.reject("%s: one name a line is expected", excerpt(line))
		return
	}
	switch rest, wild := strings.CutPrefix(line, "*."); {
	case strings.Contains(line, "://"):
		p.reject("%s: a URL, not a name", excerpt(line))
	case strings.ContainsAny(line, "()\\[+?") && !isAddress(line):
		p.reject("%s: an expression has to be written /like this/", excerpt(line))
	case wild:
		p.name(rest, Subtree, None)
	case line[0] == '.' && len(line) > 1:
		p.name(line[1:], Subtree, None)
	default:
		p.nameOrAddress(line, p.plain())
	}
}

// expression emits a rule for /re/, which has to be valid RE2. r holds its
// modifiers.
func (p *parser) expression(r Rule, written string) {
	r.Shape, r.Pattern = Regexp, written[1:len(written)-1]
	expression, err := compileExpression(r.Pattern)
	switch {
	case err != nil:
		p.reject("%s: no valid expression (RE2): %v", excerpt(written), err)
	case expression.MatchString("") && !r.narrowed():
		p.reject("%s: this would match every name", excerpt(written))
	default:
		p.add(r)
	}
}
