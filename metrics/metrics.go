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
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"deadpixel/resolver"
)

// Options are what a Metrics is made of.
type Options struct {
	Version, Commit string
	// Owner names the company behind a blocked name, "" when it is not known. Its
	// range is bounded, since it becomes a label.
	Owner func(name string) string
}

// Metrics implements resolver.Observer. It is safe for concurrent use; what
// happens on the way of an answer is a few atomic additions.
type Metrics struct {
	registry *prometheus.Registry
	owner    func(string) string
	state    state
	summary  summary

	queries   [resolver.Outcomes][transports]prometheus.Counter
	durations [resolver.Outcomes]prometheus.Observer
	blocked   *prometheus.CounterVec
	owners    *prometheus.CounterVec

	upstreamRequests *prometheus.CounterVec
	upstreamDuration *prometheus.HistogramVec
	listFailures     *prometheus.CounterVec

	reloadOK, reloadTime prometheus.Gauge
	ownerQueue           chan string
	totals               [resolver.Outcomes]atomic.Uint64
}

// transports is how many transports there are.
const transports = 5

// Buckets of the classic histograms, in seconds: from what the cache takes to
// the usual timeout. Native histograms need none.
var (
	queryBuckets    = []float64{.00001, .00005, .0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2}
	upstreamBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2}
)

// Shape of the native histograms: buckets that grow by a tenth, at most so many.
const (
	nativeFactor  = 1.1
	nativeBuckets = 100
)

// ownerQueueSize bounds the blocked names whose owner is still to be looked up;
// beyond, they count as "other".
const ownerQueueSize = 1024

// otherOwner stands for everybody whom the ownership data does not know.
const otherOwner = "other"

// New makes a Metrics with a registry of its own.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), owner: o.Owner, ownerQueue: make(chan string, ownerQueueSize)}
	if m.owner == nil {
		m.owner = func(string) string { return "" }
	}
	m.summary.start = time.Now()
	queries := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deadpixel_queries_total",
		Help: "Queries by how they ended and how they came."}, []string{"outcome", "transport"})
	durations := prometheus.NewHistogramVec(histogram("deadpixel_query_duration_seconds",
		"Time from a query's arrival to its reply.", queryBuckets), []string{"outcome"})
	m.blocked = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deadpixel_blocked_total",
		Help: "Blocked queries by the list whose rule decided and where the blocked name stood."}, []string{"list", "reason"})
	m.owners = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deadpixel_blocked_owner_total",
		Help: "Blocked queries by the company behind the name."}, []string{"owner"})
	m.upstreamRequests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deadpixel_upstream_requests_total",
		Help: "Questions put to an upstream by how they ended."}, []string{"upstream", "result"})
	m.upstreamDuration = prometheus.NewHistogramVec(histogram("deadpixel_upstream_duration_seconds",
		"Time that an upstream took.", upstreamBuckets), []string{"upstream"})
	m.listFailures = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deadpixel_list_failures_total",
		Help: "Refreshes of a list that failed."}, []string{"list"})
	m.reloadOK = prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_config_reload_success",
		Help: "Whether the last reading of the configuration succeeded."})
	m.reloadTime = prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_config_reload_timestamp_seconds",
		Help: "When the configuration was last read."})
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "deadpixel_build_info", Help: "What runs; always 1.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(queries, durations, m.blocked, m.owners, m.upstreamRequests, m.upstreamDuration, m.listFailures,
		m.reloadOK, m.reloadTime, build, &m.state)
	for outcome := range resolver.Outcomes {
		m.durations[outcome] = durations.WithLabelValues(outcome.String())
		for t := range transports {
			m.queries[outcome][t] = queries.WithLabelValues(outcome.String(), resolver.Transport(t).String())
		}
	}
	go m.countOwners()
	return m
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets, NativeHistogramBucketFactor: nativeFactor,
		NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: time.Hour}
}

// Handler serves the metrics as text, OpenMetrics or protobuf, by negotiation.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Observe counts a query.
func (m *Metrics) Observe(e resolver.Event) {
	m.queries[e.Outcome][e.Transport].Inc()
	m.totals[e.Outcome].Add(1)
	m.summary.count(e.Time, e.Outcome == resolver.Blocked)
	if e.Outcome != resolver.Dropped {
		m.durations[e.Outcome].Observe(e.Duration.Seconds())
	}
	if e.Outcome != resolver.Blocked {
		return
	}
	m.blocked.WithLabelValues(e.List, e.Reason.String()).Inc()
	select {
	case m.ownerQueue <- string(e.Name):
	default: // a flood; who is behind it matters less than the answers
		m.owners.WithLabelValues(otherOwner).Inc()
	}
}

// countOwners looks up who is behind blocked names, off the way of the answers.
// It ends with the program.
func (m *Metrics) countOwners() {
	for name := range m.ownerQueue {
		owner := m.owner(name)
		if owner == "" {
			owner = otherOwner
		} else {
			m.summary.company(time.Now(), owner)
		}
		m.owners.WithLabelValues(owner).Inc()
	}
}

// Close ends the looking up of owners. Observe must not be called any more.
func (m *Metrics) Close() { close(m.ownerQueue) }

// ObserveExchange counts a question to an upstream.
func (m *Metrics) ObserveExchange(e resolver.Exchange) {
	m.upstreamRequests.WithLabelValues(e.Upstream, e.Result.String()).Inc()
	m.upstreamDuration.WithLabelValues(e.Upstream).Observe(e.Duration.Seconds())
}

// ListFailed counts a refresh that failed.
func (m *Metrics) ListFailed(list string) { m.listFailures.WithLabelValues(list).Inc() }

// Reloaded notes how a reading of the configuration went.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	m.reloadOK.Set(0)
	if ok {
		m.reloadOK.Set(1)
	}
	m.reloadTime.Set(float64(at.UnixMilli()) / 1000)
}
