package resolver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Step is something that an answer leads to, with what the rules say about it. It
// is valid only until the next one.
type Step struct {
	Type    uint16     // of the record
	Name    []byte     // normalised; nil for an address
	Address netip.Addr // unmapped; invalid for a name
	Verdict lists.Verdict
	Denied  bool // nothing that comes before it forgives that
	Inside  bool // a private address where a public name may have none
}

// reason is where a blocked step stood.
func (s *Step) reason() Reason {
	switch {
	case s.Address.IsValid():
		return ByAddress
	case s.Type == dns.TypeCNAME:
		return ByCNAME
	}
	return ByHTTPS
}

// inspect blocks an answer that leads to a tracker in another way than by its
// name, or to a private address. asked is the verdict on that name.
func (s *block) inspect(q *Query, a *Answer, asked lists.Verdict) {
	if a.Plain && !(s.FollowAddress && s.Matcher.Addresses()) {
		return
	}
	s.walk(q, a.Wire, asked, func(step *Step) bool {
		switch {
		case step.Inside:
			s.hideInside(q, a)
		case step.Denied:
			s.answer(q, a, step.Verdict.List.Name, 0) // the SOA is the asked name's: what is hidden is not shown
			a.Reason, a.Hidden = step.reason(), step.Name
		default:
			return true
		}
		return false
	})
}

// walk calls visit with everything that an answer leads to, in its order, until
// that returns false: the targets of CNAMEs (RFC 1034, section 3.6.2) and of SVCB
// and HTTPS records (RFC 9460, section 2.1), addresses, and the hints of them.
// Each is matched with the type of its record. Who allows the asked name, or one on
// the way from it, allows what is behind it, against denials that are no stronger:
// behind a CNAME is all that follows, behind another record its own hints.
func (s *block) walk(q *Query, wire []byte, asked lists.Verdict, visit func(*Step) bool) {
	addresses := s.FollowAddress && s.Matcher.Addresses()
	guarded := s.Rebind.On && asked.Action != lists.Allow && !s.Rebind.spares(q.Name) && (s.Routed == nil || !s.Routed(q.Name))
	step, going := &q.step, true
	r := Records(wire)
	for going && r.Next() {
		if r.Section != AnswerSection && !comesAlong(q, &r) {
			continue
		}
		before := asked
		if name, ok := s.target(&r, q, wire); ok {
			*step = Step{Type: r.Type, Name: name, Verdict: s.match(name, r.Type, q.policy, &q.who, q.Start)}
			step.Denied = denies(step.Verdict) && !before.Forgives(step.Verdict)
			if step.Verdict.Action == lists.Allow && !before.Forgives(step.Verdict) {
				before = step.Verdict
			}
			going = visit(step)
		}
		if r.Type == dns.TypeCNAME {
			asked = before
		}
		if !going || !guarded && !addresses {
			continue
		}
		eachAddress(&r, func(ip netip.Addr) bool {
			inside := guarded && private(ip)
			var v lists.Verdict
			if addresses {
				v = s.Matcher.MatchAddress(ip, r.Type, &q.who)
			}
			if inside || v.Action != lists.None { // else there is nothing to say about it
				*step = Step{Type: r.Type, Address: ip, Inside: inside, Verdict: v, Denied: denies(v) && !before.Forgives(v)}
				going = visit(step)
			}
			return !going
		})
	}
}

// denies says whether a verdict on something hidden is against it: a rule that
// answers with nothing, or with no address, is meant so too.
func denies(v lists.Verdict) bool {
	return v.Action == lists.Deny || v.Action == lists.Rewrite && v.Rewrites()[0].Blocks()
}

// comesAlong says whether a record behind the answer is an address that a client
// may use without asking for it: that of the target of a service (RFC 9460,
// section 4.2).
func comesAlong(q *Query, r *RecordReader) bool {
	return r.Section == Additional && (q.Type == dns.TypeHTTPS || q.Type == dns.TypeSVCB) && (r.Type == dns.TypeA || r.Type == dns.TypeAAAA)
}

// hideInside makes an answer of a private address one without any.
func (s *block) hideInside(q *Query, a *Answer) {
	a.Begin(q, dns.RcodeSuccess, Blocked)
	a.soa(q, 0, s.TTL)
	a.blame(RebindList)
	a.Reason = ByAddress
}

// target is the other name that a record leads to; ok is false when it does not,
// or nobody asked to follow it. It lies in q.
func (s *block) target(r *RecordReader, q *Query, wire []byte) (name []byte, ok bool) {
	at := 0
	switch {
	case r.Type == dns.TypeCNAME && s.FollowCNAME:
		at = r.DataAt
	case (r.Type == dns.TypeHTTPS || r.Type == dns.TypeSVCB) && s.FollowHTTPS && r.DataSize > 2:
		at = r.DataAt + 2 // behind the priority
	default:
		return nil, false
	}
	q.target, ok = appendTarget(q.target[:0], wire, at)
	return q.target, ok && len(q.target) > 0 // "." is the owner itself
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
