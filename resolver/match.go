package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"deadpixel/lists"
)

// match is one way to recognise a client. One field is set; which one is also
// the order of strength. An address stands in network with all of its bits.
type match struct {
	id      string // lower case
	mac     MAC
	host    string // normalised
	network netip.Prefix
}

const matchHint = `write an address, a network, a MAC, "host:NAME" or "id:NAME"`

// CheckMatch says what is wrong with one element of a [[clients]] match; nil for
// nothing.
func CheckMatch(written string) error {
	_, err := parseMatch(written)
	return err
}

func parseMatch(s string) (match, error) {
	kind, rest, prefixed := strings.Cut(s, ":")
	switch {
	case s == "":
		return match{}, errors.New("an empty match: " + matchHint)
	case prefixed && kind == "host":
		return parseHost(rest)
	case prefixed && kind == "id":
		return parseIdentity(rest)
	case strings.Contains(s, "/"):
		return parseNetworkMatch(s)
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return parseAddressMatch(s, ip)
	}
	mac, err := ParseMAC(s)
	switch {
	case err == nil:
		return match{mac: mac}, nil
	case prefixed && isWord(kind):
		return match{}, fmt.Errorf("%q: there is no %q: %s", s, kind+":", matchHint)
	case prefixed && strings.Count(s, ":") == 5 && !strings.Contains(s, "::"):
		return match{}, err
	case !prefixed && strings.Trim(lastLabel(s), "0123456789") != "":
		return match{}, fmt.Errorf("%q is neither an address nor a MAC; for a host name, write \"host:%s\"", s, s)
	}
	return match{}, fmt.Errorf("%q is neither an address nor a MAC: %s", s, matchHint)
}

func parseHost(name string) (match, error) {
	if name == "" {
		return match{}, errors.New(`"host:" without a name: write "host:tablet.home.arpa"`)
	}
	host, err := lists.Normalize(name)
	if err != nil || host == "" {
		return match{}, fmt.Errorf("\"host:%s\": this is no host name: write \"host:tablet.home.arpa\"", name)
	}
	return match{host: host}, nil
}

// parseIdentity reads what may stand in a name of TLS and in a path alike: one
// label of letters, digits and hyphens (RFC 1123, section 2.1), in any case.
func parseIdentity(id string) (match, error) {
	sound := id != "" && len(id) <= 63 && id[0] != '-' && id[len(id)-1] != '-'
	id = strings.ToLower(id)
	if !sound || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return match{}, fmt.Errorf("\"id:%s\": an id has 1 to 63 letters, digits and hyphens, like \"id:kids-tablet\"", id)
	}
	return match{id: id}, nil
}

func parseNetworkMatch(s string) (match, error) {
	p, err := parsePrefix(s)
	switch {
	case errors.Is(err, errMixed):
		return match{}, err
	case err != nil:
		return match{}, fmt.Errorf("%q is no network: write it like 192.168.7.0/24 or fd00::/64", s)
	case p.IsSingleIP():
		return parseAddressMatch(s, p.Addr())
	}
	return match{network: p}, nil
}

func parseAddressMatch(s string, ip netip.Addr) (match, error) {
	ip = ip.Unmap()
	switch {
	case ip.Zone() != "":
		return match{}, fmt.Errorf("%q: leave out %q, addresses are compared without it", s, "%"+ip.Zone())
	case ip.IsUnspecified(), ip.IsMulticast():
		return match{}, fmt.Errorf("%q is the address of no single device", s)
	}
	return match{network: netip.PrefixFrom(ip, ip.BitLen())}, nil
}

// isWord says whether s is rather a word than the beginning of an address.
func isWord(s string) bool {
	if s == "" || strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz_-") != "" {
		return false
	}
	return len(s) > 4 || strings.Trim(strings.ToLower(s), "abcdef") != ""
}
