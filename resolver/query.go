package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// Transport is how a query came in.
type Transport uint8

const (
	UDP Transport = iota
	TCP
	TLS
	HTTPS
	QUIC
)

// String returns the value of the metric label `transport`.
func (t Transport) String() string { return [...]string{"udp", "tcp", "tls", "https", "quic"}[t] }

// HeaderSize is the size in bytes of a DNS header (RFC 1035, section 4.1.1).
const HeaderSize = 12

// MaxUDP is the largest UDP answer deadpixel sends and the size it offers to
// upstreams, in bytes. It fits every path without fragments (RFC 9715,
// section 3.2).
const MaxUDP = 1232

// MinUDP is what every client takes over UDP without EDNS (RFC 1035, section 4.2.1).
const MinUDP = 512

// EDNS is what the OPT record of a query said (RFC 6891, section 6.1). None of
// its options travels on.
type EDNS struct {
	Present bool
	Version uint8
	Size    uint16 // UDP payload the client takes, in bytes; at least MinUDP
	DO      bool   // wants DNSSEC records (RFC 3225)
}

// Fault is what is wrong with a packet before anybody looks at its question.
type Fault uint8

const (
	Sound     Fault = iota
	Silent          // no answer is due: too short for a header, or itself a response
	Malformed       // FORMERR
)

// Query is one client's question: the packet and what every stage needs of it,
// parsed without allocating. Name and Question point into the Query or its
// packet; they are valid until the Query is parsed again, so a stage that works
// on after returning takes a Clone. A Query is used by one goroutine at a time.
type Query struct {
	Name     []byte // normalised (see lists.Normalize), without trailing dot; empty for the root
	Type     uint16
	Class    uint16
	Question []byte // the question section exactly as asked; nil when it could not be read
	Packet   []byte // the whole message

	ID     uint16
	Opcode uint8
	RD     bool // recursion desired
	AD     bool // understands the AD bit (RFC 6840, section 5.7)
	CD     bool // checking disabled (RFC 4035, section 3.2.2)
	EDNS   EDNS
	Fault  Fault

	Client    netip.Addr // unmapped; invalid for a query that deadpixel asks itself
	MAC       MAC        // the client's, when a trusted forwarder said so; zero for unknown
	Identity  string     // what the client calls itself on an encrypted transport, in lower case; "" for nothing
	Who       *Client    // the entry that the query belongs to; nil for nobody's
	Transport Transport
	Start     time.Time // when it arrived; the budget of [upstream] timeout runs from here

	// MayWait says that the goroutine may block. A transport first asks with
	// false, from the goroutine that reads its socket, and again with true from
	// a goroutine of its own when it got ErrWait.
	MayWait bool
	// Admitted is set once the client's rate has been counted, so that the
	// second asking is not counted twice.
	Admitted bool

	policy         *Policy   // what holds for whoever asks; of everybody until the query is admitted
	who            lists.Who // whoever asks, for the Matcher; valid once the block stage has filled it in
	optAt, optSize int       // where in Packet the options of the OPT record lie
	relayed        bool      // Client is what a trusted forwarder's client subnet said

	room   []byte // the memory of Name, and of what key puts behind it
	target []byte // room for a name of the answer
	step   Step   // room for what the answer leads to
}

// keyTail is how many bytes of a key follow the name.
const keyTail = 2 + 2 + 1 + 1

// key is what makes two queries ask the same: name, type, class, DO and CD, which
// change the answer, and the servers that it may come from. It lies in q and is valid until q is parsed again.
func (q *Query) key() []byte {
	flags := byte(0)
	if q.EDNS.DO {
		flags |= 1
	}
	if q.CD {
		flags |= 2
	}
	b := binary.BigEndian.AppendUint16(q.Name, q.Type)
	b = binary.BigEndian.AppendUint16(b, q.Class)
	return append(b, flags, byte(q.servers()))
}

// Groups are the groups of who asks, nil before that was found out.
func (q *Query) Groups() []string {
	if q.policy == nil {
		return nil
	}
	return q.policy.Groups
}

// servers is the number of the servers that q goes to; see Group.
func (q *Query) servers() int {
	if q.policy == nil { // deadpixel's own question
		return 0
	}
	return q.policy.servers
}

// Parse fills q from a packet, which it keeps. Client, Identity, Transport, Start
// and MayWait are the caller's to set. Bytes after the last record are ignored, as
// other servers do. The Fault, also in q.Fault, says what a reply may hold: with
// Malformed the header fields are set, and Question when it was readable.
func (q *Query) Parse(packet []byte) Fault {
	if cap(q.room) < lists.MaxName+keyTail {
		q.room = make([]byte, 0, lists.MaxName+keyTail)
	}
	q.Packet, q.Question, q.Name = packet, nil, q.room
	q.Type, q.Class, q.EDNS, q.Admitted = 0, 0, EDNS{Size: MinUDP}, false
	q.policy = nil
	q.MAC, q.Who, q.optAt, q.optSize, q.relayed = MAC{}, nil, 0, 0, false
	if len(packet) < HeaderSize || packet[2]&0x80 != 0 {
		q.Fault = Silent
		return q.Fault
	}
	q.ID = binary.BigEndian.Uint16(packet)
	q.Opcode = packet[2] >> 3 & 0xf
	q.RD = packet[2]&0x01 != 0
	q.AD = packet[3]&0x20 != 0
	q.CD = packet[3]&0x10 != 0
	q.Fault = Malformed
	if binary.BigEndian.Uint16(packet[4:]) != 1 {
		return q.Fault
	}
	end := q.parseName(packet, HeaderSize)
	if end < 0 || end+4 > len(packet) {
		q.Name = q.room
		return q.Fault
	}
	q.Type = binary.BigEndian.Uint16(packet[end:])
	q.Class = binary.BigEndian.Uint16(packet[end+2:])
	q.Question = packet[HeaderSize : end+4]
	if q.Opcode == dns.OpcodeQuery && !q.parseRest(packet) {
		return q.Fault
	}
	q.Fault = Sound
	return q.Fault
}

// parseName reads the question's name from offset at into q.Name and returns
// the offset after it, or -1. Nothing stands before it that a compression
// pointer could point to, so a pointer is an error.
func (q *Query) parseName(packet []byte, at int) int {
	start := at
	for {
		if at >= len(packet) {
			return -1
		}
		n := int(packet[at])
		at++
		if n == 0 {
			break
		}
		if n > 63 || at+n > len(packet) || at+n-start >= 255 {
			return -1
		}
		if len(q.Name) > 0 {
			q.Name = append(q.Name, '.')
		}
		q.Name = lists.AppendLabel(q.Name, packet[at:at+n])
		at += n
	}
	return at
}

// parseRest checks the sections after the question and reads the OPT record.
// A query carries no answers; only IXFR has an authority record (RFC 1995,
// section 3).
func (q *Query) parseRest(packet []byte) bool {
	if binary.BigEndian.Uint16(packet[6:]) != 0 {
		return false
	}
	if ns := binary.BigEndian.Uint16(packet[8:]); ns != 0 && (q.Type != dns.TypeIXFR || ns != 1) {
		return false
	}
	r := Records(packet)
	for r.Next() {
		if r.Type != dns.TypeOPT || r.Section != Additional {
			continue
		}
		// One OPT, owned by the root (RFC 6891, section 6.1.1).
		if q.EDNS.Present || packet[r.Name] != 0 || !soundOptions(r.Data()) {
			return false
		}
		q.EDNS = EDNS{
			Present: true,
			Version: uint8(r.TTL >> 16),
			Size:    max(r.Class, MinUDP), // RFC 6891, section 6.2.3
			DO:      r.TTL&0x8000 != 0,
		}
		q.optAt, q.optSize = r.DataAt, r.DataSize
	}
	return r.Sound()
}

// soundOptions checks that the options of an OPT record fill its data exactly.
func soundOptions(data []byte) bool {
	for len(data) >= 4 {
		n := 4 + int(binary.BigEndian.Uint16(data[2:]))
		if n > len(data) {
			return false
		}
		data = data[n:]
	}
	return len(data) == 0
}

// options are the options of the OPT record, which fill them exactly.
func (q *Query) options() []byte { return q.Packet[q.optAt : q.optAt+q.optSize] }

// Clone returns a copy that stays valid after q is parsed again, with MayWait set.
func (q *Query) Clone() *Query {
	c := new(Query)
	*c = *q
	c.target, c.step = nil, Step{}
	room := len(q.Name) + keyTail
	memory := make([]byte, room+len(q.Packet))
	c.room = memory[:0:room]
	c.Name = append(c.room, q.Name...)
	c.Packet = append(memory[room:room], q.Packet...)
	if q.Question != nil {
		c.Question = c.Packet[HeaderSize : HeaderSize+len(q.Question)]
	}
	c.MayWait = true
	return c
}
