package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Matcher says what the rules want; *lists.Store is one. It is asked for every
// query, must not block, and is safe for concurrent use.
type Matcher interface {
	// Match is about a normalised name, MatchAddress about an unmapped address.
	Match(name []byte, qtype uint16, who *lists.Who) lists.Verdict
	MatchAddress(ip netip.Addr, qtype uint16, who *lists.Who) lists.Verdict
	// Addresses says whether there are rules about addresses at all.
	Addresses() bool
}

// Response is the shape of a blocked answer.
type Response uint8

const (
	NXDOMAIN Response = iota // there is no such name
	NODATA                   // the name has no such record
	Zero                     // 0.0.0.0 and ::, no other records
	Refusal                  // REFUSED
)

var responses = [...]string{"nxdomain", "nodata", "zero", "refused"}

// ParseResponse reads the value of [blocking] response.
func ParseResponse(s string) (Response, error) {
	for i, name := range responses {
		if s == name {
			return Response(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no response: write \"nxdomain\", \"nodata\", \"zero\" or \"refused\"", s)
}

// CanaryList stands for the canaries where the list of a blocked query is named.
const CanaryList = "canary"

// canaries are names whose NXDOMAIN asks a program to leave the network's DNS in
// place: Firefox's check before it turns on DNS over HTTPS by itself (Mozilla,
// "Canary domain - use-application-dns.net") and Apple's iCloud Private Relay
// (Apple, "Prepare your network for iCloud Private Relay").
var canaries = map[string]bool{
	"use-application-dns.net": true,
	"mask.icloud.com":         true,
	"mask-h2.icloud.com":      true,
	"mask-api.icloud.com":     true,
	"mask-canary.icloud.com":  true,
	"mask-t.apple-dns.net":    true,
	"mask.apple-dns.net":      true,
}

// IsCanary says whether a normalised name is one.
func IsCanary(name string) bool { return canaries[name] }

// Blocking is what the block stage needs to know.
type Blocking struct {
	Matcher  Matcher
	Allowed  *Allowances // what is allowed for a while; nil means nothing
	Response Response
	TTL      time.Duration // how long a client may keep a blocked answer
	Canaries bool
	// Safe is the verdict that answers for a search engine with its safe form, for
	// groups that want it; lists.SafeSearch is one. Nil means that nothing is made safe.
	Safe func(name []byte) lists.Verdict

	FollowCNAME, FollowHTTPS, FollowAddress bool // what hides behind such records is blocked as well

	Rebind Rebind
	Routed func(name []byte) bool // says whether a name goes to servers of its own; nil means none does
}

type block struct {
	Blocking
	next   Handler
	beyond Handler // where the target of a rewritten name is resolved
}

// Resolve answers a blocked name, or hands on and looks at what comes back.
func (s *block) Resolve(ctx context.Context, q *Query, a *Answer) error {
	now := q.policy.at(q.Start)
	if !now.Blocks {
		return s.next.Resolve(ctx, q, a)
	}
	q.who.Lists = now.Places
	v := s.match(q.Name, q.Type, q.policy, &q.who, q.Start)
	if now.Safe {
		v = s.safe(q.Name, q.Type, v)
	}
	switch {
	case v.Action == lists.Deny:
		s.answer(q, a, v.List.Name, v.Labels)
		return nil
	case v.Action == lists.Rewrite:
		return s.rewrite(ctx, q, a, v)
	case v.Action == lists.None && s.Canaries && canaries[string(q.Name)]:
		// A canary speaks by NXDOMAIN, whatever [blocking] response is.
		a.Begin(q, dns.RcodeNameError, Blocked)
		a.soa(q, 0, s.TTL)
		a.blame(CanaryList)
		a.Escape = ByCanary
		return nil
	}
	if err := s.next.Resolve(ctx, q, a); err != nil {
		return err
	}
	s.inspect(q, a, v)
	return nil
}

// match is the verdict on a name at t, for who, for whom p holds.
func (s *block) match(name []byte, qtype uint16, p *Policy, who *lists.Who, t time.Time) lists.Verdict {
	return s.Allowed.over(s.Matcher.Match(name, qtype, who), name, p, who, t)
}

// safe is the verdict for a group that wants safe search: the safe form of the
// name, unless that is denied, or allowed by the group itself.
func (s *block) safe(name []byte, qtype uint16, v lists.Verdict) lists.Verdict {
	if s.Safe == nil || !leadsToHost(qtype) || v.Action != lists.None && (v.Action != lists.Allow || v.Level == lists.OfGroup) {
		return v
	}
	if safe := s.Safe(name); safe.Action == lists.Rewrite {
		return safe
	}
	return v
}

// leadsToHost says whether programs find a host by records of a type.
func leadsToHost(qtype uint16) bool {
	switch qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeCNAME, dns.TypeANY:
		return true
	}
	return false
}

// answer makes the blocked answer. labels is how many labels of the asked name
// stand above the rule's name, which owns the SOA.
func (s *block) answer(q *Query, a *Answer, list string, labels uint8) {
	response := s.Response
	if q.policy.response != nil {
		response = *q.policy.response
	}
	if response != NXDOMAIN && s.Canaries && canaries[string(q.Name)] {
		response = NXDOMAIN // nothing else is understood, and lists deny canaries, too
	}
	switch response {
	case NXDOMAIN:
		a.Begin(q, dns.RcodeNameError, Blocked)
		a.soa(q, labels, s.TTL)
	case Refusal:
		a.Begin(q, dns.RcodeRefused, Blocked)
	case Zero:
		a.Begin(q, dns.RcodeSuccess, Blocked)
		switch q.Type {
		case dns.TypeA:
			a.record(AnswerSection, questionName, dns.TypeA, s.TTL, make([]byte, 4)...)
		case dns.TypeAAAA:
			a.record(AnswerSection, questionName, dns.TypeAAAA, s.TTL, make([]byte, 16)...)
		default:
			a.soa(q, labels, s.TTL)
		}
	default:
		a.Begin(q, dns.RcodeSuccess, Blocked)
		a.soa(q, labels, s.TTL)
	}
	a.blame(list)
}

// rewrite makes the answer that a rule gives instead. An answer that leads nowhere
// counts as blocked.
func (s *block) rewrite(ctx context.Context, q *Query, a *Answer, v lists.Verdict) error {
	first := v.Rewrites()[0]
	if first.Name != "" && q.Type != dns.TypeCNAME && q.Type != dns.TypeANY {
		reply := new(dns.Msg)
		reply.Answer = append(reply.Answer, cname(string(q.Name), first.Name, s.TTL))
		if err := a.follow(ctx, q, reply, first.Name, s.beyond); err != nil {
			return err
		}
		if !a.EDE.Set {
			a.EDE = forged(v)
		}
		return nil
	}
	outcome := Local
	if first.Blocks() {
		outcome = Blocked
	}
	a.Begin(q, int(first.Rcode), outcome)
	before := len(a.Wire)
	if q.Type == dns.TypeANY && outcome == Local {
		a.hinfo()
	}
	for _, r := range v.Rewrites() {
		switch {
		case q.Type == dns.TypeCNAME && r.Name != "":
			a.record(AnswerSection, questionName, dns.TypeCNAME, s.TTL, appendName(nil, r.Name)...)
		case q.Type == dns.TypeA && r.Address.Is4():
			a.record(AnswerSection, questionName, dns.TypeA, s.TTL, r.Address.AsSlice()...)
		case q.Type == dns.TypeAAAA && r.Address.Is6():
			a.record(AnswerSection, questionName, dns.TypeAAAA, s.TTL, r.Address.AsSlice()...)
		}
	}
	if len(a.Wire) == before && (first.Rcode == dns.RcodeSuccess || first.Rcode == dns.RcodeNameError) {
		a.soa(q, v.Labels, s.TTL)
	}
	if outcome == Blocked {
		a.blame(v.List.Name)
		return nil
	}
	a.EDE = forged(v)
	return nil
}

// forged says whose rule made the answer (RFC 8914, section 4.5).
func forged(v lists.Verdict) EDE {
	return EDE{Set: true, Code: dns.ExtendedErrorCodeForgedAnswer, Text: v.List.Name}
}

// blame says whose rule blocked (RFC 8914, section 4.16).
func (a *Answer) blame(list string) {
	a.List = list
	a.EDE = EDE{Set: true, Code: dns.ExtendedErrorCodeBlocked, Text: list}
}
