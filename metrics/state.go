package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ListState is how a list stands.
type ListState struct {
	Name    string
	Entries int
	Updated time.Time // zero when there is no copy
	Refresh time.Duration
	Denies  bool // it can block

	Added, Removed int // rules, by the last refresh that changed some
	Flagged, Held  int // rules that a refresh brought and that deny popular names
}

// UpstreamState is how an upstream stands.
type UpstreamState struct {
	Name    string
	Healthy bool
}

// CacheState is how full the cache is.
type CacheState struct {
	Entries   int
	Bytes     int64
	Evictions uint64
}

// State is what stands at the moment of asking.
type State struct {
	Lists         []ListState
	Upstreams     []UpstreamState
	Cache         CacheState
	Blocking      map[string]bool      // by group
	PauseEnds     map[string]time.Time // of the groups that are paused; zero: until resumed
	PausedClients int
	NoAccount     []string // companies that nobody has an account with

	QueryLogDropped map[string]uint64 // records that a sink of the query log has lost
}

// SetState makes get the source of what is not counted but stands. It is called
// once for every scrape, from many goroutines.
func (m *Metrics) SetState(get func() State) { m.state.Store(&get) }

// standing is the State at this moment; false before SetState.
func (m *Metrics) standing() (State, bool) {
	get := m.state.Load()
	if get == nil {
		return State{}, false
	}
	return (*get)(), true
}

var (
	listEntries    = prometheus.NewDesc("deadpixel_list_entries", "Rules of a list.", []string{"list"}, nil)
	listUpdated    = prometheus.NewDesc("deadpixel_list_updated_timestamp_seconds", "When the copy of a list that is in use was fetched.", []string{"list"}, nil)
	listRefresh    = prometheus.NewDesc("deadpixel_list_refresh_interval_seconds", "How often a list is refreshed.", []string{"list"}, nil)
	listFailures   = prometheus.NewDesc("deadpixel_list_failures_total", "Refreshes of a list that failed.", []string{"list"}, nil)
	listAdded      = prometheus.NewDesc("deadpixel_list_added_rules", "Rules that the last refresh which changed a list has added.", []string{"list"}, nil)
	listRemoved    = prometheus.NewDesc("deadpixel_list_removed_rules", "Rules that the last refresh which changed a list has removed.", []string{"list"}, nil)
	listPopular    = prometheus.NewDesc("deadpixel_list_popular_rules", "Rules that a refresh brought and that deny popular names: in use, or held back until they are accepted.", []string{"list", "state"}, nil)
	upstreamHealth = prometheus.NewDesc("deadpixel_upstream_healthy", "Whether an upstream answers.", []string{"upstream"}, nil)
	cacheEntries   = prometheus.NewDesc("deadpixel_cache_entries", "Answers in the cache.", nil, nil)
	cacheBytes     = prometheus.NewDesc("deadpixel_cache_bytes", "Memory that the answers in the cache take.", nil, nil)
	cacheEvictions = prometheus.NewDesc("deadpixel_cache_evictions_total", "Answers that gave way to others.", nil, nil)
	blocking       = prometheus.NewDesc("deadpixel_blocking_enabled", "Whether a group's trackers are blocked.", []string{"group"}, nil)
	pauseEnd       = prometheus.NewDesc("deadpixel_pause_end_timestamp_seconds", "When the pause of a group that is paused ends; +Inf when somebody has to end it.", []string{"group"}, nil)
	pausedClients  = prometheus.NewDesc("deadpixel_paused_clients", "Clients for which blocking is paused by a pause of their own.", nil, nil)
)

var stateDescs = []*prometheus.Desc{listEntries, listUpdated, listRefresh, listFailures, listAdded, listRemoved, listPopular, upstreamHealth,
	cacheEntries, cacheBytes, cacheEvictions, blocking, pauseEnd, pausedClients, queryLogDropped}

var queryLogDropped = prometheus.NewDesc("deadpixel_query_log_dropped_total", "Queries that are missing in the query log, by where they should have gone.", []string{"sink"}, nil)

// state tells how things stand.
func (c collector) state(out chan<- prometheus.Metric, now *State) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) { c.counter(out, d, n, labels...) }
	for sink, n := range now.QueryLogDropped {
		counter(queryLogDropped, n, sink)
	}
	for _, l := range now.Lists {
		gauge(listEntries, float64(l.Entries), l.Name)
		gauge(listRefresh, l.Refresh.Seconds(), l.Name)
		counter(listFailures, c.listFailures.at(l.Name).Load(), l.Name)
		gauge(listAdded, float64(l.Added), l.Name)
		gauge(listRemoved, float64(l.Removed), l.Name)
		gauge(listPopular, float64(l.Flagged), l.Name, "flagged")
		gauge(listPopular, float64(l.Held), l.Name, "held")
		if !l.Updated.IsZero() {
			gauge(listUpdated, float64(l.Updated.UnixMilli())/1000, l.Name)
		}
	}
	for _, u := range now.Upstreams {
		gauge(upstreamHealth, truth(u.Healthy), u.Name)
	}
	for group, on := range now.Blocking {
		gauge(blocking, truth(on), group)
	}
	for group, end := range now.PauseEnds {
		if end.IsZero() {
			gauge(pauseEnd, math.Inf(1), group)
		} else {
			gauge(pauseEnd, float64(end.UnixMilli())/1000, group)
		}
	}
	gauge(pausedClients, float64(now.PausedClients))
	gauge(cacheEntries, float64(now.Cache.Entries))
	gauge(cacheBytes, float64(now.Cache.Bytes))
	counter(cacheEvictions, now.Cache.Evictions)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
