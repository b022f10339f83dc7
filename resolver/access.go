package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// localNetworks are those that never belong to the public internet: loopback,
// RFC 1918, RFC 6598 (CGNAT), link-local (RFC 3927, RFC 4291 section 2.5.6) and
// unique local addresses (RFC 4193).
var localNetworks = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fc00::/7"),
}

// Access says who may ask. It is safe for concurrent use.
type Access struct {
	any      bool
	local    bool
	networks []netip.Prefix
	own      atomic.Pointer[[]netip.Prefix] // networks of this machine's own interfaces
	log      *slog.Logger
	read     func() ([]netip.Prefix, error)
}

// interfacePoll is how often the machine's own networks are read again, so that
// a new IPv6 prefix is known within half a minute.
const interfacePoll = 20 * time.Second

// NewAccess reads allow_from entries: CIDRs, addresses, "any" or "local". With
// "local", the networks of the machine's broadcast interfaces count as well, and
// Run follows their changes.
func NewAccess(entries []string, log *slog.Logger) (*Access, error) {
	a := &Access{log: log, read: interfaceNetworks}
	for _, e := range entries {
		switch e {
		case "any":
			a.any = true
		case "local":
			a.local = true
			a.networks = append(a.networks, localNetworks...)
		default:
			p, err := parseNetwork(e)
			if err != nil {
				return nil, err
			}
			a.networks = append(a.networks, p)
		}
	}
	a.follow()
	return a, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := parsePrefix(s)
		if err != nil && !errors.Is(err, errMixed) {
			err = fmt.Errorf("%q is no network: write it like 192.168.0.0/16, or \"local\" or \"any\"", s)
		}
		return p, err
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no network: write it like 192.168.0.0/16, or \"local\" or \"any\"", s)
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// errMixed says that a network has IPv4 and IPv6 addresses.
var errMixed = errors.New("mixes IPv4 and IPv6: write two networks")

// parsePrefix reads a CIDR. An IPv4-mapped one is that of IPv4, since addresses are
// compared unmapped.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil && p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q %w", s, errMixed)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

// Allows says whether ip may ask. IPv4-mapped addresses count as IPv4.
func (a *Access) Allows(ip netip.Addr) bool {
	if a.any {
		return true
	}
	ip = ip.Unmap()
	if ip.Zone() != "" {
		ip = ip.WithZone("")
	}
	for _, p := range a.networks {
		if p.Contains(ip) {
			return true
		}
	}
	if own := a.own.Load(); own != nil {
		for _, p := range *own {
			if p.Contains(ip) {
				return true
			}
		}
	}
	return false
}

// Run follows the machine's own networks until ctx ends.
func (a *Access) Run(ctx context.Context) {
	if !a.local {
		return
	}
	tick := time.NewTicker(interfacePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.follow()
		}
	}
}

func (a *Access) follow() {
	if !a.local {
		return
	}
	now, err := a.read()
	if err != nil { // keep what was known
		a.log.Warn("cannot read the machine's own networks", "err", err)
		return
	}
	if old := a.own.Load(); old == nil || !slices.Equal(*old, now) {
		a.own.Store(&now)
		a.log.Debug("networks of this machine", "networks", now)
	}
}

// interfaceNetworks are the networks on the machine's broadcast interfaces: the
// LAN. A point-to-point link (PPP, VPN) leads to strangers and does not count.
func interfaceNetworks() ([]netip.Prefix, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	nets := []netip.Prefix{}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagBroadcast == 0 || i.Flags&net.FlagPointToPoint != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface has just gone
		}
		for _, addr := range addrs {
			n, ok := addr.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			bits, _ := n.Mask.Size()
			if p := netip.PrefixFrom(ip.Unmap(), bits).Masked(); p.IsValid() && bits > 0 {
				nets = append(nets, p)
			}
		}
	}
	return nets, nil
}
