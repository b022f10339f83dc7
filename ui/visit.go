package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// visit is what is known of whoever sends a request.
type visit struct {
	peer   netip.Addr // who is connected
	client netip.Addr // whose request it is, as far as can be told; the peer's where nobody trusted says otherwise
	told   bool       // it came through a proxy that says so
	known  bool       // client is the device that somebody sits at
	https  bool       // the browser speaks TLS, if perhaps to a proxy
	hosts  []string   // under which it was asked for, to the peer's proxy and to this server
	who    *caller    // see identify
}

// visitKey is where a request's context has its visit.
type visitKey struct{}

// visitOf is the visit that a request is, as enter has found out.
func visitOf(r *http.Request) *visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return v
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // none over a socket of the file system
	v := &visit{peer: peer.Addr().Unmap(), told: proxied(r), https: r.TLS != nil, hosts: []string{r.Host}}
	v.client, v.known = v.peer, !v.told
	return v
}

// client is the address that a request comes from.
func client(r *http.Request) netip.Addr { return visitOf(r).client }

// device is the address of the device that somebody sits at; ok is false when a proxy
// is between that nobody trusts, since then it is everybody's.
func device(r *http.Request) (ip netip.Addr, ok bool) {
	v := visitOf(r)
	return v.client.WithZone(""), v.known
}

// enter finds out who sends a request, and under which name, by what trusted proxies
// say of it.
func (p *Page) enter(r *http.Request) (*http.Request, error) {
	v := visitOf(r)
	var err error
	if v.told && p.trusts(v.peer) {
		err = p.believe(v, r.Header)
	}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	r.Host = v.hosts[0]
	return r, err
}

// trusts says whether the words of an address count, if it is a proxy's.
func (p *Page) trusts(ip netip.Addr) bool {
	ip = ip.WithZone("")
	return slices.ContainsFunc(p.Proxies, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// errDoubt says that the headers of a trusted proxy contradict each other: one of them
// is the client's own, which the proxy has let through.
var errDoubt = errors.New("the proxy lets through what a client says of itself: X-Forwarded-* and Forwarded contradict each other; let the proxy remove the one that it does not set")

// believe takes over what a trusted proxy says of a request. A proxy may know either
// X-Forwarded-* or Forwarded (RFC 7239) and let the other one through as the client
// has sent it; so where both are there, they have to agree.
func (p *Page) believe(v *visit, h http.Header) error {
	hops, err := parseForwarded(h.Values("Forwarded"))
	if err != nil {
		return err
	}
	var chains [][]string
	if names := listed(h.Values("X-Forwarded-For")); len(names) > 0 {
		chains = append(chains, names)
	}
	if len(hops) > 0 && hops[len(hops)-1].node != "" {
		var names []string
		for _, hop := range hops {
			names = append(names, hop.node)
		}
		chains = append(chains, names)
	}
	hosts, protocols := listed(h.Values("X-Forwarded-Host")), listed(h.Values("X-Forwarded-Proto"))
	said := [2]string{last(hosts), last(protocols)}
	if len(hops) > 0 {
		nearest := hops[len(hops)-1]
		for i, other := range []string{nearest.host, nearest.proto} {
			if said[i] != "" && other != "" && !strings.EqualFold(said[i], other) {
				return errDoubt
			}
			if said[i] == "" {
				said[i] = other
			}
		}
	}
	if said[0] != "" {
		v.hosts = append([]string{said[0]}, v.hosts...)
	}
	v.https = v.https || strings.EqualFold(said[1], "https")
	for i, chain := range chains {
		ip, err := p.origin(chain)
		if err != nil {
			return err
		}
		if i > 0 && ip != v.client {
			return errDoubt
		}
		v.client, v.known = ip, true
	}
	return nil
}

// origin is the client at the far end of a chain of proxies, each of which wrote down
// whom it heard from: the last that is not a trusted proxy itself, since what stands
// before it anybody can have written. Where all are trusted, it is the first.
func (p *Page) origin(chain []string) (netip.Addr, error) {
	var ip netip.Addr
	for _, name := range slices.Backward(chain) {
		var err error
		if ip, err = parseNode(name); err != nil {
			return ip, err
		}
		if !p.trusts(ip) {
			break
		}
	}
	return ip, nil
}

// parseNode reads the address of a node, with a port or without (RFC 7239, section 6).
func parseNode(name string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(name)
	if err != nil {
		var port netip.AddrPort
		if port, err = netip.ParseAddrPort(name); err == nil {
			ip = port.Addr()
		} else if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
			ip, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		}
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the proxy names %.80q where the address of its client belongs", name)
	}
	return ip.Unmap().WithZone(""), nil
}

// listed are the elements of a header that is a list, in however many lines.
func listed(lines []string) []string {
	var all []string
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}

// last is the last element, "" of none.
func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// hop is what one proxy says in Forwarded; "" is what it does not say.
type hop struct{ node, host, proto string }

var errForwarded = errors.New("the header Forwarded is not written as RFC 7239 says")

// parseForwarded reads Forwarded (RFC 7239, section 4).
func parseForwarded(lines []string) ([]hop, error) {
	var hops []hop
	rest := strings.Join(lines, ",")
	for rest = skipBlank(rest); rest != ""; rest = skipBlank(rest) {
		if rest[0] == ',' { // an empty element (RFC 9110, section 5.6.1)
			rest = rest[1:]
			continue
		}
		var h hop
		var seen []string
		for {
			var name, value string
			var ok bool
			if rest != "" && rest[0] != ';' && rest[0] != ',' {
				if name, value, rest, ok = forwardedPair(rest); !ok || slices.Contains(seen, name) {
					return nil, errForwarded
				}
				seen = append(seen, name)
			}
			switch name {
			case "for":
				h.node = value
			case "host":
				h.host = value
			case "proto":
				h.proto = value
			}
			if rest = skipBlank(rest); rest == "" || rest[0] == ',' {
				break
			}
			if rest[0] != ';' {
				return nil, errForwarded
			}
			rest = skipBlank(rest[1:])
		}
		hops = append(hops, h)
	}
	return hops, nil
}

// forwardedPair reads name=value, of which the value is a token or a quoted string.
func forwardedPair(s string) (name, value, rest string, ok bool) {
	end := strings.IndexByte(s, '=')
	if end <= 0 || !isToken(s[:end]) {
		return "", "", "", false
	}
	name, rest = strings.ToLower(s[:end]), s[end+1:]
	if !strings.HasPrefix(rest, `"`) {
		if end = strings.IndexAny(rest, ",; \t"); end < 0 {
			end = len(rest)
		}
		return name, rest[:end], rest[end:], isToken(rest[:end])
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return name, b.String(), rest[i+1:], true
		case '\\':
			if i++; i == len(rest) {
				return "", "", "", false
			}
		}
		b.WriteByte(rest[i])
	}
	return "", "", "", false
}

// isToken says whether s is one (RFC 9110, section 5.6.2). Colons and brackets count
// here: many proxies forget the quotes around an IPv6 address or a port.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~:[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func skipBlank(s string) string { return strings.TrimLeft(s, " \t") }
