package ui

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
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
	// the rights of this one (DNS rebinding). Such a page can add headers, and a
	// proxy may let them through: so what a proxy says does not stand for the name
	// that it was asked for itself.
	for _, host := range visitOf(r).hosts {
		if !p.knownHost(host) {
			return http.StatusMisdirectedRequest, "this name is not known to be mine; add it to [web] hosts, or use the address"
		}
	}
	if origins.Check(r) != nil {
		return http.StatusForbidden, "the request comes from another site"
	}
	return 0, ""
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
// proxy on it: from loopback, to a loopback host. That a proxy is trusted changes
// nothing: whoever is behind it is not here.
func isLocal(r *http.Request) bool {
	v, host := visitOf(r), hostOf(r.Host)
	ip, err := netip.ParseAddr(host)
	return !v.told && v.peer.IsLoopback() && (host == "localhost" || err == nil && ip.IsLoopback())
}

// proxyHeaders are what proxies add, beside X-Forwarded-*. The last four are nobody's
// standard, and are believed from nobody.
var proxyHeaders = []string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"}

// proxied says whether a request came through a proxy that says so.
func proxied(r *http.Request) bool {
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded-") || slices.Contains(proxyHeaders, name) {
			return true
		}
	}
	return false
}

// strip takes the base off the path of a request, where a proxy has left it on. Its
// parts are no longer escaped then, as ServeMux has them.
func (p *Page) strip(r *http.Request) {
	if p.Base == "" {
		return
	}
	if rest, below := strings.CutPrefix(r.URL.Path, p.Base); below && (rest == "" || rest[0] == '/') {
		u := *r.URL
		u.Path, u.RawPath = cmp.Or(rest, "/"), ""
		r.URL = &u
	}
}

// CheckBase says what is wrong with the path under which the page is to stand, as
// [web] base_path has it.
func CheckBase(path string) error {
	if !strings.HasPrefix(path, "/") || strings.Trim(path, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") != "" || strings.Contains(path, "//") {
		return fmt.Errorf("%q is no path: write it like \"/\" or \"/dns/\"", path)
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if slices.Contains(parts, ".") || slices.Contains(parts, "..") {
		return fmt.Errorf("%q is no path: write it without \".\" and \"..\"", path)
	}
	// A proxy may take the path away or leave it: that must not be in doubt.
	if parts[0] != "" && slices.ContainsFunc(new(Page).table(), func(one route) bool { return one.top() == parts[0] }) {
		return fmt.Errorf("%q begins like a path of deadpixel's own; choose another word than %q", path, parts[0])
	}
	return nil
}
