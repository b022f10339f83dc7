package resolver

import "encoding/binary"

// Section is a section of a DNS message that holds records.
type Section uint8

const (
	AnswerSection Section = iota
	Authority
	Additional
)

// RecordReader walks the records of a message where it lies, without
// allocating. After Next returned false, Sound tells the end from a fault.
type RecordReader struct {
	Section  Section
	Name     int // offset of the owner name
	TTLAt    int // offset of the TTL
	DataAt   int // offset of the data
	Type     uint16
	Class    uint16
	TTL      uint32 // seconds
	DataSize int

	msg   []byte
	at    int
	left  [3]uint16
	fault bool
}

// Records returns a reader over the records of msg, whose question section it
// steps over.
func Records(msg []byte) RecordReader {
	r := RecordReader{msg: msg, at: HeaderSize}
	if len(msg) < HeaderSize {
		r.fault = true
		return r
	}
	for n := binary.BigEndian.Uint16(msg[4:]); n > 0 && !r.fault; n-- {
		r.at = SkipName(msg, r.at)
		if r.at < 0 || r.at+4 > len(msg) {
			r.fault = true
			break
		}
		r.at += 4
	}
	for i := range r.left {
		r.left[i] = binary.BigEndian.Uint16(msg[6+2*i:])
	}
	return r
}

// Next moves to the next record. It returns false after the last one or at a
// record that does not fit into the message.
func (r *RecordReader) Next() bool {
	for !r.fault && r.left[r.Section] == 0 {
		if r.Section == Additional {
			return false
		}
		r.Section++
	}
	if r.fault {
		return false
	}
	r.left[r.Section]--
	r.Name = r.at
	at := SkipName(r.msg, r.at)
	if at < 0 || at+10 > len(r.msg) {
		r.fault = true
		return false
	}
	r.Type = binary.BigEndian.Uint16(r.msg[at:])
	r.Class = binary.BigEndian.Uint16(r.msg[at+2:])
	r.TTLAt, r.TTL = at+4, binary.BigEndian.Uint32(r.msg[at+4:])
	r.DataSize = int(binary.BigEndian.Uint16(r.msg[at+8:]))
	r.DataAt = at + 10
	r.at = r.DataAt + r.DataSize
	if r.at > len(r.msg) {
		r.fault = true
		return false
	}
	return true
}

// Data is the data of the current record, as it lies in the message.
func (r *RecordReader) Data() []byte { return r.msg[r.DataAt : r.DataAt+r.DataSize] }

// End is the offset after the current record, or after the question section
// before the first Next.
func (r *RecordReader) End() int { return r.at }

// Sound says that everything read so far was well formed.
func (r *RecordReader) Sound() bool { return !r.fault }

// SkipName returns the offset after the name at offset at, or -1 when there is
// none. A compression pointer ends a name (RFC 1035, section 4.1.4); where it
// points is not followed.
func SkipName(msg []byte, at int) int {
	for length := 0; at < len(msg); {
		n := int(msg[at])
		switch {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			if at+2 > len(msg) {
				return -1
			}
			return at + 2
		case n > 63:
			return -1
		}
		at += 1 + n
		if length += 1 + n; length > 254 {
			return -1
		}
	}
	return -1
}
