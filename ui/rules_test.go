package ui

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func (h *house) Written() Written {
	return Written{File: "rules.txt", Rules: []WrittenRule{{"@@||<i>x.example^", "allow", "kids", 3}},
		Allowed: []Allowed{{Name: "<b>y.example", Group: "kids", Until: time.Date(2024, 11, 24, 21, 5, 0, 0, time.UTC)}}, Problems: []string{}}
}

func (h *house) Add(r Ruling) error {
	if r.Group == "cats" {
		return fmt.Errorf("no group: %w", ErrNotFound)
	}
	h.ruled = append(h.ruled, r)
	return nil
}

func (h *house) Remove(r Ruling) error {
	if r.Rule == "missing.example" {
		return ErrNotFound
	}
	h.unruled = append(h.unruled, r)
	return nil
}

func (h *house) Recent(ip netip.Addr) Recent { return h.recent[ip.String()] }

func (h *house) Allow(ip netip.Addr, name string, d time.Duration) (time.Time, error) {
	if h.recent[ip.String()].SelfAllow == 0 {
		return time.Time{}, fmt.Errorf("no: %w", ErrNotPermitted)
	}
	h.allowed = append(h.allowed, fmt.Sprint(ip, " ", name, " ", d))
	return time.Now().Add(d), nil
}

func (h *house) Ask(ip netip.Addr, name string) error {
	switch name {
	case "other.example":
		return errors.New("was not blocked")
	case "full.example":
		return ErrTooOften
	}
	h.asked = append(h.asked, fmt.Sprint(ip, " ", name))
	return nil
}

func (h *house) refuse(name, address string) error {
	if name != "x.example" {
		return ErrNotFound
	}
	h.refused = append(h.refused, name+" "+address)
	return nil
}

// Rules are changed by who may, with what is wrong said.
func TestRulesAPI(t *testing.T) {
	p, h := newPage(t, "")
	const json = "Content-Type: application/json"
	cases := []struct {
		name, method, path, body, kind string
		status                         int
		says                           string
	}{
		{"allow", "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow","duration":"10m","client":"tablet"}`, json, 200, `"file": "rules.txt"`},
		{"deny", "POST", "/api/v1/rules", `{"rule":"x.example","action":"deny","group":"kids"}`, json, 200, `"line": 3`},
		{"no action", "POST", "/api/v1/rules", `{"rule":"x.example"}`, json, 400, "the action is"},
		{"an unknown action", "POST", "/api/v1/rules", `{"rule":"x.example","action":"block"}`, json, 400, "the action is"},
		{"no rule", "POST", "/api/v1/rules", `{"action":"allow"}`, json, 400, "which rule"},
		{"both", "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow","group":"a","client":"b"}`, json, 400, "not both"},
		{"a wrong duration", "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow","duration":"-1m"}`, json, 400, "written like"},
		{"an unknown field", "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow","name":"x"}`, json, 400, "unknown field"},
		{"a misspelt form", "POST", "/api/v1/rules", "rule=x.example&action=allow&duratoin=10m&gruop=kids", form, 400, `Unknown field &#34;duratoin&#34;; there are action, back, client, duration, group, rule`},
		{"an unknown group", "POST", "/api/v1/rules", `{"rule":"x.example","action":"allow","group":"cats"}`, json, 404, "no group"},
		{"remove", "DELETE", "/api/v1/rules", `{"rule":"x.example"}`, json, 200, `"rules": [`},
		{"remove what is not there", "DELETE", "/api/v1/rules", `{"rule":"missing.example"}`, json, 404, "not found"},
		{"remove by form", "POST", "/api/v1/rules", "rule=z.example&action=remove&group=kids", form, 303, ""},
		{"read", "GET", "/api/v1/rules", "", json, 200, `"until": "2024-11-24T21:05:00Z"`},
		{"refuse", "POST", "/api/v1/requests/refuse", `{"rule":"x.example","client":"192.168.1.5"}`, json, 200, `"requests": []`},
		{"refuse by a misspelt form", "POST", "/api/v1/requests/refuse", "rule=x.example&cleint=192.168.1.5", form, 400, "cleint"},
		{"refuse what nobody asked", "POST", "/api/v1/requests/refuse", `{"rule":"y.example","client":"192.168.1.5"}`, json, 404, ""},
		{"requests", "GET", "/api/v1/requests", "", json, 200, `"requests": []`},
	}
	for _, c := range cases {
		if w := call(p, c.method, c.path, c.body, c.kind); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d, want %d with %q: %s", c.name, w.Code, c.status, c.says, w.Body)
		}
		ruled, unruled := len(h.ruled), len(h.unruled)
		for who, words := range map[string][]string{"a stranger": stranger, "another site": {"Origin: http://evil.example"}, "a proxy": {"X-Forwarded-For: 192.168.1.5"}} {
			want := 403
			if c.method == "GET" && who == "another site" {
				want = 200 // it cannot read what it gets
			}
			if w := call(p, c.method, c.path, c.body, append(words, c.kind)...); w.Code != want {
				t.Errorf("%s by %s: %d, want %d", c.name, who, w.Code, want)
			}
		}
		if w := call(p, c.method, c.path, c.body, "host=evil.example", c.kind); w.Code != 421 {
			t.Errorf("%s under a foreign name: %d, want 421", c.name, w.Code)
		}
		if len(h.ruled) != ruled || len(h.unruled) != unruled {
			t.Errorf("%s was done for who may not", c.name)
		}
	}
	want := []Ruling{{Rule: "x.example", Allow: true, Client: "tablet", Duration: 10 * time.Minute}, {Rule: "x.example", Group: "kids"}}
	if !slices.Equal(h.ruled, want) {
		t.Errorf("made %v, want %v", h.ruled, want)
	}
	if want := []Ruling{{Rule: "x.example"}, {Rule: "z.example", Group: "kids"}}; !slices.Equal(h.unruled, want) {
		t.Errorf("took back %v, want %v", h.unruled, want)
	}
	if w := call(p, "POST", "/api/v1/rules", "rule=x.example&action=allow&back=x.example%26y", form); w.Header().Get("Location") != "/why?name=x.example%26y" {
		t.Errorf("a form goes back to %q", w.Header().Get("Location"))
	}
}

// What was blocked is shown to the same address only, and what it may do for itself
// it does for itself only.
func TestRecent(t *testing.T) {
	p, h := newPage(t, "correct horse")
	h.recent = map[string]Recent{
		"192.168.1.5": {Keep: 10 * time.Minute, Client: "<b>tablet", SelfAllow: 15 * time.Minute, Blocked: []RecentName{
			{Name: "<i>mine.example", List: "starter", Reason: "name", Owner: "Acme", Category: "social_media", Count: 3, Last: time.Now()},
			{Name: "cloaked.example", Behind: "tracker.example", List: "starter", Reason: "cname", Count: 1, Last: time.Now()}}},
		"192.168.1.6": {Keep: time.Hour, Blocked: []RecentName{{Name: "theirs.example", List: "starter", Reason: "name", Count: 1, Last: time.Now()},
			{Name: "asked.example", List: "starter", Reason: "address", Asked: true, Last: time.Now()}}},
		"192.168.1.7": {Off: "Many share it.", Blocked: []RecentName{{Name: "secret.example"}}},
		"192.168.1.8": {Keep: 10 * time.Minute, Blocked: []RecentName{}},
	}
	from := func(ip string, more ...string) []string {
		return append([]string{"from=" + ip, "host=192.168.1.2"}, more...)
	}
	wantText(t, look(p, "/recent", from("192.168.1.5")...), []string{"Blocked for this device, &lt;b&gt;tablet", "for 192.168.1.5 in the last 10 minutes", "&lt;i&gt;mine.example", "3 times",
		"The list starter has it.", "It belongs to Acme (social media).", "It is another name for tracker.example, which the list starter has.", "Allow for 15 minutes"}, []string{"theirs.example", "Ask the owner"})
	wantText(t, look(p, "/recent", from("192.168.1.6")...), []string{"theirs.example", "in the last 1 hour", "Ask the owner", "The owner has been asked", "It leads to an address that the list starter has."}, []string{"mine.example", "self_allow"})
	wantText(t, look(p, "/recent", from("192.168.1.7")...), []string{"Many share it."}, []string{"secret.example"})
	wantText(t, look(p, "/recent", from("192.168.1.8")...), []string{"Nothing."}, []string{"<form"})
	for _, header := range []string{"X-Forwarded-For: 192.168.1.6", "Forwarded: for=192.168.1.6", "Via: 1.1 x"} {
		wantText(t, look(p, "/recent", from("192.168.1.5", header)...), []string{"through a proxy"}, []string{"mine.example", "theirs.example"})
		if w := call(p, "POST", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.5", header)...); w.Code != 403 {
			t.Errorf("self_allow through a proxy: %d", w.Code)
		}
		if w := call(p, "DELETE", "/api/v1/privacy/me", "", from("192.168.1.5", header)...); w.Code != 403 {
			t.Errorf("erasing through a proxy: %d", w.Code)
		}
	}
	wantText(t, look(p, "/api/v1/recent", from("192.168.1.5")...), []string{`"name": "<i>mine.example"`}, []string{"theirs.example"})
	wantText(t, look(p, "/api/v1/recent", from("192.168.1.7")...), []string{`"off": "Many share it."`, `"blocked": []`}, []string{"secret"})
	cases := []struct {
		name, path, body string
		words            []string
		status           int
	}{
		{"allow", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.5"), 200},
		{"allow for less", "/api/v1/self_allow", `{"name":"x.example","duration":"1m"}`, from("192.168.1.5"), 200},
		{"allow by form", "/api/v1/self_allow", "name=x.example", from("192.168.1.5", form), 303},
		{"allow by a misspelt form", "/api/v1/self_allow", "name=x.example&duratoin=1m", from("192.168.1.5", form), 400},
		{"allow where that is not permitted", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.6"), 403},
		{"allow for another", "/api/v1/self_allow", `{"name":"x.example","client":"192.168.1.5"}`, from("192.168.1.6"), 400},
		{"allow nothing", "/api/v1/self_allow", `{}`, from("192.168.1.5"), 400},
		{"allow two lines", "/api/v1/self_allow", `{"name":"x.example\ny.example"}`, from("192.168.1.5"), 400},
		{"allow for another site", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.5", "Origin: http://evil.example"), 403},
		{"allow under a foreign name", "/api/v1/self_allow", `{"name":"x.example"}`, []string{"from=192.168.1.5", "host=evil.example"}, 421},
		{"ask", "/api/v1/requests", `{"name":"x.example"}`, from("192.168.1.6"), 200},
		{"ask by form", "/api/v1/requests", "name=y.example", from("192.168.1.6", form), 303},
		{"ask for what was not blocked", "/api/v1/requests", `{"name":"other.example"}`, from("192.168.1.6"), 400},
		{"ask when many have", "/api/v1/requests", `{"name":"full.example"}`, from("192.168.1.6"), 429},
		{"ask for another site", "/api/v1/requests", `{"name":"x.example"}`, from("192.168.1.6", "Sec-Fetch-Site: cross-site"), 403},
		{"answer without password", "/api/v1/requests/refuse", `{"rule":"x.example","client":"192.168.1.6"}`, from("192.168.1.6"), 401},
	}
	for _, c := range cases {
		if w := call(p, "POST", c.path, c.body, c.words...); w.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
	}
	if want := []string{"192.168.1.5 x.example 0s", "192.168.1.5 x.example 1m0s", "192.168.1.5 x.example 0s"}; !slices.Equal(h.allowed, want) {
		t.Errorf("allowed %q, want %q", h.allowed, want)
	}
	if want := []string{"192.168.1.6 x.example", "192.168.1.6 y.example"}; !slices.Equal(h.asked, want) {
		t.Errorf("asked %q, want %q", h.asked, want)
	}
	wantText(t, call(p, "DELETE", "/api/v1/privacy/me", "", from("192.168.1.5")...).Body.String(), []string{`"erased": 2`}, nil)
	for range maxTurns {
		call(p, "POST", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.5")...)
	}
	if w := call(p, "POST", "/api/v1/self_allow", `{"name":"x.example"}`, from("192.168.1.5")...); w.Code != 429 {
		t.Errorf("too often: %d", w.Code)
	}
	if w := call(p, "POST", "/api/v1/requests", `{"name":"x.example"}`, from("192.168.1.6")...); w.Code != 200 {
		t.Errorf("another device, meanwhile: %d", w.Code)
	}
}

// Who may change something sees what is asked for and what is allowed, and can
// answer; others see neither.
func TestPageOffers(t *testing.T) {
	p, h := newPage(t, "")
	h.wishes = []Request{{Name: "<u>x.example", Address: "192.168.1.5", Client: "<i>tablet", Group: "kids", Time: time.Now()}}
	p.Explain = offering{&Offer{Client: "tablet", Group: "kids", Everybody: true}}.explain
	wishes := []string{"Somebody asks for something", "&lt;i&gt;tablet", "(192.168.1.5) asks to allow <strong>&lt;u&gt;x.example", "For good, for the group kids", "No<span"}
	wantText(t, look(p, "/"), wishes, []string{"<u>"})
	wantText(t, look(p, "/", stranger...), nil, wishes)
	shown := []string{"Allowed for a while", "for the group kids, until Sun 24 Nov, 21:05",
		"Allow for 10 minutes, for this device", "Allow for the group kids", "Allow for good, for everybody", `<input type="hidden" name="rule" value="x.example">`}
	wantText(t, look(p, "/why?name=x.example"), shown, []string{"Remove the rule", "<u>"})
	wantText(t, look(p, "/why?name=x.example", stranger...), []string{`href="/recent"`}, append(shown, "Remove the rule"))
	p.Explain = offering{&Offer{Written: true, Rule: "@@||x.example^", Of: "kids"}}.explain
	wantText(t, look(p, "/why?name=x.example"), []string{"Remove the rule", `name="rule" value="@@||x.example^"`}, []string{"for good, for everybody"})
}

// offering explains with an offer.
type offering struct{ offer *Offer }

func (o offering) explain(_ context.Context, q Question) (Explanation, error) {
	return Explanation{Name: q.Name, Type: "A", Verdict: "blocked", Group: "kids", Offer: o.offer}, nil
}
