package metrics

import (
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"deadpixel/resolver"
)

// sample is a Metrics on which everything has happened once.
func sample(t testing.TB) *Metrics {
	m := New(Options{Version: "1.2.3", Commit: "abc", Owner: func(name []byte) string {
		if string(name) == "pixel.facebook.com" {
			return "Meta"
		}
		return ""
	}})
	for outcome := range resolver.Outcomes {
		m.Observe(resolver.Event{Time: time.Now(), Duration: time.Millisecond, Outcome: outcome, Transport: resolver.TCP,
			Name: []byte("pixel.facebook.com"), List: "starter"})
	}
	m.ObserveExchange(resolver.Exchange{Upstream: "tls://dns.example", Result: resolver.Timeout, Duration: time.Second})
	m.ObserveExchange(resolver.Exchange{Upstream: "tls://filters.example", Blocked: true, Duration: time.Second})
	m.ListFailed("starter")
	m.Reloaded(true, time.Unix(1700000000, 0))
	m.SetState(func() State {
		return State{Lists: []ListState{{Name: "starter", Entries: 605, Updated: time.Unix(1700000000, 0), Refresh: 24 * time.Hour, Denies: true, Added: 12, Removed: 3, Flagged: 2, Held: 1}, {Name: "new"}}, Upstreams: []UpstreamState{{"tls://dns.example", true}},
			Cache: CacheState{3, 1000, 7}, Blocking: map[string]bool{"default": false, "kids": false, "lab": false},
			PauseEnds: map[string]time.Time{"default": time.Unix(1800000000, 0), "kids": {}}, PausedClients: 2, NoAccount: []string{"TikTok"}}
	})
	return m
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
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
		`deadpixel_upstream_blocked_total{upstream="tls://dns.example"} 0`,
		`deadpixel_upstream_blocked_total{upstream="tls://filters.example"} 1`,
		`deadpixel_list_entries{list="starter"} 605`,
		`deadpixel_list_updated_timestamp_seconds{list="starter"} 1.7e+09`,
		`deadpixel_list_added_rules{list="starter"} 12`,
		`deadpixel_list_removed_rules{list="starter"} 3`,
		`deadpixel_list_popular_rules{list="starter",state="flagged"} 2`,
		`deadpixel_list_popular_rules{list="starter",state="held"} 1`,
		`deadpixel_list_popular_rules{list="new",state="held"} 0`,
		`deadpixel_list_failures_total{list="starter"} 1`,
		`deadpixel_cache_entries 3`,
		`deadpixel_cache_bytes 1000`,
		`deadpixel_cache_evictions_total 7`,
		`deadpixel_blocking_enabled{group="default"} 0`,
		`deadpixel_pause_end_timestamp_seconds{group="default"} 1.8e+09`,
		`deadpixel_pause_end_timestamp_seconds{group="kids"} +Inf`,
		`deadpixel_paused_clients 2`,
		`deadpixel_list_refresh_interval_seconds{list="starter"} 86400`,
		`deadpixel_config_reload_success 1`,
		`deadpixel_config_reload_timestamp_seconds 1.7e+09`,
		`version="1.2.3"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	// What has not happened yet is told as well, or its first time would be no increase.
	for _, want := range []string{
		`deadpixel_blocked_total{list="starter",reason="address"} 0`,
		`deadpixel_no_account_total{owner="TikTok"} 0`,
		`deadpixel_list_failures_total{list="new"} 0`,
		`deadpixel_upstream_requests_total{result="error",upstream="tls://dns.example"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `deadpixel_blocked_total{list="new"`) || strings.Contains(text, `pause_end_timestamp_seconds{group="lab"}`) {
		t.Errorf("what cannot be is told:\n%s", text)
	}
	if strings.Contains(text, "facebook") || strings.Contains(text, `list_updated_timestamp_seconds{list="new"}`) {
		t.Errorf("too much is told:\n%s", text)
	}
}

// What one scrape tells is of one moment: how things stand is asked for once.
func TestScrapeIsOfOneMoment(t *testing.T) {
	m := sample(t)
	asked := 0
	m.SetState(func() State {
		asked++
		return State{Lists: []ListState{{Name: fmt.Sprint("list", asked), Denies: true}}}
	})
	for want := 1; want <= 2; want++ {
		name := fmt.Sprintf(`list="list%d"`, want)
		if text := scrape(t, m); asked != want || !strings.Contains(text, "deadpixel_list_entries{"+name) || !strings.Contains(text, "deadpixel_blocked_total{"+name) {
			t.Errorf("asked %d times for %d scrapes:\n%s", asked, want, text)
		}
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

// What the history reads is what Prometheus is told.
func TestCounts(t *testing.T) {
	m := sample(t)
	m.Fork().Observe(resolver.Event{Outcome: resolver.Blocked, List: "starter", Reason: resolver.ByCNAME, Name: []byte("x.example")})
	got := m.Counts()
	want := Counts{Blocked: map[string][resolver.Reasons]uint64{"starter": {1, 1}}, Owners: map[string]map[string][resolver.Reasons]uint64{"Meta": {"starter": {1}}, "": {"starter": {0, 1}}}, NoAccount: map[string]uint64{}}
	for outcome := range resolver.Outcomes {
		want.Outcomes[outcome] = 1
	}
	want.Outcomes[resolver.Blocked]++
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Several readers count at once, while somebody scrapes: nothing is lost, and no
// counter ever goes back.
func TestForksCountExactly(t *testing.T) {
	const readers, each = 8, 5000
	m := New(Options{Owner: func([]byte) string { return "Meta" }})
	var counting, scraping sync.WaitGroup
	for r := range readers {
		o := m.Fork()
		counting.Go(func() {
			for i := range each {
				o.Observe(resolver.Event{Time: time.Now(), Outcome: resolver.Outcome(i % int(resolver.Outcomes)), Transport: resolver.UDP,
					Duration: time.Duration(i*r) * time.Microsecond, List: fmt.Sprint("list", i%27), Name: []byte("x.example")})
			}
		})
	}
	done := make(chan struct{})
	scraping.Go(func() {
		last := map[string]float64{}
		for more := true; more; {
			select {
			case <-done:
				more = false
			default:
			}
			for name, v := range values(t, m) {
				if v < last[name] {
					t.Errorf("%s went from %v to %v", name, last[name], v)
				}
				last[name] = v
			}
		}
	})
	counting.Wait()
	close(done)
	scraping.Wait()

	var queries, blocked, owned, durations float64
	for name, v := range values(t, m) {
		switch {
		case strings.HasPrefix(name, "deadpixel_queries_total"):
			queries += v
		case strings.HasPrefix(name, "deadpixel_blocked_total"):
			blocked += v
		case strings.HasPrefix(name, "deadpixel_blocked_owner_total"):
			owned += v
		case strings.HasPrefix(name, "deadpixel_query_duration_seconds_count"):
			durations += v
		}
	}
	ofBlocked, ofDropped := 0, 0
	for i := range each {
		switch resolver.Outcome(i % int(resolver.Outcomes)) {
		case resolver.Blocked:
			ofBlocked += readers
		case resolver.Dropped:
			ofDropped += readers
		}
	}
	if queries != readers*each || blocked != float64(ofBlocked) || owned != float64(ofBlocked) || durations != float64(readers*each-ofDropped) {
		t.Errorf("%v queries, %v blocked, %v with an owner, %v durations", queries, blocked, owned, durations)
	}
}

// values are the lines of a scrape.
func values(t testing.TB, m *Metrics) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(scrape(t, m)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "deadpixel_") {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			all[name] = v
		}
	}
	return all
}

// Counting is on the way of every answer.
func TestObserveAllocatesNothing(t *testing.T) {
	m := New(Options{Owner: func([]byte) string { return "Meta" }})
	o := m.Fork()
	name := []byte("pixel.facebook.com")
	for outcome := range resolver.Outcomes {
		e := resolver.Event{Time: time.Now(), Duration: time.Millisecond, Outcome: outcome, Name: name, List: "x"}
		if n := testing.AllocsPerRun(100, func() { o.Observe(e) }); n != 0 {
			t.Errorf("%s: %v allocations", outcome, n)
		}
	}
	x := resolver.Exchange{Upstream: "udp://192.0.2.1", Duration: time.Millisecond}
	if n := testing.AllocsPerRun(100, func() { o.ObserveExchange(x) }); n != 0 {
		t.Errorf("an exchange: %v allocations", n)
	}
}

// As many cores as there are count without disturbing each other.
func BenchmarkObserve(b *testing.B) {
	m := New(Options{Owner: func([]byte) string { return "Meta" }})
	for _, outcome := range []resolver.Outcome{resolver.Cached, resolver.Blocked} {
		e := resolver.Event{Time: time.Now(), Duration: 20 * time.Microsecond, Outcome: outcome, List: "x", Name: []byte("pixel.facebook.com")}
		b.Run(outcome.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				o := m.Fork()
				for pb.Next() {
					o.Observe(e)
				}
			})
		})
	}
}

// What looks for a way around is told by the answer, or by the name where a rule
// has answered; companies nobody has an account with count in some groups only.
func TestEscapesAndNoAccount(t *testing.T) {
	m := New(Options{
		Owner:  func([]byte) string { return "Meta" },
		Escape: func(name []byte) resolver.Escape { return resolver.NewExits([]string{"dns.example"}).Escape(name) },
		NoAccount: func(groups []string, company string) bool {
			return slices.Contains(groups, "kids") && company == "Meta"
		},
	})
	now := time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)
	for _, e := range []resolver.Event{
		{Time: now.Add(-25 * time.Hour), Outcome: resolver.Cached, Escape: resolver.ByResolver},
		{Time: now, Outcome: resolver.Cached, Escape: resolver.ByResolver},
		{Time: now, Outcome: resolver.Local, Escape: resolver.ByDiscovery},
		{Time: now, Outcome: resolver.Blocked, List: resolver.CanaryList, Escape: resolver.ByCanary},
		{Time: now, Outcome: resolver.Blocked, List: "doh", Name: []byte("x.dns.example"), Groups: []string{"adults"}},
		{Time: now, Outcome: resolver.Blocked, List: "any", Name: []byte("pixel.example"), Groups: []string{"tv", "kids"}},
		{Time: now, Outcome: resolver.Cached, Name: []byte("x.dns.example"), Groups: []string{"kids"}},
	} {
		m.Observe(e)
	}
	c := m.Counts()
	if want := [resolver.Escapes]uint64{resolver.ByCanary: 1, resolver.ByDiscovery: 1, resolver.ByResolver: 3}; c.Escapes != want {
		t.Errorf("escapes %v, want %v", c.Escapes, want)
	}
	if want := map[string]uint64{"Meta": 1}; !maps.Equal(c.NoAccount, want) {
		t.Errorf("without account %v, want %v", c.NoAccount, want)
	}
	text := scrape(t, m)
	for _, line := range []string{`deadpixel_escape_attempts_total{kind="resolver"} 3`, `deadpixel_escape_attempts_total{kind="canary"} 1`, `deadpixel_no_account_total{owner="Meta"} 1`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}
