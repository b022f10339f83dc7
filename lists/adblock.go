package lists

import (
	"iter"
	"strconv"
	"strings"
)

// adblock reads a line of an adblock list as a DNS filter does (AdGuard, "DNS
// filtering rules syntax"): what speaks about names alone is a rule, what
// speaks about pages and requests is for browsers.
func (p *parser) adblock(line string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '!' || isHeader(line) || isHashComment(line) {
		return
	}
	if line[0] != '#' {
		line = strings.TrimSpace(cutRemark(line))
	}
	if isCosmetic(line) {
		p.reject("%s: a cosmetic rule, for browsers", excerpt(line))
		return
	}
	r := Rule{}
	text, exception := strings.CutPrefix(line, "@@")
	if exception {
		r.Action = Allow
	}
	body, modifiers := splitModifiers(text)
	if fields := strings.Fields(body); len(fields) > 1 {
		if isAddress(fields[0]) && !exception {
			p.hosts(text)
			return
		}
		p.reject("%s: spaces cannot be in a rule", excerpt(line))
		return
	}
	if !p.modifiers(&r, line, modifiers) {
		return
	}
	if isExpression(body) {
		p.expression(r, body)
		return
	}
	p.pattern(r, line, body)
}

// isHeader recognises "[Adblock Plus 2.0]"; an IPv6 address also has brackets.
func isHeader(line string) bool {
	return line[0] == '[' && line[len(line)-1] == ']' && !isAddress(line)
}

// isHashComment tells "# text" and "### text" from a generic cosmetic rule
// ("##.banner", "###banner").
func isHashComment(line string) bool {
	rest := strings.TrimLeft(line, "#")
	if len(rest) == len(line) {
		return false
	}
	hashes := len(line) - len(rest)
	return rest == "" || rest[0] == ' ' || rest[0] == '\t' || hashes == 1 && !strings.ContainsAny(rest[:1], "@?$%") || hashes > 3
}

// cosmeticMarks begin the part of a rule that is about a page.
var cosmeticMarks = []string{"##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#%#", "#@%#", "#$?#", "$$", "$@$"}

func isCosmetic(line string) bool {
	if isHashComment(line) || !strings.ContainsAny(line, "#$") || isExpression(line) {
		return false
	}
	for _, mark := range cosmeticMarks {
		if strings.Contains(line, mark) {
			return true
		}
	}
	return false
}

// splitModifiers parts a rule from what follows its '$'. In an expression a '$'
// is an anchor, so there only one after the closing slash counts.
func splitModifiers(text string) (body, modifiers string) {
	from := 0
	if strings.HasPrefix(text, "/") {
		if end := strings.LastIndex(text, "/$"); end > 0 {
			from = end
		} else if strings.HasSuffix(text, "/") {
			return text, ""
		}
	}
	if at := strings.IndexByte(text[from:], '$'); at >= 0 {
		return text[:from+at], text[from+at+1:]
	}
	return text, ""
}

// modifiers reads the list after '$' into r. It reports and returns false when
// the rule is of no use to a DNS server.
func (p *parser) modifiers(r *Rule, line, list string) bool {
	if list == "" {
		return true
	}
	for _, m := range splitQuoted(list, ',') {
		key, value, _ := strings.Cut(strings.TrimSpace(m), "=")
		reason := ""
		switch key {
		case "important":
			r.Important = true
		case "badfilter":
			r.Cancel = true
		case "denyallow":
			reason = r.denyAllow(value)
		case "dnstype":
			reason = r.dnsType(value)
		case "client":
			reason = r.client(value)
		case "dnsrewrite":
			reason = r.rewrite(value)
		case "ctag":
			reason = clientTags(value)
		case "": // a comma too many
		default:
			reason = "the modifier $" + excerpt(key) + " is for browsers"
		}
		if reason != "" {
			p.reject("%s: %s", excerpt(line), reason)
			return false
		}
	}
	return true
}

// clientTags says what is wrong with tags of clients, which nobody has here: a rule
// for all without a tag is for all.
func clientTags(value string) string {
	for tag := range strings.SplitSeq(value, "|") {
		if !strings.HasPrefix(tag, "~") {
			return "the modifier $ctag is about tags of clients, which there are none of; use groups"
		}
	}
	return ""
}

// splitQuoted parts a text at a mark that is outside of quotes.
func splitQuoted(text string, mark byte) []string {
	var parts []string
	begin := 0
	for i, c := range unquoted(text) {
		if c == mark {
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// cutRemark is cutComment for a rule, where the name of a client may have a '#'.
func cutRemark(line string) string {
	if cutComment(line, '#') == line {
		return line
	}
	for i, c := range unquoted(line) {
		if c == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// unquoted are the bytes of a text that are neither in quotes nor behind a
// backslash, and where they are. A quote opens where a value begins; elsewhere it
// is a part of a name (Frank's).
func unquoted(text string) iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		quote, begins := byte(0), true
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '\\':
				i++
				begins = false
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case begins && (c == '"' || c == '\''):
				quote, begins = c, false
			case !yield(i, c):
				return
			default:
				begins = strings.IndexByte("=|~,", c) >= 0 || begins && c == ' '
			}
		}
	}
}

// client reads whom the rule is for, with "~" not for; it returns what is wrong.
func (r *Rule) client(value string) string {
	for _, written := range splitQuoted(value, '|') {
		rest, not := strings.CutPrefix(strings.TrimSpace(written), "~")
		name, ok := unquote(rest)
		if !ok || name == "" {
			return "$client wants addresses, networks or names of clients, separated by |; names with spaces in quotes"
		}
		term := ClientTerm{Name: name, Not: not}
		if network, isNetwork := parseNetwork(name); isNetwork {
			term = ClientTerm{Network: network, Not: not}
		}
		r.Clients = append(r.Clients, term)
	}
	return ""
}

// unquote takes the quotes and backslashes away; ok is false for quotes that do
// not close at the end.
func unquote(written string) (name string, ok bool) {
	quote := byte(0)
	if written != "" && (written[0] == '"' || written[0] == '\'') {
		quote, written = written[0], written[1:]
	}
	b := make([]byte, 0, len(written))
	for i := 0; i < len(written); i++ {
		switch c := written[i]; {
		case c == '\\' && i+1 < len(written):
			i++
		case quote != 0 && c == quote:
			return string(b), i == len(written)-1
		}
		b = append(b, written[i])
	}
	return string(b), quote == 0
}

// rewrite reads what becomes of the answer; it returns what is wrong.
func (r *Rule) rewrite(value string) string {
	rewriting, err := parseRewriting(value)
	switch {
	case err != nil:
		return err.Error()
	case rewriting.All && r.Action != Allow:
		return "$dnsrewrite without a value undoes other rules, so it belongs to an exception (@@)"
	}
	r.Rewrite = rewriting
	return ""
}

// denyAllow reads the names that a rule spares; it returns what is wrong.
func (r *Rule) denyAllow(value string) string {
	for _, written := range strings.Split(value, "|") {
		name, err := Normalize(written)
		if err != nil || name == "" {
			return "$denyallow wants names, separated by |"
		}
		r.DenyAllow = append(r.DenyAllow, name)
	}
	return ""
}

// dnsTypes are the record types that are in use (IANA, "DNS Parameters"); every
// other can be written as TYPE and its number.
var dnsTypes = map[string]uint16{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "SIG": 24, "KEY": 25,
	"AAAA": 28, "LOC": 29, "SRV": 33, "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39, "APL": 42, "DS": 43, "SSHFP": 44, "IPSECKEY": 45,
	"RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53, "HIP": 55, "CDS": 59,
	"CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64, "HTTPS": 65, "SPF": 99, "EUI48": 108, "EUI64": 109,
	"IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257,
}

// dnsType reads the query types that a rule is for, or with "~" not for; it
// returns what is wrong.
func (r *Rule) dnsType(value string) string {
	var only, not []uint16
	for written := range strings.SplitSeq(value, "|") {
		name, excluded := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(written)), "~")
		t, known := dnsTypes[name]
		if number, ok := strings.CutPrefix(name, "TYPE"); ok && !known { // RFC 3597, section 5
			n, err := strconv.ParseUint(number, 10, 16)
			t, known = uint16(n), err == nil
		}
		if !known {
			return "$dnstype=" + excerpt(written) + " is no record type"
		}
		if excluded {
			not = append(not, t)
		} else {
			only = append(only, t)
		}
	}
	// "Do not combine exclusion rules with inclusion ones": the latter count.
	r.Types, r.NotTypes = only, false
	if len(only) == 0 {
		r.Types, r.NotTypes = not, true
	}
	return ""
}

// narrowed says whether modifiers keep the rule from reaching everybody and
// everything, so that a pattern of everything makes sense.
func (r *Rule) narrowed() bool { return len(r.DenyAllow)+len(r.Types)+len(r.Clients) > 0 }

// pattern makes a rule of what is left: a name with its anchors where it is
// one, which is found at once, else a pattern.
func (p *parser) pattern(r Rule, line, body string) {
	text := strings.ToLower(body)
	for _, scheme := range []string{"|https://", "|http://", "://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			text = "|" + rest
		}
	}
	text = strings.TrimSuffix(text, "^*")
	if len(text) < len(body) && strings.HasSuffix(body, "^*") {
		text += "^"
	}
	if strings.HasSuffix(text, "^|") {
		text = text[:len(text)-1]
	}
	inner := strings.TrimLeft(text, "|")
	ended := strings.HasSuffix(inner, "^") || strings.HasSuffix(inner, "|")
	inner = strings.TrimRight(inner, "^|")
	anchor := text[:len(text)-len(strings.TrimLeft(text, "|"))]
	if isAddress(inner) {
		p.network(r, inner)
		return
	}
	below, wild := strings.CutPrefix(inner, "*.")
	name, err := Normalize(inner)
	switch {
	case err == nil && name != "" && ended && anchor == "||":
		r.Shape, r.Name = Subtree, name
	case err == nil && name != "" && ended && anchor == "|",
		err == nil && name != "" && anchor == "" && !ended && (p.own || strings.Contains(name, ".")):
		r.Shape, r.Name = Exact, name
		if anchor == "" {
			r.Shape = p.plain()
		}
		if anchor == "" && p.Match != MatchExact && (r.Action == Allow || r.Important || r.Rewrite != nil || r.narrowed()) {
			// Only a name alone is a name alone; this is a mask, which any part of a name
			// may match. A name as a mask means what is below it.
			r.Shape = Subtree
		}
	case wild && ended && isName(below):
		r.Shape, r.Name = Below, mustNormalize(below)
	case wild && anchor == "" && p.own && isName(below):
		r.Shape, r.Name = Subtree, mustNormalize(below)
	case strings.ContainsAny(inner, "/?=&%:,~()[]{}"):
		p.reject("%s: about a part of a URL, for browsers", excerpt(line))
		return
	case strings.ContainsAny(inner, "^|") || len(anchor) > 2:
		p.reject("%s: no name has a separator inside", excerpt(line))
		return
	case strings.Trim(inner, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") != "":
		p.reject("%s: %v", excerpt(line), ErrCharacter)
		return
	case len(strings.Trim(inner, "*.")) < minPattern && !r.narrowed() && (anchor == "" || strings.Trim(inner, "*.") == ""):
		p.reject("%s: so short that it would match names by chance", excerpt(line))
		return
	default:
		r.Shape, r.Pattern = Pattern, text
	}
	p.add(r)
}

// minPattern is the least text of a pattern that is not anchored.
const minPattern = 3

func isName(s string) bool {
	name, err := Normalize(s)
	return err == nil && name != ""
}

func mustNormalize(s string) string {
	name, _ := Normalize(s) // the caller has looked with isName
	return name
}
