package resolver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// inspect blocks an answer that leads to a tracker in another way than by its
// name: by a CNAME (RFC 1034, section 3.6.2), by the target of an SVCB or HTTPS
// record (RFC 9460, section 2.1), by an address or the hint of one; and one that
// leads to a private address. Each is matched with the type of its record. Who
// allows the asked name, or one on the way from it, allows what is behind it,
// against denials that are no stronger. asked is the verdict on that name.
func (s *block) inspect(q *Query, a *Answer, asked lists.Verdict) {
	addresses := s.FollowAddress && s.Matcher.Addresses()
	if a.Plain && !addresses {
		return
	}
	guarded := s.Rebind.On && asked.Action != lists.Allow && !s.Rebind.spares(q.Name) && (s.Routed == nil || !s.Routed(q.Name))
	r := Records(a.Wire)
	for r.Next() && r.Section == AnswerSection {
		if guarded && leadsInside(&r) {
			s.hideInside(q, a)
			return
		}
		if addresses {
			if v, ip := s.address(&r, q, asked); v.Action == lists.Deny {
				s.answer(q, a, v.List.Name, 0)
				a.Reason, a.Address = ByAddress, ip
				return
			}
		}
		at, reason := s.target(&r)
		if at == 0 {
			continue
		}
		name, ok := appendTarget(q.target[:0], a.Wire, at)
		q.target = name
		if !ok || len(name) == 0 {
			continue // "." is the owner itself
		}
		v := s.Matcher.Match(name, r.Type, &q.who)
		switch {
		case v.Action == lists.Deny && !asked.Forgives(v):
			s.answer(q, a, v.List.Name, 0) // the SOA is the asked name's: the hidden one is not shown
			a.Reason, a.Hidden = reason, name
			return
		case v.Action == lists.Allow && !asked.Forgives(v):
			asked = v
		}
	}
}

// address is the verdict on the first address of a record that is denied.
func (s *block) address(r *RecordReader, q *Query, asked lists.Verdict) (denied lists.Verdict, at netip.Addr) {
	eachAddress(r, func(ip netip.Addr) bool {
		v := s.Matcher.MatchAddress(ip, r.Type, &q.who)
		if v.Action == lists.Deny && !asked.Forgives(v) {
			denied, at = v, ip
		}
		return at.IsValid()
	})
	return denied, at
}

// hideInside makes an answer of a private address one without any.
func (s *block) hideInside(q *Query, a *Answer) {
	a.Begin(q, dns.RcodeSuccess, Blocked)
	a.soa(q, 0, s.TTL)
	a.blame(RebindList)
	a.Reason = ByAddress
}

// target is where a record names another, 0 when it does not or nobody asked to
// follow it.
func (s *block) target(r *RecordReader) (at int, reason Reason) {
	switch {
	case r.Type == dns.TypeCNAME && s.FollowCNAME:
		return r.DataAt, ByCNAME
	case (r.Type == dns.TypeHTTPS || r.Type == dns.TypeSVCB) && s.FollowHTTPS && r.DataSize > 2:
		return r.DataAt + 2, ByHTTPS // behind the priority
	}
	return 0, 0
}

// eachAddress calls found with every address of a record, unmapped: those of A,
// AAAA, and the hints of SVCB and HTTPS. It ends when found returns true.
func eachAddress(r *RecordReader, found func(netip.Addr) bool) {
	data := r.Data()
	switch r.Type {
	case dns.TypeA, dns.TypeAAAA:
		if ip, ok := netip.AddrFromSlice(data); ok {
			found(ip.Unmap())
		}
	case dns.TypeSVCB, dns.TypeHTTPS:
		eachHint(data, found)
	}
}

// eachHint goes through the ipv4hint and ipv6hint of an SVCB record (RFC 9460,
// sections 2.2 and 7.3).
func eachHint(data []byte, found func(netip.Addr) bool) {
	const ipv4hint, ipv6hint = 4, 6
	at := SkipName(data, min(2, len(data)))
	for at > 0 && at+4 <= len(data) {
		key, size := binary.BigEndian.Uint16(data[at:]), int(binary.BigEndian.Uint16(data[at+2:]))
		at += 4
		if at+size > len(data) {
			return
		}
		step := 0
		switch key {
		case ipv4hint:
			step = 4
		case ipv6hint:
			step = 16
		}
		for value := data[at : at+size]; step > 0 && len(value) >= step; value = value[step:] {
			if ip, ok := netip.AddrFromSlice(value[:step]); ok && found(ip.Unmap()) {
				return
			}
		}
		at += size
	}
}

// isPlain says whether a record leads neither to another name nor to a private
// address, whatever is configured.
func isPlain(r *RecordReader) bool {
	return r.Section != AnswerSection || r.Type != dns.TypeCNAME && r.Type != dns.TypeHTTPS && r.Type != dns.TypeSVCB && !leadsInside(r)
}

// maxPointers bounds the compression pointers of one name: as many as it can have
// labels.
const maxPointers = 127

// appendTarget appends the name at offset at of msg in normalised form, following
// compression pointers (RFC 1035, section 4.1.4), which lead backwards only. The
// root is "". ok is false for what is no name.
func appendTarget(dst, msg []byte, at int) (name []byte, ok bool) {
	start, size := len(dst), 0
	for pointers := 0; at < len(msg); {
		n := int(msg[at])
		switch {
		case n == 0:
			return dst, true
		case n >= 0xc0:
			if at+2 > len(msg) {
				return dst, false
			}
			to := int(binary.BigEndian.Uint16(msg[at:])) & 0x3fff
			if pointers++; to >= at || pointers > maxPointers {
				return dst, false
			}
			at = to
			continue
		case n > 63 || at+1+n > len(msg):
			return dst, false
		}
		if size += 1 + n; size > 254 {
			return dst, false
		}
		if len(dst) > start {
			dst = append(dst, '.')
		}
		dst = lists.AppendLabel(dst, msg[at+1:at+1+n])
		at += 1 + n
	}
	return dst, false
}
