package history

import (
	"encoding/hex"
	"fmt"
	"net/netip"
)

// Form is how a client appears in what is kept.
type Form uint8

const (
	None      Form = iota // not at all
	Anonymous             // as a hash by a key that is destroyed at midnight
	Full                  // by its name, or its address when it has none
)

// ParseForm reads the value of [privacy] clients.
func ParseForm(s string) (Form, error) {
	for f, name := range forms {
		if s == name {
			return Form(f), nil
		}
	}
	return None, fmt.Errorf("%q is none of \"none\", \"anonymous\", \"full\"", s)
}

// String returns the value of [privacy] clients.
func (f Form) String() string { return forms[f] }

var forms = [...]string{"none", "anonymous", "full"}

// client is how the client at ip appears in what is kept of a minute.
func (h *History) client(ip netip.Addr, minute int64) client {
	switch {
	case !ip.IsValid() || h.set.Clients == None:
		return others
	case h.set.Clients == Full:
		if name := h.options.Client(ip); name != "" {
			return named(name)
		}
		return named(ip.String())
	}
	hash, err := h.key.hash(ip, days.number(minutes.begin(minute, nil), h.set.Zone))
	h.tell(err)
	return hash
}

// client is how a client appears in what is kept: a letter for the form, and its name
// or hash.
type client string

// others are clients that are not told apart.
const others client = ""

const (
	byHash = '#' // and 8 bytes
	byName = '='
)

func named(name string) client { return client(byName) + client(name) }

// forbids says whether the form does not permit a client to be kept as it is.
func (f Form) forbids(c client) bool {
	return c != others && (f == None || f == Anonymous && c[0] != byHash)
}

// String is the client for people.
func (c client) String() string {
	switch {
	case c == others:
		return ""
	case c[0] == byHash:
		return hex.EncodeToString([]byte(c[1:]))
	}
	return string(c[1:])
}
