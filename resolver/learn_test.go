package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const tabletMAC, otherMAC = "aa:bb:cc:dd:ee:01", "aa:bb:cc:dd:ee:99"

// learning runs Clients of one tablet on a clock of their own.
func learning(t *testing.T, o ClientsOptions, f func(t *testing.T, c *Clients)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.Entries == nil {
			o.Entries = []ClientEntry{{Name: "tablet", Match: []string{tabletMAC, "host:tablet.home.arpa"}}}
		}
		c := mustClients(t, o)
		go c.Run(t.Context())
		synctest.Wait()
		f(t, c)
	})
}

func (c *Clients) at(ip string) string {
	return nameOf(c.Of(&Query{Client: netip.MustParseAddr(ip)}))
}

// later says who asks after a while.
func (c *Clients) later(d time.Duration, ip string) string {
	time.Sleep(d)
	synctest.Wait()
	return c.at(ip)
}

// A device's new address is its own within a second, with and without the
// kernel's word, whenever it turns up.
func TestPrivacyAddress(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		for _, delay := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 800 * time.Millisecond, 2 * time.Second} {
			table := &link{quiet: quiet}
			learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
				time.Sleep(10 * time.Second)
				if got := c.at("2001:db8::1"); got != "nobody" {
					t.Errorf("at first it is %s's", got)
				}
				time.Sleep(delay)
				table.set("2001:db8::1", tabletMAC)
				if got := c.later(time.Second, "2001:db8::1"); got != "tablet" {
					t.Errorf("quiet %v, known after %v: it is %s's", quiet, delay, got)
				}
				if c.Known() != 1 || c.Strangers() != 0 {
					t.Errorf("%d known, %d strangers", c.Known(), c.Strangers())
				}
			})
		}
	}
}

// Looking again begins soon, also after a time of quiet.
func TestPrivacyAddressSoon(t *testing.T) {
	table := &link{quiet: true}
	learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
		for i := range 3 {
			time.Sleep(7 * time.Second) // between the readings of each half minute
			ip := fmt.Sprintf("2001:db8::%d", 1+i)
			c.at(ip)
			time.Sleep(100 * time.Millisecond)
			table.set(ip, tabletMAC)
			if got := c.later(200*time.Millisecond, ip); got != "tablet" {
				t.Errorf("after 300 ms %s is %s's", ip, got)
			}
		}
	})
}

// A device keeps its addresses while the kernel has forgotten them, for an hour,
// and loses them at once to another device.
func TestForgottenAddress(t *testing.T) {
	table := &link{}
	table.set("192.168.1.40", tabletMAC)
	table.set("192.168.1.41", tabletMAC)
	table.set("192.168.1.42", otherMAC)
	learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
		if got := c.at("192.168.1.40"); got != "tablet" {
			t.Errorf("at first it is %s's", got)
		}
		table.set("192.168.1.40", "gone")
		table.set("192.168.1.41", "gone")
		if got := c.later(59*time.Minute, "192.168.1.40"); got != "tablet" {
			t.Errorf("after 59 minutes it is %s's", got)
		}
		table.set("192.168.1.41", otherMAC)
		if got := c.later(time.Second, "192.168.1.41"); got != "nobody" {
			t.Errorf("taken over, it is %s's", got)
		}
		if c.Known() != 1 {
			t.Errorf("%d known", c.Known())
		}
		if got := c.later(2*time.Minute, "192.168.1.40"); got != "nobody" || c.Known() != 0 {
			t.Errorf("after 61 minutes it is %s's, and %d known", got, c.Known())
		}
	})
}

// An address that two links have belongs to nobody.
func TestAddressOfTwo(t *testing.T) {
	mac, _ := ParseMAC(tabletMAC)
	s := newEncounters()
	ours := func(m MAC) bool { return m == mac }
	ip := netip.MustParseAddr("fe80::1")
	for _, table := range [][]Neighbour{{{ip, mac}, {ip, MAC{2}}}, {{ip, MAC{2}}, {ip, mac}}, {{ip, mac}, {ip, MAC{2}}, {ip, mac}}} {
		if news := s.neighbours(table, ours, time.Now()); news || len(s.of) > 0 {
			t.Errorf("%v: %v", table, s.of)
		}
	}
	if news := s.neighbours([]Neighbour{{ip, mac}, {ip, mac}}, ours, time.Now()); !news || len(s.of) != 1 {
		t.Errorf("one device on two links: %v", s.of)
	}
}

// A flood of strange addresses neither fills the memory nor has the table read
// all the time, and who comes amid it is known within a second.
func TestStrangers(t *testing.T) {
	table := &link{quiet: true}
	learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
		time.Sleep(time.Second)
		flood := func(seconds int) {
			for i := range 2000 * seconds {
				c.Of(&Query{Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})})
				time.Sleep(500 * time.Microsecond)
			}
		}
		table.count()
		flood(8)
		if n := table.count(); n < 8 || n > 12 {
			t.Errorf("%d reads in 8 s", n)
		}
		if n := c.Strangers(); n > maxEncounters || n < maxEncounters/2 {
			t.Errorf("%d strangers", n)
		}
		table.set("2001:db8::1", tabletMAC)
		flood(1)
		if got := c.at("2001:db8::1"); got != "tablet" {
			t.Errorf("amid a flood it is %s's", got)
		}
		time.Sleep(2 * strangerKept)
		synctest.Wait()
		if c.Strangers() != 0 || c.Known() != 1 {
			t.Errorf("%d strangers and %d known are left", c.Strangers(), c.Known())
		}
	})
}

// Who has been looked for wakes nobody any more.
func TestStrangerAsksOn(t *testing.T) {
	table := &link{}
	table.set("192.168.1.42", otherMAC)
	for ip, most := range map[string]int{"192.168.1.42": 1, "192.168.1.43": 6} {
		learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
			time.Sleep(time.Second)
			table.count()
			for range 20000 { // 20 s
				c.at(ip)
				time.Sleep(time.Millisecond)
			}
			if n := table.count(); n > most || n == 0 {
				t.Errorf("%s: the table was read %d times, want %d at most", ip, n, most)
			}
		})
	}
}

// A device that floods with addresses of its own has room for so many.
func TestManyAddressesOfOne(t *testing.T) {
	mac, _ := ParseMAC(tabletMAC)
	s := newEncounters()
	now := time.Now()
	for i := range maxEncounters + 100 {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		s.neighbours([]Neighbour{{ip, mac}}, func(m MAC) bool { return m == mac }, now.Add(time.Duration(i)))
		if s.of[ip] == nil {
			t.Fatalf("no room for %v", ip)
		}
	}
	if len(s.of) != maxEncounters {
		t.Errorf("%d addresses", len(s.of))
	}
}

// What cannot be read leaves what was known.
func TestUnreadableTable(t *testing.T) {
	table := &link{}
	table.set("192.168.1.40", tabletMAC)
	learning(t, ClientsOptions{Neighbours: table}, func(t *testing.T, c *Clients) {
		table.mu.Lock()
		table.err = errors.New("operation not permitted")
		table.table = nil
		table.mu.Unlock()
		if got := c.later(time.Minute, "192.168.1.40"); got != "tablet" {
			t.Errorf("it is %s's", got)
		}
		if err := c.Read(t.Context(), netip.Addr{}); err == nil {
			t.Error("nobody is told")
		}
	})
}

// A new configuration goes on with what the old one knew, as far as it is about
// its own entries.
func TestInherit(t *testing.T) {
	table := &link{}
	table.set("192.168.1.40", tabletMAC)
	table.set("192.168.1.41", otherMAC)
	entries := []ClientEntry{{Name: "tablet", Match: []string{tabletMAC}}, {Name: "other", Match: []string{otherMAC}}}
	learning(t, ClientsOptions{Entries: entries, Neighbours: table}, func(t *testing.T, old *Clients) {
		table.set("192.168.1.40", "gone")
		old.at("192.168.1.99")
		time.Sleep(time.Minute)
		synctest.Wait()
		fresh := mustClients(t, ClientsOptions{Entries: []ClientEntry{{Name: "renamed", Match: []string{tabletMAC}}}, Neighbours: table})
		fresh.Inherit(nil)
		fresh.Inherit(old)
		if a, b := fresh.at("192.168.1.40"), fresh.at("192.168.1.41"); a != "renamed" || b != "nobody" || fresh.Known() != 1 || fresh.Strangers() != 0 {
			t.Errorf("got %s and %s, %d known", a, b, fresh.Known())
		}
	})
}

// reverseZone is a router's.
type reverseZone struct {
	mu    sync.Mutex
	names map[string]string
	ttl   time.Duration
	err   error
	asked int
	most  int // at the same time
	now   int
}

func (z *reverseZone) lookup(ctx context.Context, ip netip.Addr) (string, time.Duration, error) {
	z.mu.Lock()
	z.asked++
	z.now++
	z.most = max(z.most, z.now)
	z.mu.Unlock()
	defer func() {
		z.mu.Lock()
		z.now--
		z.mu.Unlock()
	}()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.names[ip.String()], z.ttl, z.err
}

// say changes what the router says from now on.
func (z *reverseZone) say(names map[string]string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names, z.err = names, err
}

func (z *reverseZone) count() (asked, most int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked, z.most
}

// A name of the reverse zone is asked for aside, held for its TTL, asked for
// again before anybody misses it, and kept while the router fails.
func TestReverseName(t *testing.T) {
	zone := &reverseZone{names: map[string]string{"192.168.1.40": "Tablet.home.arpa.", "192.168.1.41": "printer.home.arpa"}, ttl: 10 * time.Minute}
	learning(t, ClientsOptions{Reverse: zone.lookup}, func(t *testing.T, c *Clients) {
		if n, _ := zone.count(); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
		for ip, want := range map[string]string{"192.168.1.40": "tablet", "192.168.1.41": "nobody", "192.168.1.42": "nobody"} {
			if got := c.at(ip); got != "nobody" {
				t.Errorf("%s is %s's at once", ip, got)
			}
			if got := c.later(time.Second, ip); got != want {
				t.Errorf("%s is %s's, want %s", ip, got, want)
			}
		}
		if n, _ := zone.count(); n != 3 || c.Known() != 1 {
			t.Errorf("asked %d times, %d known", n, c.Known())
		}
		time.Sleep(9 * time.Minute)
		if n, _ := zone.count(); n != 3 {
			t.Errorf("asked %d times within the TTL", n)
		}
		zone.say(zone.names, errors.New("timeout"))
		got := c.later(10*time.Minute, "192.168.1.40")
		if n, _ := zone.count(); got != "tablet" || n < 5 {
			t.Errorf("while the router fails it is %s's, asked %d times", got, n)
		}
		zone.say(nil, nil)
		if got := c.later(2*time.Minute, "192.168.1.40"); got != "nobody" {
			t.Errorf("without a name it is %s's", got)
		}
	})
}

// Few names are asked for at the same time, and in the end all.
func TestReverseAtOnce(t *testing.T) {
	zone := &reverseZone{ttl: time.Hour}
	learning(t, ClientsOptions{Reverse: zone.lookup}, func(t *testing.T, c *Clients) {
		for i := range 50 {
			c.at(fmt.Sprintf("192.168.1.%d", 1+i))
		}
		time.Sleep(10 * time.Second)
		for i := range 50 {
			c.at(fmt.Sprintf("192.168.1.%d", 1+i))
		}
		time.Sleep(10 * time.Second)
		if n, most := zone.count(); n != 50 || most != reverseAtOnce {
			t.Errorf("asked %d times, %d at once", n, most)
		}
	})
}

// Run ends in the midst of it, and what it started as well.
func TestRunEnds(t *testing.T) {
	zone := &reverseZone{}
	synctest.Test(t, func(t *testing.T) {
		c := mustClients(t, ClientsOptions{Entries: household, Reverse: zone.lookup, Neighbours: &link{}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			c.Run(ctx)
			close(ended)
		}()
		synctest.Wait()
		c.at("192.168.1.1")
		time.Sleep(10 * time.Millisecond) // it is being asked for
		cancel()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("it still runs")
		}
	})
	mustClients(t, ClientsOptions{Entries: household}).Run(t.Context()) // nothing to learn
}
