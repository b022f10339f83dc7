// Package owners knows which company stands behind a name, and which names make
// up a service. Its data about trackers is that of WhoTracks.me by Ghostery GmbH,
// CC BY 4.0, see NOTICE; what people use, such as TikTok, is in services.tsv. A
// user can add data of their own: see Read and Merge.
package owners

import (
	"cmp"
	_ "embed"
	"fmt"
	"sync"
)

//go:embed owners.tsv
var trackers string

//go:embed services.tsv
var services string

// Owner is who stands behind a name.
type Owner struct {
	Company  string // never empty for a name that is known
	Category string // such as "advertising", "site_analytics", "social_media"; "" when unknown
	Tracker  string // the company's product, or the service; "" when unknown
	Country  string // ISO 3166-1 of the company's seat; "" when unknown

	guessed bool // Company is Tracker, since the data does not name the company
}

// Data says who stands behind which names. It never changes, so it is safe for
// concurrent use; nil is data about nothing.
type Data struct {
	owners    map[string]Owner // by domain
	companies index
	services  index
	also      also

	categories map[string]string // by the key of a company
}

// Embedded is the data that the program brings along, read when it is first
// needed.
func Embedded() *Data { return embedded() }

var embedded = sync.OnceValue(func() *Data {
	t := newTable()
	for _, text := range []string{services, trackers} { // services.tsv corrects what is dated in the other
		if err := t.tsv(text); err != nil {
			panic(fmt.Sprintf("embedded ownership data: %v", err)) // a test reads it
		}
	}
	return t.data()
})

// Lookup returns who stands behind a normalised name: the owner of the longest
// domain that the name is or lies in. It allocates nothing.
func Lookup[Name string | []byte](d *Data, name Name) (Owner, bool) {
	if d == nil {
		return Owner{}, false
	}
	for {
		if o, ok := d.owners[string(name)]; ok {
			return o, true
		}
		dot := 0
		for dot < len(name) && name[dot] != '.' {
			dot++
		}
		if dot == len(name) {
			return Owner{}, false
		}
		name = name[dot+1:]
	}
}

// Companies are the names of all companies, sorted.
func (d *Data) Companies() []string {
	if d == nil {
		return nil
	}
	return d.companies.names()
}

// Services are the names of all services and trackers, sorted.
func (d *Data) Services() []string {
	if d == nil {
		return nil
	}
	return d.services.names()
}

// Service finds a service or tracker by a name as people write it: case, spaces
// and punctuation do not matter. It returns the name as the data has it and the
// domains that are the service's, sorted, which the caller must not change; what lies
// in another of them is left out.
func (d *Data) Service(written string) (name string, domains []string, ok bool) {
	if d == nil {
		return "", nil, false
	}
	e, ok := d.services.find(key(written), d.also.services)
	return e.name, e.domains, ok
}

// Company finds a company as Service finds a service: by its own name, or by that
// of something it owns.
func (d *Data) Company(written string) (name string, domains []string, ok bool) {
	if d == nil {
		return "", nil, false
	}
	e, ok := d.companies.find(key(written), d.also.companies)
	if !ok {
		e, ok = d.companies[d.ownerOf(written)]
	}
	return e.name, e.domains, ok
}

// Category is what most of a company's products are for, by its name as Company takes
// it; "" when nobody knows.
func (d *Data) Category(written string) string {
	name, _, _ := d.Company(written)
	if name == "" {
		return ""
	}
	return d.categories[key(name)]
}

// ownerOf is the key of the company that has most of a service's domains; "" when
// there is no such service.
func (d *Data) ownerOf(service string) string {
	_, domains, _ := d.Service(service)
	most, count := "", map[string]int{}
	for _, domain := range domains {
		k := key(d.owners[domain].Company)
		if count[k]++; count[k] > count[most] || count[k] == count[most] && k < most {
			most = k
		}
	}
	return most
}

// SuggestServices are the services whose names are nearest to a written one, at
// most three, the nearest first.
func (d *Data) SuggestServices(written string) []string {
	if d == nil {
		return nil
	}
	return nearest(written, d.services)
}

// SuggestCompanies are the companies, and the services that stand for theirs,
// whose names are nearest to a written one, at most three, the nearest first.
func (d *Data) SuggestCompanies(written string) []string {
	if d == nil {
		return nil
	}
	return nearest(written, d.companies, d.services)
}

// Merge joins two: about a domain that both know, over is right. What over leaves
// open, base fills in; a company that both name keeps the spelling of base. A
// service is what either counts to it, so that more data never opens what was
// closed. Either may be nil.
func Merge(over, base *Data) *Data {
	if over == nil || base == nil {
		return cmp.Or(over, base)
	}
	t := newTable()
	for _, d := range [...]*Data{over, base} {
		t.also.join(d.also)
		for domain, o := range d.owners {
			if d == over {
				if e, both := base.companies.find(key(o.Company), base.also.companies); both {
					o.Company = e.name
				}
			}
			t.fill(domain, o)
		}
		for k, e := range d.services {
			for _, domain := range e.domains {
				t.services.add(k, e.name, domain)
			}
		}
	}
	for domain, o := range t.owners {
		// Data that knows trackers alone leaves open who owns a domain; often it
		// is known whose the one is that it lies in.
		if whose, known := Lookup(base, domain); known && o.guessed && !whose.guessed {
			o.Company, o.Country, o.guessed = whose.Company, whose.Country, false
			t.owners[domain] = o
		}
	}
	return t.data()
}
