//go:build !linux

package serve

import "net"

// newDatagrams is the way to read conn here.
func newDatagrams(so *socket, conn *net.UDPConn) (datagrams, error) {
	return newPortable(so, conn), nil
}
