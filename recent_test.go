package main

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"deadpixel/resolver"
)

// blockedFor is an event of a blocked name.
func blockedFor(ip, name string) resolver.Event {
	return resolver.Event{Time: time.Now(), Client: netip.MustParseAddr(ip), Outcome: resolver.Blocked, Name: []byte(name), List: "starter"}
}

func TestRecentNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := netip.MustParseAddr("192.0.2.9")
		r := newRecentNames(func(ip netip.Addr) time.Duration {
			if ip == off {
				return 0
			}
			return 10 * time.Minute
		})
		ctx, stop := context.WithCancel(context.Background())
		go r.run(ctx)
		sees := func(ip string, want ...string) {
			t.Helper()
			var got []string
			for _, n := range r.of(netip.MustParseAddr(ip), time.Now()) {
				got = append(got, fmt.Sprint(string(n.name), " ", n.count))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s sees %q, want %q", ip, got, want)
			}
		}
		one, two := observers{r}.Fork(), r.Fork() // two sockets
		one.Observe(blockedFor("192.0.2.1", "a.example"))
		time.Sleep(time.Second)
		two.Observe(blockedFor("::ffff:192.0.2.1", "b.example"))
		time.Sleep(time.Second)
		two.Observe(blockedFor("192.0.2.1", "a.example"))
		one.Observe(blockedFor("192.0.2.2", "c.example"))
		r.Observe(blockedFor("192.0.2.9", "off.example"))
		forwarded := blockedFor("192.0.2.1", "open.example")
		forwarded.Outcome = resolver.Forwarded
		one.Observe(forwarded)
		sees("192.0.2.1", "a.example 2", "b.example 1")
		sees("192.0.2.2", "c.example 1")
		sees("192.0.2.9")
		if n := r.forget(netip.MustParseAddr("192.0.2.2"), time.Now()); n != 1 {
			t.Errorf("%d forgotten", n)
		}
		sees("192.0.2.2")
		time.Sleep(10*time.Minute - time.Second)
		sees("192.0.2.1", "a.example 1")
		time.Sleep(time.Second)
		sees("192.0.2.1")
		time.Sleep(recentSweep)
		if addresses, names := r.held(); addresses != 0 || names != 0 || r.addresses.Load() != 0 {
			t.Errorf("%d addresses, %d names, %d counted are left", addresses, names, r.addresses.Load())
		}

		for i := range maxRecentNames + 5 {
			one.Observe(blockedFor("192.0.2.1", fmt.Sprintf("n%d.example", i)))
		}
		all := r.of(netip.MustParseAddr("192.0.2.1"), time.Now())
		if len(all) != maxRecentNames || string(all[0].name) != "n54.example" || string(all[maxRecentNames-1].name) != "n5.example" || all[0].count != 1 {
			t.Errorf("%d names, from %s to %s", len(all), all[0].name, all[len(all)-1].name)
		}
		for i := range maxRecentAddresses + 5 {
			one.Observe(blockedFor(fmt.Sprintf("2001:db8::%x", i), "x.example"))
		}
		if addresses, _ := r.held(); addresses != maxRecentAddresses {
			t.Errorf("%d addresses", addresses)
		}
		over, known := blockedFor("2001:db8::ffff", "x.example"), blockedFor("192.0.2.1", "n30.example")
		hidden := known
		hidden.Hidden, hidden.Reason = []byte("t.example"), resolver.ByCNAME
		one.Observe(hidden)
		for _, e := range []resolver.Event{over, known, hidden, forwarded} {
			if n := testing.AllocsPerRun(100, func() { one.Observe(e) }); n != 0 {
				t.Errorf("%s for %v: %v allocations", e.Name, e.Client, n)
			}
		}
		stop()
	})
}
