package resolver

import "deadpixel/lists"

// Escape is how a query looks for a way around the household's DNS.
type Escape uint8

const (
	NoEscape    Escape = iota
	ByCanary           // whether a program may turn on encrypted DNS, or a relay, by itself
	ByDiscovery        // for an encrypted resolver that this one names (RFC 9462)
	ByResolver         // for the address of a public encrypted resolver
	Escapes            // how many there are
)

// String returns the value of the metric label `kind`.
func (e Escape) String() string { return [...]string{"none", "canary", "discovery", "resolver"}[e] }

// discoveryName is where clients ask for encrypted resolvers (RFC 9462, section 4).
const discoveryName = "_dns.resolver.arpa"

// Exits are the names of public encrypted resolvers; each stands for what is below
// it as well. It is immutable.
type Exits map[string]bool

// NewExits makes them of normalised names.
func NewExits(names []string) Exits {
	x := Exits{}
	for _, name := range names {
		x[name] = true
	}
	return x
}

// PublicExits are those of the list that comes with the program.
func PublicExits() Exits { return NewExits(lists.EncryptedResolvers()) }

// Escape says how a query for a normalised name looks for a way around.
func (x Exits) Escape(name []byte) Escape {
	if canaries[string(name)] {
		return ByCanary
	}
	if string(name) == discoveryName {
		return ByDiscovery
	}
	if _, exit := above(x, name); exit {
		return ByResolver
	}
	return NoEscape
}
