package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/fetch"
	"deadpixel/lists/owners"
	"deadpixel/metrics"
	"deadpixel/resolver"
	"deadpixel/resolver/upstream"
)

// generation is everything that one configuration makes. A reload builds the
// next one aside; what lives longer (sockets, counters, the pause) is in server.
type generation struct {
	config   *Config
	zone     *time.Location   // whose clock counts
	lists    []ListConfig     // all of them, also those that follow from groups
	access   *resolver.Access // who may ask
	visitors *resolver.Access // who may see the page
	pools    *pools
	cache    *resolver.Cache
	owners   *ownership
	without  atomic.Pointer[without]
	store    *lists.Store
	local    *resolver.LocalNames
	clients  *resolver.Clients
	policies *resolver.Policies
	applies  []resolver.Applies // to whom each list of the store applies, by its place
	own      int                // how many of them are rules of the configuration and of the page
	rulesBy  string             // the file of the page's rules
	mistakes []error            // that were in it
	allowed  *resolver.Allowances
	trusted  *resolver.Forwarders
	resolver *resolver.Resolver

	stop context.CancelFunc
	done sync.WaitGroup
}

// parts are what a generation is given from outside.
type parts struct {
	dataDir string
	pause   *resolver.Pause
	allowed *resolver.Allowances
	metrics *metrics.Metrics // nil when nothing is served
	probe   string           // the name of the server's query to itself
	serving bool             // queries are answered meanwhile
	asked   func() []string  // what the household asked for of late; nil when nobody knows
	log     *slog.Logger
}

// onFailure counts refreshes that fail.
func (p parts) onFailure() func(string) {
	if p.metrics == nil {
		return nil
	}
	return p.metrics.ListFailed
}

// observer is told of exchanges with upstreams.
func (p parts) observer() resolver.Observer {
	if p.metrics == nil {
		return nil
	}
	return p.metrics
}

// newGeneration builds one, without its lists. Connections and the cache of old
// (which may be nil) are taken over where the configuration allows.
func newGeneration(c *Config, old *generation, p parts) (*generation, error) {
	g := &generation{config: c, lists: c.allLists(), rulesBy: c.rulesFile(p.dataDir), allowed: p.allowed}
	var err error
	if g.zone, err = c.zone(); err != nil {
		return nil, err
	}
	if g.access, err = resolver.NewAccess(c.DNS.AllowFrom, p.log); err != nil {
		return nil, fmt.Errorf("dns.allow_from: %w", err)
	}
	g.visitors = g.access
	if len(c.Web.AllowFrom) > 0 {
		if g.visitors, err = resolver.NewAccess(c.Web.AllowFrom, p.log); err != nil {
			return nil, fmt.Errorf("web.allow_from: %w", err)
		}
	}
	if g.local, err = resolver.NewLocal(c.Local, c.routes()); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	if g.pools, err = newPools(c, old, p.log); err != nil {
		return nil, err
	}
	switch {
	case c.Cache.Size == 0:
	case old != nil && old.cache != nil && old.config.Cache.Size == c.Cache.Size && sameUpstreams(old.config, c):
		g.cache = old.cache
	default:
		g.cache = resolver.NewCache(int64(c.Cache.Size))
	}
	return g, nil
}

// load reads the lists from disk and makes the resolver. No other store may run
// on the data directory meanwhile. What old, which may be nil, knows of clients'
// addresses is taken over.
func (g *generation) load(ctx context.Context, old *generation, p parts) error {
	c := g.config
	var err error
	fetcher := newFetcher(g.pools.bootstrap, lists.Builtins{Owners: func() *owners.Data { return g.owners.data.Load() }})
	if g.owners, err = newOwnership(ctx, c, fetcher, p); err != nil {
		return err
	}
	written := readRulesFile(g.rulesBy, c)
	for _, problem := range written.problems {
		p.log.Error("a mistake in the rules of the page", "problem", problem)
	}
	g.mistakes = written.problems
	options := lists.Options{Own: c.pageRules(written), Dir: p.dataDir, ReadOnly: p.metrics == nil, Log: p.log, OnFailure: p.onFailure(), Gentle: p.serving, Asked: p.asked}
	if g.store, err = openStore(c, options, fetcher); err != nil {
		return err
	}
	if err := g.store.Load(ctx); err != nil {
		return err
	}
	forward, err := g.pools.forward(c, p.observer())
	if err != nil {
		return err
	}
	response, err := resolver.ParseResponse(c.Blocking.Response)
	if err != nil {
		return fmt.Errorf("blocking.response: %w", err)
	}
	if g.clients, err = newClients(c, forward, g.local, p.log); err != nil {
		return err
	}
	if old != nil {
		g.clients.Inherit(old.clients)
	}
	// So that a device has its rules from the first query on.
	if err := g.clients.Read(ctx, netip.Addr{}); err != nil {
		p.log.Warn("whose addresses are whose cannot be read; such devices count as \"default\" for now", "err", err)
	}
	if g.policies, g.applies, err = c.policies(g.clients.Entries(), p.pause); err != nil {
		return err
	}
	g.without.Store(c.without(g.owners.data.Load()))
	g.own = len(g.applies) - len(g.lists)
	g.trusted, err = resolver.NewForwarders(c.DNS.TrustECSFrom)
	if err != nil {
		return fmt.Errorf("dns.trust_ecs_from: %w", err)
	}
	rebind, err := resolver.NewRebind(c.Blocking.RebindAllow)
	if err != nil {
		return fmt.Errorf("blocking.rebind_allow: %w", err)
	}
	rebind.On = c.Blocking.RebindProtection
	lists.SafeSearch(nil) // reads the list now, not when somebody searches
	g.resolver = resolver.New(resolver.Options{
		Access:     g.access,
		Forwarders: g.trusted,
		RateLimit:  c.DNS.RateLimit,
		Probe:      p.probe,
		Clients:    g.clients,
		Local:      g.local,
		Policies:   g.policies,
		Blocking: resolver.Blocking{
			Matcher:  g.store,
			Allowed:  p.allowed,
			Response: response,
			TTL:      c.Blocking.TTL,
			Canaries: c.Blocking.Canaries,
			Safe:     lists.SafeSearch,

			FollowCNAME: c.Blocking.FollowCNAME,
			FollowHTTPS: c.Blocking.FollowHTTPS,

			FollowAddress: c.Blocking.FollowAddress,

			Rebind: rebind,
			Routed: forward.Routed,
		},
		Cache: g.cache,
		Policy: resolver.CachePolicy{
			MinTTL:     c.Cache.MinTTL,
			MaxTTL:     c.Cache.MaxTTL,
			Stale:      c.Cache.Stale,
			StaleAfter: c.Cache.StaleAfter,
			Prefetch:   c.Cache.Prefetch,
			Healthy:    forward.Healthy,
		},
		Flight:  resolver.NewFlight(),
		Forward: forward,
		Log:     p.log,
	})
	return nil
}

// start keeps lists and networks fresh until halt.
func (g *generation) start() {
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	g.done.Go(func() { g.store.Run(ctx) })
	g.done.Go(func() { g.access.Run(ctx) })
	g.done.Go(func() { g.clients.Run(ctx) })
	g.done.Go(func() { g.owners.run(ctx, func() { g.refreshImplied(ctx) }) })
	if g.visitors != g.access {
		g.done.Go(func() { g.visitors.Run(ctx) })
	}
}

// refreshImplied makes anew what comes from ownership data.
func (g *generation) refreshImplied(ctx context.Context) {
	g.without.Store(g.config.without(g.owners.data.Load()))
	for _, l := range g.lists {
		if fromOwners(l.Source) {
			_ = g.store.Refresh(ctx, l.Name, false) // its status and the log say what went wrong
		}
	}
}

// halt ends what start has begun, and waits for it.
func (g *generation) halt() {
	g.stop()
	g.done.Wait()
}

// newFetcher makes what brings lists. b resolves the names of their hosts.
func newFetcher(b *upstream.Bootstrap, builtins lists.Builtins) *fetch.Fetcher {
	return fetch.New(fetch.Options{Resolve: b.Lookup, UserAgent: "deadpixel/" + version, Clock: atLeastBuilt, Builtins: builtins})
}

// openStore makes the store of c's lists, which f brings; o says all but what c
// does, and the rules of the page.
func openStore(c *Config, o lists.Options, f *fetch.Fetcher) (*lists.Store, error) {
	o.OwnSource = c.file
	rules, _ := c.own()
	o.Own = append(rules, o.Own...) // what the page has written comes behind
	for i, l := range c.allLists() {
		entry, err := c.list(f, l)
		if err != nil {
			return nil, Problem{c.file, c.lines.of(fmt.Sprintf("lists[%d].source", i)), err.Error()}
		}
		o.Lists = append(o.Lists, entry)
	}
	return lists.NewStore(o)
}

// list is a [[lists]] entry in the words of package lists.
func (c *Config) list(f *fetch.Fetcher, l ListConfig) (lists.Config, error) {
	entry := lists.Config{Name: l.Name, Kind: lists.Deny, Source: l.Source, Refresh: l.Refresh}
	if l.Kind == "allow" {
		entry.Kind = lists.Allow
	}
	var err error
	if entry.Fetcher, entry.Remote, err = f.Source(c.path(l.Source)); err != nil {
		return entry, err
	}
	if entry.Format, err = lists.ParseFormat(l.Format); err != nil {
		return entry, err
	}
	if entry.Match, err = lists.ParseMatch(l.Match); err != nil {
		return entry, err
	}
	entry.Popular, err = lists.ParsePopular(l.Popular)
	return entry, err
}

// sameUpstreams says whether answers of one configuration hold for the other.
func sameUpstreams(a, b *Config) bool {
	return slices.Equal(a.Upstream.Servers, b.Upstream.Servers) && maps.EqualFunc(a.Upstream.Routes, b.Upstream.Routes, slices.Equal) &&
		slices.EqualFunc(a.groupServers(), b.groupServers(), slices.Equal)
}

// buildTime is the earliest that now can be.
var buildTime = sync.OnceValue(func() time.Time { return buildInfo().time })

// atLeastBuilt is the time, or the build date while the clock is before it; the
// upstreams report that (see upstream.Options).
func atLeastBuilt() time.Time {
	if now := time.Now(); now.After(buildTime()) {
		return now
	}
	return buildTime()
}
