package ui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// house is what a test's page shows.
type house struct {
	mu       sync.Mutex // of the pause, which events look at meanwhile
	groups   []Switch   // beside the default one
	clients  []Switch
	changed  []Target // whose blocking was switched
	stats    *Stats   // nil for the usual ones
	paused   bool
	until    time.Time
	fetched  []string
	begun    []string
	problems []string // of the configuration
	form     string   // of clients; "" is anonymous
	counting bool     // what lists have in common
	forgot   bool

	ruled, unruled          []Ruling
	recent                  map[string]Recent // by address
	allowed, asked, refused []string
	wishes                  []Request
	erased                  netip.Addr
	fault                   error   // of erasing
	shown                   []Range // ranges that numbers were asked for
}

func (h *house) Blocking() Blocking {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.blocking()
}

func (h *house) blocking() Blocking {
	b := Blocking{Enabled: !h.paused, Groups: append([]Switch{{Name: "default", Enabled: !h.paused}}, h.groups...), Clients: h.clients}
	if h.paused && !h.until.IsZero() {
		b.Until = &h.until
	}
	return b
}

func (h *house) Pause(t Target, d time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.known(t); err != nil || t != (Target{}) {
		return err
	}
	h.paused, h.until = true, time.Time{}
	if d > 0 {
		h.until = time.Now().Add(d)
	}
	return nil
}

func (h *house) Resume(t Target) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.known(t)
	h.paused = h.paused && (err != nil || t != Target{})
	return err
}

// known notes whose blocking is switched, when there is such a one.
func (h *house) known(t Target) error {
	b := h.blocking()
	for kind, one := range map[string]struct {
		name string
		of   []Switch
	}{"group": {t.Group, b.Groups}, "client": {t.Client, b.Clients}} {
		if one.name != "" && !slices.ContainsFunc(one.of, func(s Switch) bool { return s.Name == one.name }) {
			return fmt.Errorf("no %s %q: %w", kind, one.name, ErrNotFound)
		}
	}
	h.changed = append(h.changed, t)
	return nil
}

func (h *house) Lists() []List {
	now := time.Now()
	return []List{{Name: "starter", Kind: "deny", Source: "builtin:starter", Format: "domains", Entries: 605, Updated: &now},
		{Name: "<b>bad</b>", Kind: "allow", Source: "https://lists.example/x", LastError: "404 Not Found"}}
}

func (h *house) Changes(name string) ([]Change, error) {
	switch name {
	case "starter":
		return []Change{{Time: time.Now(), Added: 12, Removed: 3, New: []string{"||new.example^"}, Note: "why"}}, nil
	case "new":
		return []Change{}, nil
	case "broken":
		return nil, errors.New("damaged")
	}
	return nil, fmt.Errorf("no list %q: %w", name, ErrNotFound)
}

func (h *house) Refresh(_ context.Context, name string, force bool) error {
	h.fetched = append(h.fetched, fmt.Sprint(name, force))
	switch name {
	case "missing":
		return ErrNotFound
	case "broken":
		return errors.New("404 Not Found")
	}
	return nil
}

// household is what is configured of those in Blocking.
func (h *house) household() Household {
	var all Household
	soon := time.Date(2126, 11, 24, 7, 0, 0, 0, time.UTC)
	for _, g := range h.Blocking().Groups {
		all.Groups = append(all.Groups, Group{Name: g.Name, Block: !g.Never, SelfAllow: "0s", Lists: []GroupList{{Name: "starter", On: true}, {Name: "<night>", Schedule: []string{"mon-fri 21:00-07:00"}, Next: &soon}}})
	}
	for _, c := range h.clients {
		all.Clients = append(all.Clients, Client{Name: c.Name, Match: []string{"192.168.1.40", "host:<tablet>"}, Groups: c.Groups})
	}
	return all
}

func (h *house) Begin(name string, force bool) error {
	if name == "missing" {
		return ErrNotFound
	}
	h.begun = append(h.begun, fmt.Sprint(name, force))
	return nil
}

func (h *house) Progress() []Progress {
	if h.begun == nil {
		return []Progress{{List: "starter", Stage: "idle"}, {List: "<b>bad</b>", Stage: "idle"}}
	}
	now := time.Now()
	return []Progress{{List: "starter", Stage: "fetching", Bytes: 1 << 20, Size: 4 << 20, Began: &now}, {List: "<b>bad</b>", Stage: "failed", Began: &now, Ended: &now, Reason: "404 Not Found"}}
}

func (h *house) Overlaps(ctx context.Context) ([]Overlap, error) {
	if h.counting {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []Overlap{{List: "starter", Kind: "deny", Rules: 605, Only: 5, Others: []Common{{"a", 1, 6}, {"b", 0, 3}, {"c", 2, 600}, {"d", 1, 1}, {"<i>e", 1, 2}}, Exact: true},
		{List: "<b>bad</b>", Kind: "allow", Rules: 0, Others: []Common{}}}, h.fault
}

func newPage(t testing.TB, password string) (*Page, *house) {
	t.Helper()
	h := &house{}
	hash := ""
	if password != "" {
		var err error
		if hash, err = HashPassword(password); err != nil {
			t.Fatal(err)
		}
	}
	p, err := New(Options{
		Blocker: h, Lists: h, Version: "1.2.3", Started: time.Now(), Log: slog.New(slog.DiscardHandler), PasswordHash: hash,
		Hosts: []string{"dns.example"}, Zone: time.UTC, Metrics: http.NotFoundHandler(),
		Allow: func(ip netip.Addr) bool { return ip.IsPrivate() || ip.IsLoopback() },
		Stats: func(r Range) Stats {
			h.shown = append(h.shown, r)
			if h.stats != nil {
				return *h.stats
			}
			hour := time.Now().Truncate(time.Hour)
			return Stats{Outcomes: map[string]uint64{"blocked": 300}, Queries: 12345, Blocked: 300, Lists: map[string]map[string]uint64{"starter": {"name": 300}},
				Columns: []Column{{hour.Add(-time.Hour), hour, 100, 5}, {hour, hour.Add(time.Hour), 12245, 295}}, Companies: []Company{{"Meta", 200}, {"<script>", 1}}}
		},
		Since:     func() map[string]uint64 { return map[string]uint64{"blocked": 3} },
		Companies: h.companies, Company: h.company, Evidence: h.evidence,
		Upstreams: func() []Upstream { return []Upstream{{"tls://dns.example", true, 12.5}} },
		Explain: func(_ context.Context, q Question) (Explanation, error) {
			name, qtype := q.Name, q.Type
			if strings.Contains(name, "!") {
				return Explanation{}, errors.New("no name")
			}
			return Explanation{Name: name, Type: qtype, Verdict: "blocked", List: "starter", Rule: "<i>" + name, Source: q.Client, Line: 7, Group: "default", Owner: "Meta", Category: "advertising"}, nil
		},
		Felt: func() Felt { return Felt{1500 * time.Microsecond, 80 * time.Millisecond, 1000, time.Hour} },
		Kept: func() (Held, []Kept) {
			return Held{File: "history.db", Minutes: 7}, []Kept{{What: "counters", Why: "the plot", Where: "memory", Much: "3", Until: "stop"}, {What: "<sums>", Why: "the plot", Where: "history.db", Much: "7", Until: "30 days", Oldest: &h.until}}
		},
		Queries: func(_ context.Context, f QueryFilter) (QueryPage, error) {
			if f.From == "broken" {
				return QueryPage{}, errors.New("no place")
			}
			return QueryPage{Kept: true, Queries: []QueryLine{{Time: time.Unix(0, 0), Name: "<b>" + f.Name, Type: "A", Outcome: "blocked", List: "starter", Owner: "Meta", Client: "cafe", Duration: 1.25}}, Next: "f/1/2"}, nil
		},
		Settings: func() Privacy { return Privacy{cmp.Or(h.form, "anonymous"), "none", "720h", "10m"} },
		Files: func() ([]File, error) {
			return []File{{"history.db", "the history", 4096, time.Now()}, {"<i>other", "", 1, time.Now()}}, nil
		},
		About: func(ip netip.Addr) (About, error) {
			if ip == h.erased {
				return About{}, nil
			}
			return About{Sums: 2, Queries: 30, Blocked: 3, Appears: "by a hash"}, nil
		},
		Today:  func() []Use { return []Use{{"cafe", 5, 1}} },
		Forget: func() error { h.forgot = true; return h.fault },
		ForgetClient: func(ip netip.Addr) (int, string, error) {
			h.erased = ip
			return 2, "earlier days are linked to nobody", h.fault
		},
		Household: h.household,
		Running: func() Running {
			return Running{File: "/etc/deadpixel/config.toml", Settings: []Setting{
				{Key: "data_dir", Name: "data_dir", Value: `"/var/lib/deadpixel"`, Default: true, From: "$STATE_DIRECTORY"}, {Key: "web.listen", Table: "web", Name: "listen", Value: `"<b>"`, From: "--web"},
				{Key: "web.password_hash", Table: "web", Name: "password_hash", Value: `"…"`, From: "/etc/deadpixel/config.toml:7", Secret: true}, {Key: "lists[0].name", Table: "lists[0]", Name: "name", Value: `"x"`}},
				Warnings: []string{"<i>unwise"}, Problems: h.problems}
		},
		Rules: h, Devices: h, Requests: func() []Request { return h.wishes }, Refuse: h.refuse,
		Ready: func() error { return errors.New("no upstream answers") },
		Alive: func(context.Context) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, h
}

// call sends a request; words are "Header: value", or from=ADDRESS, host=HOST.
func call(p *Page, method, path, body string, words ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "localhost:8080"
	for _, w := range words {
		if from, ok := strings.CutPrefix(w, "from="); ok {
			r.RemoteAddr = from + ":40000"
		} else if host, ok := strings.CutPrefix(w, "host="); ok {
			r.Host = host
		} else if key, value, ok := strings.Cut(w, ": "); ok {
			r.Header.Set(key, value)
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if err := asDescribed(r, w); err != nil {
		panic(err) // no test knows of an answer that is not as the API is described
	}
	return w
}

const form = "Content-Type: application/x-www-form-urlencoded"

func TestWhoMay(t *testing.T) {
	open, _ := newPage(t, "")
	locked, _ := newPage(t, "correct horse")
	basic := "Authorization: Basic " + "eDpjb3JyZWN0IGhvcnNl" // x:correct horse
	wrong := "Authorization: Basic " + "eDp3cm9uZw=="         // x:wrong
	pause := func(p *Page, words ...string) int { return call(p, "POST", "/api/v1/pause", "{}", words...).Code }
	look := func(p *Page, words ...string) int { return call(p, "GET", "/", "", words...).Code }
	cases := []struct {
		name      string
		got, want int
	}{
		{"look from the house", look(open, "from=192.168.1.5", "host=192.168.1.2"), 200},
		{"look from outside", look(open, "from=203.0.113.5", "host=192.168.1.2"), 403},
		{"look under a foreign name", look(open, "host=evil.example"), 421},
		{"look under no name", look(open, "host="), 421},
		{"look under an own name", look(open, "host=DNS.example:8080"), 200},
		{"look under an IPv6 address", look(open, "host=[fd00::1]:8080"), 200},
		{"change on the machine", pause(open), 200},
		{"change on the machine by IPv6", call(open, "POST", "/api/v1/pause", "", "host=[::1]:8080").Code, 200},
		{"change from the house", pause(open, "from=192.168.1.5", "host=192.168.1.2"), 403},
		{"change under the machine's address", pause(open, "host=192.168.1.2"), 403},
		{"change through a proxy", pause(open, "X-Forwarded-For: 192.168.1.5"), 403},
		{"change through a proxy that says so", pause(open, "Forwarded: for=192.168.1.5"), 403},
		{"change through Via", pause(open, "Via: 1.1 proxy"), 403},
		{"change for another site", pause(open, "Origin: http://evil.example"), 403},
		{"change for another site, as fetched", pause(open, "Sec-Fetch-Site: cross-site"), 403},
		{"change for this site", pause(open, "Origin: http://localhost:8080", "Sec-Fetch-Site: same-origin"), 200},
		{"change without password", pause(locked), 401},
		{"change with password", pause(locked, basic), 200},
		{"change with password from the house", pause(locked, basic, "from=192.168.1.5", "host=192.168.1.2"), 200},
		{"change with a wrong password", pause(locked, wrong), 401},
		{"look without password", look(locked), 200},
		{"forget me without password", call(locked, "DELETE", "/api/v1/privacy/me", "").Code, 200},
		{"forget all without password", call(locked, "DELETE", "/api/v1/privacy/history", "").Code, 401},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestLogin(t *testing.T) {
	p, h := newPage(t, "correct horse")
	if w := call(p, "GET", "/", ""); len(w.Result().Cookies()) != 0 {
		t.Error("a cookie for who has not signed in")
	}
	if w := call(p, "POST", "/login", "password=wrong", form); w.Code != 401 || !strings.Contains(w.Body.String(), "Wrong password") {
		t.Errorf("wrong password: %d", w.Code)
	}
	w := call(p, "POST", "/login", url.Values{"password": {"correct horse"}}.Encode(), form)
	cookies := w.Result().Cookies()
	if w.Code != 303 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("login: %d, %v", w.Code, cookies)
	}
	session := "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
	if w := call(p, "POST", "/api/v1/pause", "duration=5m", form, session); w.Code != 303 || !h.paused {
		t.Errorf("pause by form: %d", w.Code)
	}
	if w := call(p, "POST", "/api/v1/pause", "duratoin=5m", form, session); w.Code != 400 || !strings.Contains(w.Body.String(), "duratoin") {
		t.Errorf("a form with an unknown field: %d %s", w.Code, w.Body)
	}
	if w := call(p, "GET", "/", "", session); !strings.Contains(w.Body.String(), "Resume blocking") {
		t.Error("the page does not offer to resume")
	}
	if w := call(p, "POST", "/api/v1/resume", "", form); w.Code != 303 || w.Header().Get("Location") != "/login" {
		t.Errorf("a form without session: %d", w.Code)
	}
	call(p, "POST", "/logout", "", form, session)
	if w := call(p, "POST", "/api/v1/resume", "{}", session); w.Code != 401 {
		t.Errorf("after signing out: %d", w.Code)
	}
	for range maxTries {
		call(p, "POST", "/login", "password=wrong", form)
	}
	if w := call(p, "POST", "/login", "password=other", form); w.Code != 429 {
		t.Errorf("after many wrong passwords: %d", w.Code)
	}
}

func TestAPI(t *testing.T) {
	p, h := newPage(t, "")
	cases := []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/api/v1/status", "", 200, `"version": "1.2.3"`},
		{"GET", "/api/v1/status", "", 200, `"uptime_seconds": 0`},
		{"GET", "/api/v1/status", "", 200, `"latency_ms": 12.5`},
		{"POST", "/api/v1/pause", `{"duration":"5m"}`, 200, `"enabled": false`},
		{"POST", "/api/v1/pause", `{"duration":"-5m"}`, 400, "written like"},
		{"POST", "/api/v1/pause", `{"duration":5}`, 400, "no JSON of this call"},
		{"POST", "/api/v1/pause", `{"time":"5m"}`, 400, "unknown field"},
		{"GET", "/api/v1/status", "", 200, `"no_account": []`},
		{"POST", "/api/v1/pause", `{"group":"kids"}`, 404, "kids"},
		{"POST", "/api/v1/pause", `{"client":"nobody"}`, 404, "nobody"},
		{"POST", "/api/v1/resume", `{"client":"nobody"}`, 404, "nobody"},
		{"POST", "/api/v1/pause", `{"group":"default","client":"x"}`, 400, "not both"},
		{"POST", "/api/v1/resume", "", 200, `"enabled": true`},
		{"GET", "/api/v1/pause", "", 405, ""},
		{"GET", "/api/v1/explain?name=x.example&type=AAAA", "", 200, `"verdict": "blocked"`},
		{"GET", "/api/v1/explain", "", 400, "which name"},
		{"GET", "/api/v1/explain?name=!", "", 400, "no name"},
		{"GET", "/api/v1/lists/changes?list=starter", "", 200, `"added_rules": [`},
		{"GET", "/api/v1/lists/changes?list=new", "", 200, `"changes": []`},
		{"GET", "/api/v1/lists/changes?list=broken", "", 500, "damaged"},
		{"GET", "/api/v1/lists/changes?list=missing", "", 404, "missing"},
		{"GET", "/api/v1/lists/changes", "", 400, "which list"},
		{"POST", "/api/v1/lists/refresh", `{"list":"starter","force":true}`, 200, `"entries": 605`},
		{"POST", "/api/v1/lists/refresh", "", 200, ""},
		{"POST", "/api/v1/lists/refresh", `{"list":"missing"}`, 404, "not found"},
		{"POST", "/api/v1/lists/refresh", `{"list":"broken"}`, 502, "404"},
		{"GET", "/api/v1/privacy", "", 200, `"until": "stop"`},
		{"DELETE", "/api/v1/privacy/history", "", 200, ""},
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 503, "no upstream answers"},
		{"GET", "/nowhere", "", 404, ""},
		{"POST", "/api/v1/pause", `{"group":"` + strings.Repeat("x", maxBody) + `"}`, 400, ""},
	}
	for _, c := range cases {
		w := call(p, c.method, c.path, c.body, "Content-Type: application/json")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s %.40s: %d, want %d with %q:\n%s", c.method, c.path, c.body, w.Code, c.status, c.says, w.Body)
		}
		if strings.HasPrefix(c.path, "/api/") && c.status != 405 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: no JSON: %s", c.path, w.Body)
		}
	}
	if want := []string{"startertrue", "false", "missingfalse", "brokenfalse"}; !slices.Equal(h.fetched, want) || !h.forgot {
		t.Errorf("fetched %v, want %v; forgot %v", h.fetched, want, h.forgot)
	}
}

// curl's -d calls everything a form.
func TestJSONCalledForm(t *testing.T) {
	p, h := newPage(t, "")
	if w := call(p, "POST", "/api/v1/pause", `{"group":"nobodies","duration":"5m"}`, form); w.Code != 404 || h.paused {
		t.Errorf("a group that is not there: %d, paused %v: %s", w.Code, h.paused, w.Body)
	}
	if w := call(p, "POST", "/api/v1/pause", `{"duration":"5m"}`, form); w.Code != 200 || !json.Valid(w.Body.Bytes()) || h.until.IsZero() {
		t.Errorf("everybody: %d, until %v: %s", w.Code, h.until, w.Body)
	}
	locked, _ := newPage(t, "correct horse")
	if w := call(locked, "POST", "/api/v1/pause", `{"duration":"5m"}`, form); w.Code != 401 {
		t.Errorf("without password: %d, want 401", w.Code)
	}
}

// The page needs nothing foreign and nothing inline, and says nothing unescaped.
func TestPageIsSafe(t *testing.T) {
	p, _ := newPage(t, "")
	w := call(p, "GET", "/", "")
	body := w.Body.String() + look(p, "/why?name=x.example") + look(p, "/lists") + look(p, "/lists?name=starter") + look(p, "/clients") + look(p, "/config")
	for _, want := range []string{"Trackers are blocked", "12\u202f345", "x.example", "404 Not Found", "Meta", "&lt;script&gt;", "&lt;b&gt;bad&lt;/b&gt;", "&lt;i&gt;x.example"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	texts := []string{body, call(p, "GET", "/login", "").Body.String()}
	err := fs.WalkDir(static, "static", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		w := call(p, "GET", "/"+path, "")
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
		texts = append(texts, strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", ""))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`(?i)(src|href|action|url\(|import)\s*[=(]?\s*["']?(https?:)?//`)
	inline := regexp.MustCompile(`(?i)<script(>| [^>]*>[^<])|\son[a-z]+=|\sstyle=|<style|javascript:`)
	for _, text := range texts {
		if found := foreign.FindString(text); found != "" {
			t.Errorf("something foreign: %q", found)
		}
		if found := inline.FindString(text); found != "" {
			t.Errorf("something inline: %q", found)
		}
	}
}

func TestHashes(t *testing.T) {
	hash, err := HashPassword("correct horse")
	if err != nil || CheckHash(hash) != nil || !verify(hash, "correct horse") || verify(hash, "wrong") {
		t.Errorf("argon2id: %s, %v", hash, err)
	}
	// Of "correct horse", by another implementation of bcrypt's format.
	if err := CheckHash("$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "secret", "$2y$99$x", "$argon2i$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5", "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5"} {
		if CheckHash(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
