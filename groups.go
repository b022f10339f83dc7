package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/owners"
	"deadpixel/resolver"
	"deadpixel/resolver/neighbour"
)

// maxGroupServers bounds how many different sets of servers groups may have: the
// cache keeps their answers apart by one byte.
const maxGroupServers = 255

// Names of the lists that follow from what a group asks for; see implied.
const (
	servicePrefix = "service:"
	companyPrefix = "no_account:"
)

// zone is the place whose clock counts.
func (c *Config) zone() (*time.Location, error) {
	if c.TimeZone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	return zone, nil
}

// groupNames are the groups in the order in which they are told.
func (c *Config) groupNames() []string { return slices.Sorted(maps.Keys(c.Groups)) }

// clientNames are the names of [[clients]], as they are written.
func (c *Config) clientNames() []string {
	var names []string
	for _, one := range c.Clients {
		names = append(names, one.Name)
	}
	return names
}

// groupServers are the different sets of servers that groups have of their own, in
// an order that depends on nothing else.
func (c *Config) groupServers() [][]string {
	var all [][]string
	for _, name := range c.groupNames() {
		if servers := c.Groups[name].Upstream; len(servers) > 0 && !slices.ContainsFunc(all, func(o []string) bool { return slices.Equal(o, servers) }) {
			all = append(all, servers)
		}
	}
	return all
}

// own are the rules of the configuration, and to whom each of these lists applies.
func (c *Config) own() (rules []lists.OwnRules, applies []resolver.Applies) {
	add := func(o lists.OwnRules, key string, texts []string, a resolver.Applies) {
		for _, text := range texts {
			o.Rules = append(o.Rules, lists.OwnRule{Text: text, Line: c.lines.of(key)})
		}
		if len(texts) > 0 {
			rules, applies = append(rules, o), append(applies, a)
		}
	}
	for _, name := range c.groupNames() {
		g, of := c.Groups[name], []string{name}
		add(lists.OwnRules{Level: lists.OfGroup, Group: name, Kind: lists.Allow}, "groups."+name+".allow", g.Allow, resolver.Applies{Groups: of, Spares: true})
		add(lists.OwnRules{Level: lists.OfGroup, Group: name, Kind: lists.Deny}, "groups."+name+".deny", g.Deny, resolver.Applies{Groups: of})
	}
	add(lists.OwnRules{Level: lists.Own, Kind: lists.Allow}, "blocking.allow", c.Blocking.Allow, resolver.Applies{})
	add(lists.OwnRules{Level: lists.Own, Kind: lists.Deny}, "blocking.deny", c.Blocking.Deny, resolver.Applies{})
	return rules, applies
}

// implied are the lists that follow from the services and companies that groups
// do without, each once, for all who do.
func (c *Config) implied() []ListConfig {
	var all []ListConfig
	add := func(name, source, group string) {
		for i := range all {
			if all[i].Name == name {
				all[i].Groups = append(all[i].Groups, group)
				return
			}
		}
		l := defaultList()
		l.Name, l.Source, l.Groups = name, source, []string{group}
		l.Popular = "off" // popular is what they are
		all = append(all, l)
	}
	for _, group := range c.groupNames() {
		for _, written := range c.Groups[group].Services {
			name, _, known := owners.Embedded().Service(written)
			if !known { // by data of the user's own
				name = written
			}
			add(servicePrefix+name, "builtin:service:"+name, group)
		}
		for _, written := range c.Groups[group].NoAccount {
			name, _, known := owners.Embedded().Company(written)
			if !known {
				name = written
			}
			add(companyPrefix+name, "builtin:company:"+name, group)
		}
	}
	return all
}

// without are the companies that groups do without, as ownership data names them.
type without map[string]map[string]bool

// of says whether one of the groups does without a company.
func (w without) of(groups []string, company string) bool {
	return slices.ContainsFunc(groups, func(group string) bool { return w[group][company] })
}

// companies are all of them, sorted.
func (w without) companies() []string {
	all := map[string]bool{}
	for _, some := range w {
		maps.Copy(all, some)
	}
	return slices.Sorted(maps.Keys(all))
}

// without are the companies that each group does without.
func (c *Config) without(data *owners.Data) *without {
	all := without{}
	for name, g := range c.Groups {
		for _, written := range g.NoAccount {
			if company, _, known := data.Company(written); known {
				if all[name] == nil {
					all[name] = map[string]bool{}
				}
				all[name][company] = true
			}
		}
	}
	return &all
}

// fromOwners says whether a list is made from ownership data.
func fromOwners(source string) bool {
	return strings.HasPrefix(source, "builtin:service:") || strings.HasPrefix(source, "builtin:company:")
}

// allLists are the configured lists and those that follow from groups, in the order
// of their places.
func (c *Config) allLists() []ListConfig { return append(slices.Clone(c.Lists), c.implied()...) }

// policies say what holds for each client, and to whom each list applies.
func (c *Config) policies(clients []*resolver.Client, pause *resolver.Pause) (*resolver.Policies, []resolver.Applies, error) {
	zone, err := c.zone()
	if err != nil {
		return nil, nil, err
	}
	o := resolver.PolicyOptions{Clients: clients, Pause: pause, Zone: zone}
	if o.Groups, err = c.groups(); err != nil {
		return nil, nil, err
	}
	_, o.Lists = c.own()
	o.Lists = append(o.Lists, c.pageApplies()...)
	for _, l := range c.allLists() {
		a := resolver.Applies{Spares: l.Kind == "allow"}
		if len(l.Groups) > 0 {
			a.Groups = l.Groups
		}
		if a.Schedule, err = resolver.ParseSchedule(l.Schedule); err != nil {
			return nil, nil, fmt.Errorf("list %q: %w", l.Name, err)
		}
		o.Lists = append(o.Lists, a)
	}
	policies, err := resolver.NewPolicies(o)
	return policies, o.Lists, err
}

// groups are the groups in the words of package resolver.
func (c *Config) groups() ([]resolver.Group, error) {
	servers := c.groupServers()
	var all []resolver.Group
	for _, name := range c.groupNames() {
		g := c.Groups[name]
		one := resolver.Group{Name: name, Block: g.Block, SafeSearch: g.SafeSearch, Responds: g.Response != "",
			Servers: 1 + slices.IndexFunc(servers, func(o []string) bool { return slices.Equal(o, g.Upstream) })}
		if one.Responds {
			var err error
			if one.Response, err = resolver.ParseResponse(g.Response); err != nil {
				return nil, fmt.Errorf("groups.%s.response: %w", name, err)
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// newClients reads [[clients]]. What has to be learned of them comes from the
// kernel, from lease files, and for names from the servers of f's routes.
func newClients(c *Config, f *resolver.Forward, names *resolver.LocalNames, log *slog.Logger) (*resolver.Clients, error) {
	o := resolver.ClientsOptions{Local: names, LeaseFiles: c.DNS.LeaseFiles, Reverse: resolver.ReverseBy(f, names), Log: log}
	if neighbour.Supported {
		o.Neighbours = neighbour.Kernel{}
	}
	for _, one := range c.Clients {
		o.Entries = append(o.Entries, resolver.ClientEntry(one))
	}
	return resolver.NewClients(o)
}

// reserved says whether a list may not have this name.
func reserved(name string) bool {
	return name == lists.OwnList || name == resolver.CanaryList || name == resolver.RebindList || name == lists.SafeSearchList ||
		strings.HasPrefix(name, servicePrefix) || strings.HasPrefix(name, companyPrefix)
}
