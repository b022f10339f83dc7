package metrics

import (
	"io"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"deadpixel/resolver"
)

// sample is a Metrics on which everything has happened once.
func sample(t testing.TB) *Metrics {
	m := New(Options{Version: "1.2.3", Commit: "abc", Owner: func(name string) string {
		if name == "pixel.facebook.com" {
			return "Meta"
		}
		return ""
	}})
	for outcome := range resolver.Outcomes {
		m.Observe(resolver.Event{Time: time.Now(), Duration: time.Millisecond, Outcome: outcome, Transport: resolver.TCP,
			Name: []byte("pixel.facebook.com"), List: "starter"})
	}
	m.ObserveExchange(resolver.Exchange{Upstream: "tls://dns.example", Result: resolver.Timeout, Duration: time.Second})
	m.ListFailed("starter")
	m.Reloaded(true, time.Unix(1700000000, 0))
	m.SetState(func() State {
		return State{Lists: []ListState{{"starter", 605, time.Unix(1700000000, 0)}, {"new", 0, time.Time{}}}, Upstreams: []UpstreamState{{"tls://dns.example", true}},
			Cache: CacheState{3, 1000, 7}, Blocking: map[string]bool{"default": true}}
	})
	m.Close() // and so the owners are counted
	return m
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	// The owner is counted in a goroutine.
	for deadline := time.Now().Add(10 * time.Second); ; {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		b, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "deadpixel_blocked_owner_total{") || time.Now().After(deadline) {
			return string(b)
		}
	}
}

// The names that dashboards rely on.
func TestPromises(t *testing.T) {
	text := scrape(t, sample(t))
	for _, want := range []string{
		`deadpixel_queries_total{outcome="blocked",transport="tcp"} 1`,
		`deadpixel_queries_total{outcome="dropped",transport="tcp"} 1`,
		`deadpixel_queries_total{outcome="stale",transport="udp"} 0`,
		`deadpixel_queries_total{outcome="limited",transport="quic"} 0`,
		`deadpixel_blocked_total{list="starter",reason="name"} 1`,
		`deadpixel_blocked_owner_total{owner="Meta"} 1`,
		`deadpixel_query_duration_seconds_count{outcome="cached"} 1`,
		`deadpixel_upstream_requests_total{result="timeout",upstream="tls://dns.example"} 1`,
		`deadpixel_upstream_duration_seconds_count{upstream="tls://dns.example"} 1`,
		`deadpixel_upstream_healthy{upstream="tls://dns.example"} 1`,
		`deadpixel_list_entries{list="starter"} 605`,
		`deadpixel_list_updated_timestamp_seconds{list="starter"} 1.7e+09`,
		`deadpixel_list_failures_total{list="starter"} 1`,
		`deadpixel_cache_entries 3`,
		`deadpixel_cache_bytes 1000`,
		`deadpixel_cache_evictions_total 7`,
		`deadpixel_blocking_enabled{group="default"} 1`,
		`deadpixel_config_reload_success 1`,
		`deadpixel_config_reload_timestamp_seconds 1.7e+09`,
		`version="1.2.3"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "facebook") || strings.Contains(text, `list_updated_timestamp_seconds{list="new"}`) {
		t.Errorf("too much is told:\n%s", text)
	}
}

func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs the program promtool")
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, sample(t)))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNegotiation(t *testing.T) {
	m := sample(t)
	for accept, want := range map[string]string{
		"": "text/plain", "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": "application/vnd.google.protobuf",
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	m := New(Options{})
	defer m.Close()
	now := time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)
	for _, ago := range []time.Duration{0, time.Minute, time.Minute, 23*time.Hour + 59*time.Minute, 25 * time.Hour} {
		m.Observe(resolver.Event{Time: now.Add(-ago), Outcome: resolver.Cached})
	}
	m.Observe(resolver.Event{Time: now, Outcome: resolver.Blocked, List: "x"})
	for range 3 {
		m.summary.company(now, "Meta")
	}
	m.summary.company(now.Add(-23*time.Hour), "Google")
	m.summary.company(now.Add(-30*time.Hour), "Old")
	s := m.Summary(now, 5)
	if s.Queries != 5 || s.Blocked != 1 || len(s.Minutes) != kept || s.Outcomes["cached"] != 5 {
		t.Errorf("%d queries, %d blocked, %d minutes, %v", s.Queries, s.Blocked, len(s.Minutes), s.Outcomes)
	}
	last := s.Minutes[len(s.Minutes)-1]
	if last.Queries != 2 || last.Blocked != 1 || !last.Time.Equal(now.Truncate(time.Minute)) || s.Minutes[0].Queries != 1 {
		t.Errorf("last %+v, first %+v", last, s.Minutes[0])
	}
	if want := []Company{{"Meta", 3}, {"Google", 1}}; !slices.Equal(s.Top, want) {
		t.Errorf("top %v, want %v", s.Top, want)
	}
	m.Forget()
	if s := m.Summary(now, 5); s.Queries != 0 || len(s.Top) != 0 {
		t.Errorf("after forgetting: %+v", s.Top)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := New(Options{})
	defer m.Close()
	e := resolver.Event{Time: time.Now(), Duration: time.Millisecond, Outcome: resolver.Cached}
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(e)
	}
}
