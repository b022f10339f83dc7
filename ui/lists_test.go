package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// popularLists are lists with something to say about popular names.
type popularLists struct{ *house }

func (popularLists) Lists() []List {
	changed := time.Now().Add(-2*time.Hour - time.Minute)
	l := List{Name: "ours", Kind: "deny", Entries: 7, Added: 1234, Removed: 3, Changed: &changed, Popular: []PopularRule{
		{Rule: "||held.example^", Line: 7, Names: []string{"held.example", "www.held.example"}, Count: 14, Held: true},
		{Rule: "<i>used.example", Line: 8, Names: []string{"used.example"}, Count: 1}}}
	for i := range saidRules + 3 {
		l.Popular = append(l.Popular, PopularRule{Rule: fmt.Sprintf("n%d.example", i), Names: []string{"n.example"}, Count: 1})
	}
	flagged := List{Name: "others", Kind: "deny", Popular: []PopularRule{{Rule: "o.example", Line: 1, Names: []string{"o.example"}, Count: 1}}}
	return []List{l, flagged}
}

// The page says what changed, and which new rules are about popular names; who may
// change something can accept them.
func TestPageTellsOfChanges(t *testing.T) {
	p, h := newPage(t, "")
	p.Lists = popularLists{h}
	body := look(p, "/lists")
	for _, want := range []string{
		"+1\u202f234 −3, 2 hours ago",
		"A new rule of the list <strong>ours</strong> is held back: <code>||held.example^</code> (line 7) would block <strong>held.example</strong>, <strong>www.held.example</strong> and 12 more names that many ask for.",
		"A new rule of the list <strong>ours</strong>, <code>&lt;i&gt;used.example</code> (line 8), blocks <strong>used.example</strong>, which many ask for.",
		"n3.example", "So do 4 more rules",
		`<input type="hidden" name="list" value="ours"><input type="hidden" name="force" value="true"><button>Accept held rules<span class="hidden"> of ours</span></button>`,
		`<input type="hidden" name="list" value="others"><input type="hidden" name="force" value="true"><button>Accept<span class="hidden"> of others</span></button>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "n4.example") {
		t.Error("the page names every rule")
	}
	if body := look(p, "/lists", stranger...); strings.Contains(body, "Accept") || !strings.Contains(body, "held.example") {
		t.Error("who may not change anything is not told, or is offered to accept")
	}
	wantText(t, look(p, "/"), []string{"1 new rule waits to be accepted"}, []string{"held.example"})
	if w := call(p, "POST", "/api/v1/lists/refresh", "list=ours&force=yes", form); w.Code != 400 || !strings.Contains(w.Body.String(), "true or false") || h.begun != nil {
		t.Errorf("a force that is none: %d, begun %v: %s", w.Code, h.begun, w.Body)
	}
	if w := call(p, "POST", "/api/v1/lists/refresh", "list=ours&force=true", form); w.Code != 303 || !slices.Equal(h.begun, []string{"ourstrue"}) || w.Header().Get("Location") != "/lists" {
		t.Errorf("accepting: %d, begun %v", w.Code, h.begun)
	}
}

// A form has lists fetched and does not wait; the page shows how far that is.
func TestPageFetches(t *testing.T) {
	p, h := newPage(t, "")
	wantText(t, look(p, "/lists"), []string{"<button>Fetch all now</button>", ">in use<"}, []string{"<progress", "being fetched"})
	wantText(t, look(p, "/lists", stranger...), nil, []string{"<button"})
	cases := []struct {
		name, body string
		status     int
		begun      []string
	}{
		{"all", "", 303, []string{"false"}},
		{"one", "list=starter", 303, []string{"false", "starterfalse"}},
		{"none", "list=missing", 404, []string{"false", "starterfalse"}},
	}
	for _, c := range cases {
		if w := call(p, "POST", "/api/v1/lists/refresh", c.body, form); w.Code != c.status || !slices.Equal(h.begun, c.begun) || h.fetched != nil {
			t.Errorf("%s: %d, begun %q, waited for %q", c.name, w.Code, h.begun, h.fetched)
		}
	}
	wantText(t, look(p, "/lists"), []string{"1 list is being fetched", "Fetching: 1.0 MiB of 4.0 MiB",
		`<progress aria-label="starter: how much has come" max="4194304" value="1048576">`, `<span class="problem">404 Not Found</span>`}, []string{"Failed:"})
	wantText(t, look(p, "/api/v1/lists/progress", stranger...), []string{`"running": true`, `"stage": "fetching", "bytes": 1048576, "size": 4194304`, `"reason": "404 Not Found"`}, nil)
}

// A list has a page of its own, with what it changed and what it could not use.
func TestPageOfOneList(t *testing.T) {
	p, h := newPage(t, "")
	wantText(t, look(p, "/lists?name=starter"), []string{"<h1>The list starter</h1>", "12 came, 3 went", "<code>||new.example^</code>", "The first 1 of 12.", "Why.", "for everybody, always",
		`<input type="hidden" name="list" value="starter"><button>Fetch now</button>`, "There is none."}, nil)
	wantText(t, look(p, "/lists?name=starter", stranger...), []string{"12 came"}, []string{"<button"})
	wantText(t, look(p, "/lists?name=%3Cb%3Ebad%3C%2Fb%3E"), []string{"The list &lt;b&gt;bad&lt;/b&gt;", `role="alert">no list`, "allows, for everybody"}, []string{"<b>"})
	p.Lists = scheduledLists{h}
	wantText(t, look(p, "/lists?name=new"), []string{"denies, for kids, guests, mon-fri 21:00-07:00; sat 22:00-08:00", "None has changed a rule yet.",
		"<li>new:3: &lt;i&gt;no name</li>", "And 41 more."}, []string{"<i>no"})
	wantText(t, look(p, "/lists"), []string{"for kids, guests, mon-fri 21:00-07:00; sat 22:00-08:00"}, nil)
	if w := call(p, "GET", "/lists?name=cats", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "There is no list &#34;cats&#34;") {
		t.Errorf("an unknown list: %d", w.Code)
	}
}

// scheduledLists are one for some, at times, with lines that make no rule.
type scheduledLists struct{ *house }

func (scheduledLists) Lists() []List {
	return []List{{Name: "new", Kind: "deny", Groups: []string{"kids", "guests"}, Schedule: []string{"mon-fri 21:00-07:00", "sat 22:00-08:00"}, Skipped: 42, Skips: []string{"new:3: <i>no name"}}}
}

// What lists have in common is told when it is counted; nobody waits for the page.
func TestPageTellsOverlaps(t *testing.T) {
	p, h := newPage(t, "")
	wantText(t, look(p, "/lists"), []string{`5 <span class="quiet">(0.8 %)</span>`, `<li><strong>c</strong> covers 600 <span class="quiet">(99 %; 2 the same)</span></li><li><strong>a</strong>`,
		`<summary class="quiet">1 more</summary><ul class="plainlist"><li><strong>d</strong> covers 1`, "its text is not stored", "have none of it"}, []string{"<i>e", "data-await"})
	wantText(t, look(p, "/api/v1/lists/overlap", stranger...), []string{`"counting": false`, `{ "list": "starter", "kind": "deny", "rules": 605, "only": 5, "others": [ { "list": "a", "same": 1, "covered": 6 }`, `"exact": true`}, nil)
	h.fault = errors.New("the count was stopped")
	wantText(t, look(p, "/lists"), []string{"It cannot be counted: the count was stopped"}, nil)
	if w := call(p, "GET", "/api/v1/lists/overlap", ""); w.Code != 503 {
		t.Errorf("when it cannot be counted: %d", w.Code)
	}
	h.fault, h.counting = nil, true
	wantText(t, look(p, "/lists"), []string{`data-await="api/v1/lists/overlap"`, "being counted"}, nil)
	synctest.Test(t, func(t *testing.T) {
		if w := call(p, "GET", "/api/v1/lists/overlap", ""); w.Code != 202 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"counting": true`) {
			t.Errorf("while it is counted: %d %s", w.Code, w.Body)
		}
	})
}

// askedLists are lists with rules about what this household asks for.
type askedLists struct{ *house }

func (askedLists) Lists() []List {
	return []List{{Name: "ours", Kind: "deny", Popular: []PopularRule{
		{Rule: "||clinic.example^", Asked: 3}, {Rule: "||shop.example^", Names: []string{"shop.example"}, Count: 1, Asked: 7}}}}
}

// What this household asks for is told to those only who may see queries.
func TestAskedForIsNotForStrangers(t *testing.T) {
	p, h := newPage(t, "")
	p.Lists = askedLists{h}
	for _, path := range []string{"/lists", "/lists?name=ours", "/api/v1/status"} {
		if body := look(p, path); !strings.Contains(body, "clinic.example") || !strings.Contains(body, "3") {
			t.Errorf("%s does not tell the owner: %s", path, body)
		}
		body := look(p, path, stranger...)
		if strings.Contains(body, "clinic") || strings.Contains(body, "household has asked for") || strings.Contains(body, `"asked": 7`) || !strings.Contains(body, "shop.example") {
			t.Errorf("%s tells a stranger: %s", path, body)
		}
	}
}
