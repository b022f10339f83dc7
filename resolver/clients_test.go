package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func mustClients(tb testing.TB, o ClientsOptions) *Clients {
	tb.Helper()
	c, err := NewClients(o)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestMatch(t *testing.T) {
	tests := []struct{ written, fault string }{
		{"192.168.1.40", ""},
		{"fd00::40", ""},
		{"::ffff:192.168.1.40", ""},
		{"192.168.7.0/24", ""},
		{"192.168.7.9/24", ""},
		{"fd00::/64", ""},
		{"::ffff:192.168.7.0/120", ""},
		{"0.0.0.0/0", ""},
		{"aa:bb:cc:dd:ee:ff", ""},
		{"AA-BB-CC-DD-EE-FE", ""},
		{"aabb.ccdd.eeff", ""},
		{"host:tablet.home.arpa", ""},
		{"host:Tablet", ""},
		{"host:küche.home.arpa", ""},
		{"id:Kids-Tablet", ""},

		{"", "an empty match"},
		{"192.168.1.400", "neither an address nor a MAC"},
		{"192.168.1", "neither an address nor a MAC"},
		{"fd00::zz", "neither an address nor a MAC"},
		{"fe80::1%eth0", `leave out "%eth0"`},
		{"0.0.0.0", "no single device"},
		{"ff02::1", "no single device"},
		{"192.168.7.0/33", "is no network"},
		{"192.168.7/24", "is no network"},
		{"::ffff:0:0/90", "two networks"},
		{"aa:bb:cc:dd:ee:fg", "is no MAC"},
		{"aa:bb:cc:dd:ee", "neither an address nor a MAC"},
		{"aa-bb-cc-dd-ee-ff-00-11", "neither an address nor a MAC"},
		{"00:00:00:00:00:00", "no single device"},
		{"ff:ff:ff:ff:ff:ff", "no single device"},
		{"host:", `"host:" without a name`},
		{"host:.", "no host name"},
		{"host:a b", "no host name"},
		{"id:", "an id has 1 to 63"},
		{"id:a_b", "an id has 1 to 63"},
		{"id:-a", "an id has 1 to 63"},
		{"id:" + strings.Repeat("a", 64), "an id has 1 to 63"},
		{"ip:192.168.1.40", `there is no "ip:"`},
		{"mac:aa:bb:cc:dd:ee:ff", `there is no "mac:"`},
		{"HOST:tablet", `there is no "HOST:"`},
		{"tablet", `write "host:tablet"`},
		{"tablet.home.arpa", `write "host:tablet.home.arpa"`},
	}
	for _, tt := range tests {
		err := CheckMatch(tt.written)
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%q: got %v, want %q", tt.written, err, tt.fault)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"192.168.1.40", "fd00::/64", "aa-bb-cc-dd-ee-ff", "host:a.b", "id:a", "::ffff:1.2.3.4/120", "fe80::1%a/64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, written string) {
		m, err := parseMatch(written)
		fields := 0
		for _, set := range []bool{m.id != "", m.mac != MAC{}, m.host != "", m.network.IsValid()} {
			if set {
				fields++
			}
		}
		if err == nil && fields != 1 || err != nil && m != (match{}) {
			t.Errorf("%q is %+v, %v", written, m, err)
		}
	})
}

func TestClientsFaults(t *testing.T) {
	tests := []struct {
		name    string
		entries []ClientEntry
		want    string
	}{
		{"no name", []ClientEntry{{Match: []string{"192.168.1.1"}}}, "client 1 has no name"},
		{"no match", []ClientEntry{{Name: "tv"}}, `client "tv": it matches nobody`},
		{"faulty", []ClientEntry{{Name: "tv", Match: []string{"192.168.1.1", "ip:x"}}}, `client "tv": "ip:x"`},
		{"one name twice", []ClientEntry{{Name: "tv", Match: []string{"192.168.1.1"}}, {Name: "tv", Match: []string{"192.168.1.2"}}}, `client "tv": there are two`},
		{"one address twice", []ClientEntry{{Name: "tv", Match: []string{"192.168.1.1"}}, {Name: "pc", Match: []string{"192.168.1.1/32"}}}, `client "pc": "192.168.1.1/32" is also in client "tv"`},
		{"one MAC twice", []ClientEntry{{Name: "tv", Match: []string{"aa:bb:cc:dd:ee:ff"}}, {Name: "pc", Match: []string{"AABB.CCDD.EEFF"}}}, `is also in client "tv"`},
		{"one host twice", []ClientEntry{{Name: "tv", Match: []string{"host:TV.lan"}}, {Name: "pc", Match: []string{"host:tv.lan."}}}, `is also in client "tv"`},
		{"one id twice", []ClientEntry{{Name: "tv", Match: []string{"id:TV"}}, {Name: "pc", Match: []string{"id:tv"}}}, `is also in client "tv"`},
		{"one network twice", []ClientEntry{{Name: "tv", Match: []string{"10.0.0.0/8"}}, {Name: "pc", Match: []string{"10.1.0.0/8"}}}, `is also in client "tv"`},
		{"twice in one", []ClientEntry{{Name: "tv", Match: []string{"10.0.0.1", "10.0.0.1"}}}, ""},
	}
	for _, tt := range tests {
		_, err := NewClients(ClientsOptions{Entries: tt.entries})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// household is one device with every kind of match in an entry of its own.
var household = []ClientEntry{
	{Name: "by network", Match: []string{"192.168.0.0/16", "fd00::/8"}},
	{Name: "by longer network", Match: []string{"192.168.1.0/24", "fd00::/64"}},
	{Name: "by host", Match: []string{"host:tablet.home.arpa"}},
	{Name: "by address", Match: []string{"192.168.1.40"}},
	{Name: "by mac", Match: []string{"aa-bb-cc-dd-ee-ff"}},
	{Name: "by id", Match: []string{"id:Tablet"}, Groups: []string{"kids", "guests"}},
}

func TestClientsOrder(t *testing.T) {
	mac := MAC{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	names, err := NewLocal(map[string][]string{"tablet.home.arpa": {"192.168.1.40", "192.168.1.41", "fd00::41"}, "alias.home.arpa": {"tablet.home.arpa"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := &link{}
	table.set("192.168.1.40", mac.String())
	table.set("fe80::40", mac.String())
	tests := []struct {
		name string
		q    Query
		want string
	}{
		{"id before MAC", Query{Client: netip.MustParseAddr("192.168.1.40"), Identity: "tablet", MAC: mac}, "by id"},
		{"id of nobody", Query{Client: netip.MustParseAddr("192.168.1.40"), Identity: "other"}, "by mac"},
		{"id without address", Query{Identity: "tablet"}, "by id"},
		{"told MAC", Query{Client: netip.MustParseAddr("203.0.113.1"), MAC: mac}, "by mac"},
		{"MAC before address", Query{Client: netip.MustParseAddr("192.168.1.40")}, "by mac"},
		{"mapped", Query{Client: netip.MustParseAddr("::ffff:192.168.1.40")}, "by mac"},
		{"zone", Query{Client: netip.MustParseAddr("fe80::40%eth0")}, "by mac"},
		{"another told MAC", Query{Client: netip.MustParseAddr("192.168.1.40"), MAC: MAC{2}}, "by address"},
		{"host before network", Query{Client: netip.MustParseAddr("192.168.1.41")}, "by host"},
		{"host, IPv6", Query{Client: netip.MustParseAddr("fd00::41")}, "by host"},
		{"longest network", Query{Client: netip.MustParseAddr("192.168.1.42")}, "by longer network"},
		{"longest network, IPv6", Query{Client: netip.MustParseAddr("fd00::42")}, "by longer network"},
		{"network", Query{Client: netip.MustParseAddr("192.168.2.1")}, "by network"},
		{"nobody", Query{Client: netip.MustParseAddr("203.0.113.1")}, "nobody"},
		{"deadpixel itself", Query{}, "nobody"},
	}
	c := mustClients(t, ClientsOptions{Entries: household, Local: names, Neighbours: table})
	if err := c.Read(t.Context(), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if got := nameOf(c.Of(&tt.q)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if n := testing.AllocsPerRun(100, func() { c.Of(&tt.q) }); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
	var nobody *Clients
	if got := nobody.Of(&tests[0].q); got != nil {
		t.Errorf("without clients: %v", got)
	}
}

// Who asks stays with a query that waits, and with what is asked for its sake.
func TestWhoGoesAlong(t *testing.T) {
	packet, err := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	q := &Query{Client: netip.MustParseAddr("192.0.2.1"), Identity: "tablet"}
	q.Parse(packet)
	q.MAC, q.Who = MAC{2}, &Client{Name: "tablet"}
	for name, other := range map[string]*Query{"clone": q.Clone(), "alias": q.retarget("www.example.com")} {
		if other.Client != q.Client || other.Identity != q.Identity || other.MAC != q.MAC || other.Who != q.Who {
			t.Errorf("%s: got %v %q %v %v", name, other.Client, other.Identity, other.MAC, other.Who)
		}
	}
}

func TestClientsFind(t *testing.T) {
	table := &link{}
	table.set("192.168.1.77", "aa:bb:cc:dd:ee:ff")
	c := mustClients(t, ClientsOptions{Entries: household, Neighbours: table})
	if err := c.Read(t.Context(), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ written, want, addr string }{
		{"by host", "by host", "invalid IP"},
		{"192.168.1.40", "by address", "192.168.1.40"},
		{"::ffff:192.168.1.77", "by mac", "192.168.1.77"},
		{"203.0.113.1", "nobody", "203.0.113.1"},
		{"AA:BB:CC:DD:EE:FF", "by mac", "invalid IP"},
		{"02:00:00:00:00:01", "nobody", "invalid IP"},
		{"id:TABLET", "by id", "invalid IP"},
		{"host:tablet", "by host", "invalid IP"},
		{"id:other", "nobody", "invalid IP"},
	}
	for _, tt := range tests {
		client, addr, err := c.Find(tt.written)
		if err != nil || nameOf(client) != tt.want || addr.String() != tt.addr {
			t.Errorf("%s: got %s, %v, %v, want %s, %s", tt.written, nameOf(client), addr, err, tt.want, tt.addr)
		}
	}
	for _, written := range []string{"", "by hots", "192.168.0.0/16", "192.168.1.400"} {
		if _, _, err := c.Find(written); err == nil || !strings.Contains(err.Error(), `"by host"`) {
			t.Errorf("%q: %v", written, err)
		}
	}
	if by, _, _ := c.Find("by id"); by.Index != 5 || strings.Join(by.Groups, " ") != "kids guests" {
		t.Errorf("got %+v", by)
	}
}

func BenchmarkClientsOf(b *testing.B) {
	table := &link{}
	table.set("192.168.1.77", "aa:bb:cc:dd:ee:ff")
	for name, c := range map[string]*Clients{
		"none":      mustClients(b, ClientsOptions{}),
		"addresses": mustClients(b, ClientsOptions{Entries: household[:2]}),
		"all":       mustClients(b, ClientsOptions{Entries: household, Neighbours: table}),
	} {
		if err := c.Read(b.Context(), netip.MustParseAddr("192.168.2.1")); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			q := &Query{Client: netip.MustParseAddr("192.168.2.1")}
			b.ReportAllocs()
			for b.Loop() {
				c.Of(q)
			}
		})
	}
}
