package owners

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// table is data in the making.
type table struct {
	owners   map[string]Owner // by domain
	services groups
	also     also
}

func newTable() *table {
	return &table{owners: map[string]Owner{}, services: groups{}, also: newAlso()}
}

// row takes in a line of a text: who stands behind a domain. The first about a
// domain counts.
func (t *table) row(domain string, o Owner) {
	if _, known := t.owners[domain]; known {
		return
	}
	t.fill(domain, o)
	if key(o.Tracker) != "" {
		t.services.add(key(o.Tracker), o.Tracker, domain)
	}
}

// fill takes in who stands behind a domain, where that is not known.
func (t *table) fill(domain string, o Owner) {
	had := t.owners[domain]
	if key(o.Company) == "" {
		o.Company, o.guessed = o.Tracker, true
	}
	if had.Company == "" || had.guessed && !o.guessed {
		had.Company, had.Country, had.guessed = o.Company, o.Country, o.guessed
	}
	if had.Country == "" && had.Company == o.Company {
		had.Country = o.Country
	}
	if had.Category == "" {
		had.Category = o.Category
	}
	if had.Tracker == "" {
		had.Tracker = o.Tracker
	}
	t.owners[domain] = had
}

// data ends the making: names that mean the same are joined.
func (t *table) data() *Data {
	companies, all := groups{}, groups{}
	for domain, o := range t.owners {
		if meant, ok := t.also.companies[key(o.Company)]; ok {
			o.Company = meant
			t.owners[domain] = o
		}
		companies.add(key(o.Company), o.Company, domain)
	}
	for k, g := range t.services {
		name := g.name()
		if meant, ok := t.also.services[k]; ok {
			k, name = key(meant), meant
		}
		for domain := range g.domains {
			all.add(k, name, domain)
		}
	}
	return &Data{owners: t.owners, also: t.also, companies: companies.index(), services: all.index(), categories: categories(t.owners)}
}

// vague are categories that say little: a company has one of them when none of its
// products has another.
var vague = map[string]bool{"": true, "misc": true, "utilities": true, "hosting": true, "cdn": true}

// categories are what most of the products of each company are for. Products count, not
// domains: one may have a domain in every country.
func categories(owners map[string]Owner) map[string]string {
	products := map[string]map[string]map[string]bool{} // by company and category
	for domain, o := range owners {
		k := key(o.Company)
		if products[k] == nil {
			products[k] = map[string]map[string]bool{}
		}
		if products[k][o.Category] == nil {
			products[k][o.Category] = map[string]bool{}
		}
		products[k][o.Category][cmp.Or(o.Tracker, domain)] = true
	}
	all := make(map[string]string, len(products))
	for k, of := range products {
		most := ""
		for _, c := range slices.Sorted(maps.Keys(of)) {
			if vague[most] && !vague[c] || vague[most] == vague[c] && len(of[c]) > len(of[most]) {
				most = c
			}
		}
		all[k] = most
	}
	return all
}

// groups are domains by the key of what they belong to.
type groups map[string]*group

type group struct {
	spelled map[string]int // how often
	domains map[string]bool
}

func (g groups) add(k, name, domain string) {
	if g[k] == nil {
		g[k] = &group{spelled: map[string]int{}, domains: map[string]bool{}}
	}
	g[k].spelled[name]++
	g[k].domains[domain] = true
}

// index ends the making of groups.
func (g groups) index() index {
	all := make(index, len(g))
	for k, one := range g {
		all[k] = entry{name: one.name(), domains: outermost(one.domains)}
	}
	return all
}

// name is the most frequent spelling; of equally frequent ones, the first by
// alphabet.
func (g *group) name() string {
	most := ""
	for _, name := range slices.Sorted(maps.Keys(g.spelled)) {
		if most == "" || g.spelled[name] > g.spelled[most] {
			most = name
		}
	}
	return most
}

// outermost are the domains that lie in no other of them, sorted.
func outermost(domains map[string]bool) []string {
	var all []string
	for domain := range domains {
		inner := false
		for rest := domain; !inner; inner = domains[rest] {
			var more bool
			if _, rest, more = strings.Cut(rest, "."); !more {
				break
			}
		}
		if !inner {
			all = append(all, domain)
		}
	}
	slices.Sort(all)
	return all
}

// index is what companies or services have, by the key of their name.
type index map[string]entry

type entry struct {
	name    string
	domains []string // sorted, none in another
}

// find is the entry under a key, or else under what else that means.
func (x index) find(k string, also names) (entry, bool) {
	e, ok := x[k]
	if !ok {
		e, ok = x[also.of(k)]
	}
	return e, ok
}

func (x index) names() []string {
	all := make([]string, 0, len(x))
	for _, e := range x {
		all = append(all, e.name)
	}
	slices.Sort(all)
	return all
}
