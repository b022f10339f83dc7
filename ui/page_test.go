package ui

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var spaces = regexp.MustCompile(`\s+`)

// look is the page, with one space for any; words are as those of call.
func look(p *Page, path string, words ...string) string {
	return spaces.ReplaceAllString(call(p, "GET", path, "", words...).Body.String(), " ")
}

// stranger looks from another machine, and so may change nothing.
var stranger = []string{"from=192.168.1.5", "host=192.168.1.2"}

// wantText complains about what text lacks, and about what it should not have.
func wantText(t *testing.T, text string, wants, not []string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range not {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// family is a house with groups and clients of every standing.
func family(t *testing.T) (*Page, *house) {
	p, h := newPage(t, "")
	day := time.Date(2126, 11, 24, 21, 5, 0, 0, time.UTC) // a Sunday, and never today
	h.groups = []Switch{{Name: "guests", Own: true, Until: &day}, {Name: "kids", Enabled: true, Lists: []string{"starter", "service:<tiktok>"}}, {Name: "lab", Never: true}}
	h.clients = []Switch{
		{Name: "<script>tablet", Enabled: true, Groups: []string{"kids", "guests"}},
		{Name: "laptop", Own: true, Groups: []string{"kids"}},
		{Name: "visitor", Enabled: true, Groups: []string{"guests"}},
		{Name: "bench", Enabled: true, Groups: []string{"lab"}},
	}
	return p, h
}

// The page says how each group and client stands, and who may can change that.
func TestPageTellsWho(t *testing.T) {
	p, h := family(t)
	says := []string{
		`<strong>default</strong> <span class="quiet">blocked as configured</span>`,
		`<strong>guests</strong> <span class="problem">paused until Sun 24 Nov, 21:05</span>`,
		`<strong>lab</strong> <span class="quiet">never blocks</span>`,
		`<strong>&lt;script&gt;tablet</strong> <span class="quiet">blocked as configured</span> <p class="source">In kids, guests; known by <code>192.168.1.40</code>`,
		`<strong>laptop</strong> <span class="problem">paused until somebody resumes</span>`,
		`<strong>visitor</strong> <span class="quiet">paused with its group</span>`,
		`<strong>bench</strong> <span class="quiet">never blocks</span>`,
	}
	buttons := []string{
		`action="/api/v1/pause" class="actions"><input type="hidden" name="group" value="kids">`,
		`action="/api/v1/pause" class="actions"><input type="hidden" name="client" value="&lt;script&gt;tablet">`,
		`action="/api/v1/resume"><input type="hidden" name="group" value="guests">`,
		`action="/api/v1/resume"><input type="hidden" name="client" value="laptop">`,
		`<button name="duration" value="5m">5 minutes</button> <button name="duration" value="1h">1 hour</button> <button name="duration" value="">Until I resume</button>`,
	}
	wantText(t, look(p, "/clients"), append(says, buttons...), []string{`value="lab"`, `name="client" value="bench"`, "<script>tablet"})
	paused := []string{`The group <strong>guests</strong> <span class="problem">paused until Sun 24 Nov, 21:05</span>`, `<strong>laptop</strong> <span class="problem">paused until somebody resumes</span>`}
	wantText(t, look(p, "/"), append(paused, buttons[2], buttons[3]), []string{"<strong>kids", "<strong>visitor", `name="client" value="bench"`, buttons[0]})
	wantText(t, look(p, "/", stranger...), paused, append(buttons, "/api/v1/pause", "/api/v1/resume"))
	h.paused = true
	wantText(t, look(p, "/clients"), []string{
		`<strong>kids</strong> <span class="quiet">paused with everybody`, `<strong>laptop</strong> <span class="problem">paused with everybody, and by itself`,
		`<strong>visitor</strong> <span class="quiet">paused with everybody`, "Blocking is paused for everybody",
	}, []string{`action="/api/v1/pause"`})
}

// The front page is silent of those who are not paused by themselves.
func TestPageIsSilentOfWho(t *testing.T) {
	p, h := newPage(t, "")
	wantText(t, look(p, "/"), []string{`<div id="people" data-live></div>`}, []string{`<h2 id="who">`})
	h.clients = []Switch{{Name: "tablet", Enabled: true, Groups: []string{"default"}}}
	wantText(t, look(p, "/"), nil, []string{`<h2 id="who">`, "tablet"})
}

func TestFormsOfWho(t *testing.T) {
	p, h := family(t)
	cases := []struct {
		name, path, body string
		status           int
		location         string
	}{
		{"a group", "/api/v1/pause", "group=kids&duration=5m", 303, "/clients"},
		{"a client", "/api/v1/pause", "client=laptop&duration=", 303, "/clients"},
		{"a client resumes", "/api/v1/resume", "client=laptop", 303, "/clients"},
		{"everybody", "/api/v1/pause", "duration=1h", 303, "/"},
		{"an unknown group", "/api/v1/pause", "group=cats&duration=5m", 404, ""},
		{"an unknown client", "/api/v1/resume", "client=cat", 404, ""},
		{"both", "/api/v1/pause", "group=kids&client=laptop", 400, ""},
	}
	for _, c := range cases {
		if w := call(p, "POST", c.path, c.body, form); w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s: %d to %q, want %d to %q", c.name, w.Code, w.Header().Get("Location"), c.status, c.location)
		}
		if w := call(p, "POST", c.path, c.body, append(stranger, form)...); w.Code != 403 {
			t.Errorf("%s by a stranger: %d, want 403", c.name, w.Code)
		}
	}
	if want := []Target{{Group: "kids"}, {Client: "laptop"}, {Client: "laptop"}, {}}; !slices.Equal(h.changed, want) {
		t.Errorf("switched %v, want %v", h.changed, want)
	}
}

// Everything that is known of a verdict is said, in words and escaped, to everybody.
func TestPageExplains(t *testing.T) {
	p, _ := family(t)
	rule := Rule{Verdict: "blocked", List: "<b>list", Rule: "||<i>rule^", Source: "my.txt", Line: 7}
	weaker, asleep := rule, rule
	weaker.Group, asleep.Why = "kids", "the list is not on now"
	var asked Question
	p.Explain = func(_ context.Context, q Question) (Explanation, error) {
		asked = q
		return Explanation{Name: q.Name, Type: "A", Client: "<script>tablet", Verdict: "blocked", List: "<b>list", Rule: "||<i>rule^", Source: "my.txt", Line: 7, Group: "kids",
			Owner: "<Meta>", Category: "social_media", Schedule: []string{"mon-fri 21:00-07:00", "sat 22:00-08:00"}, Answer: "CNAME safe.example", Note: "its answer leads to <u>",
			Remedy: &Remedy{"[groups.kids]", `allow = ["<s>", "x.example"]`}, Weaker: []Rule{weaker}, Asleep: []Rule{asleep, asleep, asleep, asleep},
			Chain:     []Link{{Type: "CNAME", Target: "a.example", Verdict: "untouched"}, {Type: "CNAME", Target: "x.tracker.example", Verdict: "blocked", List: "starter", Rule: "tracker.example", Owner: "Acme"}},
			Addresses: []string{"192.0.2.1", "2001:db8::1"}}, nil
	}
	path := "/why?name=x.example&type=MX&client=%3Cscript%3Etablet&resolve=true"
	wants := []string{
		`<option selected>MX</option>`, `<option>HTTPS</option>`, `name="client" value="&lt;script&gt;tablet"`, `<option value="laptop">`, `value="true" checked`,
		`<strong>x.example</strong> (A) is <strong class="verdict">blocked</strong> for &lt;script&gt;tablet, in the group kids, by the list <strong>&lt;b&gt;list</strong>.`,
		`Rule <code>||&lt;i&gt;rule^</code> (my.txt, line 7)`, "The answer is <code>CNAME safe.example</code>.", "Its answer leads to &lt;u&gt;.",
		"The list is on mon-fri 21:00-07:00; sat 22:00-08:00.", "It belongs to &lt;Meta&gt; (social media).",
		"To allow it, write in <code>[groups.kids]</code>:", "<pre><code>allow = [&#34;&lt;s&gt;&#34;, &#34;x.example&#34;]</code></pre>",
		"CNAME <strong>a.example</strong>, untouched</li>", "CNAME <strong>x.tracker.example</strong>, blocked by the list <strong>starter</strong>: rule <code>tracker.example</code>; it belongs to Acme</li>",
		"It leads to 192.0.2.1, 2001:db8::1.",
		"<details open><summary>Weaker rules that match as well: 1</summary>", "blocked by the list <strong>&lt;b&gt;list</strong> for the group kids: rule",
		"<details><summary>Rules for others, or for other times: 4</summary>", "would be blocked by the list <strong>&lt;b&gt;list</strong>, but the list is not on now: rule",
	}
	for _, words := range [][]string{nil, stranger} {
		wantText(t, look(p, path, words...), wants, []string{"<script>tablet", "<i>", "<b>", "<u>"})
	}
	if want := (Question{Name: "x.example", Type: "MX", Client: "<script>tablet", Resolve: true}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
	look(p, "/why?name=x.example", stranger...)
	if want := (Question{Name: "x.example", Client: "192.168.1.5"}); asked != want {
		t.Errorf("without a client asked %+v, want %+v", asked, want)
	}
}

// An explanation is told as far as it goes.
func TestPageExplainsLittle(t *testing.T) {
	p, _ := newPage(t, "")
	little := Explanation{Name: "x.example", Type: "A", Verdict: "untouched", Group: "default"}
	p.Explain = func(_ context.Context, q Question) (Explanation, error) {
		switch {
		case q.Client == "<nobody>":
			return Explanation{}, errors.New("client: <nobody> is none")
		case q.Resolve:
			return little, errors.New("no upstream answers")
		}
		return little, nil
	}
	empty := []string{"Rule <code>", "The answer is", "belongs", "To allow", "Behind the name", "leads to", "<summary>"}
	wantText(t, look(p, "/why?name=x.example"), []string{"for this device, in the group default."}, append(empty, `role="alert"`))
	wantText(t, look(p, "/why?name=x.example&resolve=1"), []string{`role="alert">no upstream answers`, "for this device"}, empty)
	wantText(t, look(p, "/why?name=x.example&client=%3Cnobody%3E"), []string{`role="alert">client: &lt;nobody&gt; is none`}, append(empty, "in the group"))
}

func TestPageTellsFindings(t *testing.T) {
	cases := []struct {
		name       string
		stats      Stats
		wants, not []string
	}{
		{"nothing", Stats{}, []string{"No query looked for a way around", "builtin:doh"}, []string{"nobody here has an account with", "come from one address"}},
		{"companies", Stats{NoAccount: []Company{{"<Meta>", 1200}, {"Acme", 0}}},
			[]string{"Companies nobody here has an account with", `<span class="name">&lt;Meta&gt;</span>`, "1\u202f200", `<span class="name">Acme</span>`}, []string{"had to be blocked", "<Meta>"}},
		{"no company", Stats{NoAccount: []Company{{"<Meta>", 0}, {"Acme", 0}}}, []string{"<p>&lt;Meta&gt;, Acme</p>", "had to be blocked"}, []string{"were blocked in"}},
		{"ways", Stats{Escapes: map[string]uint64{"canary": 1200, "discovery": 0, "resolver": 2}},
			[]string{"1\u202f202 queries looked for a way around", "<strong>1\u202f200</strong> asked whether", "<strong>2</strong> asked for the address"}, []string{"asked which"}},
		{"one way", Stats{Escapes: map[string]uint64{"discovery": 1}}, []string{"1 query looked for", "<strong>1</strong> asked which"}, []string{"asked whether"}},
		{"one source", Stats{OneSource: true}, []string{"All queries come from one address", "add-subnet=32,128", "trust_ecs_from"}, nil},
	}
	p, h := newPage(t, "")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h.stats = &c.stats
			wantText(t, look(p, "/"), c.wants, c.not)
			wantText(t, look(p, "/", stranger...), c.wants, c.not)
		})
	}
	p.Lists = dohLists{h}
	wantText(t, look(p, "/"), nil, []string{"builtin:doh</code> as the source"})
}

// dohLists are lists with that of public encrypted resolvers.
type dohLists struct{ *house }

func (dohLists) Lists() []List { return []List{{Name: "exits", Source: "builtin:doh"}} }

func TestStatusTellsFindings(t *testing.T) {
	p, h := newPage(t, "")
	h.stats = &Stats{NoAccount: []Company{{"Meta", 3}}, Escapes: map[string]uint64{"canary": 2}, OneSource: true}
	wantText(t, look(p, "/api/v1/status"), []string{`"no_account": [ { "name": "Meta", "count": 3 } ]`, `"escapes": { "canary": 2 }`, `"one_source": true`}, nil)
}

func TestSentence(t *testing.T) {
	for phrase, want := range map[string]string{"a public name": "A public name.", "élan": "Élan.", "done.": "Done."} {
		if got := sentence(phrase); got != want {
			t.Errorf("%q: %q, want %q", phrase, got, want)
		}
	}
}

// What is of today is said in every range, from as few sums as can be.
func TestSinceMidnight(t *testing.T) {
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	for _, c := range []struct {
		name    string
		columns []Column
		queries uint64
		asked   int
	}{
		{"quarters", columns(midnight.Add(-10*time.Hour), 80, 15*time.Minute), 400 * 15, 1},
		{"days", columns(midnight.AddDate(0, 0, -5), 6, 24*time.Hour), 24 * 600, 1},
		{"hours of a zone that is off by half of one", columns(midnight.Add(-90*time.Minute), 3, time.Hour), 600, 2},
	} {
		p, h := newPage(t, "")
		h.stats = &Stats{Columns: c.columns}
		wantText(t, look(p, "/?range=7d"), []string{"<dt>queries</dt><dd>" + number(c.queries) + "</dd>"}, nil)
		if len(h.shown) != c.asked {
			t.Errorf("%s: asks for %v", c.name, h.shown)
		}
	}
}
