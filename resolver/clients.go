package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ClientEntry is one [[clients]] entry as written.
type ClientEntry struct {
	Name   string
	Match  []string // see CheckMatch
	Groups []string
}

// Client is an entry that queries belong to. It never changes.
type Client struct {
	Name   string
	Groups []string // as configured
	Index  int      // its place among the entries
}

// ClientsOptions are what Clients are made of. Without Neighbours, a MAC matches
// only what a trusted forwarder says (see Forwarders); without Local, LeaseFiles
// and Reverse, a host name matches nothing.
type ClientsOptions struct {
	Entries    []ClientEntry
	Neighbours Neighbours
	Local      *LocalNames
	LeaseFiles []string // of dnsmasq; a missing file has no leases
	// Reverse finds the name of an address and how long it holds; "" means that it
	// has none. Several may be under way at once. See ReverseBy.
	Reverse func(ctx context.Context, ip netip.Addr) (name string, ttl time.Duration, err error)
	Log     *slog.Logger // nil logs nothing
}

// Neighbours is the kernel's table of who is on the link. It is safe for
// concurrent use.
type Neighbours interface {
	// Read returns the whole table.
	Read() ([]Neighbour, error)
	// Watch sends to changed, without waiting, when the table may have changed,
	// until ctx ends or it cannot any more.
	Watch(ctx context.Context, changed chan<- struct{}) error
}

// Neighbour is one address on the link and the device that has it.
type Neighbour struct {
	Addr netip.Addr
	MAC  MAC
}

// Clients knows whose query is whose. What it looks up in the kernel, in files
// and at the router, Run brings beforehand; Of only compares. It is safe for
// concurrent use.
type Clients struct {
	entries  []*Client
	ids      map[string]*Client
	macs     map[MAC]*Client
	hosts    hostNames
	networks networks               // addresses among them
	house    map[netip.Addr]*Client // by a host name that [local] has

	neighbours Neighbours // nil when no entry has a MAC
	reverse    func(ctx context.Context, ip netip.Addr) (string, time.Duration, error)
	log        *slog.Logger

	// places is what is known of addresses, swapped in whole; nil when there is
	// nothing to learn.
	places atomic.Pointer[map[netip.Addr]place]
	woken  chan netip.Addr // addresses that Of did not know

	mu     sync.Mutex // of what follows, which Of never touches
	seen   encounters
	leases leases
}

// place is whose an address is, by what was learned.
type place struct {
	mac, host *Client
	met       bool // it has been looked for, Of need not tell
}

// EntryError is what is wrong with an entry.
type EntryError struct {
	Entry int // its place
	Err   error
}

func (e *EntryError) Error() string { return e.Err.Error() }
func (e *EntryError) Unwrap() error { return e.Err }

// NewClients reads the entries. The error is an *EntryError, which names the entry
// and what is wrong with it.
func NewClients(o ClientsOptions) (*Clients, error) {
	c := &Clients{ids: map[string]*Client{}, macs: map[MAC]*Client{}, hosts: newHostNames(), networks: newNetworks(), house: map[netip.Addr]*Client{},
		log: o.Log, woken: make(chan netip.Addr, 64), seen: newEncounters(), leases: newLeases(o.LeaseFiles)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	owners, names := map[match]*Client{}, map[string]bool{}
	for i, e := range o.Entries {
		if e.Name == "" {
			return nil, &EntryError{i, fmt.Errorf("client %d has no name: write name = \"kids tablet\"", i+1)}
		}
		if names[e.Name] {
			return nil, &EntryError{i, fmt.Errorf("client %q: there are two of that name: give one another name, or put their matches together", e.Name)}
		}
		names[e.Name] = true
		client := &Client{Name: e.Name, Groups: slices.Clone(e.Groups), Index: i}
		c.entries = append(c.entries, client)
		if err := c.add(client, e.Match, owners); err != nil {
			return nil, &EntryError{i, fmt.Errorf("client %q: %w", e.Name, err)}
		}
	}
	if o.Local != nil {
		o.Local.each(func(name string, addresses []netip.Addr) {
			client := c.hosts.find(name)
			for _, ip := range addresses {
				if other := c.house[ip]; client != nil && (other == nil || client.Index < other.Index) {
					c.house[ip] = client
				}
			}
		})
	}
	if len(c.macs) > 0 {
		if c.neighbours = o.Neighbours; c.neighbours == nil {
			c.log.Warn("a MAC in [[clients]] matches only what a forwarder in trust_ecs_from says: the kernel's neighbour table cannot be read here")
		}
	}
	if len(c.hosts.full) > 0 {
		c.reverse = o.Reverse
	} else {
		c.leases = newLeases(nil)
	}
	if c.neighbours != nil || c.reverse != nil || len(c.leases.files) > 0 {
		c.places.Store(&map[netip.Addr]place{})
	}
	return c, nil
}

func (c *Clients) add(client *Client, written []string, owners map[match]*Client) error {
	if len(written) == 0 {
		return errors.New("it matches nobody: " + matchHint + " into match")
	}
	for _, w := range written {
		m, err := parseMatch(w)
		if err != nil {
			return err
		}
		if other := owners[m]; other != nil && other != client {
			return fmt.Errorf("%q is also in client %q: a device belongs to one entry; put both groups there", w, other.Name)
		}
		owners[m] = client
		switch {
		case m.id != "":
			c.ids[m.id] = client
		case m.mac != MAC{}:
			c.macs[m.mac] = client
		case m.host != "":
			c.hosts.add(m.host, client)
		default:
			c.networks.add(m.network, client)
		}
	}
	return nil
}

// Of returns the entry that q belongs to, nil for nobody's. The strongest match
// wins: id, MAC, exact address, host name, the longest network. It neither blocks
// nor allocates. An address that it does not know wakes Run, which finds who has it
// within a second; until then only the id, the address itself and its networks
// count.
func (c *Clients) Of(q *Query) *Client {
	if c == nil || len(c.entries) == 0 {
		return nil
	}
	if q.Identity != "" {
		if client := c.ids[q.Identity]; client != nil {
			return client
		}
	}
	if q.MAC != (MAC{}) {
		if client := c.macs[q.MAC]; client != nil {
			return client
		}
	}
	ip := q.Client.Unmap().WithZone("")
	if !ip.IsValid() {
		return nil
	}
	var learned place
	if places := c.places.Load(); places != nil {
		if learned = (*places)[ip]; !learned.met && !ip.IsLoopback() {
			select {
			case c.woken <- ip:
			default: // Run has enough to do, and the next query wakes it again
			}
		}
	}
	if learned.mac != nil && q.MAC == (MAC{}) { // a forwarder knows its client better
		return learned.mac
	}
	if client := c.networks.exact(ip); client != nil {
		return client
	}
	if client := c.house[ip]; client != nil {
		return client
	}
	if learned.host != nil {
		return learned.host
	}
	return c.networks.longest(ip)
}

// Entries are all entries, each at its Index.
func (c *Clients) Entries() []*Client { return c.entries }

// Find returns the entry that somebody means by written: an address, a MAC,
// "id:NAME", "host:NAME" or an entry's name. client is nil for nobody's; addr is
// set for an address. What an address says depends on what Run or Read have
// brought.
func (c *Clients) Find(written string) (client *Client, addr netip.Addr, err error) {
	for _, e := range c.entries {
		if e.Name == written {
			return e, addr, nil
		}
	}
	m, err := parseMatch(written)
	switch {
	case err != nil || m.network.IsValid() && !m.network.IsSingleIP():
		return nil, addr, fmt.Errorf("%q is no client: write an address, a MAC, \"id:NAME\" or the name of a [[clients]] entry%s", written, c.names())
	case m.id != "":
		return c.ids[m.id], addr, nil
	case m.mac != MAC{}:
		return c.macs[m.mac], addr, nil
	case m.host != "":
		return c.hosts.find(m.host), addr, nil
	}
	addr = m.network.Addr()
	return c.Of(&Query{Client: addr}), addr, nil
}

// names lists the entries, for a person who has mistyped one.
func (c *Clients) names() string {
	var names []string
	for _, e := range c.entries {
		names = append(names, fmt.Sprintf("%q", e.Name))
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// networks finds the longest network around an address.
type networks struct {
	bits [2][]int // lengths that occur, IPv4 and IPv6, longest first; without single addresses
	of   map[netip.Prefix]*Client
}

func newNetworks() networks { return networks{of: map[netip.Prefix]*Client{}} }

func (n *networks) add(p netip.Prefix, client *Client) {
	n.of[p] = client
	lengths := &n.bits[family(p.Addr())]
	if !p.IsSingleIP() && !slices.Contains(*lengths, p.Bits()) {
		*lengths = append(*lengths, p.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
}

func (n *networks) exact(ip netip.Addr) *Client { return n.of[netip.PrefixFrom(ip, ip.BitLen())] }

func (n *networks) longest(ip netip.Addr) *Client {
	for _, bits := range n.bits[family(ip)] {
		p, _ := ip.Prefix(bits) // fails only for lengths of the other family
		if client := n.of[p]; client != nil {
			return client
		}
	}
	return nil
}

func family(ip netip.Addr) int {
	if ip.Is4() {
		return 0
	}
	return 1
}

// hostNames finds the entry for the name that a device goes by. Names match when
// they are equal, and a name without a dot matches by its first label, since lease
// files know no domain.
type hostNames struct {
	full  map[string]*Client // as written
	label map[string]*Client // by first label; the first entry wins
}

func newHostNames() hostNames {
	return hostNames{full: map[string]*Client{}, label: map[string]*Client{}}
}

func (h *hostNames) add(name string, client *Client) {
	h.full[name] = client
	if label, _, _ := strings.Cut(name, "."); h.label[label] == nil {
		h.label[label] = client
	}
}

// find returns the entry for a normalised name, nil for none.
func (h *hostNames) find(name string) *Client {
	if client := h.full[name]; client != nil {
		return client
	}
	label, _, dotted := strings.Cut(name, ".")
	if dotted {
		return h.full[label]
	}
	return h.label[label]
}

// who is the stage that says whose query it is, and so what holds for all that
// follow.
type who struct {
	*Clients
	policies *Policies
	next     Handler
}

// Resolve sets q.Who and what follows from it, and hands on.
func (s *who) Resolve(ctx context.Context, q *Query, a *Answer) error {
	q.Who = s.Of(q)
	q.policy = s.policies.Of(q.Who)
	q.who.Address, q.who.Name = q.Client.WithZone(""), q.policy.Client
	return s.next.Resolve(ctx, q, a)
}
