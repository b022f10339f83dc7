package metrics

import (
	"net/netip"
	"testing"
	"time"

	"deadpixel/resolver"
)

func TestOneSource(t *testing.T) {
	router, other, itself := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("127.0.0.1")
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	type asked struct {
		by    netip.Addr
		at    time.Time
		times int
	}
	cases := []struct {
		name string
		asks []asked
		one  bool
		held int
	}{
		{"nobody", nil, false, 0},
		{"too few", []asked{{router, noon, enoughQueries - 1}}, false, 1},
		{"one", []asked{{router, noon, enoughQueries}}, true, 1},
		{"one and the machine itself", []asked{{itself, noon, 1}, {router, noon, enoughQueries}, {itself, noon, 1}}, true, 1},
		{"another", []asked{{router, noon, enoughQueries}, {other, noon, 1}}, false, 0},
		{"another before", []asked{{other, noon, 1}, {router, noon, enoughQueries}}, false, 0},
		{"another the day before", []asked{{other, noon, 1}, {router, noon.AddDate(0, 0, 1), enoughQueries}}, true, 1},
	}
	for _, c := range cases {
		m := New(Options{})
		for _, a := range c.asks {
			for range a.times {
				m.Observe(resolver.Event{Time: a.at, Client: a.by})
			}
		}
		if got := m.OneSource(); got != c.one || m.Sources() != c.held {
			t.Errorf("%s: %v with %d hashes, want %v with %d", c.name, got, m.Sources(), c.one, c.held)
		}
		m.Forget()
		if m.OneSource() || m.Sources() != 0 {
			t.Errorf("%s: not forgotten", c.name)
		}
	}
}
