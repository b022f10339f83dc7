package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"deadpixel/metrics/querylog"
	"deadpixel/resolver"
)

// What the recent names of a device and the tails cost a blocked query.
func BenchmarkObservers(b *testing.B) {
	names := make([][]byte, 1000)
	for i := range names {
		names[i] = fmt.Appendf(nil, "host-%d.tracker.example", i)
	}
	for name, o := range map[string]resolver.Observer{
		"recent":  newRecentNames(func(netip.Addr) time.Duration { return 10 * time.Minute }),
		"tail":    &tail{},
		"queries": querylog.New(querylog.Options{}),
	} {
		for _, of := range []int{1, 40, 1000} {
			b.Run(fmt.Sprintf("%s/names=%d", name, of), func(b *testing.B) {
				b.ReportAllocs()
				e := resolver.Event{Time: time.Now(), Client: netip.MustParseAddr("192.0.2.1"), Outcome: resolver.Blocked, List: "starter"}
				for i := 0; b.Loop(); i++ {
					e.Name = names[i%of]
					o.Observe(e)
				}
			})
		}
	}
}
