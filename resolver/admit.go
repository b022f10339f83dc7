package resolver

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// admit is the first look at a query: what is no sound question, or not from
// somebody who may ask, or more than they may ask, ends here.
type admit struct {
	next       Handler
	access     *Access
	forwarders *Forwarders // nil trusts nobody
	rates      *rates      // nil without a limit
	probe      []byte      // the watchdog's own name; see Options.Probe
}

// Resolve applies the checks in the order that the documentation promises.
func (s *admit) Resolve(ctx context.Context, q *Query, a *Answer) error {
	switch {
	case q.Fault == Silent:
		return ErrDrop
	case q.Fault == Malformed:
		a.Begin(q, dns.RcodeFormatError, Refused)
		return nil
	case len(s.probe) > 0 && bytes.Equal(q.Name, s.probe):
		a.Begin(q, dns.RcodeNameError, Local)
		a.Quiet = true
		return nil
	case q.Admitted: // it asks again, since it may wait now; Client may no longer be who sent it
	case q.Client.IsValid() && !s.access.Allows(q.Client): // an invalid one is deadpixel itself
		a.Begin(q, dns.RcodeRefused, Refused)
		a.EDE = EDE{Set: true, Code: dns.ExtendedErrorCodeProhibited, Text: "not in allow_from"}
		return nil
	default:
		s.forwarders.reveal(q)
	}
	if s.rates != nil && !q.Admitted && !s.rates.take(q) {
		a.Begin(q, dns.RcodeRefused, Limited)
		if q.Transport == UDP { // a real client comes back over TCP, a forged one cannot
			a.Begin(q, dns.RcodeSuccess, Limited)
			a.Wire[2] |= 0x02
		}
		return nil
	}
	q.Admitted = true
	switch {
	case q.Opcode != dns.OpcodeQuery:
		a.Begin(q, dns.RcodeNotImplemented, Refused)
		return nil
	case q.EDNS.Version != 0: // RFC 6891, section 6.1.3
		a.Begin(q, dns.RcodeSuccess, Refused)
		a.ExtRcode = dns.RcodeBadVers >> 4
		return nil
	case q.Class != dns.ClassINET, q.Type == dns.TypeAXFR, q.Type == dns.TypeIXFR:
		a.Begin(q, dns.RcodeRefused, Refused)
		return nil
	}
	return s.next.Resolve(ctx, q, a)
}

// rateKey is whose queries are counted together: those of a network, and behind a
// forwarder that tells MACs, of a device. UDP stands apart, since its addresses
// can be forged.
type rateKey struct {
	network netip.Prefix
	mac     MAC
	udp     bool
}

// rates limits each client's queries per second by a token bucket that holds
// one second's worth. Memory is bounded: buckets that have filled up again are
// swept, and beyond maxClients a strange address shares one bucket.
type rates struct {
	limit float64
	mu    sync.Mutex
	seen  map[rateKey]bucket
	swept time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxClients bounds the memory of rates: a household has far fewer, a flood of
// forged addresses more.
const maxClients = 1 << 16

func newRates(limit int) *rates {
	if limit <= 0 {
		return nil
	}
	return &rates{limit: float64(limit), seen: map[rateKey]bucket{}}
}

func (r *rates) take(q *Query) bool {
	bits := 32
	if q.Client.Is6() {
		bits = 64
	}
	network, _ := q.Client.WithZone("").Prefix(bits)
	key := rateKey{network, q.MAC, q.Transport == UDP}

	r.mu.Lock()
	defer r.mu.Unlock()
	if q.Start.Sub(r.swept) > time.Second {
		r.swept = q.Start
		for k, b := range r.seen {
			if q.Start.Sub(b.at) > time.Second {
				delete(r.seen, k)
			}
		}
	}
	b, ok := r.seen[key]
	if !ok {
		if len(r.seen) >= maxClients {
			key = rateKey{udp: key.udp}
			b, ok = r.seen[key]
		}
		if !ok {
			b = bucket{tokens: r.limit, at: q.Start}
		}
	}
	b.tokens = min(r.limit, b.tokens+r.limit*max(0, q.Start.Sub(b.at).Seconds()))
	b.at = q.Start
	if b.tokens < 1 {
		r.seen[key] = b
		return false
	}
	b.tokens--
	r.seen[key] = b
	return true
}
