package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// Probe asks every address that the server is bound to for name, over UDP, and
// returns nil when each has answered. On a socket for all addresses the loopback
// address is asked. ctx bounds the waiting.
func (s *Server) Probe(ctx context.Context, name string) error {
	var asked []netip.AddrPort
	for _, addr := range s.Addrs() {
		if ip := addr.Addr(); ip.IsUnspecified() {
			loopback := netip.IPv6Loopback()
			if ip.Is4() {
				loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			}
			addr = netip.AddrPortFrom(loopback, addr.Port())
		}
		if slices.Contains(asked, addr) {
			continue
		}
		asked = append(asked, addr)
		if err := probe(ctx, addr, name); err != nil {
			return fmt.Errorf("%s: %w", addr, err)
		}
	}
	if len(asked) == 0 {
		return errors.New("no socket is open")
	}
	return nil
}

func probe(ctx context.Context, addr netip.AddrPort, name string) error {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	packet, err := m.Pack()
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	reply := make([]byte, 512)
	n, err := conn.Read(reply)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer: %w", ctx.Err())
		}
		return err
	}
	r := new(dns.Msg)
	if err := r.Unpack(reply[:n]); err != nil {
		return err
	}
	if r.Id != m.Id || r.Rcode != dns.RcodeNameError {
		return fmt.Errorf("an answer that is not its own: %s", dns.RcodeToString[r.Rcode])
	}
	return nil
}
