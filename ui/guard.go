package ui

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// secure sets the headers that every answer has: nothing foreign is loaded,
// nothing inline runs, and nobody frames the page.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// origins refuses changes that a foreign page asks a browser for.
var origins = http.NewCrossOriginProtection()

// guard says whether a request may go on; else the status and the reason.
func (p *Page) guard(r *http.Request) (int, string) {
	if p.Allow != nil && !p.Allow(client(r)) {
		return http.StatusForbidden, "this network may not see the page; [web] allow_from says who may"
	}
	// A foreign name that has been made to point here would give a foreign page
	// the rights of this one (DNS rebinding).
	if !p.knownHost(r.Host) {
		return http.StatusMisdirectedRequest, "this name is not known to be mine; add it to [web] hosts, or use the address"
	}
	if origins.Check(r) != nil {
		return http.StatusForbidden, "the request comes from another site"
	}
	return 0, ""
}

// client is the address that a request comes from.
func client(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// ownHosts are the names of this machine and those that are configured.
func ownHosts(configured []string) map[string]bool {
	names := map[string]bool{"localhost": true}
	if own, err := os.Hostname(); err == nil && own != "" {
		own = strings.ToLower(strings.TrimSuffix(own, "."))
		short, _, _ := strings.Cut(own, ".")
		for _, name := range []string{own, short, short + ".local", short + ".lan", short + ".home.arpa", short + ".internal"} {
			names[name] = true
		}
	}
	for _, name := range configured {
		names[strings.ToLower(strings.TrimSuffix(name, "."))] = true
	}
	return names
}

func (p *Page) knownHost(hostPort string) bool {
	host := hostOf(hostPort)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return p.hosts[host]
}

// hostOf is the host of "host:port", "[v6]:port" or either alone.
func hostOf(hostPort string) string {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// isLocal says whether a request comes from this very machine, not through a
// proxy on it: from loopback, to a loopback host.
func isLocal(r *http.Request) bool {
	host := hostOf(r.Host)
	ip, err := netip.ParseAddr(host)
	if !client(r).IsLoopback() || host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return false
	}
	return !proxied(r)
}

// proxied says whether a request came through a proxy that says so.
func proxied(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}
