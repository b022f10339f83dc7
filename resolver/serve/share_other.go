//go:build !linux

package serve

import (
	"net"
	"net/netip"
)

// share returns first alone: elsewhere, sockets that share an address do not
// share its clients.
func share(first *net.UDPConn, _ string, _ netip.AddrPort) ([]*net.UDPConn, error) {
	return []*net.UDPConn{first}, nil
}

// duplicate returns first alone: one reader is enough there.
func duplicate(first *net.UDPConn) ([]*net.UDPConn, error) { return []*net.UDPConn{first}, nil }
