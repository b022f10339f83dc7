package resolver

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const leaseText = `1893456000 aa:bb:cc:dd:ee:01 192.168.1.40 Tablet 01:aa:bb:cc:dd:ee:01
0 aa:bb:cc:dd:ee:02 192.168.1.41 phone.home.arpa *
1893456000 aa:bb:cc:dd:ee:03 192.168.1.42 * *
43200 06-aa:bb:cc:dd:ee:04 192.168.1.43 clockless *
duid 00:01:00:01:2a:2b:2c:2d:aa:bb:cc:dd:ee:99
1893456000 12345678 fd00::40 Tablet 00:01:00:01:aa
1893456000 T87654321 fd00::41 phone 00:01:00:01:bb

1893456000 aa:bb:cc:dd:ee:05 192.168.1.4444 broken *
never aa:bb:cc:dd:ee:06 192.168.1.45 broken *
1893456000 aa:bb:cc:dd:ee:07 192.168.1.46 bro`

func TestLeases(t *testing.T) {
	end := time.Unix(1893456000, 0)
	want := []lease{
		{netip.MustParseAddr("192.168.1.40"), "tablet", end},
		{netip.MustParseAddr("192.168.1.41"), "phone.home.arpa", time.Time{}},
		{netip.MustParseAddr("192.168.1.43"), "clockless", time.Time{}},
		{netip.MustParseAddr("fd00::40"), "tablet", end},
		{netip.MustParseAddr("fd00::41"), "phone", end},
		{netip.MustParseAddr("192.168.1.46"), "bro", end},
	}
	if got := parseLeases([]byte(leaseText)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestHostNames(t *testing.T) {
	tests := []struct{ entry, name, want string }{
		{"tablet.home.arpa", "tablet.home.arpa", "tv"},
		{"tablet.home.arpa", "tablet", "tv"},
		{"tablet.home.arpa", "tablet.lan", "nobody"},
		{"tablet", "tablet", "tv"},
		{"tablet", "tablet.lan", "tv"},
		{"tablet", "tablets", "nobody"},
		{"tablet.home.arpa", "home.arpa", "nobody"},
	}
	for _, tt := range tests {
		h := newHostNames()
		h.add(tt.entry, &Client{Name: "tv"})
		if got := nameOf(h.find(tt.name)); got != tt.want {
			t.Errorf("%s by %s: got %s, want %s", tt.name, tt.entry, got, tt.want)
		}
	}
}

// An unchanged file is no news, whoever's name has which of its addresses.
func TestLeaseNews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq.leases")
	if err := os.WriteFile(path, []byte("0 aa:bb:cc:dd:ee:01 192.168.1.40 second *\n0 aa:bb:cc:dd:ee:02 192.168.1.40 first *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hosts := newHostNames()
	hosts.add("first", &Client{Name: "first", Index: 0})
	hosts.add("second", &Client{Name: "second", Index: 1})
	l := newLeases([]string{path})
	for i, want := range []bool{true, false, false} {
		if news, err := l.read(&hosts, time.Now()); news != want || err != nil {
			t.Errorf("reading %d: news %v, %v", i, news, err)
		}
	}
	if got := nameOf(l.of[netip.MustParseAddr("192.168.1.40")]); got != "first" {
		t.Errorf("the address belongs to %s", got)
	}
}

// A file is read again when it has changed; the leases of others are not kept.
func TestLeaseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq.leases")
	c := mustClients(t, ClientsOptions{Entries: []ClientEntry{
		{Name: "tablet", Match: []string{"host:tablet.home.arpa"}},
		{Name: "net", Match: []string{"192.168.0.0/16"}},
	}, LeaseFiles: []string{path, path + ".missing"}})
	tests := []struct {
		name, text string
		known      int
		want       map[string]string
	}{
		{"missing", "", 0, map[string]string{"192.168.1.40": "net"}},
		{"there", leaseText, 2, map[string]string{"192.168.1.40": "tablet", "fd00::40": "tablet", "192.168.1.41": "net"}},
		{"moved", "0 aa:bb:cc:dd:ee:01 192.168.1.50 tablet *\n", 1, map[string]string{"192.168.1.40": "net", "192.168.1.50": "tablet"}},
		{"ended", "1500000000 aa:bb:cc:dd:ee:01 192.168.1.50 tablet *\n", 0, map[string]string{"192.168.1.50": "net"}},
	}
	for _, tt := range tests {
		if tt.text != "" {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Read(t.Context(), netip.Addr{}); err != nil {
			t.Fatal(err)
		}
		for ip, want := range tt.want {
			if got := nameOf(c.Of(&Query{Client: netip.MustParseAddr(ip)})); got != want {
				t.Errorf("%s: %s is %s's, want %s", tt.name, ip, got, want)
			}
		}
		if c.Known() != tt.known || c.Strangers() != 0 {
			t.Errorf("%s: %d known, want %d", tt.name, c.Known(), tt.known)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.Read(t.Context(), netip.Addr{}); err == nil {
		t.Error("a directory is read as a file")
	}
}

func FuzzLeases(f *testing.F) {
	f.Add([]byte(leaseText))
	f.Add([]byte("-1 * :: a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, e := range parseLeases(text) {
			if !e.addr.IsValid() || e.addr.Zone() != "" || e.addr.Is4In6() || e.name == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
