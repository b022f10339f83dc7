package serve

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// replyControl turns, in place, the control message of a datagram into that of
// its reply: the same address as source. The interface is left to the routing
// table, except for link-local addresses, which mean nothing without one (RFC
// 3542, section 6.7; ip(7), IP_PKTINFO).
func replyControl(received []byte, v4 bool) []byte {
	header := unix.CmsgLen(0)
	if v4 {
		if len(received) < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
			return nil
		}
		// in_pktinfo begins with the interface, then the local address.
		binary.NativeEndian.PutUint32(received[header:], 0)
		return received[:min(len(received), unix.CmsgSpace(unix.SizeofInet4Pktinfo))]
	}
	if len(received) < unix.CmsgLen(unix.SizeofInet6Pktinfo) {
		return nil
	}
	// in6_pktinfo is the address, then the interface.
	if ip := netip.AddrFrom16([16]byte(received[header:])); !ip.IsLinkLocalUnicast() || ip.Is4In6() {
		binary.NativeEndian.PutUint32(received[header+16:], 0)
	}
	return received[:min(len(received), unix.CmsgSpace(unix.SizeofInet6Pktinfo))]
}

// isICMP says whether err reports a message about an earlier datagram.
func isICMP(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EMSGSIZE)
}
