package resolver

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// EDE is an Extended DNS Error (RFC 8914). Set says whether there is one; Code
// 0 is a code of its own.
type EDE struct {
	Set  bool
	Code uint16
	Text string // may be empty; travels in UTF-8
}

// Answer is the reply while it is made. Its maker owns nothing of it: Wire is
// appended to a buffer of the transport, so whoever keeps bytes copies them.
//
// On the way up the chain Wire is a whole message without OPT record; the
// outermost stage, seal, adds the OPT and truncates.
type Answer struct {
	Wire     []byte
	Outcome  Outcome
	List     string // of a blocked query, see Event
	Reason   Reason
	Hidden   []byte // of a blocked query, see Event; lies in the query
	Escape   Escape // how the query looks for a way around; not looked for where the answer is Blocked by a rule
	Plain    bool   // no record of Wire leads to another name or to a private address
	EDE      EDE
	ExtRcode uint8  // upper bits of an extended RCODE (RFC 6891, section 6.1.3)
	Upstream string // that was asked, see Event
	Quiet    bool   // not counted: deadpixel's own watchdog asked
}

// Reset makes a ready for a new reply into buf.
func (a *Answer) Reset(buf []byte) { *a = Answer{Wire: buf[:0]} }

// Rcode returns the header's response code, SERVFAIL when there is no message.
func (a *Answer) Rcode() int {
	if len(a.Wire) < HeaderSize {
		return dns.RcodeServerFailure
	}
	return int(a.Wire[3] & 0xf)
}

// Begin starts a reply of deadpixel's own: header with RA set and AA and AD
// clear, and the question exactly as asked. Records follow by appending.
func (a *Answer) Begin(q *Query, rcode int, outcome Outcome) {
	a.Outcome = outcome
	a.EDE, a.ExtRcode = EDE{}, 0
	flags1 := 0x80 | q.Opcode<<3
	if q.RD {
		flags1 |= 0x01
	}
	flags2 := 0x80 | byte(rcode&0xf)
	if q.CD {
		flags2 |= 0x10
	}
	a.Wire = append(a.Wire[:0], byte(q.ID>>8), byte(q.ID), flags1, flags2, 0, 0, 0, 0, 0, 0, 0, 0)
	if q.Question != nil {
		a.Wire[5] = 1
		a.Wire = append(a.Wire, q.Question...)
	}
}

// Fail makes a the SERVFAIL that says no answer could be had, with the EDE that
// says why.
func (a *Answer) Fail(q *Query, code uint16, text string) {
	a.Begin(q, dns.RcodeServerFailure, Failed)
	a.EDE = EDE{Set: true, Code: code, Text: text}
}

// Stamp makes a stored or received message the answer to q: id, question (and
// its case), RD and CD are the client's own; RA is set, AA clear; AD stays only
// for a client that asked for it by AD or DO (RFC 6840, section 5.8). The
// question of wire must be q's but for case.
func Stamp(wire []byte, q *Query) {
	binary.BigEndian.PutUint16(wire, q.ID)
	wire[2] = 0x80 | q.Opcode<<3 | wire[2]&0x02
	if q.RD {
		wire[2] |= 0x01
	}
	keep := byte(0x0f)
	if q.AD || q.EDNS.DO {
		keep |= 0x20
	}
	wire[3] = wire[3]&keep | 0x80
	if q.CD {
		wire[3] |= 0x10
	}
	copy(wire[HeaderSize:], q.Question)
}

// questionName is the compression pointer to the question's name.
const questionName = 0xc000 | HeaderSize

// count adds one to a section's record count.
func (a *Answer) count(s Section) {
	at := 6 + 2*int(s)
	binary.BigEndian.PutUint16(a.Wire[at:], binary.BigEndian.Uint16(a.Wire[at:])+1)
}

// record appends a record owned by the name that pointer points to. Sections
// are filled in order.
func (a *Answer) record(s Section, pointer uint16, rrtype uint16, ttl time.Duration, data ...byte) {
	a.count(s)
	a.Wire = binary.BigEndian.AppendUint16(a.Wire, pointer)
	a.Wire = binary.BigEndian.AppendUint16(a.Wire, rrtype)
	a.Wire = binary.BigEndian.AppendUint16(a.Wire, dns.ClassINET)
	a.Wire = binary.BigEndian.AppendUint32(a.Wire, seconds(ttl))
	a.Wire = binary.BigEndian.AppendUint16(a.Wire, uint16(len(data)))
	a.Wire = append(a.Wire, data...)
}

// soa appends the SOA of a negative answer (RFC 2308, section 3), owned by the
// asked name without its first labels; ttl is both its TTL and its minimum. The
// other fields follow the empty zones of RFC 6303, section 3.
func (a *Answer) soa(q *Query, labels uint8, ttl time.Duration) {
	at := HeaderSize
	for ; labels > 0; labels-- {
		at += 1 + int(a.Wire[at])
	}
	owner := uint16(0xc000 | at)
	data := [...]byte{
		byte(owner >> 8), byte(owner), // MNAME
		6, 'n', 'o', 'b', 'o', 'd', 'y', 7, 'i', 'n', 'v', 'a', 'l', 'i', 'd', 0, // RNAME
		0, 0, 0, 1, // serial
		0, 0, 0x0e, 0x10, // refresh 3600
		0, 0, 0x04, 0xb0, // retry 1200
		0, 0x09, 0x3a, 0x80, // expire 604800
		0, 0, 0, 0, // minimum, below
	}
	binary.BigEndian.PutUint32(data[len(data)-4:], seconds(ttl))
	a.record(Authority, owner, dns.TypeSOA, ttl, data[:]...)
}

// seconds is a duration as a TTL, at most 2^31-1 (RFC 2181, section 8).
func seconds(d time.Duration) uint32 { return uint32(min(max(d/time.Second, 0), 1<<31-1)) }

// ednsSize is the size of an OPT record without options.
const ednsSize = 11

// seal finishes a reply: it adds the OPT record when the query had one and, over
// UDP, truncates to what the client takes (RFC 6891, section 6.2.5; RFC 2181,
// section 9: a truncated answer is thrown away, so it carries no records).
func seal(q *Query, a *Answer) {
	if len(a.Wire) < HeaderSize {
		return
	}
	limit := 65535
	if q.Transport == UDP {
		limit = min(int(q.EDNS.Size), MaxUDP)
	}
	size, least := 0, 0
	if q.EDNS.Present {
		least = ednsSize
		if q.relayed {
			least += subnetSize + q.Client.BitLen()/8
		}
		size = least
		if a.EDE.Set {
			size += 6 + len(a.EDE.Text)
			if over := len(a.Wire) + size - limit; over > 0 { // the reason gives way to the answer
				size -= len(a.EDE.Text)
				a.EDE.Text = ""
			}
			if len(a.Wire)+size > limit {
				size, a.EDE.Set = least, false
			}
		}
	}
	if len(a.Wire)+size > limit {
		truncate(a, q)
	}
	if !q.EDNS.Present {
		return
	}
	a.count(Additional)
	ttl := uint32(a.ExtRcode) << 24
	if q.EDNS.DO {
		ttl |= 0x8000
	}
	a.Wire = append(a.Wire, 0, 0, byte(dns.TypeOPT), MaxUDP>>8, MaxUDP&0xff)
	a.Wire = binary.BigEndian.AppendUint32(a.Wire, ttl)
	a.Wire = binary.BigEndian.AppendUint16(a.Wire, uint16(size-ednsSize))
	if q.relayed {
		a.Wire = appendSubnet(a.Wire, q.Client)
	}
	if a.EDE.Set {
		a.Wire = append(a.Wire, 0, dns.EDNS0EDE)
		a.Wire = binary.BigEndian.AppendUint16(a.Wire, uint16(2+len(a.EDE.Text)))
		a.Wire = binary.BigEndian.AppendUint16(a.Wire, a.EDE.Code)
		a.Wire = append(a.Wire, a.EDE.Text...)
	}
}

// truncate leaves the header, with TC set, and the question.
func truncate(a *Answer, q *Query) {
	a.Wire = a.Wire[:HeaderSize+len(q.Question)]
	a.Wire[2] |= 0x02
	clear(a.Wire[6:HeaderSize])
}
