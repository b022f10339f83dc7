package resolver

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// client is an entry at a place.
func client(index int, name string, groups ...string) *Client {
	return &Client{Name: name, Groups: groups, Index: index}
}

func policies(t *testing.T, o PolicyOptions) *Policies {
	t.Helper()
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	all, err := NewPolicies(o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// places are the lists of a standing, by place.
func places(s Standing, n int) (all []int) {
	for place := range n {
		if s.Places.Has(place) || s.Places == nil && s.Blocks {
			all = append(all, place)
		}
	}
	return all
}

// Which lists apply to whom, and whether anything is blocked.
func TestPolicies(t *testing.T) {
	const everybody, ofKids, ofAdults, ofBoth, allowsKids, allowsAdults, never = 0, 1, 2, 3, 4, 5, 6
	now := moment(t, "2026-02-06 12:00 +00")
	sets := []Applies{
		everybody:    {},
		ofKids:       {Groups: []string{"kids"}},
		ofAdults:     {Groups: []string{"adults"}},
		ofBoth:       {Groups: []string{"adults", "kids"}},
		allowsKids:   {Groups: []string{"kids"}, Spares: true},
		allowsAdults: {Groups: []string{"adults"}, Spares: true},
		never:        {Schedule: schedule(t, "21:00-07:00")},
	}
	groups := []Group{{Name: "kids", Block: true, SafeSearch: true}, {Name: "adults"}, {Name: "guests", Block: true}}
	for name, c := range map[string]struct {
		groups []string
		paused []Target
		want   []int
		blocks bool
		safe   bool
	}{
		"one group":                       {[]string{"kids"}, nil, []int{everybody, ofKids, ofBoth, allowsKids}, true, true},
		"a group without lists":           {[]string{"guests"}, nil, []int{everybody}, true, false},
		"a group that does not block":     {[]string{"adults"}, nil, nil, false, false},
		"and one that does":               {[]string{"adults", "kids"}, nil, []int{everybody, ofKids, ofBoth, allowsKids, allowsAdults}, true, true},
		"in another order":                {[]string{"kids", "adults"}, nil, []int{everybody, ofKids, ofBoth, allowsKids, allowsAdults}, true, true},
		"two groups that block":           {[]string{"guests", "kids"}, nil, []int{everybody, ofKids, ofBoth, allowsKids}, true, true},
		"one of them paused":              {[]string{"guests", "kids"}, []Target{{Group: "kids"}}, []int{everybody, allowsKids}, true, false},
		"the only one that blocks paused": {[]string{"adults", "kids"}, []Target{{Group: "kids"}}, nil, false, false},
		"the client paused":               {[]string{"guests", "kids"}, []Target{{Client: "device"}}, nil, false, false},
		"another client paused":           {[]string{"kids"}, []Target{{Client: "other"}, {Group: "guests"}, {Group: "device"}}, []int{everybody, ofKids, ofBoth, allowsKids}, true, true},
		"everybody paused":                {[]string{"kids"}, []Target{{}}, nil, false, false},
	} {
		pause := new(Pause)
		for _, target := range c.paused {
			pause.For(target, 0)
		}
		all := policies(t, PolicyOptions{Groups: groups, Clients: []*Client{client(0, "device", c.groups...)}, Lists: sets, Pause: pause})
		got := all.Of(client(0, "device")).Now(now)
		if got.Blocks != c.blocks || got.Safe != c.safe || !slices.Equal(places(got, len(sets)), c.want) {
			t.Errorf("%s: %v, blocks %v, safe %v; want %v, %v, %v", name, places(got, len(sets)), got.Blocks, got.Safe, c.want, c.blocks, c.safe)
		}
	}
}

// Of what there can be only one, the first group that has it counts.
func TestPolicyFirstOf(t *testing.T) {
	groups := []Group{
		{Name: "plain", Block: true},
		{Name: "zero", Block: true, Responds: true, Response: Zero},
		{Name: "nx", Block: true, Responds: true, Response: NXDOMAIN, Servers: 2},
		{Name: "own", Servers: 1},
	}
	response := func(r Response) *Response { return &r }
	for name, c := range map[string]struct {
		groups   []string
		response *Response
		servers  int
	}{
		"none has":      {[]string{"plain"}, nil, 0},
		"one has":       {[]string{"plain", "zero"}, response(Zero), 0},
		"two have":      {[]string{"zero", "nx"}, response(Zero), 2},
		"other order":   {[]string{"nx", "zero", "own"}, response(NXDOMAIN), 2},
		"no block":      {[]string{"own", "nx"}, response(NXDOMAIN), 1},
		"default":       {[]string{DefaultGroup}, nil, 0},
		"default first": {[]string{DefaultGroup, "own"}, nil, 1},
	} {
		p := policies(t, PolicyOptions{Groups: groups, Clients: []*Client{client(0, "device", c.groups...)}}).Of(client(0, "device"))
		if p.servers != c.servers || (p.response == nil) != (c.response == nil) || p.response != nil && *p.response != *c.response {
			t.Errorf("%s: servers %d, response %v", name, p.servers, p.response)
		}
	}
}

// Only who is no client is in "default", which is there also when nobody wrote it
// down.
func TestPolicyOfNobody(t *testing.T) {
	tablet := client(0, "tablet", "kids")
	all := policies(t, PolicyOptions{Groups: []Group{{Name: "kids", Block: true}}, Clients: []*Client{tablet}})
	if p := all.Of(nil); p.Client != "" || !slices.Equal(p.Groups, []string{DefaultGroup}) || !p.Now(time.Now()).Blocks {
		t.Errorf("nobody: %+v", p)
	}
	if p := all.Of(tablet); p.Client != "tablet" || !slices.Equal(p.Groups, []string{"kids"}) {
		t.Errorf("tablet: %+v", p)
	}
	if s := all.Of(tablet).Now(time.Now()); s.Places != nil {
		t.Errorf("without a word about lists, not all apply: %v", s.Places)
	}
	all = policies(t, PolicyOptions{Groups: []Group{{Name: DefaultGroup}}})
	if all.Of(nil).Now(time.Now()).Blocks || all.Of(tablet) != all.Of(nil) {
		t.Error("the default group is not as it is written")
	}
}

func TestPolicyMistakes(t *testing.T) {
	for want, o := range map[string]PolicyOptions{
		`there is no group "kid"`:                    {Lists: []Applies{{}, {Groups: []string{DefaultGroup, "kid"}}}},
		`client "tablet": there is no group "teens"`: {Groups: []Group{{Name: "kids"}}, Clients: []*Client{client(0, "tablet", "kids", "teens")}},
	} {
		if _, err := NewPolicies(o); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A pause for an hour is over in an hour, also when the clock on the wall has been set
// meanwhile: for queries as for everybody who asks how it stands.
func TestPauseWhileTheClockIsSet(t *testing.T) {
	pause := new(Pause)
	p := policies(t, PolicyOptions{Pause: pause}).Of(nil)
	start := time.Now()
	pause.For(Target{}, time.Hour)
	for after, want := range map[time.Duration]bool{time.Minute: true, time.Hour + time.Minute: false} {
		for _, set := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
			now := clockSet(t, start.Add(after), set)
			if on, _ := pause.Paused(Target{}, now); on != want || p.Now(now).Blocks == want {
				t.Errorf("after %v, with the clock set by %v: paused %v, queries blocked %v", after, set, on, p.Now(now).Blocks)
			}
		}
	}
}

// clockSet is a moment as time.Now tells it when the clock on the wall was set by d.
func clockSet(t *testing.T, moment time.Time, d time.Duration) time.Time {
	t.Helper()
	set := moment
	// Package time has no function for it: the seconds since 1885 begin at bit 30.
	*(*uint64)(unsafe.Pointer(&set)) += uint64(d/time.Second) << 30
	if set.Sub(moment) != 0 || set.Round(0).Sub(moment.Round(0)) != d {
		t.Fatal("package time keeps moments in another way than before")
	}
	return set
}

// A view holds until something ends it, not longer and not shorter: a slot, a
// pause, a change of the pauses, a clock that is set back.
func TestPolicyViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pause := new(Pause) // it is 2000-01-01 00:00, a Saturday
		all := policies(t, PolicyOptions{Pause: pause, Lists: []Applies{{}, {Schedule: schedule(t, "sun 21:00-07:00", "fri 10:00-12:00")}}})
		p, start := all.Of(nil), time.Now()
		check := func(when string, wantBlocks bool, want ...int) *view {
			t.Helper()
			v := p.at(time.Now())
			s := p.Now(time.Now())
			if s.Blocks != wantBlocks || !slices.Equal(places(s, 2), want) {
				t.Errorf("%s: blocks %v, lists %v", when, s.Blocks, places(s, 2))
			}
			return v
		}
		sleepUntil := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))) }
		const day = 24 * time.Hour
		first := check("at first", true, 0)
		if !first.until.Equal(start.Add(day + 21*time.Hour)) {
			t.Errorf("until %v", first.until)
		}
		if first.from != first.from.Round(0) || first.until != first.until.Round(0) {
			t.Error("the clock on the wall does not count")
		}
		sleepUntil(day + 21*time.Hour - 1)
		if check("before the slot", true, 0) != first {
			t.Error("it was worked out again for nothing")
		}
		time.Sleep(time.Nanosecond)
		check("in the slot", true, 0, 1)
		pause.For(Target{}, time.Hour)
		check("paused", false)
		time.Sleep(time.Hour - 1)
		check("still paused", false)
		time.Sleep(time.Nanosecond)
		check("after the pause", true, 0, 1)
		pause.For(Target{Group: DefaultGroup}, 0)
		check("until resumed", false)
		time.Sleep(time.Hour)
		pause.Resume(Target{Group: DefaultGroup})
		check("resumed", true, 0, 1)
		pause.Resume(Target{}) // which is over
		sleepUntil(2*day + 7*time.Hour)
		check("after the slot", true, 0)
		// Nobody asks for nearly as long as a view may hold.
		sleepUntil(4*day + 23*time.Hour)
		check("two days before the next", true, 0)
		sleepUntil(6*day + 11*time.Hour)
		if last := check("in it", true, 0, 1); p.at(start) == last || len(places(p.Now(start), 2)) != 1 {
			t.Error("the clock was set back, and it was not seen")
		}
	})
}

// Views are worked out by many at once.
func TestPolicyConcurrently(t *testing.T) {
	pause := new(Pause)
	p := policies(t, PolicyOptions{Pause: pause, Lists: []Applies{{}, {Schedule: schedule(t, "00:00-12:00", "12:00-24:00")}}}).Of(nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 2000 {
				at := time.Unix(int64(i)*3600, 0)
				if s := p.Now(at); s.Blocks && len(places(s, 2)) != 2 {
					t.Errorf("at %v: %v", at, places(s, 2))
				}
			}
		})
	}
	all.Go(func() {
		for range 1000 {
			pause.For(Target{}, 0)
			pause.Resume(Target{})
		}
	})
	all.Wait()
	if !p.Now(time.Now()).Blocks {
		t.Error("the last change was not seen")
	}
}

// tagged is an Upstream that answers slowly with an address of its own.
type tagged struct {
	*late
	ip string
}

func (u *tagged) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	reply, err := u.late.Exchange(ctx, query)
	m := new(dns.Msg)
	if err != nil || m.Unpack(reply) != nil {
		return nil, err
	}
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: netip.MustParseAddr(u.ip).AsSlice()}}
	return m.Pack()
}

// Identical questions that are under way share an exchange within the groups that
// have the same servers, and never beyond.
func TestFlightKeepsGroupsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * crewRest) // idle goroutines go home
		servers := []*tagged{{&late{after: time.Second}, "192.0.2.1"}, {&late{after: time.Second}, "192.0.2.2"}, {&late{after: time.Second}, "192.0.2.3"}}
		forward := NewForward(ForwardOptions{Servers: []Upstream{servers[0]}, Groups: [][]Upstream{{servers[1]}, {servers[2]}}, Timeout: 2 * time.Second})
		h := NewCache(1 << 20).Stage(CachePolicy{MaxTTL: time.Hour})(NewFlight().Stage(forward))
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				q, a := newQuery(t, "www.example.org."), new(Answer)
				q.policy = &Policy{servers: i % 3}
				if err := h.Resolve(t.Context(), q, a); err != nil {
					t.Error(err)
					return
				}
				m := new(dns.Msg)
				if err := m.Unpack(a.Wire); err != nil || len(m.Answer) != 1 || !strings.HasSuffix(m.Answer[0].String(), servers[i%3].ip) {
					t.Errorf("group %d: %v, %v", i%3, err, m)
				}
			})
		}
		all.Wait()
		for i, u := range servers {
			if n := u.asked.Load(); n != 1 {
				t.Errorf("server %d was asked %d times", i, n)
			}
		}
	})
}

// Who asks is matched without the zone of the address.
func TestWhoWithoutZone(t *testing.T) {
	var got lists.Who
	h := &who{policies: policies(t, PolicyOptions{}), next: HandlerFunc(func(_ context.Context, q *Query, _ *Answer) error {
		got = q.who
		return nil
	})}
	q := newQuery(t, "www.example.org.")
	q.Client = netip.MustParseAddr("fe80::1%eth0")
	if err := h.Resolve(t.Context(), q, new(Answer)); err != nil || got.Address != netip.MustParseAddr("fe80::1") {
		t.Errorf("%v, %v", got.Address, err)
	}
}
