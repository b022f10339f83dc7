package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// wantCompanies waits until so many attempts are counted: that happens once the reply
// has left.
func (p *program) wantCompanies(attempts uint64) (got ui.Companies) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		_, body := p.get("/api/v1/companies?range=7d")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			p.t.Fatalf("%v: %s", err, body)
		}
		var all uint64
		for _, c := range got.Companies {
			all += c.Attempts
		}
		if all == attempts {
			return got
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%d attempts, want %d: %s", all, attempts, body)
		}
	}
}

// Who tried to follow: by company, with its category, how often it hid and under how many
// names, on the page, in the API and on the sheet, from the server and from its file.
func TestCompanies(t *testing.T) {
	up := newInternet(t)
	config := basics(up.address) + "[blocking]\ndeny = [\"nobodys.example\", \"graph.facebook.com\", \"an.facebook.com\"]\n" + starterList
	p := prepare(t, config).start()
	month, file := time.Now().Format("2006-01"), filepath.Join(t.TempDir(), "sheet.html")
	if status, body := p.get("/api/v1/report"); status != http.StatusNotFound || !strings.Contains(body, "nothing is kept of "+month+", nor of any other month") {
		t.Errorf("before anything: %d %s", status, body)
	}
	for _, name := range []string{"pixel.facebook.com", "graph.facebook.com", "graph.facebook.com", "cloaked.example.org", "nobodys.example"} {
		p.askFrom("127.83.219.47", name, dns.TypeA)
	}
	got := p.wantCompanies(4)
	for begin := time.Now(); got.Blocked < 5 && time.Since(begin) < patience; time.Sleep(time.Millisecond) { // the one that is nobody's
		got = p.wantCompanies(4)
	}
	if len(got.Companies) != 1 || got.Blocked != 5 || got.Unknown != 1 || got.Queries != 5 {
		t.Fatalf("%+v", got)
	}
	meta := got.Companies[0]
	if meta.Name != "Meta" || meta.Category != "social_media" || meta.Names != 2 || meta.Hidden != 1 || meta.Ways["cname"] != 1 || meta.Ways["name"] != 3 || meta.Ways["unknown"] != 0 {
		t.Errorf("%+v", meta)
	}
	var one ui.CompanyDetail
	for _, name := range []string{"Meta", "facebook", "meta inc."} {
		_, body := p.get("/api/v1/companies?name=" + strings.ReplaceAll(name, " ", "+"))
		if err := json.Unmarshal([]byte(body), &one); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if one.Name != "Meta" || one.Attempts != 4 || one.Hidden != 1 || len(one.Columns) != 96 || one.Owned < 20 || len(one.Domains) < 20 ||
			fmt.Sprint(one.Lists) != "[{config 2 0} {starter 2 1}]" {
			t.Errorf("%s: %+v", name, one)
		}
	}
	if status, body := p.get("/api/v1/companies?name=Nobody+at+All"); status != http.StatusNotFound || !strings.Contains(body, `nobody knows a company \"Nobody at All\"`) {
		t.Errorf("%d %s", status, body)
	}
	if _, body := p.get("/metrics"); !strings.Contains(body, "deadpixel_blocked_owner_total{owner=\"Meta\"} 4\n") {
		t.Error("the promised counter is another")
	}
	web := strings.TrimPrefix(p.web, "http://")
	check := func(from string, args ...string) (e ui.Evidence) {
		t.Helper()
		status, out := p.command(append([]string{"report", "--format", "json", "--output", file}, args...)...)
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if status != 0 || err != nil || !strings.Contains(out, from) {
			t.Fatalf("%s: status %d, %v: %s", from, status, err, out)
		}
		if e.Month != month || e.Attempts != 4 || e.Hidden != 1 || e.Blocked != 5 || e.Unknown != 1 || len(e.Days) != 1 || e.From != e.Until || e.Days[0].Attempts != 4 ||
			len(e.Missing) != e.Made.Day()-1 || len(e.Companies) != 1 || e.Companies[0].Names != 2 || e.Companies[0].Days[0].Names != 2 || e.Companies[0].Category != "social_media" {
			t.Errorf("%s: %+v", from, e)
		}
		for _, secret := range []string{"127.83.219.47", "facebook.com", "nobodys", "cloaked", p.dir} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%s: the sheet tells of %s", from, secret)
			}
		}
		return e
	}
	asked := check("the server at "+p.web, "--web", web, "--month", month)
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--web", web, "--month", "2019-02"}, 1, "nothing is kept of 2019-02, but of " + asked.From + " to " + asked.Until},
		{[]string{"--month", "2026-13"}, 2, `--month: "2026-13" is no month: write it like 2026-11`},
		{[]string{"--month", "november"}, 2, "is no month"},
		{[]string{"--format", "pdf"}, 2, `"pdf" is no format: write html or json`},
		{[]string{"--web", "nowhere"}, 2, "nowhere"},
		{[]string{"--web", "127.0.0.1:1"}, 1, "no running server answers at"},
		{nil, 1, "a server runs, but cannot be asked"}, // the configuration says port 0
		{[]string{"extra"}, 2, "unknown command"},
	} {
		if status, out := p.command(append([]string{"report"}, c.args...)...); status != c.status || !strings.Contains(out, c.says) {
			t.Errorf("%q: status %d, want %d: %s", c.args, status, c.status, out)
		}
	}
	if status, out := p.command("report", "--web", web); status != 0 || !strings.HasPrefix(out, "<!doctype html>") || !strings.Contains(out, `<th scope="row">Meta</th><td class="text">social media</td><td>4</td><td>1</td><td>2</td><td>1</td>`) {
		t.Errorf("status %d: %s", status, out)
	}
	p.stop()
	read := check(filepath.Join(p.dir, "data"))
	read.Made = asked.Made
	if fmt.Sprintf("%+v", read) != fmt.Sprintf("%+v", asked) {
		t.Errorf("the file says\n%+v\nand the server\n%+v", read, asked)
	}
	if status, out := p.command("report", "--month", "2019-02"); status != 1 || !strings.Contains(out, "nothing is kept of 2019-02, but of") {
		t.Errorf("status %d: %s", status, out)
	}
	if err := os.Remove(filepath.Join(p.dir, "data", "history.db")); err != nil {
		t.Fatal(err)
	}
	if status, out := p.command("report"); status != 1 || !strings.Contains(out, "no running server answers at") || !strings.Contains(out, "there is no history in") {
		t.Errorf("status %d: %s", status, out)
	}
}
