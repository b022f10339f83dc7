// Package owners knows which company stands behind a tracker's name. Its data is
// that of WhoTracks.me by Ghostery GmbH, CC BY 4.0; see NOTICE.
package owners

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed owners.tsv
var data string

// Owner is who stands behind a name.
type Owner struct {
	Company  string // never empty for a name that is known
	Category string // such as "advertising", "site_analytics", "social_media"
	Tracker  string // the company's product
	Country  string // ISO 3166-1 of the company's seat; "" when unknown
}

// table is the data by domain, read when it is first needed.
var table = sync.OnceValue(func() map[string]Owner {
	all := make(map[string]Owner, strings.Count(data, "\n"))
	for line := range strings.Lines(data) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			continue // the heading
		}
		o := Owner{Company: f[1], Category: f[2], Tracker: f[3], Country: f[4]}
		if o.Company == "" {
			o.Company = o.Tracker
		}
		all[f[0]] = o
	}
	return all
})

// Lookup returns who stands behind a normalised name: the owner of the longest
// domain that the name is or lies in. It allocates nothing, and is safe for
// concurrent use.
func Lookup[Name string | []byte](name Name) (Owner, bool) {
	all := table()
	for {
		if o, ok := all[string(name)]; ok {
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

// Companies are all companies, sorted.
func Companies() []string {
	set := map[string]bool{}
	for _, o := range table() {
		set[o.Company] = true
	}
	return slices.Sorted(maps.Keys(set))
}
