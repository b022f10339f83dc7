//go:build linux

package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ledger remembers what was asked under each id on one socket. It is not safe
// for several goroutines.
type ledger struct {
	next    uint16
	entries [1 << 16]entry
}

type entry struct {
	packet  []byte
	want    class
	sent    time.Duration // on the clock of now
	waiting bool
}

// began is the zero of now.
var began = time.Now()

// now is a monotonic clock that is cheap to read and to store.
func now() time.Duration { return time.Since(began) }

// put writes a query with its new id into buf. If the last one with that id never
// had an answer, it is given up and returned.
func (l *ledger) put(buf []byte, q []byte, want class, at time.Duration) (packet []byte, given *entry) {
	id := l.next
	l.next++
	e := &l.entries[id]
	if e.waiting {
		old := *e
		given = &old
	}
	*e = entry{packet: q, want: want, sent: at, waiting: true}
	packet = append(buf[:0], q...)
	binary.BigEndian.PutUint16(packet, id)
	return packet, given
}

// take finds what a reply answers; ok is false if nothing waits for it.
func (l *ledger) take(reply []byte) (e entry, ok bool) {
	if len(reply) < 12 {
		return entry{}, false
	}
	at := &l.entries[binary.BigEndian.Uint16(reply)]
	e, ok = *at, at.waiting
	at.waiting = false
	return e, ok
}

// giveUp returns what still waits, and waits no longer.
func (l *ledger) giveUp() (given []entry) {
	for i := range l.entries {
		if e := &l.entries[i]; e.waiting {
			given = append(given, *e)
			e.waiting = false
		}
	}
	return given
}

// tally counts what became of queries.
type tally struct {
	asked, right, failed, wrong, lost int
	took                              time.Duration
	example                           string // of a wrong answer
}

func (t *tally) count(v verdict, e *entry, reply []byte) {
	t.asked++
	switch v {
	case right:
		t.right++
	case lost:
		t.lost++
	case failed:
		t.failed++
	case wrong:
		t.wrong++
	}
	if v >= failed && t.example == "" {
		t.example = fmt.Sprintf("asked %s, got %s", hex.EncodeToString(e.packet), hex.EncodeToString(reply))
	}
}

func (t *tally) add(o tally) {
	t.asked += o.asked
	t.right += o.right
	t.failed += o.failed
	t.wrong += o.wrong
	t.lost += o.lost
	t.took = max(t.took, o.took)
	if t.example == "" {
		t.example = o.example
	}
}

// answered counts every answer, since each has cost the server time.
func (t *tally) answered() int { return t.right + t.failed + t.wrong }
