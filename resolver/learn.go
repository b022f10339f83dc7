package resolver

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"deadpixel/lists"
)

const (
	// rereadEvery is how often everything is read without a cause: notifications of
	// the kernel may be lost.
	rereadEvery = 30 * time.Second
	// reverseAtOnce is how many names are asked for at the same time, and
	// reverseWait how long one may take.
	reverseAtOnce = 4
	reverseWait   = 5 * time.Second
)

// Run learns whose addresses are whose until ctx ends: at once, when Of meets an
// address that it does not know, when the kernel's table or a lease file changes,
// and every half minute. Without MACs and host names it returns at once.
func (c *Clients) Run(ctx context.Context) {
	if c.places.Load() == nil {
		return
	}
	var helpers sync.WaitGroup
	defer helpers.Wait()
	changed := make(chan struct{}, 1)
	if c.neighbours != nil {
		helpers.Go(func() { c.watch(ctx, changed) })
	}
	names := make(chan naming, reverseAtOnce)
	asking := 0
	complained := false
	var pace pace
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			pace.ask(time.Now())
		case <-changed:
			pace.hurry()
		case ip := <-c.woken:
			now := time.Now()
			c.mu.Lock()
			c.seen.meet(ip, now)
			c.mu.Unlock()
			pace.ask(now)
		case n := <-names:
			asking--
			c.name(n)
			asking += c.askNames(ctx, names, &helpers, reverseAtOnce-asking)
		case <-next.C:
			news, again, err := c.look()
			if err != nil && !complained {
				c.log.Warn("cannot read whose addresses are whose; what was known stays", "err", err)
			}
			complained = err != nil
			pace.done(time.Now(), news, again)
			asking += c.askNames(ctx, names, &helpers, reverseAtOnce-asking)
		}
		if pace.wanted {
			next.Reset(pace.wait(time.Now()))
		}
	}
}

// watch follows the kernel's table. Where that cannot be, what Of meets and the
// half minutes are left.
func (c *Clients) watch(ctx context.Context, changed chan<- struct{}) {
	for complained := false; ; complained = true {
		err := c.neighbours.Watch(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		if !complained {
			c.log.Warn("cannot follow the kernel's neighbour table; it is read now and then", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rereadEvery):
		}
	}
}

// Read reads the neighbours and the lease files once, now, and asks for the name
// of ip when that is valid: for commands that do not serve, and before a new
// configuration serves.
func (c *Clients) Read(ctx context.Context, ip netip.Addr) error {
	if c.places.Load() == nil {
		return nil
	}
	ip = ip.Unmap().WithZone("")
	if ip.IsValid() {
		c.mu.Lock()
		c.seen.meet(ip, time.Now())
		c.mu.Unlock()
	}
	_, _, err := c.look()
	if c.reverse != nil && ip.IsValid() {
		c.mu.Lock()
		e := c.seen.of[ip]
		due := e != nil && c.nameDue(ip, e, time.Now())
		c.mu.Unlock()
		if due {
			c.name(c.askName(ctx, ip))
		}
	}
	return err
}

// Inherit takes over what old has learned and c has entries for, so that a new
// configuration knows a device whose address the kernel has forgotten.
func (c *Clients) Inherit(old *Clients) {
	if old == nil || old == c || c.places.Load() == nil {
		return
	}
	old.mu.Lock()
	known := map[netip.Addr]encounter{}
	for ip, e := range old.seen.of {
		known[ip] = *e
	}
	old.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for ip, e := range known {
		if c.macs[e.mac] == nil || c.neighbours == nil {
			e.mac = MAC{}
		}
		if e.name != "" && (c.reverse == nil || c.hosts.find(e.name) == nil) {
			e.name = ""
		}
		e.asked = false
		if e.ours() {
			c.seen.of[ip] = &e
		}
	}
	c.publish()
}

// Known returns how many addresses of entries are held in memory, by what the
// kernel, lease files and the reverse zone said.
func (c *Clients) Known() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.leases.of)
	for ip, e := range c.seen.of {
		if e.ours() && c.leases.of[ip] == nil {
			n++
		}
	}
	return n
}

// Strangers returns how many addresses are held in memory for a while since no
// entry has them.
func (c *Clients) Strangers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for ip, e := range c.seen.of {
		if !e.ours() && c.leases.of[ip] == nil {
			n++
		}
	}
	return n
}

// look reads everything that can be read at once. again says that looking once
// more may tell more.
func (c *Clients) look() (news, again bool, err error) {
	var table []Neighbour
	if c.neighbours != nil {
		table, err = c.neighbours.Read()
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.neighbours != nil && err == nil {
		news = c.seen.neighbours(table, func(m MAC) bool { return c.macs[m] != nil }, now)
	}
	if len(c.leases.files) > 0 {
		fresh, failure := c.leases.read(&c.hosts, now)
		news = news || fresh
		if failure != nil {
			err = failure
		}
	}
	news = c.seen.forget(now) || news
	c.publish()
	return news, c.seen.awaited(now), err
}

// publish makes what is known what Of sees. c.mu is held.
func (c *Clients) publish() {
	places := make(map[netip.Addr]place, len(c.seen.of)+len(c.leases.of))
	for ip, e := range c.seen.of {
		p := place{mac: c.macs[e.mac], met: !e.met.IsZero() || e.mac != MAC{}}
		if e.name != "" {
			p.host = c.hosts.find(e.name)
		}
		places[ip] = p
	}
	for ip, client := range c.leases.of {
		p := places[ip]
		p.host = client
		places[ip] = p
	}
	c.places.Store(&places)
}

// naming is what the reverse zone said of an address.
type naming struct {
	ip   netip.Addr
	name string
	ttl  time.Duration
	err  error
}

// nameDue says whether the reverse zone should be asked for an address: when
// nothing stronger says whose it is, and what is known has had its time. c.mu is
// held.
func (c *Clients) nameDue(ip netip.Addr, e *encounter, now time.Time) bool {
	return !e.asked && e.mac == MAC{} && c.leases.of[ip] == nil && (e.name != "" || !e.met.IsZero()) && !now.Before(e.until)
}

// askNames asks for the names that are due, at most n, and says how many. They
// come to names.
func (c *Clients) askNames(ctx context.Context, names chan<- naming, helpers *sync.WaitGroup, n int) (asked int) {
	if c.reverse == nil {
		return 0
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for ip, e := range c.seen.of {
		if asked == n {
			break
		}
		if c.nameDue(ip, e, now) {
			e.asked = true
			asked++
			helpers.Go(func() { names <- c.askName(ctx, ip) })
		}
	}
	return asked
}

func (c *Clients) askName(ctx context.Context, ip netip.Addr) naming {
	ctx, cancel := context.WithTimeout(ctx, reverseWait)
	defer cancel()
	name, ttl, err := c.reverse(ctx, ip)
	return naming{ip, name, ttl, err}
}

// name takes in an answer of the reverse zone. A name that no entry has is not
// kept.
func (c *Clients) name(n naming) {
	name, err := lists.Normalize(n.name)
	if err != nil || c.hosts.find(name) == nil {
		name = ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.named(n.ip, name, n.ttl, n.err, time.Now()) {
		c.publish()
	}
}

// pace is how soon the next reading follows the last: within a second, for who
// has a new address, and not at each packet of a flood of strange ones.
type pace struct {
	wanted bool
	last   time.Time
	gap    time.Duration
}

const (
	gapMin = 250 * time.Millisecond
	gapMax = 900 * time.Millisecond
)

// ask wants a reading for something that may not be there yet.
func (p *pace) ask(now time.Time) {
	if now.Sub(p.last) > gapMax {
		p.gap = 0 // after a time of quiet
	}
	p.wanted = true
}

// hurry wants one for something that is there.
func (p *pace) hurry() { p.wanted, p.gap = true, gapMin }

func (p *pace) wait(now time.Time) time.Duration { return max(0, p.last.Add(p.gap).Sub(now)) }

// done notes a reading: gaps grow while nothing new turns up.
func (p *pace) done(now time.Time, news, again bool) {
	p.last, p.wanted = now, again
	p.gap = min(max(2*p.gap, gapMin), gapMax)
	if news {
		p.gap = gapMin
	}
}
