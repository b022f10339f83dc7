package main

import (
	"slices"
	"time"

	"deadpixel/resolver"
	"deadpixel/ui"
)

// household is the groups and clients as configured, for the page.
func (s *server) household() ui.Household {
	g, now := s.current.Load(), time.Now()
	var all ui.Household
	for _, name := range g.config.groupNames() {
		c := g.config.Groups[name]
		all.Groups = append(all.Groups, ui.Group{Name: name, Block: c.Block, Deny: c.Deny, Allow: c.Allow, Response: c.Response, Upstream: hosts(c.Upstream),
			SafeSearch: c.SafeSearch, Services: c.Services, NoAccount: c.NoAccount, SelfAllow: brief(c.SelfAllow), Lists: g.serving(name, now)})
	}
	for _, c := range g.config.Clients {
		all.Clients = append(all.Clients, ui.Client(c))
	}
	return all
}

// serving are the lists that serve a group, and how their schedules stand at t.
func (g *generation) serving(group string, t time.Time) []ui.GroupList {
	all := []ui.GroupList{}
	for i, l := range g.lists {
		a := g.applies[g.own+i]
		if a.Groups != nil && !slices.Contains(a.Groups, group) {
			continue
		}
		one := ui.GroupList{Name: l.Name, Schedule: l.Schedule}
		one.On, one.Next = stands(a.Schedule, t, g.zone)
		all = append(all, one)
	}
	return all
}

// stands says whether a schedule is on at t, and when that changes; nil where it does not
// within a week.
func stands(s resolver.Schedule, t time.Time, zone *time.Location) (on bool, change *time.Time) {
	on, next := s.Active(t, zone)
	for week := t.Add(7 * 24 * time.Hour); next.Before(week); {
		now, after := s.Active(next, zone)
		if now != on {
			return on, &next
		}
		next = after
	}
	return on, nil
}

// hosts are upstreams without their paths, which can hold an account.
func hosts(upstreams []string) []string {
	all := []string{}
	for _, u := range upstreams {
		all = append(all, hostOnly(u))
	}
	return all
}
