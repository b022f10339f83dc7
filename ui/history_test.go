package ui

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// columns are n of a length, with ten queries a minute, of which four were blocked.
func columns(from time.Time, n int, length time.Duration) []Column {
	all := make([]Column, n)
	for i := range all {
		begin := from.Add(time.Duration(i) * length)
		all[i] = Column{begin, begin.Add(length), 10 * uint64(length/time.Minute), 4 * uint64(length/time.Minute)}
	}
	return all
}

func TestPlot(t *testing.T) {
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	cases := []struct {
		name         string
		span         span
		columns      []Column
		second       string
		first, marks string // the first mark, and how many
	}{
		{"a day", spans[0], columns(midnight, 96, 15*time.Minute), "00:15 to 00:30", "04:00", "5"},
		{"a week", spans[1], columns(midnight.Add(3*time.Hour), 168, time.Hour), "Tue 24 Nov, 04:00 to 05:00", "Wed 25", "6"},
		{"a month", spans[2], columns(midnight, 30, day), "Wed 25 Nov", "24 Nov", "6"},
	}
	for _, c := range cases {
		p := newPlot(c.columns, c.span, time.UTC)
		if len(p.Columns) != len(c.columns) || p.Empty || p.Columns[1].When != c.second || p.Columns[1].Queries != c.columns[1].Queries {
			t.Errorf("%s: %d columns, %+v", c.name, len(p.Columns), p.Columns[1])
		}
		if len(p.Marks) == 0 || p.Marks[0].Label != c.first || number(len(p.Marks)) != c.marks {
			t.Errorf("%s: marks %v, want %s, the first %q", c.name, p.Marks, c.marks, c.first)
		}
		for _, c := range p.Columns {
			if c.X < 0 || c.X+c.Width > p.Width || c.Y < 0 || c.BlockedY < c.Y || c.BlockedY > p.Base {
				t.Errorf("out of the picture: %+v", c)
			}
		}
	}
	if empty := newPlot(nil, spans[0], time.UTC); !empty.Empty {
		t.Error("nothing is not empty")
	}
	for n, want := range map[uint64]uint64{0: 10, 10: 10, 11: 20, 201: 500, 1000: 1000, 27022: 50000} {
		if got := roundUp(n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

// The page shows the range that is asked for, and the same numbers as a table.
func TestPageRanges(t *testing.T) {
	p, h := newPage(t, "")
	for path, want := range map[string]struct {
		r     Range
		words string
	}{"/": {Day, "24 hours"}, "/?range=24h": {Day, "24 hours"}, "/?range=7d": {Week, "7 days"}, "/?range=30d": {Month, "30 days"}, "/?range=1y": {Day, "24 hours"}} {
		wantText(t, look(p, path), []string{
			`<h2 id="numbers">The last ` + want.words + `</h2>`, `<a href="/?range=` + string(want.r) + `#numbers" aria-current="true">` + want.words + `</a>`,
			`12 245</td><td>295</td></tr></tbody>`, `: 100 queries, 5 blocked</title></rect>`,
			`<path class="all" d="M24 155.3h432V156h-432zM504 65.4h432V156h-432z"/>`, `<path class="bad" d="M24 156h432V156h-432zM504 153.8h432V156h-432z"/>`,
			"way around this server in the last " + want.words,
		}, nil)
		if h.shown[0] != want.r {
			t.Errorf("%s asks for %s", path, h.shown)
		}
		h.shown = nil
	}
}

func TestHistoryAPI(t *testing.T) {
	p, _ := newPage(t, "")
	for path, status := range map[string]int{"/api/v1/history": 200, "/api/v1/history?range=24h": 200, "/api/v1/history?range=7d": 200, "/api/v1/history?range=30d": 200, "/api/v1/history?range=1y": 400} {
		if w := call(p, "GET", path, ""); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
	var got struct {
		Range   Range
		Columns []Column
		Queries uint64
		Outcome map[string]uint64            `json:"by_outcome"`
		List    map[string]map[string]uint64 `json:"by_list"`
		Owner   []Company                    `json:"by_owner"`
		Clients []Use                        `json:"clients_today"`
	}
	read := func(words ...string) {
		t.Helper()
		got.Clients = nil
		if err := json.Unmarshal(call(p, "GET", "/api/v1/history?range=7d", "", words...).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if got.Range != Week || len(got.Columns) != 2 || got.Columns[1].Queries != 12245 || got.Queries != 12345 || got.Outcome["blocked"] != 300 ||
		got.List["starter"]["name"] != 300 || got.Owner[0].Name != "Meta" || len(got.Clients) != 1 {
		t.Errorf("%+v", got)
	}
	if read(stranger...); got.Clients != nil {
		t.Errorf("a stranger is told who asks: %+v", got.Clients)
	}
}

// What is erased is said, and so is what goes wrong.
func TestErasing(t *testing.T) {
	p, h := newPage(t, "")
	if w := call(p, "DELETE", "/api/v1/privacy/me", "", stranger...); w.Code != 200 || h.erased != netip.MustParseAddr("192.168.1.5") ||
		!strings.Contains(w.Body.String(), `"erased": 2`) || !strings.Contains(w.Body.String(), "linked to nobody") {
		t.Errorf("me: %d %s, erased %v", w.Code, w.Body, h.erased)
	}
	if w := call(p, "DELETE", "/api/v1/privacy/history", ""); w.Code != 200 || !h.forgot || !strings.Contains(w.Body.String(), `"minutes": 7`) {
		t.Errorf("all: %d %s", w.Code, w.Body)
	}
	if w := call(p, "GET", "/api/v1/privacy", ""); !strings.Contains(w.Body.String(), `"file": "history.db"`) || !strings.Contains(w.Body.String(), `"how_much": "3"`) {
		t.Errorf("kept: %s", w.Body)
	}
	h.fault = errors.New("it is still there")
	for _, path := range []string{"/api/v1/privacy/me", "/api/v1/privacy/history"} {
		if w := call(p, "DELETE", path, ""); w.Code != 500 || !strings.Contains(w.Body.String(), "still there") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// The page in its largest forms; what it shows comes out of memory here.
func BenchmarkPage(b *testing.B) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		columns []Column
	}{{"24h", columns(now.Add(-24*time.Hour), 96, 15*time.Minute)}, {"7d", columns(now.Add(-7*24*time.Hour), 168, time.Hour)}, {"30d", columns(now.Add(-30*24*time.Hour), 30, 24*time.Hour)}} {
		b.Run(c.name, func(b *testing.B) {
			p, h := newPage(b, "")
			h.stats = &Stats{Columns: c.columns}
			size := 0
			for b.Loop() {
				size = call(p, "GET", "/?range="+c.name, "").Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
