package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"deadpixel/ui"
)

// webFrom asks the page from an address of this machine, and returns status and body.
func (p *program) webFrom(from, method, path, body string, headers ...string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.web+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		key, value, _ := strings.Cut(h, ": ")
		r.Header.Set(key, value)
	}
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// rule changes the rules of the page and compares the status.
func (p *program) rule(method, body string, want int) string {
	p.t.Helper()
	status, answer := p.webFrom(parent, method, "/api/v1/rules", body)
	if status != want {
		p.t.Errorf("%s %s: %d, want %d: %s", method, body, status, want, answer)
	}
	return answer
}

// Rules by the page act at once and for good, for whom they are, and leave the
// configuration alone.
func TestRulesByThePage(t *testing.T) {
	up := newInternet(t)
	config := "# mine\nlists = []\n" + basics(up.address) + "[blocking]\ndeny = [\"ads.example\"] # and this\n[groups.kids]\ndeny = [\"game.example\"]\n[groups.guests]\n" + people
	p := prepare(t, config).start()
	rules := filepath.Join(p.dir, "data", rulesFileName)
	is := func(name, parent, kid, guest, cousin string) {
		t.Helper()
		p.want("127.0.0.1", name, parent)
		p.want("127.0.0.2", name, kid)
		p.want("127.0.0.3", name, guest)
		p.want("127.0.0.4", name, cousin)
	}
	is("ads.example", blocked, blocked, blocked, blocked)
	wantIn(t, p.rule("POST", `{"rule":"ads.example","action":"allow","group":"kids"}`, 200), `"rule": "@@||ads.example^"`, `"group": "kids"`)
	is("ads.example", blocked, open, blocked, open)
	_, out := p.command("explain", "--client", kid, "ads.example")
	wantIn(t, out, "ads.example: allowed by list config, rule @@||ads.example^ ("+rules+":6)", "in group kids")
	p.rule("POST", `{"rule":"ads.example","action":"allow"}`, 200)
	is("ads.example", open, open, open, open)
	p.rule("POST", `{"rule":"www.example.org","action":"deny"}`, 200)
	is("www.example.org", blocked, blocked, blocked, blocked)
	p.rule("POST", `{"rule":"www.example.org","action":"allow","client":"guest"}`, 200)
	is("www.example.org", blocked, blocked, open, blocked)
	p.rule("POST", `{"rule":"192.0.2.1","action":"deny","group":"guests"}`, 200)
	is("other.example.org", open, open, blocked, blocked)
	p.rule("DELETE", `{"rule":"192.0.2.1","group":"guests"}`, 200)
	is("other.example.org", open, open, open, open)
	before, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`{"rule":"x.example\ny.example","action":"allow"}`, `{"rule":"/(/","action":"deny"}`, `{"rule":"@@||x.example^","action":"deny"}`,
		`{"rule":"||x.example^$important","action":"allow","duration":"10m"}`, `{"rule":"x.example","action":"deny","duration":"10m"}`, `{"rule":"x.example","action":"allow","duration":"1000h"}`} {
		p.rule("POST", bad, 400)
	}
	p.rule("POST", `{"rule":"x.example","action":"allow","group":"kidz"}`, 404)
	p.rule("POST", `{"rule":"x.example","action":"allow","client":"nobody"}`, 404)
	p.rule("DELETE", `{"rule":"x.example"}`, 404)
	p.rule("POST", `{"rule":"ads.example","action":"allow"}`, 200) // it is there already
	if after, err := os.ReadFile(rules); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the rules have changed, %v:\n%s\nto\n%s", err, before, after)
	}
	if status, _ := p.webFrom(kid, "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow"}`, "X-Forwarded-For: 192.0.2.1"); status != http.StatusForbidden {
		t.Errorf("by a stranger: %d", status)
	}

	p.kill()
	p.again().start()
	is("ads.example", open, open, open, open)
	is("www.example.org", blocked, blocked, open, blocked)
	p.rule("DELETE", `{"rule":"ads.example"}`, 200)
	is("ads.example", blocked, open, blocked, open)

	// A person edits the file, and makes a mistake.
	if err := os.WriteFile(rules, []byte("# by hand\n/(/\nhand.example\n[groups.kidz]\nlost.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	is("hand.example", blocked, blocked, blocked, blocked)
	is("lost.example", open, open, open, open)
	is("ads.example", blocked, blocked, blocked, blocked)
	wantIn(t, strings.Join(p.said, "\n"), "rules.txt:2: ", "rules.txt:4: there is no group")
	wantIn(t, p.rule("POST", `{"rule":"ads.example","action":"allow"}`, 200), `rules.txt:2: `, `"@@||ads.example^"`)
	if text, err := os.ReadFile(rules); err != nil || string(text) != "# by hand\n/(/\nhand.example\n@@||ads.example^\n[groups.kidz]\nlost.example\n" {
		t.Errorf("%v: the file is\n%s", err, text)
	}
	is("ads.example", open, open, open, open)
	status, out := p.command("check")
	if status != 1 {
		t.Errorf("check ends with %d", status)
	}
	wantIn(t, out, rules+":2: ", rules+":5: there is no group \"kidz\"; did you mean \"kids\"?")
	if status, out = p.command("explain", "ads.example"); status != 0 {
		t.Errorf("explain ends with %d", status)
	}
	wantIn(t, out, rules+":2: ", rules+":5: there is no group", "(warning)", "ads.example: allowed")
	if text, err := os.ReadFile(p.config); err != nil || string(text) != config {
		t.Errorf("%v: the configuration has changed:\n%s", err, text)
	}
	p.stop()
	p.again().start() // with the mistakes
	is("ads.example", open, open, open, open)
	p.stop()
}

// What is allowed for a while acts at once, for whom it is, ends, and outlives a
// restart unless it is about an address.
func TestAllowForAWhile(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, "lists = []\n"+basics(up.address)+"[blocking]\ndeny = [\"ads.example\"]\n[groups.kids]\ndeny = [\"game.example\"]\n[groups.guests]\n"+people).start()
	p.want(kid, "game.example", blocked)
	p.rule("POST", `{"rule":"game.example","action":"allow","client":"127.0.0.2","duration":"10m"}`, 200)
	p.want(kid, "www.game.example", open)
	p.want(cousin, "game.example", blocked)
	p.rule("POST", `{"rule":"game.example","action":"allow","group":"kids","duration":"20m"}`, 200)
	p.want(cousin, "game.example", open)
	p.rule("POST", `{"rule":"ads.example","action":"allow","client":"guest","duration":"10m"}`, 200)
	p.want(guest, "ads.example", open)
	p.want(parent, "ads.example", blocked)
	p.rule("POST", `{"rule":"ads.example","action":"allow","duration":"1s"}`, 200)
	p.want(parent, "ads.example", open)
	for deadline := time.Now().Add(patience); p.becomes(parent, "ads.example") != blocked; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	p.want(guest, "ads.example", open)
	_, body := p.webFrom(parent, "GET", "/api/v1/explain?name=game.example&client=127.0.0.4", "")
	var e ui.Explanation
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Verdict != "allowed" || e.List != "config" || e.Rule != "game.example" || e.Source != "the page" ||
		!strings.HasPrefix(e.Note, "allowed until ") || len(e.Weaker) != 1 || e.Weaker[0].Verdict != "blocked" {
		t.Errorf("explained as %s, %v", body, err)
	}
	stored, err := os.ReadFile(filepath.Join(p.dir, "data", allowedFile))
	if err != nil || strings.Contains(string(stored), "127.0.0") {
		t.Errorf("stored %s, %v", stored, err)
	}
	p.kill()
	p.again().start()
	p.want(cousin, "game.example", open)
	p.want(guest, "ads.example", open)
	_, out := p.command("explain", "--client", "guest", "ads.example")
	wantIn(t, out, "ads.example: allowed by list config, rule ads.example (the page)", "allowed until ")
	p.rule("DELETE", `{"rule":"game.example","group":"kids"}`, 200)
	p.want(cousin, "game.example", blocked)
	p.rule("DELETE", `{"rule":"game.example","group":"kids"}`, 404)
	p.stop()
}

// recentOf is what the page tells a device of its blocked names, once there are so
// many: a name is noted when the reply has left.
func (p *program) recentOf(from string, names int) string {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		status, body := p.webFrom(from, "GET", "/api/v1/recent", "")
		var recent ui.Recent
		if err := json.Unmarshal([]byte(body), &recent); err != nil || status != http.StatusOK {
			p.t.Fatalf("%d, %v: %s", status, err, body)
		}
		if len(recent.Blocked) == names {
			return body
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%d names for %s, want %d: %s", len(recent.Blocked), from, names, body)
		}
	}
}

// A device sees what was blocked for it, nobody else does, and it may allow what
// self_allow permits for itself, or ask.
func TestWhatBrokeJustNow(t *testing.T) {
	up := newInternet(t)
	config := "lists = []\n" + basics(up.address) + "[blocking]\ndeny = [\"ads.example\", \"pixel.facebook.com\"]\n[groups.kids]\n[groups.guests]\nself_allow = \"15m\"\n" + people
	p := prepare(t, config).start()
	p.want(kid, "kid.ads.example", blocked)
	p.want(kid, "kid.ads.example", blocked)
	p.want(kid, "cloaked.example.org", blocked)
	p.want(guest, "guest.ads.example", blocked)
	p.want(guest, "open.example", open)
	var body string
	for begin := time.Now(); !strings.Contains(body, `"count": 2`); body = p.recentOf(kid, 2) { // the noting comes after the reply
		if time.Since(begin) > patience {
			t.Fatalf("the second time is not counted: %s", body)
		}
	}
	wantIn(t, body, `"name": "kid.ads.example"`, `"behind": "pixel.facebook.com"`, `"reason": "cname"`, `"owner": "Meta"`)
	if strings.Contains(body, "guest") || strings.Contains(p.recentOf(guest, 1), "kid") || strings.Contains(p.recentOf(parent, 0), "ads") {
		t.Error("a device sees what was blocked for another")
	}
	for _, path := range []string{"/", "/recent", "/api/v1/status", "/api/v1/privacy", "/metrics", "/api/v1/rules"} {
		if _, body := p.webFrom(parent, "GET", path, ""); strings.Contains(body, "kid.ads") || strings.Contains(body, kid) && path != "/" {
			t.Errorf("%s tells of what was blocked for another", path)
		}
	}
	_, body = p.webFrom(guest, "GET", "/recent", "")
	wantIn(t, body, "guest.ads.example", "Allow for 15 minutes")

	const name = `{"name":"guest.ads.example"}`
	if status, body := p.webFrom(kid, "POST", "/api/v1/self_allow", name); status != http.StatusForbidden {
		t.Errorf("the kids allow something: %d %s", status, body)
	}
	if status, body := p.webFrom(guest, "POST", "/api/v1/self_allow", `{"name":"guest.ads.example","duration":"16m"}`); status != http.StatusForbidden {
		t.Errorf("a guest allows too much: %d %s", status, body)
	}
	p.want(guest, "guest.ads.example", blocked)
	if status, body := p.webFrom(guest, "POST", "/api/v1/self_allow", name); status != http.StatusOK {
		t.Errorf("a guest allows something: %d %s", status, body)
	}
	p.want(guest, "guest.ads.example", open)
	for _, other := range []string{parent, kid, cousin} {
		p.want(other, "guest.ads.example", blocked)
	}

	if status, body := p.webFrom(kid, "POST", "/api/v1/requests", `{"name":"never.example"}`); status != http.StatusBadRequest {
		t.Errorf("asked for what was not blocked: %d %s", status, body)
	}
	if status, body := p.webFrom(kid, "POST", "/api/v1/requests", `{"name":"kid.ads.example"}`); status != http.StatusOK {
		t.Errorf("asked: %d %s", status, body)
	}
	_, body = p.webFrom(parent, "GET", "/", "")
	wantIn(t, body, "<strong>kids tablet</strong> (127.0.0.2) asks to allow <strong>kid.ads.example</strong>")
	if _, body := p.webFrom(kid, "GET", "/", "", "Via: 1.1 x"); strings.Contains(body, "asks to allow") {
		t.Error("who may not answer sees what is asked for")
	}
	p.rule("POST", `{"rule":"kid.ads.example","action":"allow","client":"127.0.0.2","duration":"10m"}`, 200)
	p.want(kid, "kid.ads.example", open)
	if _, body := p.webFrom(parent, "GET", "/api/v1/requests", ""); strings.Contains(body, "kid.ads") {
		t.Errorf("what is answered is still asked for: %s", body)
	}

	status, body := p.webFrom(kid, "DELETE", "/api/v1/privacy/me", "")
	var erased struct{ Erased int }
	// Two names that were blocked for it, what it asked, and a sum of each minute.
	if err := json.Unmarshal([]byte(body), &erased); err != nil || status != http.StatusOK || erased.Erased < 4 {
		t.Errorf("erased: %d %s, %v", status, body, err)
	}
	p.recentOf(kid, 0)
	p.recentOf(guest, 1)
	p.reload(strings.Replace(config, "[blocking]", "[privacy]\nrecent = \"0s\"\n[blocking]", 1))
	p.want(kid, "kid2.ads.example", blocked)
	wantIn(t, p.recentOf(kid, 0), "It is turned off")
	wantIn(t, p.recentOf(guest, 0), "It is turned off")
	p.stop()
	files, err := filepath.Glob(filepath.Join(p.dir, "data", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && (bytes.Contains(b, []byte("ads.example")) || bytes.Contains(b, []byte("127.0.0."))) {
			t.Errorf("%s tells what was blocked for whom", f)
		}
	}
	if said := strings.Join(p.said, "\n"); strings.Contains(said, "ads.example") {
		t.Errorf("the log tells what was blocked: %s", said)
	}
}

// An address that many share sees nothing, and may allow nothing for all of them.
func TestSharedAddressSeesNothing(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, strings.Replace("lists = []\n"+basics(up.address), "[dns]", fmt.Sprintf("[dns]\ntrust_ecs_from = [%q]", guest), 1)+
		"[blocking]\ndeny = [\"ads.example\"]\n[groups.default]\nself_allow = \"15m\"\n").start()
	p.want(guest, "ads.example", blocked)
	p.want(kid, "ads.example", blocked)
	p.recentOf(kid, 1)
	wantIn(t, p.recentOf(guest, 0), "Many devices share the address")
	if status, _ := p.webFrom(guest, "POST", "/api/v1/self_allow", `{"name":"ads.example"}`); status != http.StatusForbidden {
		t.Errorf("a shared address allows something: %d", status)
	}
	p.stop()
}
