package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// inspect blocks an answer that leads to a tracker under another name: by a CNAME
// (RFC 1034, section 3.6.2) or by the target of an SVCB or HTTPS record (RFC 9460,
// section 2.1), or to a private address. Who allows the asked name allows what is behind it, against
// denials that are no stronger. asked is the verdict on that name.
func (s *block) inspect(q *Query, a *Answer, asked lists.Verdict) {
	if a.Plain {
		return
	}
	guarded := s.Rebind.On && asked.Action != lists.Allow && !s.Rebind.spares(q.Name) && (s.Routed == nil || !s.Routed(q.Name))
	r := Records(a.Wire)
	for r.Next() && r.Section == AnswerSection {
		if guarded && leadsInside(&r) {
			s.hideInside(q, a)
			return
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
		v := s.Matcher.Match(name, q.Type)
		if v.Action != lists.Deny || asked.Action == lists.Allow && asked.Level >= v.Level {
			continue
		}
		s.answer(q, a, v.List.Name, 0) // the SOA is the asked name's: the hidden one is not shown
		a.Reason, a.Hidden = reason, name
		return
	}
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
