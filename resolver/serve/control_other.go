//go:build !linux

package serve

import (
	"errors"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// replyControl makes the control message by which a reply leaves from the
// address that received was sent to.
func replyControl(received []byte, v4 bool) []byte {
	if v4 {
		var c ipv4.ControlMessage
		if c.Parse(received) != nil || c.Dst == nil {
			return nil
		}
		return (&ipv4.ControlMessage{Src: c.Dst}).Marshal()
	}
	var c ipv6.ControlMessage
	if c.Parse(received) != nil || c.Dst == nil {
		return nil
	}
	reply := ipv6.ControlMessage{Src: c.Dst}
	if c.Dst.IsLinkLocalUnicast() {
		reply.IfIndex = c.IfIndex
	}
	return reply.Marshal()
}

// isICMP says whether err reports a message about an earlier datagram.
func isICMP(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
