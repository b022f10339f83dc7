package resolver

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Matcher says what the rules want of a normalised name; *lists.Store is one.
// It is called for every query, must not block, and is safe for concurrent use.
type Matcher interface {
	Match(name []byte, qtype uint16) lists.Verdict
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

// Pause switches blocking off for a while. The zero value blocks. It outlives
// reloads, and is safe for concurrent use.
type Pause struct{ until atomic.Int64 } // Unix nanoseconds; 0 blocks, forever until resumed

const forever = 1<<63 - 1

// For pauses blocking for d, or until Resume when d is 0.
func (p *Pause) For(d time.Duration) {
	if d <= 0 {
		p.until.Store(forever)
		return
	}
	p.until.Store(time.Now().Add(d).UnixNano())
}

// Resume blocks again.
func (p *Pause) Resume() { p.until.Store(0) }

// Paused says whether blocking is off at now, and until when; the zero time
// means until Resume.
func (p *Pause) Paused(now time.Time) (bool, time.Time) {
	switch until := p.until.Load(); {
	case until == forever:
		return true, time.Time{}
	case until > now.UnixNano():
		return true, time.Unix(0, until)
	}
	return false, time.Time{}
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
	Pause    *Pause
	Response Response
	TTL      time.Duration // how long a client may keep a blocked answer
	Canaries bool

	FollowCNAME, FollowHTTPS bool // what hides behind such records is blocked as well

	Rebind Rebind
	Routed func(name []byte) bool // says whether a name goes to servers of its own; nil means none does
}

type block struct {
	Blocking
	next Handler
}

// Resolve answers a blocked name, or hands on and looks at what comes back.
func (s *block) Resolve(ctx context.Context, q *Query, a *Answer) error {
	if paused, _ := s.Pause.Paused(q.Start); paused {
		return s.next.Resolve(ctx, q, a)
	}
	v := s.Matcher.Match(q.Name, q.Type)
	switch {
	case v.Action == lists.Deny:
		s.answer(q, a, v.List.Name, v.Labels)
		return nil
	case v.Action == lists.None && s.Canaries && canaries[string(q.Name)]:
		// A canary speaks by NXDOMAIN, whatever [blocking] response is.
		a.Begin(q, dns.RcodeNameError, Blocked)
		a.soa(q, 0, s.TTL)
		a.blame(CanaryList)
		return nil
	}
	if err := s.next.Resolve(ctx, q, a); err != nil {
		return err
	}
	s.inspect(q, a, v)
	return nil
}

// answer makes the blocked answer. labels is how many labels of the asked name
// stand above the rule's name, which owns the SOA.
func (s *block) answer(q *Query, a *Answer, list string, labels uint8) {
	switch s.Response {
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

// blame says whose rule blocked (RFC 8914, section 4.16).
func (a *Answer) blame(list string) {
	a.List = list
	a.EDE = EDE{Set: true, Code: dns.ExtendedErrorCodeBlocked, Text: list}
}
