package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// read gets JSON from the page.
func (p *program) read(path string, into any) {
	p.t.Helper()
	status, body := p.get(path)
	if status != http.StatusOK {
		p.t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		p.t.Fatalf("%s: %v in %s", path, err, body)
	}
}

// form sends one, and returns the status and where the browser is sent.
func (p *program) form(path string, fields url.Values) (status int, location string) {
	p.t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: patience}
	r, err := c.PostForm(p.web+path, fields)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode, r.Header.Get("Location")
}

// progress waits until the refresh of a list is at a stage.
func (p *program) progress(list, stage string) ui.Progress {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var all struct{ Lists []ui.Progress }
		p.read("/api/v1/lists/progress", &all)
		for _, one := range all.Lists {
			if one.List == list && one.Stage == stage {
				return one
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the list %s is not %s: %+v", list, stage, all.Lists)
		}
	}
}

// The page has lists fetched without waiting for them, and says how far they are and
// what they have in common; who has signed in where they come from is not told.
func TestPageOfLists(t *testing.T) {
	text := strings.Repeat("# a comment\n", 500) + "||a.example^\n||b.example^\nbad line\n"
	rest := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			fmt.Fprint(w, "x.a.example\nc.example\n")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		fmt.Fprint(w, text[:3000])
		w.(http.Flusher).Flush()
		if _, ok := <-rest; ok {
			fmt.Fprint(w, text[3000:])
		}
	}))
	defer server.Close()
	defer close(rest)
	at := strings.Replace(server.URL, "http://", "http://user:word@", 1)
	p := prepare(t, basics("127.0.0.1:9")+fmt.Sprintf("[[lists]]\nname = \"big\"\nsource = \"%s/big?key=word\"\nformat = \"adblock\"\n[[lists]]\nname = \"other\"\nsource = \"%s/other\"\n", at, at)).start()
	p.progress("other", "done") // fetched at the start
	rest <- true
	p.progress("big", "done")

	begun := time.Now()
	if status, location := p.form("/api/v1/lists/refresh", url.Values{"list": {"big"}}); status != http.StatusSeeOther || location != "/lists" {
		t.Errorf("fetch now: %d to %s", status, location)
	}
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("whoever had a list fetched has waited for %v", took)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if one := p.progress("big", "fetching"); one.Bytes == 3000 && one.Size == int64(len(text)) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("while it comes: %+v", one)
		}
	}
	if _, page := p.get("/lists"); !strings.Contains(page, "Fetching: 2.9 KiB of 5.9 KiB") {
		t.Errorf("the page does not say how far it is:\n%s", page)
	}
	rest <- true
	p.progress("big", "unchanged")

	var overlap struct{ Lists []ui.Overlap }
	p.read("/api/v1/lists/overlap", &overlap)
	if got := fmt.Sprintf("%+v", overlap.Lists); got != "[{List:big Kind:deny Rules:2 Only:2 Others:[] Exact:true} {List:other Kind:deny Rules:2 Only:1 Others:[{List:big Same:0 Covered:1}] Exact:true}]" {
		t.Errorf("in common: %s", got)
	}
	_, page := p.get("/lists")
	_, one := p.get("/lists?name=big")
	for _, want := range []string{"covers 1", "100 %"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if !strings.Contains(one, "big:503: ") {
		t.Errorf("the page of the list does not name the line that it skipped:\n%s", one)
	}
	_, status := p.get("/api/v1/status")
	_, explained := p.get("/api/v1/explain?name=a.example")
	for what, text := range map[string]string{"the page": page, "the page of a list": one, "the status": status, "the explanation": explained} {
		if strings.Contains(text, "word") || !strings.Contains(text, "…@") {
			t.Errorf("%s tells who has signed in at a server:\n%s", what, text)
		}
	}
	p.stop()
}

// Groups and clients are shown as they are configured and as schedules stand, with who
// asked today in the form that is kept.
func TestPageOfClients(t *testing.T) {
	days := strings.ToLower(time.Now().UTC().Weekday().String()[:3] + "," + time.Now().UTC().Add(24 * time.Hour).Weekday().String()[:3])
	config := "time_zone = \"UTC\"\n" + basics("127.0.0.1:9") + people + "[groups.kids]\nservices = [\"tiktok\"]\n[groups.guests]\nupstream = [\"https://dns.example/account7\"]\n" + starterList + "groups = [\"kids\"]\n" +
		"[[lists]]\nname = \"night\"\nsource = \"builtin:doh\"\nschedule = [\"" + days + " 00:00-24:00\"]\n"
	for _, form := range []string{"full", "anonymous", "none"} {
		p := prepare(t, config+"[privacy]\nclients = \""+form+"\"\n").start()
		for range 3 {
			p.askFrom(kid, "pixel.facebook.com", dns.TypeA)
		}
		var all struct {
			ui.Household
			Form  string
			Today []ui.Use
		}
		p.wantMetrics(`deadpixel_queries_total{outcome="blocked",transport="udp"} 3`)
		p.read("/api/v1/clients", &all)
		for deadline := time.Now().Add(patience); form != "none" && (len(all.Today) == 0 || all.Today[0].Queries < 3); time.Sleep(5 * time.Millisecond) {
			p.read("/api/v1/clients", &all)
			if time.Now().After(deadline) {
				t.Fatalf("%s: counted %+v", form, all.Today)
			}
		}
		if all.Form != form {
			t.Errorf("the form is %q, want %q", all.Form, form)
		}
		switch {
		case form == "none":
			if len(all.Today) != 0 {
				t.Errorf("counted %+v", all.Today)
			}
		case len(all.Today) != 1 || form == "full" && all.Today[0].Client != "kids tablet" || form == "anonymous" && len(all.Today[0].Client) < 8:
			t.Errorf("%s: counted %+v", form, all.Today)
		}
		groups := map[string]ui.Group{}
		for _, g := range all.Groups {
			groups[g.Name] = g
		}
		if got := fmt.Sprint(groups["guests"].Upstream); got != "[https://dns.example/…]" {
			t.Errorf("upstreams of a group: %s", got)
		}
		serving := map[string]ui.GroupList{}
		for _, l := range groups["kids"].Lists {
			serving[l.Name] = l
		}
		night := serving["night"]
		if len(groups["guests"].Lists) != 1 || len(serving) != 3 || !serving["starter"].On || serving["starter"].Next != nil || !night.On || night.Next == nil || time.Until(*night.Next) < 23*time.Hour {
			t.Errorf("lists of the groups: %+v", all.Groups)
		}
		if len(all.Clients) != 3 || all.Clients[2].Name != "cousin" || fmt.Sprint(all.Clients[2].Groups) != "[guests kids]" {
			t.Errorf("clients: %+v", all.Clients)
		}
		if _, page := p.get("/clients"); !strings.Contains(page, "kids tablet") || strings.Contains(page, "account7") || strings.Contains(page, kid+"</code></th>") {
			t.Errorf("%s: the page:\n%s", form, page)
		}
		p.stop()
	}
}

// The configuration is shown as it runs: flags, what a refused one had wrong, and no
// secret.
func TestPageOfConfiguration(t *testing.T) {
	good := basics("127.0.0.1:9") + "[upstream.routes]\n\"a.example\" = [\"https://192.0.2.1/account7\"]\n" + starterList + "refresh = \"1m\"\n"
	p := prepare(t, good, "--log-level", "debug").start()
	var r ui.Running
	find := func(key string) ui.Setting {
		for _, s := range r.Settings {
			if s.Key == key {
				return s
			}
		}
		t.Errorf("there is no %s", key)
		return ui.Setting{}
	}
	p.read("/api/v1/config", &r)
	if s := find("log.level"); s.Value != `"debug"` || s.From != "--log-level" || s.Default {
		t.Errorf("a flag: %+v", s)
	}
	if s := find("data_dir"); !strings.Contains(s.Value, p.dir) || s.From != "--data" {
		t.Errorf("the data directory: %+v", s)
	}
	if s := find("upstream.routes.a.example"); s.Value != `["https://192.0.2.1/…"]` || !strings.HasPrefix(s.From, p.config+":") {
		t.Errorf("a route: %+v", s)
	}
	if len(r.Problems) != 0 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "is fetched every 1m0s") {
		t.Errorf("wrong %q, unwise %q", r.Problems, r.Warnings)
	}
	p.write(strings.Replace(good, "[dns]", "[dns]\nlissten = 1", 1) + "[owners]\nsource = \"https://user:word@x/\"\n")
	p.signal(syscall.SIGHUP)
	p.wait("the previous configuration runs on")
	p.read("/api/v1/config", &r)
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "was refused") || !strings.Contains(r.Problems[0], `unknown key "dns.lissten"`) {
		t.Errorf("after a refused one: %q", r.Problems)
	}
	p.write(good)
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	r = ui.Running{}
	p.read("/api/v1/config", &r)
	if len(r.Problems) != 0 {
		t.Errorf("after a good one: %q", r.Problems)
	}
	_, page := p.get("/config")
	if !strings.Contains(page, "https://192.0.2.1/…") || strings.Contains(page, "account7") {
		t.Errorf("the page:\n%s", page)
	}
	p.stop()
}
