package resolver

import (
	"context"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

// link is the kernel's neighbour table in a story.
type link struct {
	mu      sync.Mutex
	table   map[netip.Addr]MAC
	quiet   bool // the kernel tells of no change
	reads   int
	err     error
	changed chan<- struct{}
}

// set puts a device at an address; "gone" takes it away.
func (l *link) set(addr, mac string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.table == nil {
		l.table = map[netip.Addr]MAC{}
	}
	ip := netip.MustParseAddr(addr)
	if delete(l.table, ip); mac != "gone" {
		m, err := ParseMAC(mac)
		if err != nil {
			panic(err)
		}
		l.table[ip] = m
	}
	if l.changed != nil && !l.quiet {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

func (l *link) Read() ([]Neighbour, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	var table []Neighbour
	for ip, mac := range l.table {
		table = append(table, Neighbour{ip, mac})
	}
	return table, l.err
}

// count says how often the table was read since the last count.
func (l *link) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.reads = 0 }()
	return l.reads
}

func (l *link) Watch(ctx context.Context, changed chan<- struct{}) error {
	l.mu.Lock()
	l.changed = changed
	l.mu.Unlock()
	<-ctx.Done()
	return nil
}

// nameOf is a client's name, "nobody" without one.
func nameOf(c *Client) string {
	if c == nil {
		return "nobody"
	}
	return c.Name
}

// subnetOption is a client subnet as a forwarder puts it.
func subnetOption(p netip.Prefix) dns.EDNS0 {
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: uint16(1 + family(p.Addr())), SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
}
