package neighbour

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"deadpixel/resolver"
)

// Supported says whether this system's table can be read.
const Supported = true

// Read returns the devices of all links, IPv4 and IPv6.
func (Kernel) Read() ([]resolver.Neighbour, error) {
	c, err := rtnetlink.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("neighbour table: %w", err)
	}
	defer c.Close()
	entries, err := c.Neigh.List()
	if err != nil {
		return nil, fmt.Errorf("neighbour table: %w", err)
	}
	table := make([]resolver.Neighbour, 0, len(entries))
	for _, e := range entries {
		if n, ok := device(e); ok {
			table = append(table, n)
		}
	}
	return table, nil
}

// nowhere are the states of entries that say of no device where it is (Linux,
// include/uapi/linux/neighbour.h): its address is being asked for, was not
// answered, or is one of those that need no asking, such as multicast.
const nowhere = unix.NUD_INCOMPLETE | unix.NUD_FAILED | unix.NUD_NOARP

func device(e rtnetlink.NeighMessage) (resolver.Neighbour, bool) {
	if e.Attributes == nil || e.State&nowhere != 0 || len(e.Attributes.LLAddress) != len(resolver.MAC{}) {
		return resolver.Neighbour{}, false
	}
	ip, ok := netip.AddrFromSlice(e.Attributes.Address)
	return resolver.Neighbour{Addr: ip.Unmap(), MAC: resolver.MAC(e.Attributes.LLAddress)}, ok
}

// Watch sends to changed, without waiting, at first and whenever the kernel says
// that an entry has changed, until ctx ends, which is no error.
func (Kernel) Watch(ctx context.Context, changed chan<- struct{}) error {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_NEIGH})
	if err != nil {
		return fmt.Errorf("neighbour table: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer c.Close()
	defer stop()
	for { // at first for what has changed before
		select {
		case changed <- struct{}{}:
		default: // a reading is due already
		}
		_, err := c.Receive()
		if ctx.Err() != nil {
			return nil
		}
		// Too many at once for the socket's memory: some were lost, and so it has
		// changed (netlink(7)).
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("neighbour table: %w", err)
		}
	}
}
