package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestForwarders(t *testing.T) {
	f, err := NewForwarders([]string{"192.168.1.1", "fd00::/64", "::ffff:10.1.0.0/112"})
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]bool{"192.168.1.1": true, "::ffff:192.168.1.1": true, "192.168.1.2": false, "10.1.2.3": true, "10.2.2.3": false, "fd00::1%eth0": true, "fd01::1": false} {
		if got := f.Trusts(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: got %v", ip, got)
		}
	}
	if _, err := NewForwarders([]string{"::/80"}); err != nil {
		t.Errorf("a large network: %v", err)
	}
	if _, err := NewForwarders([]string{"::ffff:0.0.0.0/90"}); err == nil || !strings.Contains(err.Error(), "write two networks") {
		t.Errorf("both families: %v", err)
	}
	for _, e := range []string{"any", "local", "", "router", "192.168.1.400", "0.0.0.0/0", "192.168.1.0/33"} {
		if _, err := NewForwarders([]string{e}); err == nil || !strings.Contains(err.Error(), "write its address") {
			t.Errorf("%q: %v", e, err)
		}
	}
}

func rawOption(code uint16, data string) dns.EDNS0 {
	return &dns.EDNS0_LOCAL{Code: code, Data: []byte(data)}
}

// What a trusted forwarder says, as bytes, since miekg/dns makes only what is sound.
func TestReveal(t *testing.T) {
	const subnet = dns.EDNS0SUBNET
	const mac = "aa:bb:cc:dd:ee:02"
	binary := "\xaa\xbb\xcc\xdd\xee\x02"
	const v6 = "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40"
	tests := []struct {
		name      string
		options   []dns.EDNS0
		want, mac string
	}{
		{"nothing", nil, "192.0.2.1", ""},
		{"IPv4", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x28")}, "192.168.1.40", ""},
		{"IPv6", []dns.EDNS0{rawOption(subnet, "\x00\x02\x80\x00"+v6)}, "fd00::40", ""},
		{"behind another option", []dns.EDNS0{rawOption(10, "cookie--"), rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x28")}, "192.168.1.40", ""},
		{"a network", []dns.EDNS0{rawOption(subnet, "\x00\x01\x18\x00\xc0\xa8\x01")}, "192.0.2.1", ""},
		{"a network with a whole address", []dns.EDNS0{rawOption(subnet, "\x00\x01\x18\x00\xc0\xa8\x01\x28")}, "192.0.2.1", ""},
		{"too short", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01")}, "192.0.2.1", ""},
		{"too long", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x28\x00")}, "192.0.2.1", ""},
		{"a scope", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x20\xc0\xa8\x01\x28")}, "192.0.2.1", ""},
		{"wrong family", []dns.EDNS0{rawOption(subnet, "\x00\x02\x20\x00\xc0\xa8\x01\x28")}, "192.0.2.1", ""},
		{"unspecified", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\x00\x00\x00\x00")}, "192.0.2.1", ""},
		{"multicast", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\xe0\x00\x00\x01")}, "192.0.2.1", ""},
		{"loopback", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\x7f\x00\x00\x01")}, "192.0.2.1", ""},
		{"empty", []dns.EDNS0{rawOption(subnet, "")}, "192.0.2.1", ""},
		{"two", []dns.EDNS0{rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x28"), rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x29")}, "192.0.2.1", ""},
		{"MAC", []dns.EDNS0{rawOption(optionMAC, binary)}, "192.0.2.1", mac},
		{"MAC in text", []dns.EDNS0{rawOption(optionMAC, "AA:bb:cc:dd:ee:02")}, "192.0.2.1", mac},
		{"MAC in base64", []dns.EDNS0{rawOption(optionMAC, "qrvM3e4C")}, "192.0.2.1", mac},
		{"MAC in dnsmasq's text", []dns.EDNS0{rawOption(optionMACText, mac)}, "192.0.2.1", mac},
		{"no MAC", []dns.EDNS0{rawOption(optionMAC, "aa:bb:cc:dd:ee:zz")}, "192.0.2.1", ""},
		{"no colons", []dns.EDNS0{rawOption(optionMAC, "aa.bb.cc.dd.ee.02")}, "192.0.2.1", ""},
		{"no base64", []dns.EDNS0{rawOption(optionMAC, "qrvM3e4=")}, "192.0.2.1", ""},
		{"seven bytes", []dns.EDNS0{rawOption(optionMAC, binary+"\x00")}, "192.0.2.1", ""},
		{"MAC of a group", []dns.EDNS0{rawOption(optionMAC, "\x01\x00\x5e\x00\x00\x01")}, "192.0.2.1", ""},
		{"two MACs", []dns.EDNS0{rawOption(optionMAC, binary), rawOption(optionMACText, mac)}, "192.0.2.1", ""},
		{"both", []dns.EDNS0{rawOption(optionMAC, binary), rawOption(subnet, "\x00\x01\x20\x00\xc0\xa8\x01\x28")}, "192.168.1.40", mac},
	}
	f, err := NewForwarders([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		m := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).SetEdns0(1232, false)
		m.IsEdns0().Option = tt.options
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		q := &Query{Client: netip.MustParseAddr("192.0.2.1")}
		q.Parse(packet)
		q = q.Clone()
		clear(packet) // the clone reads its own
		f.reveal(q)
		got := ""
		if q.MAC != (MAC{}) {
			got = q.MAC.String()
		}
		if q.Client.String() != tt.want || got != tt.mac {
			t.Errorf("%s: got %v %s, want %s %s", tt.name, q.Client, got, tt.want, tt.mac)
		}
		n := testing.AllocsPerRun(100, func() {
			q.Client = netip.AddrFrom4([4]byte{192, 0, 2, 1})
			f.reveal(q)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

// FuzzOptions: whatever a trusted forwarder's options are, the query is read, the
// client is an address that a device can have, and nothing of it is left in the
// memory for the next query.
func FuzzOptions(f *testing.F) {
	f.Add([]byte("\x00\x08\x00\x08\x00\x01\x20\x00\xc0\xa8\x01\x28"))
	f.Add([]byte("\xfd\xe9\x00\x06\xaa\xbb\xcc\xdd\xee\x02"))
	f.Add([]byte("\xfe\x31\x00\x11aa:bb:cc:dd:ee:02"))
	f.Add([]byte("\xfe\x31\x00\x08qrvM3e4C\x00\x08"))
	trusted, err := NewForwarders([]string{"192.0.2.1"})
	if err != nil {
		f.Fatal(err)
	}
	plain, err := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).SetEdns0(1232, false).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, options []byte) {
		if len(options) > 4096 {
			return
		}
		packet := append(append([]byte(nil), plain...), options...)
		packet[len(plain)-2], packet[len(plain)-1] = byte(len(options)>>8), byte(len(options))
		q := &Query{Client: netip.MustParseAddr("192.0.2.1")}
		if fault := q.Parse(packet); (fault == Sound) != soundOptions(options) {
			t.Fatalf("fault %d for % x", fault, options)
		}
		if q.Fault == Sound {
			trusted.reveal(q)
		}
		if !q.Client.IsValid() || q.Client.Is4In6() || q.Client.IsUnspecified() || q.Client.IsLoopback() || q.MAC.group() {
			t.Errorf("client %v, MAC %v", q.Client, q.MAC)
		}
		q.Parse(plain)
		if q.MAC != (MAC{}) || q.relayed || len(q.options()) != 0 {
			t.Errorf("MAC %v, relayed %v and options % x of the query before", q.MAC, q.relayed, q.options())
		}
	})
}

// The answer to a relayed query is within its size: what does not fit gives way.
func TestRelayedSize(t *testing.T) {
	packet, err := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).SetEdns0(MinUDP, false).Pack()
	if err != nil {
		t.Fatal(err)
	}
	q := &Query{Client: netip.MustParseAddr("fd00::40")}
	q.Parse(packet)
	q.relayed = true
	for n := range 60 {
		a := new(Answer)
		a.Begin(q, dns.RcodeNameError, Blocked)
		a.record(AnswerSection, questionName, dns.TypeTXT, 0, make([]byte, MinUDP-len(a.Wire)-12-n)...)
		a.EDE = EDE{Set: true, Text: "trackers"}
		seal(q, a)
		m := new(dns.Msg)
		if err := m.Unpack(append([]byte(nil), a.Wire...)); err != nil {
			t.Fatalf("%d bytes left: %v", n, err)
		}
		if len(a.Wire) > MinUDP || a.Wire[2]&0x02 != 0 != (n < ednsSize+subnetSize+16) {
			t.Errorf("%d bytes left: %d bytes, flags %x", n, len(a.Wire), a.Wire[2])
		}
	}
}
