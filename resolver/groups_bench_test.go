package resolver

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"deadpixel/lists"
)

// manyGroups is a whole walk for n groups: each has a list of its own, an own rule,
// a schedule and a client, and all have a list of so many names.
func manyGroups(tb testing.TB, n, names int, reply func([]byte) []byte) *Resolver {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	access, err := NewAccess([]string{"any"}, log)
	if err != nil {
		tb.Fatal(err)
	}
	local, err := NewLocal(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	large := lists.NewBuilder("large", lists.Deny, lists.Seed{})
	large.Add(lists.Rule{Action: lists.Deny, Shape: lists.Subtree, Name: "tracker.example"})
	large.Add(lists.Rule{Action: lists.Deny, Shape: lists.Address, Network: netip.MustParsePrefix("198.51.100.0/24")})
	large.Add(lists.Rule{Action: lists.Deny, Shape: lists.Address, Network: netip.MustParsePrefix("2001:db8:bad::/48")})
	for i := range names {
		large.Add(lists.Rule{Action: lists.Deny, Shape: lists.Subtree, Name: fmt.Sprintf("n%d.ads.example", i)})
	}
	all, applies := []*lists.List{large.Build()}, []Applies{{}}
	add := func(b *lists.Builder, a Applies, rule string) {
		rules, err := lists.ParseRule(rule, lists.Deny)
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range rules {
			b.Add(r)
		}
		all, applies = append(all, b.Build()), append(applies, a)
	}
	var groups []Group
	var entries []ClientEntry
	for i := range n {
		name := fmt.Sprintf("group%d", i)
		groups = append(groups, Group{Name: name, Block: true, SafeSearch: true, Responds: true, Response: Zero})
		entries = append(entries, ClientEntry{Name: fmt.Sprintf("client%d", i), Match: []string{fmt.Sprintf("192.0.2.%d", 1+i)}, Groups: []string{name}})
		of := Applies{Groups: []string{name}}
		add(lists.NewBuilder(lists.OwnList, lists.Deny, lists.Seed{}).At(lists.OfGroup), of, fmt.Sprintf("||own%d.example^", i))
		of.Schedule = schedule(tb, "mon-fri 21:00-07:00", "sat,sun 22:30-08:00")
		add(lists.NewBuilder(name, lists.Deny, lists.Seed{}), of, fmt.Sprintf("||social%d.example^$denyallow=ok.social%d.example", i, i))
	}
	clients, err := NewClients(ClientsOptions{Entries: entries})
	if err != nil {
		tb.Fatal(err)
	}
	policies, err := NewPolicies(PolicyOptions{Groups: groups, Clients: clients.Entries(), Lists: applies, Zone: zoneOf(tb, "Europe/Brussels")})
	if err != nil {
		tb.Fatal(err)
	}
	forward := NewForward(ForwardOptions{Servers: []Upstream{&echo{reply}}, Timeout: time.Second, Exits: PublicExits()})
	return New(Options{Access: access, Local: local, Clients: clients, Policies: policies, Cache: NewCache(1 << 20), Policy: CachePolicy{MaxTTL: time.Hour, Stale: time.Hour},
		Blocking: Blocking{Matcher: lists.NewSet(lists.Seed{}, all...), Canaries: true, Safe: lists.SafeSearch, FollowCNAME: true, FollowHTTPS: true, FollowAddress: true, Rebind: Rebind{On: true}},
		Flight:   NewFlight(), Forward: forward, Log: log})
}

// ways are what is asked of it, with what the servers say and how it ends.
var ways = []struct {
	name  string
	asked string
	reply func([]byte) []byte
	want  Outcome
}{
	{"blocked", blockedName, addressFor, Blocked},
	{"cached", cachedName, addressFor, Cached},
	{"cached CNAME", cachedName, cloakedBy("edge.cdn.example.net.", "192.0.2.1"), Cached},
	{"blocked CNAME", cachedName, cloakedBy("x.tracker.example.", "192.0.2.1"), Blocked},
	{"blocked address", cachedName, cloakedBy("edge.cdn.example.net.", "198.51.100.9"), Blocked},
}

// Groups, clients and schedules cost the garbage collector nothing, nor does what
// an answer hides.
func TestGroupsAllocateNothing(t *testing.T) {
	for _, w := range ways {
		x := newAsker(t, manyGroups(t, 10, 10, w.reply), w.asked, UDP)
		x.ask(t, w.want) // what holds for the client is worked out
		if x.q.Who == nil || x.q.Who.Name != "client0" {
			t.Fatalf("%s: asked by %s", w.name, nameOf(x.q.Who))
		}
		if n := testing.AllocsPerRun(200, func() { x.ask(t, w.want) }); n != 0 {
			t.Errorf("%s: %v allocations", w.name, n)
		}
	}
}

// What groups cost: the answers are the same however many there are.
func BenchmarkResolveGroups(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		for _, w := range ways[:2] {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				x := newAsker(b, manyGroups(b, n, 100_000, w.reply), w.asked, UDP)
				b.ReportAllocs()
				for b.Loop() {
					x.ask(b, w.want)
				}
			})
		}
	}
}

// What looking at an answer costs where there are rules about addresses; compare
// with BenchmarkResolveGroups.
func BenchmarkResolveInspected(b *testing.B) {
	for _, w := range ways[1:] {
		b.Run(w.name, func(b *testing.B) {
			x := newAsker(b, manyGroups(b, 1, 100_000, w.reply), w.asked, UDP)
			b.ReportAllocs()
			for b.Loop() {
				x.ask(b, w.want)
			}
		})
	}
}
