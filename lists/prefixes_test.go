package lists

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// placed is a rule of the list at a place.
type placed struct {
	Rule
	place int
	level Level
}

// obviousAddress is what a set should say of an address, worked out slowly: all
// rules that reach it, and the strongest of them.
func obviousAddress(rules []placed, ip netip.Addr, qtype uint16, who *Who) (found *placed, all int) {
	for i := range rules {
		r := &rules[i]
		typed := len(r.Types) == 0 || slices.Contains(r.Types, qtype) != r.NotTypes
		if !r.Network.Contains(ip) || !typed || who != nil && who.Lists != nil && !who.Lists.Has(r.place) {
			continue
		}
		all++
		if found == nil || r.stronger(found) {
			found = r
		}
	}
	return found, all
}

func (r *placed) stronger(o *placed) bool {
	level := func(r *placed) Level {
		if r.level == Listed && r.Important {
			return Important
		}
		return r.level
	}
	return cmp.Or(cmp.Compare(level(r), level(o)), cmp.Compare(r.Action, o.Action), cmp.Compare(r.Network.Bits(), o.Network.Bits()),
		cmp.Compare(o.place, r.place), cmp.Compare(o.Line, r.Line)) > 0
}

// nearby makes addresses of which many share the beginning.
func nearby(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		a := [4]byte{198, 51, 100, byte(random.IntN(4)) << 6}
		a[random.IntN(4)] ^= 1 << random.IntN(8)
		return netip.AddrFrom4(a)
	}
	a := netip.MustParseAddr("2001:db8::").As16()
	a[random.IntN(16)] ^= 1 << random.IntN(8)
	return netip.AddrFrom16(a)
}

func TestAddressesAgreeWithTheObvious(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	seed := Seed{8}
	found := map[Action]int{}
	for range 400 {
		var rules []placed
		all := make([]*List, 1+random.IntN(5))
		for place := range all {
			level := [...]Level{Listed, Listed, Listed, Own, OfGroup}[random.IntN(5)]
			b := NewBuilder("t", Deny, seed).At(level)
			var before []Rule
			for line := range random.IntN(8) {
				ip := nearby(random)
				network, _ := ip.Prefix(1 + random.IntN(ip.BitLen()))
				r := Rule{Action: Deny + Action(random.IntN(2)), Shape: Address, Network: network, Important: random.IntN(4) == 0, Line: uint32(line + 1)}
				if random.IntN(4) == 0 {
					r.Types, r.NotTypes = []uint16{1}, random.IntN(2) == 0
				}
				if slices.ContainsFunc(before, r.sameAs) {
					continue
				}
				before = append(before, r)
				rules = append(rules, placed{r, place, level})
				b.Add(r)
			}
			all[place] = b.Build()
			if level == Listed && random.IntN(2) == 0 {
				again, err := ReadList(written(t, all[place], seed), seed, false)
				if err != nil {
					t.Fatal(err)
				}
				all[place] = again
			}
			if random.IntN(8) == 0 {
				all[place] = nil
				rules = slices.DeleteFunc(rules, func(r placed) bool { return r.place == place })
			}
		}
		set := NewSet(seed, all...)
		for range 40 {
			ip, qtype := nearby(random), uint16(1+random.IntN(2))
			who := somebody(random, len(all))
			want, reach := obviousAddress(rules, ip, qtype, who)
			v := set.MatchAddress(ip, qtype, who)
			explained := set.ExplainAddress(ip, qtype, who)
			found[v.Action]++
			if len(explained) != reach {
				t.Fatalf("%v for %+v: %d rules explained, want %d of %+v", ip, who, len(explained), reach, rules)
			}
			if want == nil {
				if v.Action != None {
					t.Fatalf("%v for %+v: %v, want nothing by %+v", ip, who, v, rules)
				}
				continue
			}
			if v.Action != want.Action || v.List != all[want.place] || v.Line != 0 && v.Line != want.Line {
				t.Fatalf("%v for %+v: %v, want %+v of %+v", ip, who, v, want, rules)
			}
			if first := explained[0]; first.Action != want.Action || first.List != all[want.place] || first.Line != want.Line || first.Level != v.Level {
				t.Fatalf("%v for %+v: explained as %v, want %+v of %+v", ip, who, first, want, rules)
			}
		}
	}
	for _, a := range []Action{None, Deny, Allow} {
		if found[a] < 100 {
			t.Errorf("%v only %d times", a, found[a])
		}
	}
}

func TestAddressRules(t *testing.T) {
	cases := []struct{ name, list, ip, from, want string }{
		{"alone", "198.51.100.7", "198.51.100.7", "", "blocked"},
		{"its neighbour", "198.51.100.7", "198.51.100.6", "", "untouched"},
		{"network", "||198.51.100.0/24^", "198.51.100.255", "", "blocked"},
		{"the smaller network does not matter to an exception", "198.51.100.7\n@@198.51.100.0/24", "198.51.100.7", "", "allowed"},
		{"important", "198.51.100.0/24$important\n@@198.51.100.7", "198.51.100.7", "", "blocked"},
		{"IPv6", "2001:db8:7::/48", "2001:db8:7::1", "", "blocked"},
		{"badfilter", "198.51.100.7\n198.51.100.7$badfilter", "198.51.100.7", "", "untouched"},
		{"badfilter written otherwise", "||198.51.100.7^\n198.51.100.7/32$badfilter", "198.51.100.7", "", "untouched"},
		{"badfilter of a network", "198.51.100.0/24\n198.51.100.9/24$badfilter", "198.51.100.7", "", "untouched"},
		{"badfilter of another length", "198.51.100.0/24\n198.51.100.0/25$badfilter", "198.51.100.7", "", "blocked"},
		{"badfilter of the exception", "198.51.100.7\n@@198.51.100.7\n@@198.51.100.7$badfilter", "198.51.100.7", "", "blocked"},
		{"badfilter with modifiers", "2001:db8::7$important,client=Mum\n2001:db8::7$client=Mum,badfilter,important", "2001:db8::7", "=Mum", "untouched"},
		{"badfilter without its modifiers", "2001:db8::7$client=Mum\n2001:db8::7$badfilter", "2001:db8::7", "=Mum", "blocked"},
		{"client", "198.51.100.7$client=192.0.2.0/24", "198.51.100.7", "192.0.2.1", "blocked"},
		{"another client", "198.51.100.7$client=192.0.2.0/24", "198.51.100.7", "192.0.3.1", "untouched"},
		{"not for a client", "198.51.100.7$client=~Mum", "198.51.100.7", "=Mum", "untouched"},
		{"type", "198.51.100.7$dnstype=HTTPS", "198.51.100.7", "", "untouched"},
		{"no name", "||198.51.100.7^", "203.0.113.7", "", "untouched"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			set := NewSet(Seed{2}, listOf(t, Seed{2}, c.list))
			who := adguardRow{from: c.from}.who()
			if got := set.MatchAddress(netip.MustParseAddr(c.ip), 1, who).Action.String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
