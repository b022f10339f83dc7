package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A group does without a service. What a downloaded list allows changes nothing
// about that, what the household allows does.
func TestServices(t *testing.T) {
	up := newInternet(t)
	config := basics(up.address) + fmt.Sprintf(`
[[lists]]
name = "generous"
kind = "allow"
source = %q
[groups.kids]
services = ["tiktok", "Instagram"]
[groups.guests]
services = ["TikTok", "tik tok"]
`, file(t, "generous.txt", "www.tiktok.com\nwww.instagram.com\n")) + people
	p := prepare(t, config).start()
	for _, who := range []string{kid, guest, cousin} {
		p.want(who, "www.tiktok.com", blocked)
		p.want(who, "v16.tiktokcdn.com", blocked)
	}
	p.want(parent, "www.tiktok.com", open)
	p.want(kid, "www.instagram.com", blocked)
	p.want(guest, "www.instagram.com", open)
	p.want(kid, "www.example.org", open)
	p.wantMetrics(`deadpixel_blocked_total{list="service:TikTok",reason="name"} 6`, `deadpixel_blocked_total{list="service:Instagram",reason="name"} 1`)
	if _, status := p.get("/api/v1/status"); strings.Count(status, `"name": "service:`) != 2 {
		t.Errorf("two services are wanted in %s", status)
	}
	p.reload(config + "[blocking]\nallow = [\"www.tiktok.com\"]\n")
	for _, who := range []string{kid, guest, cousin} {
		p.want(who, "www.tiktok.com", open)
		p.want(who, "v16.tiktokcdn.com", blocked)
	}
	p.stop()
}

// A service is a list like others, with groups and times.
func TestServiceOnSchedule(t *testing.T) {
	up := newInternet(t)
	now := time.Now().UTC()
	slot := func(from, to time.Duration) string {
		return now.Add(from).Format("15:04") + "-" + now.Add(to).Format("15:04")
	}
	list := func(name, source, when string) string {
		return fmt.Sprintf("[[lists]]\nname = %q\nsource = \"builtin:service:%s\"\ngroups = [\"kids\"]\nschedule = [\"mon-sun %s\"]\n", name, source, when)
	}
	p := prepare(t, "time_zone = \"UTC\"\n"+basics(up.address)+list("now", "tiktok", slot(-2*time.Hour, 2*time.Hour))+
		list("later", "instagram", slot(2*time.Hour, 4*time.Hour))+"[groups.kids]\n[groups.guests]\n"+people).start()
	p.want(kid, "www.tiktok.com", blocked)
	p.want(parent, "www.tiktok.com", open)
	p.want(kid, "www.instagram.com", open)
	if _, e := p.get("/api/v1/explain?name=www.tiktok.com&client=" + kid); !strings.Contains(e, `"schedule"`) || !strings.Contains(e, slot(-2*time.Hour, 2*time.Hour)) {
		t.Errorf("the times of the list are not told: %s", e)
	}
	_, e := p.get("/api/v1/explain?name=www.instagram.com&client=" + kid)
	wantIn(t, e, `"asleep"`, "the list is not on now")
	p.stop()
}

// Where nobody has an account with a company, everything of it is blocked, and
// counted whose it was.
func TestNoAccount(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, "lists = []\n"+basics(up.address)+"[groups.default]\nno_account = [\"Meta\", \"TikTok\"]\n[groups.kids]\n[groups.guests]\n"+people).start()
	for _, name := range []string{"www.facebook.com", "whatsapp.com", "web.whatsapp.com", "www.tiktok.com"} {
		p.want(parent, name, blocked)
		p.want(kid, name, open)
	}
	p.want(parent, "cloaked.example.org", blocked) // leads to pixel.facebook.com
	p.wantMetrics(`deadpixel_no_account_total{owner="Meta"} 4`, `deadpixel_no_account_total{owner="ByteDance Inc"} 1`)
	p.stop()
}

// Looking for a way around the household's DNS is counted, and leads nowhere.
func TestEncryptedResolvers(t *testing.T) {
	up := newZone(t, `
relay.example.org. 300 IN A 8.8.8.8
www.example.org. 300 IN A 192.0.2.1
dns.google. 300 IN A 8.8.8.8
`)
	p := prepare(t, basics(up)+"[[lists]]\nname = \"doh\"\nsource = \"builtin:doh\"\n").start()
	p.want(parent, "dns.google", blocked)
	p.want(parent, "relay.example.org", blocked)
	p.want(parent, "www.example.org", open)
	p.want(parent, "use-application-dns.net", blocked)
	p.ask("_dns.resolver.arpa", dns.TypeSVCB)
	p.wantMetrics(
		`deadpixel_blocked_total{list="doh",reason="name"} 1`,
		`deadpixel_blocked_total{list="doh",reason="address"} 1`,
		`deadpixel_escape_attempts_total{kind="canary"} 1`,
		`deadpixel_escape_attempts_total{kind="discovery"} 1`,
		`deadpixel_escape_attempts_total{kind="resolver"} 1`,
	)
	p.stop()
}

// Names that nobody knows are told with their line, and what was meant.
func TestUnknownServices(t *testing.T) {
	const ours = "ours.example\tOur Company\tmisc\tOur Service\tXX\n"
	tests := []struct {
		name, config, says string
	}{
		{"service", "[groups.kids]\nservices = [\"tiktak\"]\n", `config.toml:2: groups.kids.services: the ownership data knows no service "tiktak"; did you mean TikTok`},
		{"company", "[groups.kids]\nno_account = [\n  \"Mata\",\n]\n", `config.toml:2: groups.kids.no_account: the ownership data knows no company "Mata"; did you mean `},
		{"source of a list", "[[lists]]\nname = \"x\"\nsource = \"builtin:service:tiktak\"\n", `config.toml:3: lists.source: the ownership data knows no service "tiktak"; did you mean TikTok`},
		{"beside data of one's own", "[groups.kids]\nservices = [\"our servise\"]\n[owners]\nsource = \"OURS\"\n", `config.toml:2: groups.kids.services: the ownership data knows no service "our servise"; did you mean Our Service`},
		{"in data of one's own", "[groups.kids]\nservices = [\"our service\"]\n[owners]\nsource = \"OURS\"\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := prepare(t, strings.ReplaceAll(tt.config, "OURS", file(t, "ours.tsv", ours))+starterList)
			want := 1
			if tt.says == "" {
				want = 0
			}
			if status, out := p.command("check"); status != want || !strings.Contains(out, tt.says) {
				t.Errorf("status %d, want %d; %q is wanted in %s", status, want, tt.says, out)
			}
		})
	}
}

// What somebody knows about who owns what is read in every shape in which it is
// published.
func TestOwnersFile(t *testing.T) {
	for shape, text := range map[string]string{
		"table":                  "ours.example\tOur Company\tmisc\tOur Service\n",
		"Disconnect's services":  `{"license":"","categories":{"Advertising":[{"Our Service":{"https://ours.example/":["ours.example"]}}]}}`,
		"Disconnect's entities":  `{"license":"","entities":{"Our Service":{"properties":["ours.example"],"resources":["ours.example"]}}}`,
		"AdGuard's trackers":     `{"timeUpdated":"","categories":{"4":"advertising"},"trackers":{"ours":{"name":"Our Service","categoryId":4,"url":"https://ours.example/","companyId":"ours"}},"trackerDomains":{"ours.example":"ours"}}`,
		"AdGuard's trackers.csv": "domain;tracker;category_id\nours.example;Our Service;4\n",
	} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			what := "services"
			if strings.Contains(shape, "Disconnect") { // it knows companies alone
				what = "no_account"
			}
			p := prepare(t, "lists = []\n"+basics("127.0.0.1:9")+fmt.Sprintf("[groups.default]\n%s = [\"our service\"]\n[owners]\nsource = %q\n", what, file(t, "ours", text))).start()
			p.want(parent, "www.ours.example", blocked)
			_, e := p.get("/api/v1/explain?name=www.ours.example")
			wantIn(t, e, `"owner": "`)
			p.stop()
			if status, out := p.command("check"); status != 0 {
				t.Errorf("check: %d %s", status, out)
			}
		})
	}
}

// A file that is no ownership data is told, and nothing starts on it.
func TestBrokenOwnersFile(t *testing.T) {
	for name, text := range map[string]string{"a web page": "<html>", "no domain": "not a domain\tOurs\n", "cut off": `{"entities":{"Ours"`, "empty": ""} {
		p := prepare(t, "[owners]\nsource = \""+file(t, "ours.txt", text)+"\"\n"+basics("127.0.0.1:9")+starterList)
		if status, out := p.command("check"); status != 1 || !strings.Contains(out, "config.toml:2: owners.source: ") || !strings.Contains(out, "ours.txt: ") {
			t.Errorf("%s: check: %d %s", name, status, out)
		}
		if status, out := p.command("serve"); status != 1 || !strings.Contains(out, "config.toml:2: owners.source: ") {
			t.Errorf("%s: serve: %d %s", name, status, out)
		}
	}
}

// Ownership data that comes over the network changes what is blocked as it comes,
// and what was good stays.
func TestOwnersURL(t *testing.T) {
	const first, second = "ours.example\tOur Company\tmisc\tOur Service\n", "ours.example\tOur Company\tmisc\tOur Service\nnew.example\tOur Company\tmisc\tOur Service\n"
	var answer atomic.Value
	answer.Store("")
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := answer.Load().(string)
		if text == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, text)
	}))
	defer source.Close()
	up := newInternet(t)
	config := "lists = []\n" + basics(up.address) + fmt.Sprintf("[groups.default]\nservices = [\"our service\", \"tiktok\"]\n[owners]\nsource = %q\n", source.URL+"/owners.tsv")
	p := prepare(t, config)
	if status, out := p.command("check"); status != 0 || !strings.Contains(out, "config.toml:11: groups.default.services: the ownership data knows no service \"our service\"") || !strings.Contains(out, "(warning)") {
		t.Errorf("check before the data is there: %d %s", status, out)
	}
	if status, out := p.command("check", "--fetch"); status != 1 || !strings.Contains(out, "config.toml:13: owners.source: ") {
		t.Errorf("check --fetch while there is no data: %d %s", status, out)
	}
	p.start()
	p.want(parent, "www.ours.example", open)
	p.want(parent, "www.tiktok.com", blocked)
	p.wait("the ownership data is not refreshed; what is known stays in use")
	answer.Store(first)
	p.wait("ownership data in use")
	for deadline := time.Now().Add(patience); p.becomes(parent, "www.ours.example") != blocked && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	p.want(parent, "www.ours.example", blocked)
	if status, out := p.command("check"); status != 0 || strings.Contains(out, "warning") {
		t.Errorf("check with a copy: %d %s", status, out)
	}
	_, status := p.get("/api/v1/status")
	if strings.Contains(status, "knows no service") {
		t.Errorf("an error of before is still told: %s", status)
	}
	p.stop()

	answer.Store("") // no network, but a copy
	p.again().start()
	p.want(parent, "www.ours.example", blocked)
	p.reload(config + "refresh = \"1h\"\n")
	p.want(parent, "www.ours.example", blocked)
	p.stop()

	// Too old, and what comes is broken.
	old := time.Now().Add(-1000 * time.Hour)
	p.age(old)
	answer.Store("<html>log in to the hotel's network</html>")
	p.again().start()
	p.want(parent, "www.ours.example", blocked)
	p.wait("the ownership data is not refreshed; what is known stays in use")
	p.want(parent, "www.ours.example", blocked)
	p.want(parent, "www.new.example", open)
	answer.Store(second)
	p.wait("ownership data in use")
	for deadline := time.Now().Add(patience); p.becomes(parent, "www.new.example") != blocked && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	p.want(parent, "www.new.example", blocked)
	p.stop()

	// The copy of one source says nothing about another; what the list had stays.
	answer.Store("")
	p.write(strings.Replace(config, "/owners.tsv", "/other.tsv", 1))
	p.again().start()
	p.want(parent, "www.ours.example", blocked)
	_, e := p.get("/api/v1/explain?name=www.ours.example")
	wantIn(t, e, `"owner": ""`)
	p.stop()
}
