package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"deadpixel/lists"
	"deadpixel/lists/owners"
	"deadpixel/resolver"
	"deadpixel/resolver/upstream"
)

// rules checks the rules of a table's deny and allow.
func (k *checker) rules(table string, deny, allow []string) {
	for _, text := range deny {
		_, err := lists.ParseRule(text, lists.Deny)
		k.report(table+".deny", err)
	}
	for _, text := range allow {
		_, err := lists.ParseRule(text, lists.Allow)
		k.report(table+".allow", err)
	}
}

// groups checks the tables [groups.NAME].
func (k *checker) groups() {
	for _, name := range k.c.groupNames() {
		g, key := k.c.Groups[name], "groups."+name
		if name == "" {
			k.report("groups", errors.New("a group needs a name: write [groups.kids]"))
		}
		k.rules(key, g.Deny, g.Allow)
		if g.Response != "" {
			_, err := resolver.ParseResponse(g.Response)
			k.report(key+".response", err)
		}
		if g.SelfAllow > maxRecent {
			k.report(key+".self_allow", errors.New("has to be at most \"24h\"; what is allowed for longer belongs into allow"))
		}
		for _, s := range g.Upstream {
			k.report(key+".upstream", upstream.Check(s))
		}
	}
	if n := len(k.c.groupServers()); n > maxGroupServers {
		k.report("groups", fmt.Errorf("%d groups have servers of their own, each different; at most %d are possible", n, maxGroupServers))
	}
}

// builtins checks the names of builtin lists, and of what groups do without.
func (k *checker) builtins(of lists.Builtins) {
	check := func(key, name string) {
		if _, err := of.Text(name); !k.open || !errors.Is(err, lists.ErrNoOwner) {
			k.report(key, err)
		}
	}
	for i, l := range k.c.Lists {
		if name, ok := strings.CutPrefix(l.Source, "builtin:"); ok {
			check(fmt.Sprintf("lists[%d].source", i), name)
		}
	}
	for _, group := range k.c.groupNames() {
		for _, s := range k.c.Groups[group].Services {
			check("groups."+group+".services", "service:"+s)
		}
		for _, s := range k.c.Groups[group].NoAccount {
			check("groups."+group+".no_account", "company:"+s)
		}
	}
}

// unknownTo is about the services and companies that c names and ownership data
// does not know.
func (c *Config) unknownTo(data *owners.Data) []error {
	k := &checker{c: c}
	k.builtins(lists.Builtins{Owners: func() *owners.Data { return data }})
	return k.problems
}

// inGroups checks names of groups.
func (k *checker) inGroups(key string, names []string) {
	for _, name := range names {
		if _, known := k.c.Groups[name]; !known {
			k.report(key, fmt.Errorf("there is no group %q%s; write a table [groups.%s]", name, didYouMean(name, slices.Collect(maps.Keys(k.c.Groups))), name))
		}
	}
}

// clients checks the entries of [[clients]].
func (k *checker) clients() {
	seen := map[string]bool{}
	for i, c := range k.c.Clients {
		key := fmt.Sprintf("clients[%d]", i)
		switch {
		case c.Name == "":
			k.report(key, errors.New("the client needs a name"))
		case seen[c.Name]:
			k.report(key+".name", fmt.Errorf("there are two clients named %q", c.Name))
		}
		seen[c.Name] = true
		if len(c.Match) == 0 {
			k.report(key, fmt.Errorf("client %q needs a match: an address, a network, a MAC, \"host:NAME\" or \"id:NAME\"", c.Name))
		}
		for _, m := range c.Match {
			k.report(key+".match", resolver.CheckMatch(m))
		}
		if len(c.Groups) == 0 {
			k.report(key, fmt.Errorf("client %q needs groups; write groups = [%q] for what everybody gets", c.Name, resolver.DefaultGroup))
		}
		k.inGroups(key+".groups", c.Groups)
	}
	if len(k.problems) == 0 { // what only all of them together get wrong
		_, err := newClients(k.c, nil, nil, slog.New(slog.DiscardHandler))
		if wrong, ok := errors.AsType[*resolver.EntryError](err); ok {
			k.report(fmt.Sprintf("clients[%d].match", wrong.Entry), err)
		} else {
			k.report("clients", err)
		}
	}
}
