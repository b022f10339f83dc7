package lists

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"deadpixel/lists/owners"
)

//go:embed builtin/starter.txt
var starter string

//go:embed builtin/doh.txt
var doh string

//go:embed builtin/safe_search.txt
var safeSearch string

// The beginnings of the names of lists that are made from ownership data.
const (
	servicePrefix = "service:"
	companyPrefix = "company:"
)

// Builtins are the lists that come with the program. The zero value is of use.
type Builtins struct {
	// Owners returns what services and companies have, now; nil means owners.Embedded.
	Owners func() *owners.Data
}

// Text returns the text of a list by the name after "builtin:". The error says
// what there is instead.
func (b Builtins) Text(name string) (io.Reader, error) {
	if written, ok := strings.CutPrefix(name, servicePrefix); ok {
		service, domains, known := b.owners().Service(written)
		if !known {
			return nil, unknown("service", written, b.owners().SuggestServices(written))
		}
		return ownerList("the service "+service, domains), nil
	}
	if written, ok := strings.CutPrefix(name, companyPrefix); ok {
		company, domains, known := b.owners().Company(written)
		if !known {
			return nil, unknown("company", written, b.owners().SuggestCompanies(written))
		}
		return ownerList("the company "+company, domains), nil
	}
	switch name {
	case "starter":
		return strings.NewReader(starter), nil
	case "doh":
		return strings.NewReader(doh), nil
	case "safe_search":
		return strings.NewReader(safeSearch), nil
	}
	return nil, fmt.Errorf("there is no builtin list %q; there is %s", name, strings.Join(b.Names(), ", "))
}

// Names are the lists that there are, as they are written in a source; a word in
// capitals stands for a name of the user's choice.
func (Builtins) Names() []string {
	return []string{"builtin:starter", "builtin:doh", "builtin:safe_search", "builtin:service:NAME", "builtin:company:NAME"}
}

func (b Builtins) owners() *owners.Data {
	if b.Owners == nil {
		return owners.Embedded()
	}
	return b.Owners()
}

// ErrNoOwner is wrapped by the error about a service or a company that the ownership
// data does not know, or not yet.
var ErrNoOwner = errors.New("the ownership data knows no")

// unknown says that ownership data does not know a name, and what is nearest.
func unknown(kind, written string, nearest []string) error {
	if len(nearest) == 0 {
		return fmt.Errorf("%w %s %q", ErrNoOwner, kind, written)
	}
	return fmt.Errorf("%w %s %q; did you mean %s?", ErrNoOwner, kind, written, strings.Join(nearest, ", "))
}

// ownerList is a list of all that somebody has. Its rules are important: whoever
// names somebody means it, whatever a downloaded list allows.
func ownerList(whose string, domains []string) io.Reader {
	var text strings.Builder
	fmt.Fprintf(&text, "! All names of %s that the ownership data knows.\n", whose)
	for _, domain := range domains {
		fmt.Fprintf(&text, "||%s^$important\n", domain)
	}
	return strings.NewReader(text.String())
}

// SafeSearchList stands for safe search where the list of a rule is named.
const SafeSearchList = "safe_search"

// SafeSearch is the verdict that answers for a normalised name of a search engine
// with its safe form; the zero one for all other names. It allocates nothing once
// the list has been read, and is safe for concurrent use.
func SafeSearch(name []byte) Verdict { return safeForms()[string(name)] }

var safeForms = sync.OnceValue(func() map[string]Verdict {
	list, forms := &List{Name: SafeSearchList}, map[string]Verdict{}
	skip := func(s Skip) { panic("builtin:safe_search: " + s.String()) } // a test reads it
	_, err := Parse(strings.NewReader(safeSearch), ParseOptions{Format: Adblock, Kind: Deny}, func(r Rule) {
		if r.Shape != Exact || r.Rewrite == nil {
			skip(Skip{Line: r.Line, Reason: "not the safe form of one name"})
		}
		forms[strings.Clone(r.Name)] = Verdict{List: list, Action: Rewrite, Shape: Exact, Line: r.Line, rewrites: &[]*Rewriting{r.Rewrite}}
	}, skip)
	if err != nil {
		panic(err)
	}
	return forms
})

// EncryptedResolvers are the names of builtin:doh, normalised, in its order. A
// query for one of them, or for a name below, is from a device that looks for a way
// around this program.
func EncryptedResolvers() []string {
	var all []string
	for line := range strings.Lines(doh) {
		if name, ok := strings.CutPrefix(line, "|"); ok {
			all = append(all, strings.Trim(name, "|^\n"))
		}
	}
	return all
}
