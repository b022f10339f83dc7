package resolver

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

// Forwarders are those whose word on their own clients is believed, such as a
// router that forwards for the whole house: by [dns] trust_ecs_from. It never
// changes; nil trusts nobody.
type Forwarders struct{ networks []netip.Prefix }

// NewForwarders reads trust_ecs_from entries: addresses and CIDRs.
func NewForwarders(entries []string) (*Forwarders, error) {
	f := new(Forwarders)
	for _, e := range entries {
		p, err := parseNetwork(e)
		if errors.Is(err, errMixed) {
			return nil, err
		}
		if err != nil || p.Bits() == 0 {
			return nil, fmt.Errorf("%q is no forwarder: write its address, like 192.168.1.1, or its network", e)
		}
		f.networks = append(f.networks, p)
	}
	return f, nil
}

// Trusts says whether ip is one of them.
func (f *Forwarders) Trusts(ip netip.Addr) bool {
	if f == nil || !ip.IsValid() {
		return false
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range f.networks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Options by which forwarders tell of their clients, beside client subnet
// (RFC 7871): both are dnsmasq's (its edns0.c), the first for --add-mac, the second
// for --add-mac=text and =base64.
const (
	optionMAC     = 65001
	optionMACText = 65073
)

// reveal puts the real client in the place of a trusted forwarder. The forwarder's
// address goes: a household behind one router would be one client to the rate
// limit, to the rules and in what is counted. It stays when the client is not told
// without doubt; an option that comes twice may be the client's own beside the
// forwarder's, so it says nothing.
func (f *Forwarders) reveal(q *Query) {
	if !f.Trusts(q.Client) {
		return
	}
	var client netip.Addr
	var mac MAC
	clients, macs := 0, 0
	options := q.options()
	for len(options) >= 4 {
		code, end := binary.BigEndian.Uint16(options), 4+int(binary.BigEndian.Uint16(options[2:]))
		switch data := options[4:end]; code {
		case dns.EDNS0SUBNET:
			clients++
			client = readSubnet(data)
		case optionMAC, optionMACText:
			macs++
			mac = readMAC(data)
		}
		options = options[end:]
	}
	if clients == 1 && client.IsValid() {
		q.Client, q.relayed = client, true
	}
	if macs == 1 {
		q.MAC = mac
	}
}

// readSubnet reads the data of a client subnet option that is a whole address
// (RFC 7871, section 6): family, source prefix, a scope that is 0 in queries, and
// the address. Anything else is no client, and so is an address that is never one:
// a forwarder's own query may say loopback.
func readSubnet(data []byte) netip.Addr {
	if len(data) < 4 || data[3] != 0 {
		return netip.Addr{}
	}
	ip, ok := netip.AddrFromSlice(data[4:])
	if !ok || int(data[2]) != ip.BitLen() || binary.BigEndian.Uint16(data) != uint16(1+family(ip)) {
		return netip.Addr{}
	}
	if ip = ip.Unmap(); ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() {
		return netip.Addr{}
	}
	return ip
}

// subnetSize is the size in bytes of a client subnet option without its address.
const subnetSize = 8

// appendSubnet appends the client subnet option that says that an answer is this
// client's alone (RFC 7871, section 7.2.1: a scope as long as the source). A
// forwarder that keeps answers would give it to everybody else in the house.
func appendSubnet(wire []byte, client netip.Addr) []byte {
	bits := byte(client.BitLen())
	wire = append(wire, 0, dns.EDNS0SUBNET, 0, 4+bits/8, 0, byte(1+family(client)), bits, bits)
	if client.Is4() {
		b := client.As4()
		return append(wire, b[:]...)
	}
	b := client.As16()
	return append(wire, b[:]...)
}

// readMAC reads a MAC of six bytes, of text with colons, or of base64; zero when
// it is none.
func readMAC(data []byte) (m MAC) {
	var b [6]byte
	switch len(data) {
	case 6:
		copy(b[:], data)
	case 8:
		if n, err := base64.StdEncoding.Decode(b[:], data); err != nil || n != len(b) {
			return MAC{}
		}
	case 17:
		for i := range b {
			if _, err := hex.Decode(b[i:i+1], data[3*i:3*i+2]); err != nil || i > 0 && data[3*i-1] != ':' && data[3*i-1] != '-' {
				return MAC{}
			}
		}
	}
	if m = MAC(b); m.group() {
		return MAC{}
	}
	return m
}
