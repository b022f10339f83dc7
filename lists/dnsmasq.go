package lists

import "strings"

// dnsmasq reads a line of dnsmasq.conf (dnsmasq(8)): address=/x/y/target and
// server=/x/y/target. Each name stands for itself and everything below.
func (p *parser) dnsmasq(line string) {
	line = strings.TrimSpace(cutComment(line, '#'))
	if line == "" {
		return
	}
	option, value, ok := strings.Cut(line, "=")
	option, value = strings.TrimSpace(option), strings.TrimSpace(value)
	if !ok || !strings.HasPrefix(value, "/") || option != "address" && option != "server" && option != "local" {
		p.reject("%s: not a line that blocks", excerpt(line))
		return
	}
	parts := strings.Split(value[1:], "/")
	target := parts[len(parts)-1]
	if len(parts) < 2 {
		p.reject("%s: the names have to stand between slashes", excerpt(line))
		return
	}
	switch ip, isIP := address(target); {
	case target == "":
	case option == "address" && (target == "#" || isIP && (ip.IsUnspecified() || ip.IsLoopback())):
	case target == "#":
		p.reject("%s: an exception for the usual servers is no block", excerpt(line))
		return
	default:
		p.reject("%s: names a real server or address, so it is no block", excerpt(line))
		return
	}
	for _, name := range parts[:len(parts)-1] {
		switch rest, wild := strings.CutPrefix(name, "*."); {
		case name == "" || name == "#" || name == "*":
			p.reject("%s: this would be every name", excerpt(line))
		case wild:
			p.name(rest, Below, None)
		default:
			p.name(strings.TrimPrefix(name, "."), Subtree, None)
		}
	}
}
