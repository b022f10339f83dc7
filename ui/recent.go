package ui

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ErrNotPermitted is wrapped by errors about what somebody may not do for
// themselves, ErrTooOften by those about what was done too often.
var (
	ErrNotPermitted = errors.New("not permitted")
	ErrTooOften     = errors.New("try again later")
)

// Devices is what a person may see and do for the device that they sit at, without
// signing in.
type Devices interface {
	Recent(netip.Addr) Recent
	// Allow allows a name for that address, as long as may be when d is 0.
	Allow(ip netip.Addr, name string, d time.Duration) (until time.Time, err error)
	// Ask tells the owner that somebody wants a name to be allowed.
	Ask(ip netip.Addr, name string) error
}

// Recent is what was blocked for one address in the last minutes.
type Recent struct {
	Off       string        `json:"off,omitempty"` // why nothing is remembered, as a sentence
	Keep      time.Duration `json:"-"`
	SelfAllow time.Duration `json:"-"` // for how long this device may allow something by itself; 0 means not
	Client    string        `json:"client,omitempty"`
	Blocked   []RecentName  `json:"blocked"` // newest first
}

// RecentName is a name that was blocked, by one list for one reason.
type RecentName struct {
	Name     string     `json:"name"`
	Behind   string     `json:"behind,omitempty"` // what the list has, when that hid behind the name
	List     string     `json:"list"`
	Reason   string     `json:"reason"`
	Owner    string     `json:"owner"`
	Category string     `json:"category"`
	Count    int        `json:"count"`
	Last     time.Time  `json:"last"`
	Until    *time.Time `json:"allowed_until"`
	Asked    bool       `json:"asked"` // the owner has been asked
}

// Request is somebody's wish that a name be allowed.
type Request struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Client  string    `json:"client"`
	Group   string    `json:"group"`
	Time    time.Time `json:"time"`
}

// turns bounds how often an address may do something without signing in.
type turns struct {
	mu    sync.Mutex
	since time.Time
	of    map[netip.Addr]int
}

// Bounds of turns: how many an address has in how long, and of how many addresses
// they are counted.
const (
	turnTime     = time.Minute
	maxTurns     = 20
	maxTurnsOfIP = 1000
)

// take uses a turn up, if there is one.
func (t *turns) take(ip netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil || time.Since(t.since) > turnTime {
		t.of, t.since = map[netip.Addr]int{}, time.Now()
	}
	if _, known := t.of[ip]; t.of[ip] >= maxTurns || !known && len(t.of) >= maxTurnsOfIP {
		return false
	}
	t.of[ip]++
	return true
}

// held is of how many addresses turns are counted.
func (t *turns) held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.of)
}

// recentOf is what may be shown to whoever asks.
func (p *Page) recentOf(r *http.Request) Recent {
	ip, ok := device(r)
	if !ok {
		return Recent{Off: throughProxy, Blocked: []RecentName{}}
	}
	v := p.Devices.Recent(ip)
	if v.Off != "" {
		v.Blocked = []RecentName{}
	}
	return v
}

func (p *Page) recent(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, "recent.html", struct {
		frame
		Recent
		Address string
	}{p.frame(r, recentTitle, "/recent"), p.recentOf(r), client(r).WithZone("").String()})
}

func (p *Page) recentNames(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, p.recentOf(r))
}

// wish is the body of what a person asks for their own device.
type wish struct {
	Name     string `json:"name"`
	Duration string `json:"duration"`
}

// granted reads a wish and carries it out, for the asking address only.
func (p *Page) granted(w http.ResponseWriter, r *http.Request, do func(netip.Addr, wish) (any, error)) {
	var o wish
	err := readBody(r, &o, map[string]*string{"name": &o.Name, "duration": &o.Duration})
	ip, ok := device(r)
	var v any
	switch {
	case err != nil:
	case o.Name == "" || strings.ContainsAny(o.Name, "\r\n"):
		err = errors.New("write which name: {\"name\": \"needed.example\"}")
	case !ok:
		p.refused(w, r, "/recent", http.StatusForbidden, throughProxy)
		return
	case !p.turns.take(ip):
		p.refused(w, r, "/recent", http.StatusTooManyRequests, "too often; wait a minute")
		return
	default:
		v, err = do(ip, o)
	}
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrNotPermitted):
		status = http.StatusForbidden
	case errors.Is(err, ErrTooOften):
		status = http.StatusTooManyRequests
	}
	p.done(w, r, "/recent", err, status, func() any { return v })
}

func (p *Page) selfAllow(w http.ResponseWriter, r *http.Request) {
	p.granted(w, r, func(ip netip.Addr, o wish) (any, error) {
		d, err := readDuration(o.Duration)
		if err != nil {
			return nil, err
		}
		until, err := p.Devices.Allow(ip, o.Name, d)
		return wishAnswer{Name: o.Name, Until: &until}, err
	})
}

func (p *Page) ask(w http.ResponseWriter, r *http.Request) {
	p.granted(w, r, func(ip netip.Addr, o wish) (any, error) {
		return wishAnswer{Name: o.Name, Asked: true}, p.Devices.Ask(ip, o.Name)
	})
}

func (p *Page) refuse(w http.ResponseWriter, r *http.Request) {
	o, err := readRuling(r)
	if err == nil {
		err = p.Refuse(o.Rule, o.Client)
	}
	p.done(w, r, "/#requests", err, http.StatusBadRequest, func() any { return requestsAnswer{p.open()} })
}

func (p *Page) openRequests(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, requestsAnswer{p.open()})
}

// open are the wishes that wait for an answer.
func (p *Page) open() []Request { return p.Requests() }
