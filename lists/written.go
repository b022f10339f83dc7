package lists

import (
	"fmt"
	"slices"
	"strings"
)

// maxWritten bounds how much of a rule is shown, in bytes.
const maxWritten = 200

// written is the text of a rule, of a very long one the beginning.
func (r *Rule) written(kind Action) string {
	text := r.text(kind)
	if len(text) > maxWritten {
		return strings.ToValidUTF8(text[:maxWritten-3], "") + "..."
	}
	return text
}

// text is a rule as it is written in an adblock list, with its reach: the name alone
// ("|x^" where that would mean more with what stands around it), "||x^" for everything
// below as well, "*.x^" for that without the name, an address or network, a pattern, or
// an expression between slashes. "@@" stands before what allows in a list of kind.
func (r *Rule) text(kind Action) string {
	var text string
	exception, modifiers := r.Action == Allow && kind != Allow, r.modifiers()
	switch r.Shape {
	case Exact:
		text = r.Name
		if exception || len(modifiers) > 0 {
			text = "|" + r.Name + "^"
		}
	case Subtree:
		text = "||" + r.Name + "^"
	case Below:
		text = "*." + r.Name + "^"
	case Address:
		text = r.Network.String()
		if r.Network.IsSingleIP() {
			text = r.Network.Addr().String()
		}
	case Regexp:
		text = "/" + r.Pattern + "/"
	default:
		text = r.Pattern
	}
	if exception {
		text = "@@" + text
	}
	if len(modifiers) > 0 {
		text += "$" + strings.Join(modifiers, ",")
	}
	return text
}

// modifiers are what stands behind the "$" of a rule.
func (r *Rule) modifiers() (m []string) {
	if r.Important {
		m = append(m, "important")
	}
	if len(r.DenyAllow) > 0 {
		m = append(m, "denyallow="+strings.Join(r.DenyAllow, "|"))
	}
	var types []string
	for _, t := range r.Types {
		name := typeName(t)
		if r.NotTypes {
			name = "~" + name
		}
		types = append(types, name)
	}
	if len(types) > 0 {
		m = append(m, "dnstype="+strings.Join(types, "|"))
	}
	var clients []string
	for i := range r.Clients {
		clients = append(clients, r.Clients[i].written())
	}
	if len(clients) > 0 {
		m = append(m, "client="+strings.Join(clients, "|"))
	}
	if r.Rewrite != nil {
		m = append(m, "dnsrewrite="+r.Rewrite.String())
	}
	return m
}

// quoter puts a backslash where a name in quotes would end.
var quoter = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// written is the term as $client writes it.
func (t *ClientTerm) written() string {
	text := "'" + quoter.Replace(t.Name) + "'"
	if t.Network.IsValid() {
		text = t.Network.String()
	}
	if t.Not {
		return "~" + text
	}
	return text
}

// typeName is a record type as $dnstype writes it.
func typeName(t uint16) string {
	for name, number := range dnsTypes {
		if number == t {
			return name
		}
	}
	return fmt.Sprintf("TYPE%d", t) // RFC 3597, section 5
}

// sampled are rules as written, each once and at most n.
type sampled struct {
	rules []string
	n     int
}

func (s *sampled) full() bool { return len(s.rules) >= s.n }

func (s *sampled) add(text string) {
	if !s.full() && !slices.Contains(s.rules, text) {
		s.rules = append(s.rules, strings.Clone(text)) // it may lie in the text of the list
	}
}
