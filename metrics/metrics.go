// Package metrics counts what happens to queries, for Prometheus and for the
// page. No label ever holds a client, a queried name, or anything else that an
// outsider can make up.
package metrics

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"deadpixel/resolver"
)

// Options are what a Metrics is made of.
type Options struct {
	Version, Commit string
	// Owner names the company behind a blocked name, "" when it is not known. Its
	// range is bounded, since it becomes a label. It is called for every blocked
	// query, from many goroutines, and may not keep the name.
	Owner func(name []byte) string
	// Escape says how a blocked name looks for a way around; nil means not at all.
	// It is called like Owner.
	Escape func(name []byte) resolver.Escape
	// NoAccount says whether one of the groups does without a company that Owner has
	// named; nil means that none does. It is called for every blocked query.
	NoAccount func(groups []string, company string) bool
}

// Metrics implements resolver.Observer and resolver.Forker. It is safe for
// concurrent use. What happens on the way of an answer is a few additions, to
// memory that the goroutine shares with no other core when it has a Fork.
type Metrics struct {
	registry *prometheus.Registry
	options  Options
	sources  sources
	start    time.Time
	state    atomic.Pointer[func() State]

	shards    []shard // one for each core
	forks     atomic.Uint32
	upstreams table[string, upstream]

	listFailures         table[string, atomic.Uint64]
	reloadOK, reloadTime prometheus.Gauge
}

// upstream is what is counted of one upstream.
type upstream struct {
	results  [resolver.Results]atomic.Uint64
	blocked  atomic.Uint64
	duration histogram
}

// transports is how many transports there are.
const transports = 5

// otherOwner stands for everybody whom the ownership data does not know.
const otherOwner = "other"

// New makes a Metrics with a registry of its own.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), options: o, sources: newSources(), start: time.Now(), shards: make([]shard, runtime.GOMAXPROCS(0))}
	if o.Owner == nil {
		m.options.Owner = func([]byte) string { return "" }
	}
	if o.NoAccount == nil {
		m.options.NoAccount = func([]string, string) bool { return false }
	}
	if o.Escape == nil {
		m.options.Escape = func([]byte) resolver.Escape { return resolver.NoEscape }
	}
	m.reloadOK = prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_config_reload_success",
		Help: "Whether the last reading of the configuration succeeded."})
	m.reloadTime = prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_config_reload_timestamp_seconds",
		Help: "When the configuration was last read."})
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_build_info", Help: "What runs; always 1.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(collector{m}, m.reloadOK, m.reloadTime, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics as text, OpenMetrics or protobuf, by negotiation.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// fork is a Metrics that counts queries in a shard of its own.
type fork struct {
	*Metrics
	shard *shard
}

// Fork implements resolver.Forker. There are as many shards as cores, which are
// handed out in turn.
func (m *Metrics) Fork() resolver.Observer {
	return fork{m, &m.shards[int(m.forks.Add(1)-1)%len(m.shards)]}
}

// Observe counts a query.
func (f fork) Observe(e resolver.Event) { f.count(f.shard, &e) }

// Observe counts a query, for those without a Fork.
func (m *Metrics) Observe(e resolver.Event) { m.count(&m.shards[0], &e) }

func (m *Metrics) count(s *shard, e *resolver.Event) {
	m.sources.note(e)
	s.count(e, &m.options)
}

// ObserveExchange counts a question to an upstream.
func (m *Metrics) ObserveExchange(e resolver.Exchange) {
	u := m.upstreams.at(e.Upstream)
	u.results[e.Result].Add(1)
	if e.Blocked {
		u.blocked.Add(1)
	}
	u.duration.observe(e.Duration, upstreamLimits)
}

// ListFailed counts a refresh that failed.
func (m *Metrics) ListFailed(list string) { m.listFailures.at(list).Add(1) }

// Reloaded notes how a reading of the configuration went.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	m.reloadOK.Set(0)
	if ok {
		m.reloadOK.Set(1)
	}
	m.reloadTime.Set(float64(at.UnixMilli()) / 1000)
}
