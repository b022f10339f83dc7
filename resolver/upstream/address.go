package upstream

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// address is a server as written in the configuration, understood.
type address struct {
	scheme string // udp, tcp, tls or https
	host   string // a name, or an address without brackets
	ip     netip.Addr
	port   uint16
	path   string // https: path and query
}

// defaultPorts of the schemes (RFC 1035, section 4.2; RFC 7858, section 3.1; RFC 8484).
var defaultPorts = map[string]uint16{"udp": 53, "tcp": 53, "tls": 853, "https": 443}

// Check says what is wrong with a server's address; nil when nothing is.
func Check(s string) error {
	_, err := parseAddress(s)
	return err
}

// CheckBootstrap is Check for a server that must be reached without resolving a name.
func CheckBootstrap(s string) error {
	a, err := parseAddress(s)
	if err == nil && !a.ip.IsValid() {
		err = fmt.Errorf("%q: a bootstrap server is written by address, since it resolves the names of the others", s)
	}
	return err
}

// parseAddress reads "host[:port]" or a URL with one of the schemes.
func parseAddress(s string) (address, error) {
	wrong := func(why string) (address, error) {
		return address{}, fmt.Errorf("%q is no server: %s", s, why)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "udp", s
	}
	a := address{scheme: scheme}
	switch scheme {
	case "udp", "tcp", "tls":
	case "https":
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Fragment != "" {
			return wrong("write it like https://dns.example/dns-query")
		}
		rest, a.path = u.Host, u.RequestURI()
	case "h3", "quic":
		return wrong(scheme + ":// is not part of this version; tls:// and https:// are")
	default:
		return wrong("write an address, or udp:// tcp:// tls:// https://")
	}
	host, port, err := splitPort(rest)
	if err != nil {
		return wrong(err.Error())
	}
	a.host, a.port = strings.ToLower(host), port
	if a.port == 0 {
		a.port = defaultPorts[scheme]
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		a.ip = ip.Unmap()
		return a, nil
	}
	if strings.Trim(a.host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Trim(a.host, "0123456789.") == "" ||
		strings.HasPrefix(a.host, ".") || strings.Contains(a.host, "..") {
		return wrong("neither an address nor a host name")
	}
	a.host = strings.TrimSuffix(a.host, ".")
	return a, nil
}

// splitPort parts "host", "host:port", "[v6]:port" and a bare IPv6 address; port
// 0 when none is written.
func splitPort(s string) (string, uint16, error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0, nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		return inner[:len(inner)-1], 0, nil
	}
	if !strings.Contains(s, ":") {
		if s == "" {
			return "", 0, fmt.Errorf("the host is missing")
		}
		return s, 0, nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("host and port are written like 192.0.2.1:53 or [2001:db8::1]:53")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", 0, fmt.Errorf("the port is a number from 1 to 65535")
	}
	return host, uint16(port), nil
}

// hostPort is the host with the port, unless that is the usual one.
func (a address) hostPort() string {
	host := a.host
	if a.ip.Is6() {
		host = "[" + host + "]"
	}
	if a.port == defaultPorts[a.scheme] {
		return host
	}
	return fmt.Sprintf("%s:%d", host, a.port)
}

// label is the scheme and the host; a path can hold an account and stays out.
func (a address) label() string { return a.scheme + "://" + a.hostPort() }
