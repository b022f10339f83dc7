// Package querylog keeps single queries, where [privacy] queries permits that: what was
// asked, by whom in the permitted form, and what became of it. By default there is
// nothing of it, and an answer pays one load for that.
//
// Each core notes what it sees in a buffer of its own. Once a second they are emptied,
// and what was in them goes to sinks: the store in the data directory, JSON lines on
// standard output, dnstap, PostgreSQL. What a buffer or a sink has no room for is dropped
// and counted: no answer ever waits.
package querylog

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// Scope is which queries are kept.
type Scope int32

const (
	None    Scope = iota // none
	Blocked              // those that were blocked: no name that was allowed
	All
)

var scopes = [...]string{"none", "blocked", "all"}

// ParseScope reads the value of [privacy] queries.
func ParseScope(s string) (Scope, error) {
	for scope, name := range scopes {
		if s == name {
			return Scope(scope), nil
		}
	}
	return None, fmt.Errorf("%q is none of \"none\", \"blocked\", \"all\"", s)
}

// String returns the value of [privacy] queries.
func (s Scope) String() string { return scopes[s] }

// permits says whether a query with an outcome may be kept.
func (s Scope) permits(o resolver.Outcome) bool {
	return s == All || s == Blocked && o == resolver.Blocked
}

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
	Rcode     uint16
	Upstream  string // that answered, scheme and host
	List      string // of a blocked query: whose rule decided
	Reason    resolver.Reason
	Hidden    string // the blocked name, when it is not Name
	Owner     string // of the blocked name
	Wire      []byte // the reply, where a sink wants it
}

// Line is a record as JSON, for the store and for standard output. What there is nothing
// to say of is left out.
type Line struct {
	Time      time.Time `json:"time"` // to the millisecond
	Client    string    `json:"client,omitempty"`
	Address   string    `json:"address,omitempty"`
	Group     string    `json:"group,omitempty"`
	Transport string    `json:"transport"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	Outcome   string    `json:"outcome"`
	Rcode     string    `json:"rcode,omitempty"`
	Upstream  string    `json:"upstream,omitempty"`
	List      string    `json:"list,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Hidden    string    `json:"hidden,omitempty"`
	Owner     string    `json:"owner,omitempty"`
	Duration  float64   `json:"duration_ms"`
}

// Line is the record as a line.
func (r *Record) Line() Line {
	l := Line{Time: r.Time.UTC().Truncate(time.Millisecond), Client: r.Client, Group: r.Group, Transport: r.Transport.String(), Name: r.Name, Type: dns.Type(r.Type).String(),
		Outcome: r.Outcome.String(), Upstream: r.Upstream, List: r.List, Hidden: r.Hidden, Owner: r.Owner, Duration: float64(r.Duration.Microseconds()) / 1000}
	if r.Address.IsValid() {
		l.Address = r.Address.String()
	}
	if r.Outcome == resolver.Blocked {
		l.Reason = r.Reason.String()
	}
	if r.Outcome != resolver.Dropped {
		l.Rcode = dns.RcodeToString[int(r.Rcode)]
	}
	return l
}

// Sink is where records go. One goroutine at a time calls it.
type Sink interface {
	// Write takes records, the oldest first. They are lost when it fails, and count as
	// dropped; a sink that can wait for better times does so within a bound of its own.
	Write(ctx context.Context, records []Record) error
	// Close sends what it holds and lets go of what it has open.
	Close() error
}
