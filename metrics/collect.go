package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadpixel/resolver"
)

// Limits of the classic histograms: from what the cache takes to the usual
// timeout. Native histograms need none.
var (
	queryLimits = []time.Duration{10 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
	upstreamLimits = []time.Duration{time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
		25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
)

var (
	queriesTotal = prometheus.NewDesc("deadpixel_queries_total",
		"Queries by how they ended and how they came.", []string{"outcome", "transport"}, nil)
	queryDuration = prometheus.NewDesc("deadpixel_query_duration_seconds",
		"Time from a query's arrival to its reply.", []string{"outcome"}, nil)
	blockedTotal = prometheus.NewDesc("deadpixel_blocked_total",
		"Blocked queries by the list whose rule decided and where the blocked name stood.", []string{"list", "reason"}, nil)
	ownerTotal = prometheus.NewDesc("deadpixel_blocked_owner_total",
		"Blocked queries by the company behind the name.", []string{"owner"}, nil)
	noAccountTotal = prometheus.NewDesc("deadpixel_no_account_total",
		"Blocked queries for names of a company that nobody here has an account with.", []string{"owner"}, nil)
	escapeTotal = prometheus.NewDesc("deadpixel_escape_attempts_total",
		"Queries that looked for a way around this server: by a canary, by discovery of encrypted resolvers, or for the address of one.", []string{"kind"}, nil)
	upstreamRequests = prometheus.NewDesc("deadpixel_upstream_requests_total",
		"Questions put to an upstream by how they ended.", []string{"upstream", "result"}, nil)
	upstreamBlocked = prometheus.NewDesc("deadpixel_upstream_blocked_total",
		"Answers of an upstream which say that it blocks the name itself.", []string{"upstream"}, nil)
	upstreamDuration = prometheus.NewDesc("deadpixel_upstream_duration_seconds",
		"Time that an upstream took.", []string{"upstream"}, nil)
)

// collector tells what has been counted and how things stand when Prometheus asks, of
// one generation of the program.
type collector struct{ *Metrics }

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(countDescs, stateDescs) {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	now, ok := c.standing()
	c.counts(out, &now)
	if ok {
		c.state(out, &now)
	}
}

// counter tells of one that only grows since the start.
func (c collector) counter(out chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, float64(n), c.start, labels...)
}

var countDescs = []*prometheus.Desc{queriesTotal, queryDuration, blockedTotal, ownerTotal, noAccountTotal, escapeTotal, upstreamRequests, upstreamBlocked, upstreamDuration}

// counts adds up what has been counted.
func (c collector) counts(out chan<- prometheus.Metric, now *State) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) { c.counter(out, d, n, labels...) }
	for outcome := range resolver.Outcomes {
		var t tally
		for i := range c.shards {
			t.add(&c.shards[i].durations[outcome])
		}
		out <- t.metric(queryDuration, queryLimits, c.start, outcome.String())
		for transport := range transports {
			counter(queriesTotal, c.queries(outcome, transport), outcome.String(), resolver.Transport(transport).String())
		}
	}
	sums := c.Counts()
	denies := begin(now, &sums)
	for list, reasons := range sums.Blocked {
		for reason, n := range reasons {
			if n > 0 || denies[list] {
				counter(blockedTotal, n, list, resolver.Reason(reason).String())
			}
		}
	}
	for name, lists := range sums.Owners {
		if name == "" {
			name = otherOwner
		}
		var all uint64
		for _, reasons := range lists {
			for _, n := range reasons {
				all += n
			}
		}
		counter(ownerTotal, all, name)
	}
	for name, n := range sums.NoAccount {
		counter(noAccountTotal, n, name)
	}
	for kind := resolver.ByCanary; kind < resolver.Escapes; kind++ {
		counter(escapeTotal, sums.Escapes[kind], kind.String())
	}
	for name, u := range c.upstreams.all() {
		for result := range u.results {
			counter(upstreamRequests, u.results[result].Load(), name, resolver.Result(result).String())
		}
		counter(upstreamBlocked, u.blocked.Load(), name)
		var t tally
		t.add(&u.duration)
		out <- t.metric(upstreamDuration, upstreamLimits, c.start, name)
	}
}

// begin has what can be counted stand at 0 before it is: Prometheus sees no
// increase in a counter that begins at 1. It returns the lists that can block.
func begin(now *State, sums *Counts) (denies map[string]bool) {
	denies = map[string]bool{}
	for _, l := range now.Lists {
		if l.Denies {
			denies[l.Name] = true
			reasons := sums.Blocked[l.Name] // all 0 where there is none
			sums.Blocked[l.Name] = reasons
		}
	}
	for _, company := range now.NoAccount {
		sums.NoAccount[company] += 0
	}
	return denies
}

// queries adds up one counter.
func (m *Metrics) queries(outcome resolver.Outcome, transport int) (n uint64) {
	for i := range m.shards {
		n += m.shards[i].queries[outcome][transport].Load()
	}
	return n
}
