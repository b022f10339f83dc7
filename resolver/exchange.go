package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/miekg/dns"
)

// errFailure is a reply that says that the server failed, so that another may do better.
type errFailure struct {
	rcode int
	EDE
	hasOPT bool
}

func (e *errFailure) Error() string { return "answered " + dns.RcodeToString[e.rcode] }

// exchange puts q to a server and takes the reply apart.
func exchange(ctx context.Context, u Upstream, q *Query, edns bool) ([]byte, EDE, error) {
	reply, err := u.Exchange(ctx, upstreamQuery(q, edns))
	if err != nil {
		return nil, EDE{}, err
	}
	wire, opt, err := stripOPT(reply)
	if err != nil {
		return nil, EDE{}, fmt.Errorf("%s: %w", u, err)
	}
	if rcode := int(opt.extRcode)<<4 | int(wire[3]&0xf); rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError {
		return nil, EDE{}, &errFailure{rcode, opt.ede, opt.present}
	}
	// Upstreams look at this as well; but the reply will be cached under the
	// question, and its names may refer to it.
	if end := HeaderSize + len(q.Question); len(wire) < end || binary.BigEndian.Uint16(wire[4:]) != 1 || !bytes.EqualFold(wire[HeaderSize:end], q.Question) {
		return nil, EDE{}, fmt.Errorf("%s: a reply to another question", u)
	}
	return wire, opt.ede, nil
}

// upstreamQuery is q as a server is asked: nothing of the client is in it but
// the question in lower case, DO and CD. AD asks to be told about validation
// (RFC 6840, section 5.7).
func upstreamQuery(q *Query, edns bool) []byte {
	b := make([]byte, 0, HeaderSize+len(q.Question)+ednsSize)
	b = binary.BigEndian.AppendUint16(b, uint16(rand.Uint32()))
	flags2 := byte(0x20)
	if q.CD {
		flags2 |= 0x10
	}
	b = append(b, 0x01, flags2, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(b, q.Question...)
	name := b[HeaderSize : len(b)-4]
	for i, c := range name { // length bytes are below 64, so no letters
		if c >= 'A' && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
	if !edns {
		return b
	}
	b[11] = 1
	do := byte(0)
	if q.EDNS.DO {
		do = 0x80
	}
	return append(b, 0, 0, byte(dns.TypeOPT), MaxUDP>>8, MaxUDP&0xff, 0, 0, do, 0, 0, 0)
}

// options is what an upstream's OPT record said.
type options struct {
	present  bool
	extRcode uint8
	ede      EDE
}

// errReply says that a reply cannot be read.
var errReply = errors.New("malformed reply")

// stripOPT takes the hop-by-hop OPT record (RFC 6891, section 6.1.1) out of a
// reply, in place.
func stripOPT(reply []byte) ([]byte, options, error) {
	var o options
	r := Records(reply)
	start, end := 0, 0
	for r.Next() {
		if r.Type != dns.TypeOPT {
			continue
		}
		if o.present || r.Section != Additional || reply[r.Name] != 0 {
			return nil, o, errReply
		}
		o.present, o.extRcode, o.ede = true, uint8(r.TTL>>24), readEDE(r.Data())
		start, end = r.Name, r.End()
	}
	if !r.Sound() || len(reply) < HeaderSize {
		return nil, o, errReply
	}
	reply = reply[:r.End()]
	if !o.present {
		return reply, o, nil
	}
	if end < len(reply) {
		// Names after the OPT record may be referred to by offsets that would move.
		return repack(reply, o)
	}
	binary.BigEndian.PutUint16(reply[10:], binary.BigEndian.Uint16(reply[10:])-1)
	return reply[:start], o, nil
}

// repack writes a message anew without its OPT record.
func repack(reply []byte, o options) ([]byte, options, error) {
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return nil, o, errReply
	}
	kept := m.Extra[:0]
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			kept = append(kept, rr)
		}
	}
	m.Extra = kept
	m.Rcode &= 0xf // the upper bits were in the OPT record
	m.Compress = true
	wire, err := m.Pack()
	return wire, o, err
}

// readEDE finds an Extended DNS Error among the options of an OPT record. Its
// text is for people: what is no printable ASCII or too long is left out.
func readEDE(data []byte) EDE {
	for len(data) >= 4 {
		code, n := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if 4+n > len(data) {
			break
		}
		if code == dns.EDNS0EDE && n >= 2 {
			e := EDE{Set: true, Code: binary.BigEndian.Uint16(data[4:])}
			text := data[6 : 4+n]
			if len(text) <= 200 {
				e.Text = printable(text)
			}
			return e
		}
		data = data[4+n:]
	}
	return EDE{}
}

func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(b)
}
