package resolver

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

func TestAllowances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, start := NewAllowances(), time.Now()
		kids, other := &Policy{Groups: []string{"default", "kids"}}, &Policy{Groups: []string{"default"}}
		tablet := &lists.Who{Name: "tablet", Address: netip.MustParseAddr("192.0.2.40")}
		nobody := &lists.Who{Address: netip.MustParseAddr("192.0.2.9")}
		for i, one := range []Allowance{
			{Name: "all.example"}, {Name: "kids.example", Group: "kids"}, {Name: "tablet.example", Client: "tablet"},
			{Name: "here.example", Address: netip.MustParseAddr("::ffff:192.0.2.9")}, {Name: "all.example"},
		} {
			one.Until = start.Add(time.Duration(i+1) * time.Minute)
			if err := a.Add(one); err != nil {
				t.Fatal(err)
			}
		}
		check := func(name string, p *Policy, who *lists.Who, want time.Duration) {
			t.Helper()
			one, ok := a.Find([]byte(name), p, who, time.Now())
			if ok != (want > 0) || ok && !one.Until.Equal(start.Add(want)) {
				t.Errorf("%s for %v: %+v, %v, want until %v", name, who, one, ok, want)
			}
		}
		check("all.example", other, nobody, 5*time.Minute)
		check("www.all.example", other, nobody, 5*time.Minute)
		check("small.example", other, nobody, 0)
		check("notall.example", other, nobody, 0)
		check("example", other, nobody, 0)
		check("", other, nobody, 0)
		check("kids.example", kids, nobody, 2*time.Minute)
		check("kids.example", other, nobody, 0)
		check("tablet.example", other, tablet, 3*time.Minute)
		check("tablet.example", other, nobody, 0)
		check("here.example", other, nobody, 4*time.Minute)
		check("here.example", other, tablet, 0)
		time.Sleep(3*time.Minute - 1)
		check("tablet.example", other, tablet, 3*time.Minute)
		time.Sleep(time.Nanosecond)
		check("tablet.example", other, tablet, 0)
		if all := a.All(time.Now()); len(all) != 2 {
			t.Errorf("left are %v", all)
		}
		if a.Remove(Allowance{Name: "all.example", Group: "kids"}) || !a.Remove(Allowance{Name: "all.example"}) || a.Remove(Allowance{Name: "all.example"}) {
			t.Error("what is removed was not there, or is still there")
		}
		check("all.example", other, nobody, 0)
		time.Sleep(time.Hour)
		a.Remove(Allowance{})
		if a.now.Load() != nil {
			t.Error("what is over costs queries something")
		}
		for i := range maxAllowances + 1 {
			err := a.Add(Allowance{Name: "n" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".example", Until: time.Now().Add(time.Minute)})
			if (err == nil) != (i < maxAllowances) {
				t.Fatalf("the %dth: %v", i, err)
			}
		}
	})
	var none *Allowances
	if _, ok := none.Find([]byte("x.example"), nil, nil, time.Now()); ok || none.Decided(lists.Verdict{}) {
		t.Error("no allowances allow something")
	}
}

// ruled is a Matcher of one verdict about every name.
type ruled struct{ lists.Verdict }

func (r ruled) Match([]byte, uint16, *lists.Who) lists.Verdict { return r.Verdict }
func (ruled) MatchAddress(netip.Addr, uint16, *lists.Who) lists.Verdict {
	return lists.Verdict{}
}
func (ruled) Addresses() bool { return false }

// An allowance is as strong as a group's own allow, acts on the next query, and ends
// with its last one.
func TestAllowanceInTheWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lists.List{Name: "starter"}
		p := &Policy{options: &PolicyOptions{Pause: new(Pause)}, groups: []*Group{{Name: DefaultGroup, Block: true}}, Groups: []string{DefaultGroup}}
		for name, c := range map[string]struct {
			verdict lists.Verdict
			allowed bool
		}{
			"a list":                  {lists.Verdict{List: l, Action: lists.Deny}, true},
			"an important rule":       {lists.Verdict{List: l, Action: lists.Deny, Level: lists.Important}, true},
			"the household's denial":  {lists.Verdict{List: l, Action: lists.Deny, Level: lists.Own}, true},
			"the group's denial":      {lists.Verdict{List: l, Action: lists.Deny, Level: lists.OfGroup}, true},
			"nothing":                 {lists.Verdict{}, true},
			"what the group rewrites": {lists.Verdict{List: l, Action: lists.Rewrite, Level: lists.OfGroup}, false},
			"what the group allows":   {lists.Verdict{List: l, Action: lists.Allow, Level: lists.OfGroup}, false},
		} {
			a := NewAllowances()
			s := &block{Blocking: Blocking{Matcher: ruled{c.verdict}, Allowed: a}}
			match := func() lists.Verdict {
				return s.match([]byte("www.x.example"), dns.TypeA, p, &lists.Who{}, time.Now())
			}
			if v := match(); v != c.verdict {
				t.Errorf("%s, without an allowance: %v", name, v)
			}
			if err := a.Add(Allowance{Name: "x.example", Until: time.Now().Add(10 * time.Minute)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10*time.Minute - 1)
			v := match()
			if a.Decided(v) != c.allowed || c.allowed && (v.Action != lists.Allow || v.Level != lists.OfGroup || v.Labels != 1 || v.List.Name != lists.OwnList) {
				t.Errorf("%s, allowed: %+v", name, v)
			}
			time.Sleep(time.Nanosecond)
			if v := match(); v != c.verdict {
				t.Errorf("%s, afterwards: %v", name, v)
			}
		}
		var asked int
		s := &block{Blocking: Blocking{Matcher: ruled{lists.Verdict{List: l, Action: lists.Deny}}, Allowed: NewAllowances()},
			next: HandlerFunc(func(_ context.Context, q *Query, a *Answer) error {
				asked++
				a.Begin(q, dns.RcodeSuccess, Forwarded)
				return nil
			})}
		if err := s.Allowed.Add(Allowance{Name: "x.example", Until: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		packet, err := new(dns.Msg).SetQuestion("x.example.", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{1, 1} {
			q, a := &Query{Start: time.Now()}, new(Answer)
			q.Parse(packet)
			q.policy = p
			if err := s.Resolve(context.Background(), q, a); err != nil || asked != want || (a.Outcome == Blocked) != (i == 1) {
				t.Errorf("query %d: %v, %v, asked %d times, want %d", i, err, a.Outcome, asked, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

// What is allowed for others costs the garbage collector nothing.
func TestAllowancesAllocateNothing(t *testing.T) {
	a := NewAllowances()
	p, who, name := &Policy{Groups: []string{"default"}}, &lists.Who{}, []byte("www.x.example")
	for _, group := range []string{"kids", ""} {
		if err := a.Add(Allowance{Name: "x.example", Group: group, Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if n := testing.AllocsPerRun(100, func() { a.over(lists.Verdict{}, name, p, who, now) }); n != 0 {
			t.Errorf("%q: %v allocations", group, n)
		}
	}
}
