package lists

import (
	"net/netip"
	"slices"
	"strings"
)

// detect finds out the format from the beginning of a list: every line votes.
// A text that says nothing is a list of names.
func detect(start []byte) Format {
	var votes [len(formats)]int
	text := string(start)
	if len(start) == detectSize { // the last line may be cut
		if end := strings.LastIndexByte(text, '\n'); end > 0 {
			text = text[:end]
		}
	}
	for line := range strings.Lines(text) {
		if f := classify(strings.TrimSpace(line)); f != Auto {
			votes[f]++
		}
	}
	best := Domains
	for f, n := range votes {
		if n > votes[best] {
			best = Format(f)
		}
	}
	return best
}

// classify says which format a line is written in; Auto when it does not tell.
func classify(line string) Format {
	if line == "" || line[0] == ';' {
		return Auto
	}
	if line[0] == '!' || strings.HasPrefix(line, "[Adblock") || strings.HasPrefix(line, "@@") || line[0] == '|' || isCosmetic(line) {
		return Adblock
	}
	if line[0] == '#' {
		return Auto
	}
	for _, option := range []string{"address=/", "server=/", "local=/"} {
		if strings.HasPrefix(line, option) {
			return DNSMasq
		}
	}
	for _, option := range []string{"server:", "local-zone:", "local-data:"} {
		if strings.HasPrefix(line, option) {
			return Unbound
		}
	}
	if strings.HasPrefix(line, "$TTL") || strings.HasPrefix(line, "$ORIGIN") {
		return RPZ
	}
	fields := strings.Fields(cutComment(line, '#'))
	switch {
	case len(fields) > 1 && isAddress(fields[0]):
		return Hosts
	case len(fields) > 2 && isRecord(fields[1:]):
		return RPZ
	case len(fields) != 1:
		return Auto
	case !strings.HasPrefix(fields[0], "/") && strings.ContainsAny(fields[0], "()\\[+") || fields[0][0] == '^':
		return Domains // an expression without slashes, to be told about
	case isExpression(fields[0]):
		return Auto // both adblock and domains have them
	}
	name := strings.TrimPrefix(fields[0], "*.")
	if _, err := Normalize(name); err == nil {
		return Domains
	}
	if strings.ContainsAny(name, "^$") {
		return Adblock
	}
	return Auto
}

// isRecord says whether the fields after an owner name are those of a record.
func isRecord(fields []string) bool {
	for _, f := range fields[:min(len(fields), 3)] {
		switch strings.ToUpper(f) {
		case "CNAME", "SOA", "NS":
			return true
		}
	}
	return false
}

// isAddress says whether s is an IP address or network, in brackets or not.
func isAddress(s string) bool {
	if s == "" || !strings.ContainsAny(s[:1], "0123456789abcdefABCDEF:[") {
		return false
	}
	_, ok := address(s)
	return ok
}

// address reads an address; of a network its first.
func address(s string) (netip.Addr, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip, true
	}
	p, err := netip.ParsePrefix(s)
	return p.Addr(), err == nil
}

// parseNetwork reads an address or a network, in brackets or not. Bits behind the
// length are cleared.
func parseNetwork(s string) (netip.Prefix, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if ip, err := netip.ParseAddr(s); err == nil {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), ip.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

// isExpression says whether s is written /like this/.
func isExpression(s string) bool {
	return len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/'
}

// isSink says whether nothing of the internet is behind ip: it stands for "no
// such host" in a list.
func isSink(ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsGlobalUnicast() || ip.IsPrivate() || documentation.Contains(ip)
}

// documentation is TEST-NET-1 (RFC 5737, section 3), which some lists use as a sink.
var documentation = netip.MustParsePrefix("192.0.2.0/24")

// houseNetworks are those of no host on the internet: RFC 1918, loopback,
// link-local, unique local and unspecified addresses, multicast (IANA,
// "Special-Purpose Address Registry"). Lists of bogus networks have them.
var houseNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// ofNoHost says whether a network has such addresses.
func ofNoHost(p netip.Prefix) bool { return slices.ContainsFunc(houseNetworks, p.Overlaps) }
