package lists

import (
	"strings"
	"testing"
)

// What is shown as a rule is one that means the same in an adblock list.
func TestWrittenRuleMeansTheSame(t *testing.T) {
	for _, row := range []struct {
		format Format
		line   string
		want   string
	}{
		{Domains, "a.example", "a.example"},
		{Domains, "*.a.example", "||a.example^"},
		{Domains, "192.0.2.0/24", "192.0.2.0/24"},
		{RPZ, "*.a.example CNAME .", "*.a.example^"},
		{RPZ, "*.a.example CNAME rpz-passthru.", "@@*.a.example^"},
		{RPZ, "a.example CNAME rpz-passthru.", "@@|a.example^"},
		{Adblock, "@@|a.example^", "@@|a.example^"},
		{Adblock, "@@a.example", "@@||a.example^"},
		{Adblock, "|a.example^$important", "|a.example^$important"},
		{Adblock, "a.example$important", "||a.example^$important"},
		{Adblock, "|a.example^$dnsrewrite=b.example", "|a.example^$dnsrewrite=NOERROR;CNAME;b.example"},
		{Adblock, "||*.a.example^$denyallow=b.a.example", "*.a.example^$denyallow=b.a.example"},
		{Adblock, "*.example$dnstype=~A", "*.example$dnstype=~A"},
		{Adblock, `||a.example^$client='Frank\'s, old one'|~"Mum"|192.0.2.0/24`, `||a.example^$client='Frank\'s, old one'|~'Mum'|192.0.2.0/24`},
		{Adblock, `||a.example^$client=a\\b`, `||a.example^$client='a\\b'`},
		{Adblock, "/^ads[0-9]/$dnstype=A|AAAA", "/^ads[0-9]/$dnstype=A|AAAA"},
		{Adblock, "@@||a.example^$dnsrewrite", "@@||a.example^$dnsrewrite="},
	} {
		rule := oneRule(t, row.format, row.line)
		text := rule.text(Deny)
		if text != row.want {
			t.Errorf("%s in %s is written %s, want %s", row.line, row.format, text, row.want)
		}
		if again := oneRule(t, Adblock, text); !again.same(&rule) {
			t.Errorf("%s is written %s, which is %+v instead of %+v", row.line, text, again, rule)
		}
	}
}

// oneRule is what a line means in a list of a format.
func oneRule(t testing.TB, f Format, line string) (rule Rule) {
	t.Helper()
	n := 0
	_, err := Parse(strings.NewReader(line), ParseOptions{List: "list", Format: f, Kind: Deny}, func(r Rule) {
		rule = r.clone()
		n++
	}, func(s Skip) { t.Error(s) })
	if err != nil || n != 1 {
		t.Errorf("%s: %d rules, %v", line, n, err)
	}
	return rule
}
