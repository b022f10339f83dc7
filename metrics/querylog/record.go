// Package querylog keeps single queries, where [privacy] queries permits that: what was
// asked, by whom in the permitted form, and what became of it. By default there is
// nothing of it.
package querylog

import (
	"context"
	"net/netip"
	"time"

	"deadpixel/resolver"
)

// Record is one query. A sink may keep it, but not change what it points to.
type Record struct {
	Time      time.Time // when the query arrived
	Duration  time.Duration
	Client    string     // in the form of [privacy] clients; "" where they are not told apart
	Address   netip.Addr // of the client; invalid unless [privacy] clients is "full"
	Group     string     // the first one of the client
	Transport resolver.Transport
	Name      string // without the last dot
	Type      uint16
	Outcome   resolver.Outcome
	List      string // of a blocked query: whose rule decided
	Reason    resolver.Reason
	Hidden    string // the blocked name, when it is not Name
	Owner     string // of the blocked name
}

// Sink is where records go. One goroutine at a time calls it.
type Sink interface {
	// Write takes records, the oldest first. They are lost when it fails, and count as
	// dropped; a sink that can wait for better times does so within a bound of its own.
	Write(ctx context.Context, records []Record) error
	// Close sends what it holds and lets go of what it has open.
	Close() error
}
