package main

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// subnet is what a forwarder says of the address of its client (RFC 7871).
func subnet(ip string, bits uint8) dns.EDNS0 {
	o := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: bits, Address: net.ParseIP(ip)}
	if strings.Contains(ip, ":") {
		o.Family = 2
	}
	return o
}

// mac is what dnsmasq says of the hardware of its client.
func mac(t *testing.T, text string) dns.EDNS0 {
	t.Helper()
	m, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return &dns.EDNS0_LOCAL{Code: 65001, Data: m}
}

// Behind a forwarder that is trusted, everybody has rules of their own; behind
// another, its clients are it.
func TestForwarder(t *testing.T) {
	const trusted, other = "127.0.0.9", "127.0.0.8"
	const tablet, phone = "02:00:00:00:00:40", "02:00:00:00:00:41"
	up := newInternet(t)
	config := strings.Replace("lists = []\n"+basics(up.address), "[dns]", "[dns]\ntrust_ecs_from = [\""+trusted+"\"]\nallow_from = [\"127.0.0.0/8\"]", 1) + `
[blocking]
deny = ["||network.example^$client=192.0.2.0/24", "||others.example^$client=~kid", "||named.example^$client=kid"]
[groups.kids]
deny = ["kids.example"]
[groups.teens]
deny = ["teens.example"]
[[clients]]
name = "kid"
match = ["192.0.2.40", "2001:db8::40"]
groups = ["kids"]
[[clients]]
name = "tablet"
match = ["` + tablet + `"]
groups = ["kids"]
[[clients]]
name = "teen"
match = ["` + phone + `"]
groups = ["teens"]
[[clients]]
name = "router"
match = ["127.0.0.9"]
groups = ["teens"]
`
	p := prepare(t, config).start()
	tests := []struct {
		name    string
		from    string
		options []dns.EDNS0
		blocked string // which of the names
	}{
		{"an address", trusted, []dns.EDNS0{subnet("192.0.2.40", 32)}, "kids network named"},
		{"an IPv6 address", trusted, []dns.EDNS0{subnet("2001:db8::40", 128)}, "kids named"},
		{"an address of nobody", trusted, []dns.EDNS0{subnet("192.0.2.41", 32)}, "network others"},
		{"a MAC", trusted, []dns.EDNS0{mac(t, tablet)}, "kids others"},
		{"a MAC with an address of another", trusted, []dns.EDNS0{mac(t, phone), subnet("192.0.2.40", 32)}, "teens network others"},
		{"a network", trusted, []dns.EDNS0{subnet("192.0.2.0", 24)}, "teens others"},
		{"nothing", trusted, nil, "teens others"},
		{"two addresses", trusted, []dns.EDNS0{subnet("192.0.2.40", 32), subnet("192.0.2.41", 32)}, "teens others"},
		{"an address, from who is not trusted", other, []dns.EDNS0{subnet("192.0.2.40", 32)}, "others"},
		{"a MAC, from who is not trusted", other, []dns.EDNS0{mac(t, tablet)}, "others"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			for _, name := range []string{"kids", "teens", "network", "named", "others"} {
				want := open
				if strings.Contains(tt.blocked, name) {
					want = blocked
				}
				p.want(tt.from, name+".example", want, tt.options...)
			}
		})
	}
	p.t = t
	r := p.askFrom(trusted, "kids.example", dns.TypeA, subnet("192.0.2.40", 32))
	told := false
	for _, o := range r.IsEdns0().Option {
		if s, ok := o.(*dns.EDNS0_SUBNET); ok {
			told = s.SourceNetmask == 32 && s.SourceScope == 32 && s.Address.String() == "192.0.2.40"
		}
	}
	if !told {
		t.Errorf("the forwarder is not told that the answer is for one client alone: %v", r)
	}
	for client, want := range map[string]string{"192.0.2.40": `"client": "kid"`, tablet: `"client": "tablet"`, trusted: `"client": "router"`} {
		_, e := p.get("/api/v1/explain?name=kids.example&client=" + client)
		wantIn(t, e, want)
	}
	p.stop()
}
