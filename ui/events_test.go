package ui

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// listen opens a stream of p and returns what reads its next line that is not empty or
// a comment; "" is the end.
func listen(t *testing.T, p *Page, path string, words ...string) (status int, next func() string) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		key, value, _ := strings.Cut(w, ": ")
		r.Header.Set(key, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	return answer.StatusCode, func() string {
		for lines.Scan() {
			if text := lines.Text(); text != "" && text[0] != ':' {
				return text
			}
		}
		return ""
	}
}

// Whoever looks is told of a pause.
func TestEvents(t *testing.T) {
	p, _ := newPage(t, "")
	_, next := listen(t, p, "/api/v1/events")
	p.Blocker.Pause(Target{}, 0)
	if event, data := next(), next(); event != "event: change" || data != `data: {"what":"state"}` {
		t.Errorf("got %q, %q", event, data)
	}
	p.Close()
	if rest := next(); rest != "" {
		t.Errorf("after the end: %q", rest)
	}
	if w := call(p, "GET", "/api/v1/events", ""); w.Code != 503 {
		t.Errorf("a page that has ended: %d, want 503", w.Code)
	}
}

// Only so many can look at once, and who leaves makes room.
func TestStreamsAreBounded(t *testing.T) {
	p, _ := newPage(t, "")
	var leave []func()
	for range maxStreams {
		_, l, err := p.streams.enter()
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if w := call(p, "GET", "/api/v1/events", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "too many") {
		t.Errorf("one more: %d, %s", w.Code, w.Body)
	}
	leave[0]()
	if _, _, err := p.streams.enter(); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

// Blocked queries are shown to who has signed in, until the page ends.
func TestTail(t *testing.T) {
	p, _ := newPage(t, "correct horse")
	sights := make(chan Sight, 1)
	gone := make(chan bool)
	p.Tail = func(ctx context.Context) <-chan Sight {
		go func() { <-ctx.Done(); close(gone) }()
		return sights
	}
	if status, _ := listen(t, p, "/api/v1/blocked"); status != 401 {
		t.Errorf("without password: %d, want 401", status)
	}
	_, next := listen(t, p, "/api/v1/blocked", "Authorization: Basic eDpjb3JyZWN0IGhvcnNl")
	sights <- Sight{Seen: []Seen{{Name: "<b>.example", List: "starter"}}, Missed: 3}
	if event, data := next(), next(); event != "event: blocked" || !strings.Contains(data, `"name":"\u003cb\u003e.example"`) || !strings.Contains(data, `"missed":3`) {
		t.Errorf("got %q, %q", event, data)
	}
	p.Close()
	if rest := next(); rest != "" {
		t.Errorf("after the end: %q", rest)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("it is still watched after the end")
	}
	wantText(t, look(p, "/live"), []string{"Sign in"}, []string{"tail.js"})
}

// Pages are packed for who takes that.
func TestPacked(t *testing.T) {
	p, _ := newPage(t, "")
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "gzip;q=0.0": "", "identity": ""} {
		w := call(p, "GET", "/", "", "Accept-Encoding: "+accept)
		if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: packed as %q, want %q", accept, got, want)
		}
	}
	w := call(p, "GET", "/static/style.css", "")
	if again := call(p, "GET", "/static/style.css", "", "If-None-Match: "+w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("the same again: %d, %d bytes", again.Code, again.Body.Len())
	}
	if w := call(p, "GET", "/static/../templates/index.html", ""); w.Code == 200 {
		t.Errorf("what is no file for browsers: %d", w.Code)
	}
}

// The page works below a path, whether or not the proxy in front takes that off.
func TestBase(t *testing.T) {
	p, _ := newPage(t, "correct horse")
	p.Base = "/dns"
	for _, path := range []string{"/", "/dns/", "/dns"} {
		wantText(t, look(p, path), []string{`href="/dns/why"`, `src="/dns/static/live.js"`, `href="/dns/?range=7d#numbers"`}, []string{`href="/why"`, `action="/api`, `href="/static`})
	}
	if w := call(p, "POST", "/dns/login", "password=correct+horse", form); w.Header().Get("Location") != "/dns/" || w.Result().Cookies()[0].Path != "/dns/" {
		t.Errorf("signing in leads to %q, with %v", w.Header().Get("Location"), w.Result().Cookies())
	}
	if w := call(p, "GET", "/dnsx/", ""); w.Code != 404 {
		t.Errorf("another path: %d", w.Code)
	}
}
