package resolver

import (
	"net/netip"
	"time"
)

// Outcome is how a query ended; every query has exactly one.
type Outcome uint8

const (
	Dropped   Outcome = iota // no answer was due or possible
	Blocked                  // by a rule or a canary
	Cached                   // from the cache, fresh
	Stale                    // from the cache, past its time (RFC 8767)
	Forwarded                // by an upstream
	Local                    // made here: [local], special-use names, HINFO
	Refused                  // FORMERR, NOTIMP, BADVERS, REFUSED
	Limited                  // over rate_limit
	Failed                   // SERVFAIL: no answer could be had
	Outcomes                 // how many there are
)

// String returns the value of the metric label `outcome`.
func (o Outcome) String() string {
	return [...]string{"dropped", "blocked", "cached", "stale", "forwarded", "local", "refused", "limited", "failed"}[o]
}

// Reason is where the blocked name stood.
type Reason uint8

const (
	ByName    Reason = iota // the asked name itself
	ByCNAME                 // behind a CNAME of the answer
	ByHTTPS                 // the target of an SVCB or HTTPS record of the answer
	ByAddress               // an address of the answer
	Reasons                 // how many there are
)

// String returns the value of the metric label `reason`.
func (r Reason) String() string { return [...]string{"name", "cname", "https", "address"}[r] }

// Event is what happened to one query.
type Event struct {
	Time      time.Time // when the query arrived
	Duration  time.Duration
	Client    netip.Addr
	Transport Transport
	Outcome   Outcome
	Name      []byte // normalised; valid only during the call
	Type      uint16
	List      string // of a blocked query: the list whose rule decided, or "canary"
	Reason    Reason
	Groups    []string // of who asked; nil when nobody found out. Not to be changed
	Escape    Escape   // what is known of it; see Answer
	Hidden    []byte   // the blocked name when it is not Name, normalised; valid only during the call
	Rcode     uint16   // of the reply, the upper bits of an extended one included; SERVFAIL where there was none
	Upstream  string   // that the answer came from, as in Exchange; "" when from none, or from the cache
	Wire      []byte   // the reply as it was sent, empty when there was none; valid only during the call
}

// BlockedName is the name that a rule was about, of a blocked query.
func (e *Event) BlockedName() []byte {
	if e.Hidden != nil {
		return e.Hidden
	}
	return e.Name
}

// Exchange is one question put to one upstream.
type Exchange struct {
	Upstream string // scheme and host, never a path
	Result   Result
	Blocked  bool // the server answered that it blocks the name
	Duration time.Duration
}

// Result is how an exchange ended.
type Result uint8

const (
	OK Result = iota
	Timeout
	Error   // of the network, of TLS, an unusable answer, SERVFAIL or REFUSED
	Results // how many there are
)

// String returns the value of the metric label `result`.
func (r Result) String() string { return [...]string{"ok", "timeout", "error"}[r] }

// Observer is told what happened, once per query and after the reply has left.
// Its methods are called from many goroutines at once and must not block.
type Observer interface {
	Observe(Event)
	ObserveExchange(Exchange)
}

// Forker is an Observer that can be split: Fork returns one for the use of one
// goroutine, so that what many goroutines count shares no memory.
type Forker interface {
	Fork() Observer
}
