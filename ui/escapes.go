package ui

import "slices"

// waysAround is the section about queries that looked for a way around this server.
type waysAround struct {
	Total uint64
	Kinds []wayAround // those that there were
	Hint  bool        // the list of public encrypted resolvers is not in use
}

// wayAround is how many queries asked for one kind of way.
type wayAround struct {
	Count uint64
	What  string // after "asked"
}

// resolverList is the source of the list of public encrypted resolvers.
const resolverList = "builtin:doh"

func newWaysAround(escapes map[string]uint64, lists []List) waysAround {
	w := waysAround{Hint: !slices.ContainsFunc(lists, func(l List) bool { return l.Source == resolverList })}
	for _, kind := range aroundWords {
		if n := escapes[kind.name]; n > 0 {
			w.Total += n
			w.Kinds = append(w.Kinds, wayAround{n, kind.what})
		}
	}
	return w
}
