package lists

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// write is a rule in short: what it does, how far it reaches, modifiers.
func write(r Rule) string {
	mark := map[Action]string{Deny: "-", Allow: "+"}[r.Action]
	body := map[Shape]string{Exact: r.Name, Subtree: "*." + r.Name, Below: "below " + r.Name, Pattern: "pattern " + r.Pattern, Regexp: "/" + r.Pattern + "/", Address: r.Network.String()}[r.Shape]
	text := mark + body
	if r.Important {
		text += " important"
	}
	if r.Cancel {
		text += " cancel"
	}
	if len(r.DenyAllow) > 0 {
		text += " denyallow=" + strings.Join(r.DenyAllow, "|")
	}
	if len(r.Types) > 0 {
		text += fmt.Sprintf(" types=%v,%v", r.Types, !r.NotTypes)
	}
	for _, c := range r.Clients {
		text += fmt.Sprintf(" client=%v,%s%s", !c.Not, c.Name, strings.TrimPrefix(c.Network.String(), "invalid Prefix"))
	}
	if r.Rewrite != nil {
		text += " rewrite=" + r.Rewrite.String()
	}
	return text
}

// read parses a text; skipped lines follow as "skip N".
func read(t *testing.T, text string, o ParseOptions) (Format, []string) {
	t.Helper()
	if o.Kind == None {
		o.Kind = Deny
	}
	var got []string
	r, err := Parse(strings.NewReader(text), o, func(r Rule) { got = append(got, write(r)) }, func(s Skip) {
		if s.Reason == "" {
			t.Errorf("%v has no reason", s)
		}
		got = append(got, fmt.Sprintf("skip %d", s.Line))
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Format, got
}

func TestLines(t *testing.T) {
	cases := []struct {
		format Format
		line   string
		want   string // rules, "; " between them
	}{
		{Hosts, "0.0.0.0 a.example", "-a.example"},
		{Hosts, "127.0.0.1\ta.example  b.example # c.example", "-a.example; -b.example"},
		{Hosts, ":: A.Example.", "-a.example"},
		{Hosts, "::1 localhost", "skip 1"},
		{Hosts, "127.0.0.1 localhost ads.example", "skip 1; -ads.example"},
		{Hosts, "255.255.255.255 broadcasthost", "skip 1"},
		{Hosts, "ff02::1 ip6-allnodes", "skip 1"},
		{Hosts, "0.0.0.0 0.0.0.0", "skip 1"},
		{Hosts, "0.0.0.0 192.168.1.1", "skip 1"},
		{Hosts, "8.8.8.8 dns.google", "skip 1"},
		{Hosts, "10.0.0.7 ads.example", "-ads.example"},
		{Hosts, "fe80::1%lo0 ads.example", "-ads.example"},
		{Hosts, "# a comment", ""},
		{Hosts, "0.0.0.0 a_b.example", "-a_b.example"},
		{Hosts, "0.0.0.0 bücher.example", "-xn--bcher-kva.example"},
		{Hosts, "0.0.0.0 a..example", "skip 1"},
		{Hosts, "0.0.0.0 <b>x</b>", "skip 1"},
		{Hosts, "plain.example", "-plain.example"},

		{Domains, "a.example", "-a.example"},
		{Domains, "A.EXAMPLE.", "-a.example"},
		{Domains, "*.a.example", "-*.a.example"},
		{Domains, ".a.example", "-*.a.example"},
		{Domains, "a.example # why", "-a.example"},
		{Domains, "a.example b.example", "skip 1"},
		{Domains, "/^ads[0-9]+\\./", "-/^ads[0-9]+\\./"},
		{Domains, "/(/", "skip 1"},
		{Domains, "/.*/", "skip 1"},
		{Domains, "(^|\\.)ads\\.example$", "skip 1"},
		{Domains, "192.0.2.1", "-192.0.2.1/32"},
		{Domains, "192.0.2.7/24 # why", "-192.0.2.0/24"},
		{Domains, "2001:db8::1", "-2001:db8::1/128"},
		{Domains, "2001:db8::/32", "-2001:db8::/32"},
		{Domains, "[2001:db8::1]", "-2001:db8::1/128"},
		{Domains, "::ffff:192.0.2.1", "-192.0.2.1/32"},
		{Domains, "fe80::1%eth0", "skip 1"},
		{Domains, "0.0.0.0/0", "skip 1"},
		{Domains, "::/0", "skip 1"},
		{Domains, "192.168.1.1", "skip 1"},
		{Domains, "10.0.0.0/7", "skip 1"},
		{Domains, "127.0.0.1", "skip 1"},
		{Hosts, "0.0.0.0 192.0.2.1 a.example", "skip 1; -a.example"},
		{Domains, "https://a.example/x", "skip 1"},
		{Domains, "||a.example^", "-*.a.example"},
		{Domains, "; comment", ""},
		{Domains, ".", "skip 1"},
		{Domains, strings.Repeat("a", 64) + ".example", "skip 1"},

		{Adblock, "||a.example^", "-*.a.example"},
		{Adblock, "||a.example^|", "-*.a.example"},
		{Adblock, "||A.example^ # why", "-*.a.example"},
		{Adblock, "|a.example^", "-a.example"},
		{Adblock, "|https://a.example^", "-a.example"},
		{Adblock, "a.example", "-a.example"},
		{Adblock, "@@||a.example^", "+*.a.example"},
		{Adblock, "@@||a.example^$important", "+*.a.example important"},
		{Adblock, "||a.example^$important,dnstype=A|AAAA", "-*.a.example important types=[1 28],true"},
		{Adblock, "||a.example^$dnstype=~HTTPS", "-*.a.example types=[65],false"},
		{Adblock, "||a.example^$dnstype=A|~AAAA", "-*.a.example types=[1],true"},
		{Adblock, "||a.example^$dnstype=~A|~CNAME", "-*.a.example types=[1 5],false"},
		{Adblock, "||*^$dnstype=HTTPS", "-pattern ||*^ types=[65],true"},
		{Adblock, "@@||*^$client=127.0.0.1", "+pattern ||*^ client=true,127.0.0.1/32"},
		{Adblock, `||a.example^$client='Frank\'s laptop'`, "-*.a.example client=true,Frank's laptop"},
		{Adblock, `||a.example^$client=~'Mary\'s\, John\'s\, and Boris\'s laptops'`, "-*.a.example client=false,Mary's, John's, and Boris's laptops"},
		{Adblock, "||a.example^$client=~Mom|~Dad|Kids", "-*.a.example client=false,Mom client=false,Dad client=true,Kids"},
		{Adblock, `||a.example^$client="a|b, c",important`, "-*.a.example important client=true,a|b, c"},
		{Adblock, "||a.example^$client=192.168.0.5/24|2001:db8::1", "-*.a.example client=true,192.168.0.0/24 client=true,2001:db8::1/128"},
		{Adblock, "||a.example^$client=", "skip 1"},
		{Adblock, "||a.example^$client='Mom", "skip 1"},
		{Adblock, "||a.example^$ctag=device_tv", "skip 1"},
		{Adblock, "||a.example^$dnsrewrite=192.0.2.1", "-*.a.example rewrite=NOERROR;A;192.0.2.1"},
		{Adblock, "||a.example^$dnsrewrite=2001:db8::1", "-*.a.example rewrite=NOERROR;AAAA;2001:db8::1"},
		{Adblock, "||a.example^$dnsrewrite=B.example.", "-*.a.example rewrite=NOERROR;CNAME;b.example"},
		{Adblock, "||a.example^$dnsrewrite=REFUSED", "-*.a.example rewrite=REFUSED;;"},
		{Adblock, "||a.example^$dnsrewrite=NXDOMAIN;;", "-*.a.example rewrite=NXDOMAIN;;"},
		{Adblock, "||a.example^$dnsrewrite=NOERROR;AAAA;2001:db8::1", "-*.a.example rewrite=NOERROR;AAAA;2001:db8::1"},
		{Adblock, "||a.example^$dnsrewrite=NOERROR;CNAME;b.example", "-*.a.example rewrite=NOERROR;CNAME;b.example"},
		{Adblock, "$dnstype=AAAA,denyallow=a.example,dnsrewrite=NOERROR;;", "-pattern  denyallow=a.example types=[28],true rewrite=NOERROR;;"},
		{Adblock, "@@||a.example^$dnsrewrite", "+*.a.example rewrite="},
		{Adblock, "@@||a.example^$dnsrewrite=192.0.2.1", "+*.a.example rewrite=NOERROR;A;192.0.2.1"},
		{Adblock, "||a.example^$dnsrewrite", "skip 1"},
		{Adblock, "||a.example^$dnsrewrite=nxdomain;;", "skip 1"},
		{Adblock, "||a.example^$dnsrewrite=NOERROR;A;2001:db8::1", "skip 1"},
		{Adblock, "||a.example^$dnsrewrite=NOERROR;MX;10 b.example", "skip 1"},
		{Adblock, "||a.example^$dnsrewrite=a;b", "skip 1"},
		{Adblock, "||192.0.2.1^$dnsrewrite=192.0.2.2", "skip 1"},
		{Adblock, "||a.example^$dnstype=TYPE65", "-*.a.example types=[65],true"},
		{Adblock, "||a.example^$badfilter", "-*.a.example cancel"},
		{Adblock, "||example^$denyallow=a.example|b.example", "-*.example denyallow=a.example|b.example"},
		{Adblock, "*$denyallow=com|net", "-pattern * denyallow=com|net"},
		{Adblock, "||ads.*.example^", "-pattern ||ads.*.example^"},
		{Adblock, "||*.a.example^", "-below a.example"},
		{Adblock, "-banner-", "-pattern -banner-"},
		{Adblock, "||ads.", "-pattern ||ads."},
		{Adblock, "://track.", "-pattern |track."},
		{Adblock, "/^ad[sx]\\./", "-/^ad[sx]\\./"},
		{Adblock, "/ads$/$important", "-/ads$/ important"},
		{Adblock, "||192.0.2.1^", "-192.0.2.1/32"},
		{Adblock, "||192.0.2.0/24^$important", "-192.0.2.0/24 important"},
		{Adblock, "@@||192.0.2.1^", "+192.0.2.1/32"},
		{Adblock, "192.0.2.1", "-192.0.2.1/32"},
		{Adblock, "[2001:db8::1]", "-2001:db8::1/128"},
		{Adblock, "||[2001:db8::1]^", "-2001:db8::1/128"},
		{Adblock, "://[2001:db8::1]", "-2001:db8::1/128"},
		{Adblock, "||10.0.0.1^", "skip 1"},
		{Adblock, "@@||10.0.0.1^", "+10.0.0.1/32"},
		{Adblock, "[Adblock Plus 2.0]", ""},
		{Adblock, "! comment", ""},
		{Adblock, "# comment", ""},
		{Adblock, "### comment", ""},
		{Adblock, "#BEGIN", ""},
		{Adblock, "##.banner", "skip 1"},
		{Adblock, "###banner", "skip 1"},
		{Adblock, "a.example##.banner", "skip 1"},
		{Adblock, "a.example#@#.banner", "skip 1"},
		{Adblock, "a.example#%#//scriptlet('x')", "skip 1"},
		{Adblock, "a.example$$script[x]", "skip 1"},
		{Adblock, "||a.example^$third-party", "skip 1"},
		{Adblock, "||a.example/ads.js", "skip 1"},
		{Adblock, "||a.example:8080^", "skip 1"},
		{Adblock, "*", "skip 1"},
		{Adblock, "||*^", "skip 1"},
		{Adblock, "0.0.0.0 a.example", "-a.example"},

		{DNSMasq, "address=/a.example/", "-*.a.example"},
		{DNSMasq, "address=/a.example/#", "-*.a.example"},
		{DNSMasq, "address=/a.example/0.0.0.0", "-*.a.example"},
		{DNSMasq, "address=/a.example/::", "-*.a.example"},
		{DNSMasq, "address=/a.example/b.example/", "-*.a.example; -*.b.example"},
		{DNSMasq, "address=/a.example/192.168.1.1", "skip 1"},
		{DNSMasq, "server=/a.example/", "-*.a.example"},
		{DNSMasq, "local=/a.example/", "-*.a.example"},
		{DNSMasq, "server=/a.example/9.9.9.9", "skip 1"},
		{DNSMasq, "server=/a.example/#", "skip 1"},
		{DNSMasq, "address=/#/", "skip 1"},
		{DNSMasq, "no-resolv", "skip 1"},
		{DNSMasq, "# comment", ""},

		{Unbound, `local-zone: "a.example" always_nxdomain`, "-*.a.example"},
		{Unbound, `local-zone: "a.example." always_null`, "-*.a.example"},
		{Unbound, `local-zone: a.example static`, "-*.a.example"},
		{Unbound, `local-zone: "a.example" refuse # why`, "-*.a.example"},
		{Unbound, `local-zone: "a.example" transparent`, "skip 1"},
		{Unbound, `local-zone: "a.example" typetransparent`, "skip 1"},
		{Unbound, `local-zone: "10.in-addr.arpa" nodefault`, "skip 1"},
		{Unbound, `local-zone: "a.example" redirect`, "-*.a.example"},
		{Unbound, "local-zone: \"a.example\" redirect\nlocal-data: \"a.example A 0.0.0.0\"", "-*.a.example"},
		{Unbound, "local-zone: \"a.example\" redirect\nlocal-data: \"a.example A 8.8.8.8\"", "skip 2"},
		{Unbound, `local-data: "a.example A 0.0.0.0"`, "-a.example"},
		{Unbound, `local-data: "a.example 60 IN A 8.8.8.8"`, "skip 1"},
		{Unbound, "server:", ""},
		{Unbound, "interface: 0.0.0.0", "skip 1"},

		{RPZ, "a.example CNAME .", "-a.example"},
		{RPZ, "*.a.example CNAME .", "-below a.example"},
		{RPZ, "a.example 60 IN CNAME *.", "-a.example"},
		{RPZ, "a.example IN CNAME rpz-passthru. ; why", "+a.example"},
		{RPZ, "a.example CNAME rpz-drop.", "-a.example"},
		{RPZ, "a.example CNAME garden.example.", "skip 1"},
		{RPZ, "a.example A 0.0.0.0", "-a.example"},
		{RPZ, "a.example A 8.8.8.8", "skip 1"},
		{RPZ, "32.1.2.0.192.rpz-ip CNAME .", "-192.0.2.1/32"},
		{RPZ, "24.0.2.0.192.rpz-ip CNAME rpz-passthru.", "+192.0.2.0/24"},
		{RPZ, "128.1.zz.db8.2001.rpz-ip CNAME .", "-2001:db8::1/128"},
		{RPZ, "32.zz.db8.2001.rpz-ip CNAME .", "-2001:db8::/32"},
		{RPZ, "128.57.zz.102.db8.2001.rpz-ip CNAME .", "-2001:db8:102::57/128"},
		{RPZ, "33.1.2.0.192.rpz-ip CNAME .", "skip 1"},
		{RPZ, "zz.rpz-ip CNAME .", "skip 1"},
		{RPZ, "ns.example.rpz-nsdname CNAME .", "skip 1"},
		{RPZ, "$TTL 300\n@ SOA a. b. (1 2\n 3 4 5)\n NS a.\n$ORIGIN rpz.example.\na.example.rpz.example. CNAME .", "-a.example"},
		{RPZ, "$ORIGIN RPZ.example.\nA.Example.rpz.EXAMPLE. CNAME .\n*.b.example.Rpz.example. CNAME .", "-a.example; -below b.example"},
		{RPZ, "$ORIGIN rpz.example.\nRPZ.example. CNAME .", "skip 2"},
		{RPZ, "; comment", ""},
	}
	for _, c := range cases {
		_, got := read(t, c.line, ParseOptions{List: "t", Format: c.format})
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%v: %s\ngot  %s\nwant %s", c.format, c.line, text, c.want)
		}
	}
}

// What a line inherits from those before it outlives the memory they were in.
func TestLongTexts(t *testing.T) {
	const many = 3 * blockSize / 32
	rpz := "$ORIGIN rpz.example.org.\n"
	unbound := "local-zone: \"first.example\" redirect\nlocal-data: \"first.example A 0.0.0.0\"\n"
	var rpzWant, unboundWant []string
	for i := range many {
		name := fmt.Sprintf("host%d.tracker.example", i)
		rpz += fmt.Sprintf("%s.rpz.example.org. CNAME .\n\tAAAA ::\n", name)
		unbound += fmt.Sprintf("local-zone: %q always_nxdomain\n", name)
		unboundWant = append(unboundWant, name)
		rpzWant = append(rpzWant, name, name)
	}
	unboundWant = append(unboundWant, "first.example")
	for format, c := range map[Format]struct {
		text string
		want []string
	}{RPZ: {rpz, rpzWant}, Unbound: {unbound, unboundWant}} {
		var got []string
		_, err := Parse(strings.NewReader(c.text), ParseOptions{Format: format, Kind: Deny}, func(r Rule) { got = append(got, strings.Clone(r.Name)) }, func(s Skip) { t.Error(s) })
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("format %v: %v, %d names, want %d; the last is %s", format, err, len(got), len(c.want), got[len(got)-1])
		}
	}
}

func TestDetect(t *testing.T) {
	cases := map[string]Format{
		"# x\n0.0.0.0 a.example\n0.0.0.0 b.example\n":                              Hosts,
		"a.example\nb.example\n*.c.example\n":                                      Domains,
		"! x\n||a.example^\n":                                                      Adblock,
		"[Adblock Plus 3.1]\na.example##.x\n":                                      Adblock,
		"address=/a.example/#\n":                                                   DNSMasq,
		"server:\nlocal-zone: \"a.example\" static\n":                              Unbound,
		"$TTL 60\n@ SOA a. b. 1 2 3 4 5\na.example CNAME .\n*.a.example CNAME .\n": RPZ,
		"": Domains,
		"\ufeff127.0.0.1 localhost\r\n0.0.0.0 a.example\r\n": Hosts,
	}
	for text, want := range cases {
		if got, _ := read(t, text, ParseOptions{}); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestMatchMode(t *testing.T) {
	for mode, want := range map[MatchMode]string{MatchAuto: "-a.example", MatchExact: "-a.example", MatchSubtree: "-*.a.example"} {
		for _, text := range []string{"a.example", "0.0.0.0 a.example"} {
			if _, got := read(t, text, ParseOptions{Match: mode}); strings.Join(got, ";") != want {
				t.Errorf("%s with %v: %v, want %s", text, mode, got, want)
			}
		}
	}
	if _, got := read(t, "a.example\n@@||b.example^", ParseOptions{Kind: Allow}); strings.Join(got, ";") != "+a.example;+*.b.example" {
		t.Errorf("an allow list: %v", got)
	}
}

func TestMess(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	text := "\ufeffa.example\r\n" + long + "\r\nb\x00.example\r\n\xff\xfe.example\r\nc.example"
	_, got := read(t, text, ParseOptions{Format: Domains})
	if want := "-a.example;skip 2;skip 3;skip 4;-c.example"; strings.Join(got, ";") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, "a.example\n")
	z.Close()
	if _, got := read(t, zipped.String(), ParseOptions{}); !slices.Equal(got, []string{"-a.example"}) {
		t.Errorf("gzip: %v", got)
	}
	for text, want := range map[string]error{
		"  \n<!DOCTYPE html><title>404</title>": ErrHTML,
		"<html>\n":                              ErrHTML,
		"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00": ErrBinary,
	} {
		if _, err := Parse(strings.NewReader(text), ParseOptions{}, func(Rule) {}, func(Skip) {}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if _, err := Parse(strings.NewReader(zipped.String()[:zipped.Len()-6]), ParseOptions{}, func(Rule) {}, func(Skip) {}); err == nil {
		t.Error("half a gzip file was taken for a whole one")
	}
}

func TestOwnRules(t *testing.T) {
	for text, want := range map[string]string{
		"a.example": "-*.a.example", "*.a.example": "-*.a.example", "||a.example^": "-*.a.example", "@@a.example": "+*.a.example",
		"/^x/": "-/^x/", "0.0.0.0 a.example": "-a.example", "a.example CNAME .": "-a.example", "address=/a.example/": "-*.a.example",
		`local-zone: "a.example" static`: "-*.a.example", "||a.example^$important": "-*.a.example important", "192.0.2.1": "-192.0.2.1/32", "192.168.0.0/16": "-192.168.0.0/16", "2001:db8::/32": "-2001:db8::/32",
		"a.example$client=Kids": "-*.a.example client=true,Kids", "||a.example^$client='a b'": "-*.a.example client=true,a b", "zip$client=Kids": "-*.zip client=true,Kids", "*.a.example$dnstype=A": "-*.a.example types=[1],true", "BÜCHER.example": "-*.xn--bcher-kva.example",
	} {
		rules, err := ParseRule(text, Deny)
		if err != nil || len(rules) != 1 || write(rules[0]) != want {
			t.Errorf("%q: %v, %v, want %s", text, rules, err, want)
		}
	}
	for _, text := range []string{"", " ", "# x", "/(/", "0.0.0.0/0", "a b", "||a.example^$script", "a.example\nb.example", "||x^$badfilter", "."} {
		if rules, err := ParseRule(text, Deny); err == nil {
			t.Errorf("%q was taken for %v", text, rules)
		}
	}
}

// One list in several formats gives the same verdicts where the formats mean the same.
func TestFormatsAgree(t *testing.T) {
	names := []string{"a.example", "b.c.example", "x_y.example"}
	group := func(line string) string {
		text := ""
		for _, n := range names {
			text += strings.ReplaceAll(line, "@", n) + "\n"
		}
		return text
	}
	sets := map[string]map[string]*Set{"exact": {}, "subtree": {}}
	for _, line := range []string{"0.0.0.0 @", "@", "@ CNAME ."} {
		sets["exact"][line] = compile(t, group(line))
	}
	for _, line := range []string{"*.@", "||@^", "address=/@/", `local-zone: "@" always_nxdomain`, "@ CNAME .\n*.@ CNAME ."} {
		sets["subtree"][line] = compile(t, group(line))
	}
	for reach, formats := range sets {
		for line, set := range formats {
			for _, n := range append(names, "c.example", "example", "other.example") {
				listed := slices.Contains(names, n)
				if got := set.Match([]byte(n), 1, nil).Action == Deny; got != listed {
					t.Errorf("%s: %s blocked is %v", line, n, got)
				}
				if got := set.Match([]byte("below."+n), 1, nil).Action == Deny; got != (listed && reach == "subtree") {
					t.Errorf("%s: below.%s blocked is %v", line, n, got)
				}
			}
		}
	}
}

func compile(t *testing.T, text string) *Set {
	t.Helper()
	b := NewBuilder("t", Deny, Seed{})
	if _, err := Parse(strings.NewReader(text), ParseOptions{Kind: Deny}, b.Add, func(s Skip) { t.Errorf("%v", s) }); err != nil {
		t.Fatal(err)
	}
	return NewSet(Seed{}, b.Build())
}

// fuzzFormat holds a format to what every parser promises: no panic, normalised
// names, a reason and a line for what is skipped.
func fuzzFormat(f *testing.F, format Format, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := NewBuilder("t", Deny, Seed{})
		lines := uint32(strings.Count(text, "\n") + 1)
		r, err := Parse(strings.NewReader(text), ParseOptions{List: "t", Format: format, Kind: Deny}, func(r Rule) {
			if r.Shape <= Below {
				if again, err := Normalize(r.Name); err != nil || again != r.Name || r.Name == "" {
					t.Errorf("%q is not normalised: %q, %v", r.Name, again, err)
				}
			}
			if r.Action != Deny && r.Action != Allow {
				t.Errorf("%+v does nothing", r)
			}
			b.Add(r)
		}, func(s Skip) {
			if s.Reason == "" || s.Line < 1 || s.Line > lines {
				t.Errorf("%+v", s)
			}
		})
		if err == nil && format != Auto && r.Format != format {
			t.Errorf("read as %v", r.Format)
		}
		set := NewSet(Seed{}, b.Build())
		set.Match([]byte("www.example.org"), 1, nil)
		set.Explain([]byte("a.b.c"), 28, nil)
	})
}

func FuzzAuto(f *testing.F)    { fuzzFormat(f, Auto, "0.0.0.0 a.example", "<html>", "\x1f\x8b") }
func FuzzHosts(f *testing.F)   { fuzzFormat(f, Hosts, "127.0.0.1 a.example b.example#x") }
func FuzzDomains(f *testing.F) { fuzzFormat(f, Domains, "*.a.example\n/re/\n.x", "bücher.example") }
func FuzzAdblock(f *testing.F) {
	fuzzFormat(f, Adblock, "@@||a.example^$important,denyallow=x|y,dnstype=~A", "||a*b^", "/x$/$badfilter", "a##b")
}
func FuzzDNSMasq(f *testing.F) { fuzzFormat(f, DNSMasq, "address=/a.example/b.example/#") }
func FuzzUnbound(f *testing.F) {
	fuzzFormat(f, Unbound, "local-zone: \"a.example\" redirect\nlocal-data: \"a.example A 0.0.0.0\"")
}
func FuzzRPZ(f *testing.F) {
	fuzzFormat(f, RPZ, "$ORIGIN x.\n*.a.example 60 IN CNAME . ; c\n@ SOA (\n)")
}
