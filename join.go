package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"deadpixel/lists"
	"deadpixel/metrics"
	"deadpixel/metrics/querylog"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// join gives metrics and page their view of what runs; neither knows the other.
func (s *server) join() {
	s.metrics.SetState(func() metrics.State {
		g := s.current.Load()
		state := metrics.State{Blocking: map[string]bool{}}
		for _, group := range (pauser{s}).Blocking().Groups {
			state.Blocking[group.Name] = group.Enabled
		}
		state.PauseEnds, state.PausedClients = s.paused(g, time.Now())
		if g.config.Privacy.Queries != querylog.None.String() {
			state.QueryLogDropped = s.queries.Dropped()
		}
		state.NoAccount = g.without.Load().companies()
		for _, l := range g.store.Status() {
			one := metrics.ListState{Name: l.Name, Entries: l.Entries, Updated: l.Updated, Refresh: l.Refresh, Denies: l.Kind == lists.Deny,
				Added: l.Added, Removed: l.Removed}
			for _, p := range l.Popular {
				if p.Held {
					one.Held++
				} else {
					one.Flagged++
				}
			}
			state.Lists = append(state.Lists, one)
		}
		for _, u := range g.pools.list() {
			healthy, _ := u.Health()
			state.Upstreams = append(state.Upstreams, metrics.UpstreamState{Name: u.String(), Healthy: healthy})
		}
		if g.cache != nil {
			state.Cache = metrics.CacheState{Entries: g.cache.Entries(), Bytes: g.cache.Bytes(), Evictions: g.cache.Evictions()}
		}
		return state
	})
}

// page makes the page for a configuration.
func (s *server) page(c *Config) (*ui.Page, error) {
	zone, err := c.zone()
	if err != nil {
		return nil, err
	}
	proxies, err := c.proxies()
	if err != nil {
		return nil, err
	}
	keys, err := c.tokens(zone)
	if err != nil {
		return nil, err
	}
	p, err := ui.New(ui.Options{
		Blocker: pauser{s}, Lists: pageLists{s}, Stats: s.stats, Companies: s.companies, Company: s.company, Evidence: s.evidence, Since: func() map[string]uint64 { return byOutcome(s.metrics.Outcomes()) }, Upstreams: s.upstreams,
		Explain: func(ctx context.Context, q ui.Question) (ui.Explanation, error) {
			return s.current.Load().explain(ctx, q)
		},
		Queries: s.findQueries, Tail: s.watch, Felt: func() ui.Felt { return s.felt.until(s.metrics.Waits()) },
		Kept: s.kept, Settings: s.privacySettings, Files: s.files, About: s.about, Today: s.today, Forget: s.forget, ForgetClient: s.forgetClient,
		Household: s.household, Running: s.running,
		Rules: pageRules{s}, Devices: devices{s}, Requests: s.openRequests, Refuse: s.refuse,
		Ready: s.ready, Alive: s.ask, Metrics: s.metrics.Handler(),
		Allow:   func(ip netip.Addr) bool { return s.current.Load().visitors.Allows(ip) },
		Version: version, Started: s.started, Zone: zone, PasswordHash: c.Web.PasswordHash, Hosts: c.Web.Hosts, Log: s.log,
		Tokens: keys, Proxies: proxies, Base: strings.TrimRight(c.Web.BasePath, "/"),
	})
	return p, err
}

// pageLists is the ui.Lists.
type pageLists struct{ s *server }

func (p pageLists) Lists() []ui.List {
	all := []ui.List{}
	g := p.s.current.Load()
	for i, l := range g.store.Status() {
		one := ui.List{Name: l.Name, Kind: kind(l.Kind), Source: withoutAccount(l.Source), Format: l.Format.String(), Entries: l.Entries, Skipped: l.Skipped,
			Updated: moment(l.Updated), Next: moment(l.Next), LastError: l.LastError,
			Added: l.Added, Removed: l.Removed, Changed: moment(l.Changed), Groups: g.lists[i].Groups, Schedule: g.lists[i].Schedule}
		for _, skip := range l.Skips {
			one.Skips = append(one.Skips, skip.String())
		}
		for _, r := range l.Popular {
			one.Popular = append(one.Popular, ui.PopularRule(r))
		}
		all = append(all, one)
	}
	return all
}

func (p pageLists) Changes(name string) ([]ui.Change, error) {
	kept, err := p.s.current.Load().store.Changes(name)
	all := []ui.Change{}
	for _, c := range kept {
		all = append(all, ui.Change(c))
	}
	return all, found(err)
}

func (p pageLists) Begin(name string, force bool) error {
	return found(p.s.current.Load().store.Begin(name, force))
}

// found turns the error about a list that does not exist into that of the page.
func found(err error) error {
	if errors.Is(err, lists.ErrNoList) {
		return fmt.Errorf("%w: %w", err, ui.ErrNotFound)
	}
	return err
}

func (p pageLists) Progress() []ui.Progress {
	all := []ui.Progress{}
	for _, one := range p.s.current.Load().store.Progress() {
		all = append(all, ui.Progress{List: one.Name, Stage: one.Stage.String(), Bytes: one.Bytes, Size: one.Size,
			Began: moment(one.Began), Ended: moment(one.Ended), Reason: one.Reason})
	}
	return all
}

func (p pageLists) Overlaps(ctx context.Context) ([]ui.Overlap, error) {
	counted, err := p.s.current.Load().store.Overlaps(ctx)
	var all []ui.Overlap
	for _, one := range counted {
		o := ui.Overlap{List: one.Name, Kind: kind(one.Kind), Rules: one.Rules, Only: one.Only, Others: []ui.Common{}, Exact: !one.NoText}
		for _, other := range one.Others {
			o.Others = append(o.Others, ui.Common{List: other.Name, Same: other.Same, Covered: other.Covered})
		}
		all = append(all, o)
	}
	return all, err
}

// kind is what a list does, as [[lists]] says it.
func kind(a lists.Action) string {
	if a == lists.Allow {
		return "allow"
	}
	return "deny"
}

func (p pageLists) Refresh(ctx context.Context, name string, force bool) error {
	return found(p.s.current.Load().store.Refresh(ctx, name, force))
}

// moment is t, or nil when it is zero.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *server) upstreams() []ui.Upstream {
	all := []ui.Upstream{}
	for _, u := range s.current.Load().pools.list() {
		healthy, latency := u.Health()
		all = append(all, ui.Upstream{Server: u.String(), Healthy: healthy, LatencyMS: float64(latency.Microseconds()) / 1000})
	}
	return all
}

// ready says why the server is not ready: an upstream has to have answered. The
// lists were loaded before anything was answered.
func (s *server) ready() error {
	var why []error
	for _, u := range s.current.Load().pools.list() {
		if ok, _ := u.Health(); ok {
			return nil
		}
		why = append(why, fmt.Errorf("%s: %s", u, u.LastError()))
	}
	return fmt.Errorf("no upstream answers: %w", errors.Join(why...))
}

// kept says what the history has, and what is kept, as the privacy API tells it.
func (s *server) kept() (held ui.Held, all []ui.Kept) {
	g := s.current.Load()
	held = s.held()
	all = append([]ui.Kept{
		{What: "counters of queries by outcome, transport, list, company, upstream and kind of way around; no client and no name", Why: "Prometheus and the page",
			Where: "memory", Much: fmt.Sprintf("%d counters of outcomes and those of their parts", resolver.Outcomes), Until: "deadpixel stops"},
		{What: "copies of the lists, with what their servers said of their version", Why: "blocking works after a start without internet",
			Where: s.dataDir(g.config), Much: fmt.Sprintf("%d lists, %d rules", len(g.config.Lists), g.rules()), Until: "replaced by newer ones; 30 days after a list is removed", Oldest: g.oldestCopy()},
		{What: "what the last refreshes of each list changed: how many rules, and the first of them", Why: "the page can say what became different, and when",
			Where: s.dataDir(g.config), Much: fmt.Sprintf("of %d lists the last 20 changes, of each up to 400 rules", len(g.config.Lists)), Until: "20 newer changes; 30 days after a list is removed"},
		{What: "a random key for the hashes of rules", Why: "nobody can write a list that slows the search down", Where: s.dataDir(g.config), Much: "16 bytes", Until: "deleted by hand"},
	}, append(s.keptOfHistory(held), s.keptOfQueries(g.config)...)...)
	if g.cache != nil {
		all = append(all, ui.Kept{What: "answers of upstreams to names that were asked, without who asked", Why: "the next answer is quick, and there is one while upstreams fail",
			Where: "memory", Much: fmt.Sprintf("%d answers, %d bytes", g.cache.Entries(), g.cache.Bytes()),
			Until: fmt.Sprintf("their time is over by %v, or deadpixel stops", g.config.Cache.Stale)})
	}
	all = append(all, s.keptOfClients(g)...)
	all = append(all, s.keptOfDevices(g)...)
	if g.owners.remote {
		all = append(all, ui.Kept{What: "a copy of the data on who owns what by [owners] source", Why: "it is there after a start without internet",
			Where: g.owners.stored, Much: "one file", Until: "replaced by a newer one, or deleted by hand"})
	}
	if g.config.DNS.RateLimit > 0 {
		all = append(all, ui.Kept{What: "how many queries an address has put in the present second", Why: "rate_limit", Where: "memory", Much: "one number for each address", Until: "a minute after its last query"})
	}
	return held, all
}

// oldestCopy is when the oldest copy of a list was fetched.
func (g *generation) oldestCopy() *time.Time {
	var oldest time.Time
	for _, l := range g.store.Status() {
		if !l.Updated.IsZero() && (oldest.IsZero() || l.Updated.Before(oldest)) {
			oldest = l.Updated
		}
	}
	return moment(oldest)
}

// keptOfDevices says what is kept so that something can be allowed.
func (s *server) keptOfDevices(g *generation) []ui.Kept {
	addresses, names := s.recent.held()
	recent := ui.Kept{What: "the last names that were blocked for an address, shown to that same address only", Why: "a person sees what broke on their device",
		Where: "memory", Much: fmt.Sprintf("%d names of %d addresses", names, addresses), Until: fmt.Sprintf("%v after ([privacy] recent), deadpixel stops, or erased", g.config.Privacy.Recent)}
	if g.config.Privacy.Recent == 0 {
		recent.Much, recent.Until = "nothing: [privacy] recent is \"0s\"", "it is off"
	}
	written := pageRules{s}.Written()
	return []ui.Kept{recent,
		{What: "names that people asked the owner to allow, with the addresses that they asked from", Why: "the owner can answer", Where: "memory",
			Much: fmt.Sprintf("requests: %d", len(s.requests.open())), Until: "answered, 24 hours after, deadpixel stops, or erased"},
		{What: "names that are allowed for a while, for everybody, a group or a client of the configuration; those for one address are in memory only", Why: "it ends by itself, and outlives a restart",
			Where: filepath.Join(s.dataDir(g.config), allowedFile), Much: fmt.Sprintf("names: %d", len(written.Allowed)), Until: "the next change after their end"},
		{What: "rules that somebody made on the page", Why: "they hold until taken back", Where: written.File, Much: fmt.Sprintf("rules: %d", len(written.Rules)), Until: "removed on the page or by hand"}}
}

// keptOfClients says what is kept of addresses, clients and groups.
func (s *server) keptOfClients(g *generation) []ui.Kept {
	all := []ui.Kept{
		{What: "a hash of one address that has asked, by a key that is nowhere else", Why: "the page can say when all queries come from one address, as they do behind a router that forwards",
			Where: "memory", Much: fmt.Sprintf("hashes: %d", s.metrics.Sources()), Until: "another address asks, the next day of UTC, deadpixel stops, or erased"},
		{What: "what is paused and until when, by the names of groups and clients in the configuration", Why: "a pause outlives a restart",
			Where: filepath.Join(s.dataDir(g.config), pauseFile), Much: fmt.Sprintf("pauses: %d", len(s.pause.All(time.Now()))), Until: "the next pause or resume after their end"},
	}
	if len(g.config.Clients) == 0 {
		return all
	}
	return append(all,
		ui.Kept{What: "which addresses the devices of [[clients]] have, by the kernel, lease files and the names that the router has for them", Why: "a device keeps its rules when its address changes",
			Where: "memory", Much: fmt.Sprintf("%d addresses", g.clients.Known()),
			Until: "an hour after the kernel last had the device, the end of its lease or of what the router said, or deadpixel stops"},
		ui.Kept{What: "addresses that have asked and belong to none of [[clients]]", Why: "they are not looked for at every query",
			Where: "memory", Much: fmt.Sprintf("%d addresses", g.clients.Strangers()), Until: "a minute after they were met, an hour at most where the router was asked for their names, or deadpixel stops"})
}
