package resolver

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// Times of the cache that standards give.
const (
	negativeMax = 3 * time.Hour    // RFC 2308, section 5
	failureTTL  = 5 * time.Second  // RFC 9520, section 3.2: at least one second
	staleTTL    = 30 * time.Second // RFC 8767, section 4: the TTL of a stale answer
	staleRetry  = 30 * time.Second // RFC 8767, section 5: how long upstreams are left alone after a failure
)

// newEntry makes the entry for an answer as it came from below, or nil when it
// must not be stored.
func newEntry(key []byte, a *Answer, p CachePolicy, now time.Time) *entry {
	e := &entry{stored: now, ede: a.EDE, escape: a.Escape}
	lifetime := failureTTL
	if a.Outcome == Failed {
		e.failed = true
	} else {
		ttl, ok := lifetimeOf(a.Wire)
		if lifetime = min(max(ttl, p.MinTTL), p.MaxTTL); !ok || lifetime <= 0 {
			return nil
		}
	}
	e.key = string(key)
	e.wire = append(make([]byte, 0, len(a.Wire)), a.Wire...)
	e.expires = now.Add(lifetime)
	e.plain = true
	r := Records(e.wire)
	for r.Next() {
		e.plain = e.plain && isPlain(&r)
		e.ttls = append(e.ttls, uint16(r.TTLAt))
		ttl := min(max(time.Duration(plainTTL(r.TTL))*time.Second, p.MinTTL), p.MaxTTL)
		if r.Type == dns.TypeSOA && r.Section == Authority {
			ttl = min(ttl, max(lifetime, time.Second)) // a negative answer lives no longer than its SOA says
		}
		binary.BigEndian.PutUint32(e.wire[r.TTLAt:], seconds(ttl))
	}
	return e
}

// lifetimeOf is how long a message may be kept: the least TTL of its records
// and, when it is negative, what its SOA says (RFC 2308, section 5). A negative
// answer without SOA must not be kept, nor a truncated one.
func lifetimeOf(wire []byte) (time.Duration, bool) {
	if len(wire) < HeaderSize || wire[2]&0x02 != 0 {
		return 0, false
	}
	question := binary.BigEndian.Uint16(wire[SkipName(wire, HeaderSize):])
	least := uint32(1<<31 - 1)
	positive, soa, records := false, false, 0
	r := Records(wire)
	for r.Next() {
		records++
		least = min(least, plainTTL(r.TTL))
		switch {
		case r.Section == AnswerSection && (r.Type == question || question == dns.TypeANY):
			positive = true
		case r.Section == Authority && r.Type == dns.TypeSOA && r.DataSize >= 4:
			data := r.Data()
			least = min(least, binary.BigEndian.Uint32(data[len(data)-4:]), uint32(negativeMax/time.Second))
			soa = true
		}
	}
	if !r.Sound() || records == 0 || !soa && (!positive || wire[3]&0xf != dns.RcodeSuccess) {
		return 0, false
	}
	return time.Duration(least) * time.Second, true
}

// plainTTL is a TTL as it counts: one with the highest bit set is 0 (RFC 2181,
// section 8).
func plainTTL(ttl uint32) uint32 {
	if ttl > 1<<31-1 {
		return 0
	}
	return ttl
}

// fresh writes the answer as it is now: every TTL has aged.
func (e *entry) fresh(a *Answer, now time.Time) {
	a.Outcome = Cached
	if e.failed {
		a.Outcome = Failed
	}
	e.write(a, func(ttl uint32) uint32 {
		age := seconds(now.Sub(e.stored))
		return ttl - min(ttl, age)
	})
	a.EDE = e.ede
}

// stale writes the answer past its time (RFC 8767).
func (e *entry) stale(a *Answer) {
	a.Outcome = Stale
	e.write(a, func(ttl uint32) uint32 { return seconds(staleTTL) })
	a.EDE = EDE{Set: true, Code: dns.ExtendedErrorCodeStaleAnswer}
	if e.wire[3]&0xf == dns.RcodeNameError {
		a.EDE.Code = dns.ExtendedErrorCodeStaleNXDOMAINAnswer
	}
}

func (e *entry) write(a *Answer, change func(uint32) uint32) {
	a.Plain, a.Escape = e.plain, e.escape
	a.Wire = append(a.Wire[:0], e.wire...)
	for _, at := range e.ttls {
		binary.BigEndian.PutUint32(a.Wire[at:], change(binary.BigEndian.Uint32(a.Wire[at:])))
	}
}
