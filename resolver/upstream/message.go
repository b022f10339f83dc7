package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
)

const headerSize = 12 // RFC 1035, section 4.1.1

// maxMessage is the largest message over a stream (RFC 1035, section 4.2.2).
const maxMessage = 65535

// errMismatch says that a message is no reply to the query.
var errMismatch = errors.New("the reply is not to this query")

// isReply says whether reply answers query: a response with its id and opcode,
// and its question but for the case of letters. A server that could not read the
// query may leave the question out.
func isReply(query, reply []byte) bool {
	if len(reply) < headerSize || reply[2]&0x80 == 0 || !bytes.Equal(reply[:2], query[:2]) || reply[2]&0x78 != query[2]&0x78 {
		return false
	}
	if binary.BigEndian.Uint16(reply[4:]) == 0 {
		return reply[3]&0xf != 0
	}
	question := questionOf(query)
	return question != nil && binary.BigEndian.Uint16(reply[4:]) == 1 && len(reply) >= headerSize+len(question) &&
		equalFold(reply[headerSize:headerSize+len(question)], question)
}

// questionOf is the question section of a query of one question.
func questionOf(query []byte) []byte {
	for at := headerSize; at < len(query); at += 1 + int(query[at]) {
		if query[at] == 0 {
			if at+5 > len(query) {
				return nil
			}
			return query[headerSize : at+5]
		}
	}
	return nil
}

// equalFold compares names in wire form; length bytes are below 64 and so are no
// letters. Type and class behind them have no letters that differ in case alone
// and are compared as they are.
func equalFold(a, b []byte) bool {
	name := len(a) - 4
	return bytes.EqualFold(a[:name], b[:name]) && bytes.Equal(a[name:], b[name:])
}

// isTruncated says whether TC is set.
func isTruncated(reply []byte) bool { return reply[2]&0x02 != 0 }

// paddingBlock is the size that encrypted queries are padded to a multiple of
// (RFC 8467, section 4.1).
const paddingBlock = 128

// pad returns a copy of query, padded (RFC 7830) when it ends in an OPT record
// without options.
func pad(query []byte) []byte {
	const opt = 11
	at := len(query) - opt
	if at < headerSize || binary.BigEndian.Uint16(query[10:]) == 0 || query[at] != 0 ||
		binary.BigEndian.Uint16(query[at+1:]) != 41 || binary.BigEndian.Uint16(query[at+9:]) != 0 {
		return bytes.Clone(query)
	}
	size := (len(query) + 4 + paddingBlock - 1) / paddingBlock * paddingBlock
	padded := make([]byte, size)
	copy(padded, query)
	zeros := size - len(query) - 4
	binary.BigEndian.PutUint16(padded[at+9:], uint16(4+zeros))
	binary.BigEndian.PutUint16(padded[len(query):], 12)
	binary.BigEndian.PutUint16(padded[len(query)+2:], uint16(zeros))
	return padded
}

// probeQuery asks for the name servers of the root: every resolver knows them.
func probeQuery() []byte {
	q := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	q = append(q, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 1)           // RD; one question, one additional record
	q = append(q, 0, 0, 2, 0, 1)                             // . NS IN
	return append(q, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0) // OPT, 1232 bytes
}
