package resolver

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"deadpixel/lists"
)

// DefaultGroup is where a client is that no entry of [[clients]] is about.
const DefaultGroup = "default"

// Group is what a group of clients gets.
type Group struct {
	Name       string
	Block      bool
	Response   Response // with Responds; else that of Blocking
	Responds   bool
	SafeSearch bool
	Servers    int // number of the group's own servers in a Forward; 0 means the usual ones
}

// Applies says to whom a list applies, and when. The zero value is to everybody,
// always.
type Applies struct {
	Groups   []string // nil means every group
	Schedule Schedule
	Spares   bool // it only allows, so it holds for its groups even while they do not block
}

// PolicyOptions are what Policies are made of.
type PolicyOptions struct {
	Groups  []Group   // the default group is made where it is missing
	Clients []*Client // whose Index is their place
	Lists   []Applies // by the lists' places in the Matcher; nil means that all apply
	Pause   *Pause
	Zone    *time.Location // for schedules; nil means the system's
}

// Policies says what holds for each client. It is immutable but for what follows
// from the time, and safe for concurrent use.
type Policies struct {
	clients []*Policy
	other   *Policy // of who is no client
}

// NewPolicies makes them. The error names a group that does not exist.
func NewPolicies(o PolicyOptions) (*Policies, error) {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Pause == nil {
		o.Pause = new(Pause)
	}
	groups := map[string]*Group{DefaultGroup: {Name: DefaultGroup, Block: true}}
	for i := range o.Groups {
		groups[o.Groups[i].Name] = &o.Groups[i]
	}
	for _, l := range o.Lists {
		for _, name := range l.Groups {
			if groups[name] == nil {
				return nil, fmt.Errorf("there is no group %q", name)
			}
		}
	}
	all := new(Policies)
	var err error
	if all.other, err = newPolicy("", []string{DefaultGroup}, groups, &o); err != nil {
		return nil, err
	}
	for _, c := range o.Clients {
		p, err := newPolicy(c.Name, c.Groups, groups, &o)
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", c.Name, err)
		}
		all.clients = append(all.clients, p)
	}
	return all, nil
}

// Of is the policy for a client, which may be nil, and for one that the policies
// were not made for.
func (all *Policies) Of(c *Client) *Policy {
	if c == nil || c.Index >= len(all.clients) {
		return all.other
	}
	return all.clients[c.Index]
}

// Policy is what holds for one client: the union of its groups' lists, and of
// everything of which there can be only one, that of the first group which has it.
type Policy struct {
	Client     string // "" for who is no client
	Groups     []string
	response   *Response // nil for that of Blocking
	servers    int
	safeSearch []string // the groups that want it

	groups  []*Group
	options *PolicyOptions
	now     atomic.Pointer[view]
}

func newPolicy(client string, names []string, groups map[string]*Group, o *PolicyOptions) (*Policy, error) {
	p := &Policy{Client: client, Groups: names, options: o}
	for _, name := range names {
		g := groups[name]
		if g == nil {
			return nil, fmt.Errorf("there is no group %q", name)
		}
		p.groups = append(p.groups, g)
		if g.Responds && p.response == nil {
			p.response = &g.Response
		}
		if p.servers == 0 {
			p.servers = g.Servers
		}
		if g.SafeSearch {
			p.safeSearch = append(p.safeSearch, name)
		}
	}
	return p, nil
}

// Standing is what a policy comes to at some time.
type Standing struct {
	Places lists.Places // the lists that apply; nil means all
	Blocks bool         // false while nothing is blocked
	Groups []string     // those that block
	Safe   bool         // searches are made safe
}

// Now is how the policy stands at t.
func (p *Policy) Now(t time.Time) Standing { return p.at(t).Standing }

// view is how a policy stands for a while.
type view struct {
	Standing
	from, until time.Time
	version     uint64 // of the pauses
}

// at is the view that holds at t.
func (p *Policy) at(t time.Time) *view {
	version := p.options.Pause.version.Load()
	if v := p.now.Load(); v != nil && v.version == version && !t.Before(v.from) && t.Before(v.until) {
		return v
	}
	v := p.view(t, version)
	p.now.Store(v)
	return v
}

// view works out what holds from t on.
func (p *Policy) view(t time.Time, version uint64) *view {
	// Schedules follow the clock on the wall, also when that is set; a pause for an hour
	// is over in an hour.
	wall := t.Round(0)
	v := &view{from: wall, until: wall.Add(48 * time.Hour), version: version}
	if p.options.Lists != nil {
		v.Places = lists.NewPlaces(len(p.options.Lists))
	}
	blocking := p.blocking(t, v)
	v.Groups, v.Blocks = blocking, len(blocking) > 0
	v.Safe = slices.ContainsFunc(p.safeSearch, func(name string) bool { return slices.Contains(blocking, name) })
	all := true
	for place, l := range p.options.Lists {
		on, next := l.Schedule.Active(wall, p.options.Zone)
		v.ends(next)
		groups := blocking
		if l.Spares && v.Blocks {
			groups = p.Groups
		}
		applies := on && v.Blocks && (l.Groups == nil || slices.ContainsFunc(l.Groups, func(name string) bool { return slices.Contains(groups, name) }))
		if applies {
			v.Places.Add(place)
		}
		all = all && applies
	}
	if all {
		v.Places = nil // so that nobody has to look
	}
	return v
}

// blocking are the groups that block at t.
func (p *Policy) blocking(t time.Time, v *view) []string {
	paused := func(target Target) bool {
		on, until := p.options.Pause.Paused(target, t)
		if on && !until.IsZero() {
			v.ends(until)
		}
		return on
	}
	if paused(Target{}) || p.Client != "" && paused(Target{Client: p.Client}) {
		return nil
	}
	var names []string
	for _, g := range p.groups {
		if g.Block && !paused(Target{Group: g.Name}) {
			names = append(names, g.Name)
		}
	}
	return names
}

// ends makes the view end at t, if not before.
func (v *view) ends(t time.Time) {
	if t.Before(v.until) {
		v.until = t
	}
}
