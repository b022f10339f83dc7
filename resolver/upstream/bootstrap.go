package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// How long the addresses of a host are believed, whatever its TTL says.
const (
	bootstrapMin = time.Minute
	bootstrapMax = 24 * time.Hour
)

// Bootstrap finds the addresses of upstreams and list hosts by servers that are
// known by address, and never by the system's resolver, which may be this very
// program. Addresses that were good stay in use while no server answers. It is
// safe for concurrent use.
type Bootstrap struct {
	servers []*Server

	mu    sync.Mutex
	known map[string]hostAddresses
}

type hostAddresses struct {
	ips     []netip.Addr
	expires time.Time
}

// NewBootstrap makes one that asks servers, each written by address in any form
// of an upstream.
func NewBootstrap(servers []string) (*Bootstrap, error) {
	b := &Bootstrap{known: map[string]hostAddresses{}}
	for _, s := range servers {
		if err := CheckBootstrap(s); err != nil {
			return nil, err
		}
		server, err := New(Options{Address: s})
		if err != nil {
			return nil, err
		}
		b.servers = append(b.servers, server)
	}
	return b, nil
}

// Lookup returns the addresses of host, IPv4 and IPv6 by turns. An address is
// itself.
func (b *Bootstrap) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if host == "localhost" { // RFC 6761, section 6.3
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	b.mu.Lock()
	known, ok := b.known[host]
	b.mu.Unlock()
	if ok && time.Now().Before(known.expires) {
		return known.ips, nil
	}
	ips, ttl, err := b.ask(ctx, host)
	if err != nil {
		if ok {
			return known.ips, nil
		}
		return nil, fmt.Errorf("%s cannot be resolved by [upstream] bootstrap: %w", host, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[host] = hostAddresses{ips, time.Now().Add(ttl)}
	return ips, nil
}

// Close closes the connections to the servers.
func (b *Bootstrap) Close() {
	for _, s := range b.servers {
		s.Close()
	}
}

// found is what one server knows.
type found struct {
	ips []netip.Addr
	ttl time.Duration
	err error
}

// ask puts the question to all servers and takes the first good answer.
func (b *Bootstrap) ask(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	if len(b.servers) == 0 {
		return nil, 0, errors.New("it is empty")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan found, len(b.servers))
	for _, s := range b.servers {
		go func() { answers <- lookupBoth(ctx, s, host) }()
	}
	var problems []string
	for range b.servers {
		f := <-answers
		if f.err == nil {
			return f.ips, f.ttl, nil
		}
		problems = append(problems, f.err.Error())
	}
	return nil, 0, errors.New(strings.Join(problems, "; "))
}

// lookupBoth asks one server for both kinds of address; one kind is enough.
func lookupBoth(ctx context.Context, s *Server, host string) found {
	six := make(chan found, 1)
	go func() { six <- lookup(ctx, s, host, dns.TypeAAAA) }()
	v4 := lookup(ctx, s, host, dns.TypeA)
	v6 := <-six
	if len(v4.ips)+len(v6.ips) == 0 {
		if v4.err != nil { // that of IPv6 will not be another
			return v4
		}
		return found{err: fmt.Errorf("%s: %s has no address", s, host)}
	}
	both := found{ttl: bootstrapMax}
	for i := range max(len(v4.ips), len(v6.ips)) {
		if i < len(v4.ips) {
			both.ips = append(both.ips, v4.ips[i])
		}
		if i < len(v6.ips) {
			both.ips = append(both.ips, v6.ips[i])
		}
	}
	for _, f := range []found{v4, v6} {
		if len(f.ips) > 0 {
			both.ttl = min(both.ttl, max(f.ttl, bootstrapMin))
		}
	}
	return both
}

func lookup(ctx context.Context, s *Server, host string, qtype uint16) found {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(host), qtype)
	m.SetEdns0(1232, false)
	query, err := m.Pack()
	if err != nil {
		return found{err: err}
	}
	reply, err := s.Exchange(ctx, query)
	if err != nil {
		return found{err: err}
	}
	r := new(dns.Msg)
	if err := r.Unpack(reply); err != nil {
		return found{err: fmt.Errorf("%s: %w", s, err)}
	}
	if r.Rcode != dns.RcodeSuccess {
		return found{err: fmt.Errorf("%s says %s", s, dns.RcodeToString[r.Rcode])}
	}
	f := found{ttl: bootstrapMax}
	for _, rr := range r.Answer {
		var ip netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			ip, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			ip, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if ip.IsValid() && !slices.Contains(f.ips, ip) {
			f.ips = append(f.ips, ip)
			f.ttl = min(f.ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
	}
	return f
}
