package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// household is a configuration with a rule of every strength and kind.
func household(t *testing.T) string {
	t.Helper()
	up := newZone(t, `
www.example.org. 300 IN A 192.0.2.1
shop.example.org. 300 IN CNAME pixel.tracker.example.
pixel.tracker.example. 300 IN A 192.0.2.1
web.example.org. 300 IN HTTPS 1 pixel.tracker.example.
host.example.org. 300 IN A 198.51.100.66
own-host.example.org. 300 IN A 203.0.113.1
kids-host.example.org. 300 IN A 203.0.113.2
six.example.org. 300 IN AAAA 2001:db8:bad::1
inside.example.org. 300 IN A 192.168.1.1
forcesafesearch.google.com. 300 IN A 192.0.2.80
www.google.com. 300 IN A 192.0.2.81
listed.example. 300 IN A 192.0.2.1
a_b.1.listed.example. 300 IN A 192.0.2.1
important.example. 300 IN A 192.0.2.1
pattern-7.example. 300 IN A 192.0.2.1
regexp.example. 300 IN A 192.0.2.1
nowhere.example. 300 IN A 192.0.2.1
zero.example. 300 IN A 192.0.2.1
excepted.example. 300 IN A 192.0.2.1
typed.example. 300 IN AAAA 2001:db8::1
for-kid.example. 300 IN A 192.0.2.1
own.example. 300 IN A 192.0.2.1
own-important.example. 300 IN A 192.0.2.1
own-nowhere.example. 300 IN A 192.0.2.1
own-allowed.example. 300 IN A 192.0.2.1
kids.example. 300 IN A 192.0.2.1
kids-nowhere.example. 300 IN A 192.0.2.1
kids-allowed.example. 300 IN A 192.0.2.1
evening.example. 300 IN A 192.0.2.1
www.tiktok.com. 300 IN A 192.0.2.1
www.facebook.com. 300 IN A 192.0.2.1
dns.google. 300 IN A 192.0.2.1
use-application-dns.net. 300 IN A 192.0.2.1
`)
	return basics(up) + fmt.Sprintf(`
[blocking]
deny = ["own.example", "||own-important.example^$important", "||own-nowhere.example^$dnsrewrite=NXDOMAIN", "203.0.113.1"]
allow = ["own-allowed.example", '/^ok\d+\.example$/']
[[lists]]
name = "trackers"
source = %q
[[lists]]
name = "resolvers"
source = "builtin:doh"
[[lists]]
name = "evening"
source = %q
groups = ["the kids"]
schedule = ["mon-sun 00:00-24:00"]
[groups.default]
no_account = ["Meta"]
[groups."the kids"]
deny = ["kids.example", "||kids-nowhere.example^$dnsrewrite=NXDOMAIN", "203.0.113.2"]
allow = ["kids-allowed.example"]
services = ["tiktok"]
safe_search = true
[groups.guests]
block = false
[groups.teens]
safe_search = true # teens
[[clients]]
name = "kids tablet"
match = ["127.0.0.2", "02:00:00:00:00:40", "id:kids-tablet"]
groups = ["the kids"]
[[clients]]
name = "guest"
match = ["127.0.0.3"]
groups = ["guests"]
[[clients]]
name = "cousin"
match = ["127.0.0.4"]
groups = ["guests", "the kids"]
[[clients]]
name = "niece"
match = ["127.0.0.5"]
groups = ["default", "teens"]
[local]
"nas.home.arpa" = ["192.168.1.10"]
`, file(t, "trackers.txt", `! every kind of rule
||listed.example^
||important.example^$important
||tracker.example^
||pattern-*.example^
/^regexp\.exa/
||rewritten.example^$dnsrewrite=192.0.2.55
||nowhere.example^$dnsrewrite=NXDOMAIN
||zero.example^$dnsrewrite=0.0.0.0
||excepted.example^
@@||excepted.example^
||typed.example^$dnstype=AAAA
||for-kid.example^$client='kids tablet'
||own-nowhere.example^
||own-allowed.example^
||kids-allowed.example^
198.51.100.0/24
2001:db8:bad::/48
`), file(t, "evening.txt", "evening.example\n"))
}

// explains asks the command and the API, which have to say the same.
func (p *program) explains(client, name, qtype string, resolve bool) ui.Explanation {
	p.t.Helper()
	query := url.Values{"name": {name}, "type": {qtype}}
	args := []string{"explain", "--json", "--type", qtype}
	if client != "" {
		query.Set("client", client)
		args = append(args, "--client", client)
	}
	if resolve {
		query.Set("resolve", "1")
		args = append(args, "--resolve")
	}
	_, api := p.get("/api/v1/explain?" + query.Encode())
	status, shell := p.command(append(args, name)...)
	if status != 0 {
		p.t.Fatalf("explain %s: %d %s", name, status, shell)
	}
	var one, other any
	if err := json.Unmarshal([]byte(api), &one); err != nil {
		p.t.Fatalf("%v: %s", err, api)
	}
	if err := json.Unmarshal([]byte(shell), &other); err != nil || !reflect.DeepEqual(one, other) {
		p.t.Errorf("%s for %q: the API says %s, the command %s%v", name, client, api, shell, err)
	}
	var e ui.Explanation
	if err := json.Unmarshal([]byte(api), &e); err != nil {
		p.t.Fatal(err)
	}
	return e
}

// Command and API give the same verdict with the same reason as the walk of a query.
func TestExplain(t *testing.T) {
	config := household(t)
	p := prepare(t, config).start()
	line := func(start string) int { // of the configuration
		before, _, found := strings.Cut(config, "\n"+start)
		if !found {
			t.Fatalf("no %q in the configuration", start)
		}
		return strings.Count(before, "\n") + 2
	}
	const kids = "the kids"
	tests := []struct {
		name, client, qtype         string
		verdict, list, rule, source string
		line                        int
		group                       string
		has                         string // in the JSON
	}{
		{"www.example.org", "", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"A_b.1.listed.example", "", "A", verdictBlocked, "trackers", "||listed.example^", "trackers.txt", 2, "default", `"name":"a_b.1.listed.example"`},
		{"important.example", "", "A", verdictBlocked, "trackers", "||important.example^$important", "trackers.txt", 3, "default", ""},
		{"pattern-7.example", "", "A", verdictBlocked, "trackers", "||pattern-*.example^", "trackers.txt", 5, "default", ""},
		{"regexp.example", "", "A", verdictBlocked, "trackers", `/^regexp\.exa/`, "trackers.txt", 6, "default", ""},
		{"rewritten.example", "", "A", verdictAllowed, "trackers", "||rewritten.example^$dnsrewrite=192.0.2.55", "trackers.txt", 7, "default", `"answer":"NOERROR;A;192.0.2.55"`},
		{"nowhere.example", "", "A", verdictBlocked, "trackers", "||nowhere.example^$dnsrewrite=NXDOMAIN", "trackers.txt", 8, "default", `"answer":"NXDOMAIN;;"`},
		{"excepted.example", "", "A", verdictAllowed, "trackers", "@@||excepted.example^", "trackers.txt", 11, "default", `"weaker":[{"verdict":"blocked","list":"trackers","rule":"||excepted.example^"`},
		{"typed.example", "", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"typed.example", "", "AAAA", verdictBlocked, "trackers", "||typed.example^$dnstype=AAAA", "trackers.txt", 12, "default", ""},
		{"listed.example", "cousin", "A", verdictBlocked, "trackers", "||listed.example^", "trackers.txt", 2, "the kids", ""},
		{"mask.icloud.com", "cousin", "A", verdictBlocked, "resolvers", "|mask.icloud.com^", "builtin:doh", 0, "the kids", ""},
		{"use-application-dns.net", "cousin", "A", verdictBlocked, "canary", "use-application-dns.net", "config.toml", 0, "the kids", ""},
		{"www.google.com", "cousin", "A", verdictAllowed, "safe_search", "www.google.com", "config.toml", line("safe_search"), "the kids", ""},
		{"www.google.com", "niece", "A", verdictAllowed, "safe_search", "www.google.com", "config.toml", line("safe_search = true # teens"), "teens", ""},
		{"for-kid.example", "", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"for-kid.example", kid, "A", verdictBlocked, "trackers", "||for-kid.example^$client='kids tablet'", "trackers.txt", 13, kids, `"client":"kids tablet"`},
		{"own.example", "", "A", verdictBlocked, "config", "own.example", "config.toml", line("deny = [\"own"), "default", ""},
		{"own-allowed.example", "", "A", verdictAllowed, "config", "own-allowed.example", "config.toml", line("allow = [\"own"), "default", `"weaker":[{"verdict":"blocked","list":"trackers"`},
		{"kids.example", "", "A", verdictUntouched, "", "", "", 0, "default", `"asleep":[{"verdict":"blocked","list":"config","rule":"kids.example"`},
		{"kids.example", kid, "A", verdictBlocked, "config", "kids.example", "config.toml", line("deny = [\"kids"), kids, ""},
		{"kids-allowed.example", kid, "A", verdictAllowed, "config", "kids-allowed.example", "config.toml", line("allow = [\"kids"), kids, ""},
		{"kids-allowed.example", parent, "A", verdictBlocked, "trackers", "||kids-allowed.example^", "trackers.txt", 16, "default", `"why":"the list serves other groups"`},
		{"evening.example", kid, "A", verdictBlocked, "evening", "evening.example", "evening.txt", 1, kids, `"schedule":["mon-sun 00:00-24:00"]`},
		{"evening.example", "02:00:00:00:00:40", "A", verdictBlocked, "evening", "evening.example", "evening.txt", 1, kids, `"client":"kids tablet"`},
		{"evening.example", "id:kids-tablet", "A", verdictBlocked, "evening", "evening.example", "evening.txt", 1, kids, ""},
		{"evening.example", "kids tablet", "A", verdictBlocked, "evening", "evening.example", "evening.txt", 1, kids, ""},
		{"evening.example", "cousin", "A", verdictBlocked, "evening", "evening.example", "evening.txt", 1, kids, ""},
		{"evening.example", "guest", "A", verdictUntouched, "", "", "", 0, "guests", `"note":"nothing is blocked for this client now"`},
		{"evening.example", "192.0.2.99", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"listed.example", "guest", "A", verdictUntouched, "", "", "", 0, "guests", `"why":"nothing is blocked for this client now"`},
		{"www.tiktok.com", kid, "A", verdictBlocked, "service:TikTok", "||tiktok.com^$important", "builtin:service:TikTok", 0, kids, `"owner":"ByteDance Inc","category":"social_media"`},
		{"www.facebook.com", "", "A", verdictBlocked, "no_account:Meta", "||facebook.com^$important", "builtin:company:Meta", 0, "default", `"owner":"Meta"`},
		{"www.google.com", kid, "A", verdictAllowed, "safe_search", "www.google.com", "config.toml", line("safe_search"), kids, `"answer":"NOERROR;CNAME;forcesafesearch.google.com"`},
		{"www.google.com", "", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"use-application-dns.net", "", "A", verdictBlocked, "canary", "use-application-dns.net", "config.toml", 0, "default", ""},
		{"nas.home.arpa", "", "A", verdictUntouched, "", "", "", 0, "default", `"note":`},
		{"198.51.100.66", "", "A", verdictBlocked, "trackers", "198.51.100.0/24", "trackers.txt", 17, "default", ""},
		{"2001:db8:bad::1", "", "A", verdictBlocked, "trackers", "2001:db8:bad::/48", "trackers.txt", 18, "default", `"type":"AAAA"`},
		{"203.0.113.2", kid, "A", verdictBlocked, "config", "203.0.113.2", "config.toml", line("deny = [\"kids"), kids, ""},
		{"203.0.113.2", "", "A", verdictUntouched, "", "", "", 0, "default", ""},
		{"dns.google", "", "TYPE65280", verdictBlocked, "resolvers", "||dns.google^", "builtin:doh", 0, "default", `"type":"TYPE65280"`},
	}
	for _, tt := range tests {
		t.Run(tt.name+" for "+tt.client, func(t *testing.T) {
			p.t = t
			e := p.explains(tt.client, tt.name, tt.qtype, false)
			b, _ := json.Marshal(e)
			if e.Verdict != tt.verdict || e.List != tt.list || e.Rule != tt.rule || !strings.HasSuffix(e.Source, tt.source) || tt.line != 0 && e.Line != tt.line || e.Group != tt.group ||
				!strings.Contains(strings.ReplaceAll(string(b), `\u003e`, ">"), tt.has) {
				t.Errorf("got %s, want %v", b, tt)
			}
			if (e.Remedy != nil) != (e.Verdict == verdictBlocked) {
				t.Errorf("the remedy of %s is %v", e.Verdict, e.Remedy)
			}
			if asks := map[string]string{"": parent, parent: parent, kid: kid}[tt.client]; asks != "" && tt.qtype == "A" && net.ParseIP(tt.name) == nil {
				if got := p.becomes(asks, tt.name); (got == blocked || got == "0.0.0.0") != (e.Verdict == verdictBlocked) {
					t.Errorf("it is said to be %s, and a query gets %s", e.Verdict, got)
				}
			}
		})
	}
	p.t = t

	// What is behind a name decides as well.
	for _, tt := range []struct {
		name, client, qtype, verdict, list, rule, has string
	}{
		{"www.example.org", "", "A", verdictUntouched, "", "", `"addresses":["192.0.2.1"]`},
		{"shop.example.org", "", "A", verdictBlocked, "trackers", "||tracker.example^", `"chain":[{"type":"CNAME","target":"pixel.tracker.example","verdict":"blocked"`},
		{"web.example.org", "", "HTTPS", verdictBlocked, "trackers", "||tracker.example^", `"chain":[{"type":"HTTPS","target":"pixel.tracker.example","verdict":"blocked"`},
		{"host.example.org", "", "A", verdictBlocked, "trackers", "198.51.100.0/24", `"chain":[{"type":"A","target":"198.51.100.66","verdict":"blocked"`},
		{"kids-host.example.org", "", "A", verdictUntouched, "", "", ""},
		{"kids-host.example.org", kid, "A", verdictBlocked, "config", "203.0.113.2", `"group":"the kids"`},
		{"inside.example.org", "", "A", verdictBlocked, "rebind", "inside.example.org", `"note":"a public name that leads to a private address"`},
		{"rewritten.example", "", "A", verdictAllowed, "trackers", "||rewritten.example^$dnsrewrite=192.0.2.55", `"addresses":["192.0.2.55"]`},
		{"www.google.com", kid, "A", verdictAllowed, "safe_search", "www.google.com", `"addresses":["192.0.2.80"]`},
		{"shop.example.org", "guest", "A", verdictUntouched, "", "", `"addresses":["192.0.2.1"]`},
	} {
		e := p.explains(tt.client, tt.name, tt.qtype, true)
		if b, _ := json.Marshal(e); e.Verdict != tt.verdict || e.List != tt.list || e.Rule != tt.rule || !strings.Contains(string(b), tt.has) {
			t.Errorf("--resolve: got %s, want %v", b, tt)
		}
	}

	p.want(kid, "www.google.com", "192.0.2.80")
	p.want(parent, "www.google.com", "192.0.2.81")
	p.want(parent, "rewritten.example", "192.0.2.55")

	// A person reads the same.
	_, text := p.command("explain", "--client", kid, "--resolve", "evening.example", "kids.example", "shop.example.org", "www.google.com")
	wantIn(t, text, "evening.example: blocked by list evening, rule evening.example (", "  for kids tablet, in group the kids\n", "  the list is on mon-sun 00:00-24:00\n",
		`  to allow it, in [groups."the kids"]: allow = ["kids-allowed.example", "kids.example"]`, "  -> CNAME pixel.tracker.example: blocked by list trackers, rule ||tracker.example^ (",
		"  the answer is NOERROR;CNAME;forcesafesearch.google.com\n", "  -> CNAME forcesafesearch.google.com: untouched\n", "  addresses 192.0.2.80\n")

	// A pause is seen by both.
	if status, out := p.command("pause", "5m", "--group", kids, "--web", strings.TrimPrefix(p.web, "http://")); status != 0 {
		t.Fatalf("pause: %d %s", status, out)
	}
	if e := p.explains(kid, "listed.example", "A", false); e.Verdict != verdictUntouched || len(e.Asleep) != 1 {
		t.Errorf("in a pause: %+v", e)
	}
	if e := p.explains(parent, "listed.example", "A", false); e.Verdict != verdictBlocked {
		t.Errorf("in a pause of others: %+v", e)
	}

	// Who is not there is told.
	status, out := p.command("explain", "--client", "kid tablet", "x.example")
	if status != 2 || !strings.Contains(out, `"kid tablet" is no client`) || !strings.Contains(out, `"kids tablet"`) {
		t.Errorf("an unknown client: %d %s", status, out)
	}
	if status, body := p.get("/api/v1/explain?name=x.example&client=kid+tablet"); status != 400 || !strings.Contains(body, "is no client") {
		t.Errorf("an unknown client of the API: %d %s", status, body)
	}
	p.stop()
}

// apply puts a remedy into a configuration, as a person would.
func apply(config string, r *ui.Remedy) string {
	key, _, _ := strings.Cut(r.Line, " = ")
	lines := strings.Split(config, "\n")
	for i, line := range lines {
		if line != r.Table {
			continue
		}
		for j := i + 1; j < len(lines) && !strings.HasPrefix(lines[j], "["); j++ {
			if strings.HasPrefix(lines[j], key+" = ") {
				lines[j] = r.Line
				return strings.Join(lines, "\n")
			}
		}
		lines[i] += "\n" + r.Line
		return strings.Join(lines, "\n")
	}
	return config + r.Table + "\n" + r.Line + "\n"
}

// The remedy that is offered for a blocked name is one.
func TestRemedies(t *testing.T) {
	config := household(t)
	p := prepare(t, config).start()
	tests := []struct {
		name    string // of what is explained
		client  string
		qtype   uint16
		resolve bool
		asked   string // by a query; "" for name
	}{
		{name: "listed.example"},
		{name: "a_b.1.listed.example"},
		{name: "listed.example", client: kid},
		{name: "listed.example", client: cousin},
		{name: "important.example"},
		{name: "pattern-7.example"},
		{name: "regexp.example"},
		{name: "nowhere.example"},
		{name: "nowhere.example", client: kid},
		{name: "zero.example"},
		{name: "typed.example", qtype: dns.TypeAAAA},
		{name: "for-kid.example", client: kid},
		{name: "own.example"},
		{name: "own.example", client: kid},
		{name: "own-important.example"},
		{name: "own-nowhere.example"}, // which a list denies as well
		{name: "kids.example", client: kid},
		{name: "kids.example", client: cousin}, // whose first group does not block
		{name: "kids-nowhere.example", client: kid},
		{name: "evening.example", client: kid},
		{name: "www.tiktok.com", client: kid},
		{name: "www.facebook.com"},
		{name: "dns.google"},
		{name: "use-application-dns.net"},
		{name: "use-application-dns.net", client: kid},
		{name: "198.51.100.66", asked: "host.example.org"},
		{name: "2001:db8:bad::1", asked: "six.example.org", qtype: dns.TypeAAAA},
		{name: "203.0.113.1", asked: "own-host.example.org"},
		{name: "203.0.113.2", asked: "kids-host.example.org", client: kid},
		{name: "host.example.org", resolve: true},
		{name: "six.example.org", resolve: true, qtype: dns.TypeAAAA},
		{name: "own-host.example.org", resolve: true},
		{name: "kids-host.example.org", resolve: true, client: kid},
		{name: "shop.example.org", resolve: true},
		{name: "shop.example.org", resolve: true, client: kid},
		{name: "web.example.org", resolve: true, qtype: dns.TypeHTTPS},
		{name: "inside.example.org", resolve: true},
	}
	for _, tt := range tests {
		t.Run(tt.name+" for "+tt.client, func(t *testing.T) {
			p.t = t
			if tt.asked == "" {
				tt.asked = tt.name
			}
			if tt.qtype == 0 {
				tt.qtype = dns.TypeA
			}
			client := tt.client
			if client == "" {
				client = parent
			}
			answered := func() bool { // with what the name really has
				r := p.askFrom(client, tt.asked, tt.qtype)
				return r.Rcode == dns.RcodeSuccess && len(r.Answer) > 0 && !strings.Contains(r.Answer[0].String(), "\t0.0.0.0")
			}
			p.reload(config)
			if answered() {
				t.Error("it is not blocked")
			}
			query := url.Values{"name": {tt.name}, "type": {dns.TypeToString[tt.qtype]}, "client": {client}, "resolve": {fmt.Sprint(tt.resolve)}}
			_, body := p.get("/api/v1/explain?" + query.Encode())
			var e ui.Explanation
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.Remedy == nil {
				t.Fatalf("%v: no remedy in %s", err, body)
			}
			p.reload(apply(config, e.Remedy))
			if !answered() {
				t.Errorf("%s %s does not help: %v", e.Remedy.Table, e.Remedy.Line, p.askFrom(client, tt.asked, tt.qtype))
			}
		})
	}
	p.t = t
	p.stop()
}
