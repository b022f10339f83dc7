// Package neighbour reads the kernel's neighbour table: which device has which
// address on the links of this machine (ARP, RFC 826; neighbour discovery,
// RFC 4861). It needs no privileges, but sockets of the family AF_NETLINK.
package neighbour

import "deadpixel/resolver"

// Kernel is the table. It holds nothing between calls, and is safe for concurrent
// use. On other systems than Linux its methods return errors.ErrUnsupported.
type Kernel struct{}

var _ resolver.Neighbours = Kernel{}
