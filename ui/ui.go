// Package ui is the page, the API and who may use them. What it shows it asks
// for through the interfaces and functions of Options; it knows neither DNS nor
// Prometheus.
package ui

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ErrNotFound is wrapped by errors of Options about a group or list that does
// not exist.
var ErrNotFound = errors.New("not found")

// Target is whose blocking is switched: a group's, a client's, or with neither,
// everybody's.
type Target struct{ Group, Client string }

// check complains when it is two.
func (t Target) check() error {
	if t.Group != "" && t.Client != "" {
		return errors.New("either a group or a client, not both")
	}
	return nil
}

// Blocker switches blocking.
type Blocker interface {
	Blocking() Blocking
	// Pause switches it off for d, until resumed when d is 0.
	Pause(t Target, d time.Duration) error
	Resume(t Target) error
}

// Blocking is how blocking stands.
type Blocking struct {
	Enabled bool       `json:"enabled"` // for everybody
	Until   *time.Time `json:"until"`   // null when it is on, or off until resumed
	Groups  []Switch   `json:"groups"`
	Clients []Switch   `json:"clients"`
}

// Switch is how blocking stands for a group or a client.
type Switch struct {
	Name    string     `json:"name"`
	Enabled bool       `json:"enabled"`
	Until   *time.Time `json:"until"`            // as in Blocking
	Never   bool       `json:"never,omitempty"`  // configured not to block
	Groups  []string   `json:"groups,omitempty"` // of a client
	Lists   []string   `json:"lists,omitempty"`  // of a group: the lists that apply to it now
	Own     bool       `json:"own,omitempty"`    // the pause is its own, so that it can be resumed
}

// Upstream is how an upstream stands.
type Upstream struct {
	Server    string  `json:"server"`
	Healthy   bool    `json:"healthy"`
	LatencyMS float64 `json:"latency_ms"`
}

// Stats are the numbers of a range.
type Stats struct {
	Outcomes         map[string]uint64
	Queries, Blocked uint64
	Columns          []Column                     // oldest first
	Lists            map[string]map[string]uint64 // blocked, by list and reason
	Companies        []Company
	NoAccount        []Company         // what was blocked of companies that nobody has an account with, also of those of which nothing was
	Escapes          map[string]uint64 // queries that looked for a way around, by kind: canary, discovery, resolver

	OneSource bool // as far as can be told, all queries come from one address
}

// Column is what happened in a part of a range.
type Column struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Queries uint64    `json:"queries"`
	Blocked uint64    `json:"blocked"`
}

// Company is how often a company was blocked.
type Company struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// Question is what an explanation is about.
type Question struct {
	Name, Type string // "" means A
	Client     string // an address, a MAC address, "id:NAME" or a client's name; "" means somebody unknown
	Resolve    bool   // upstreams are asked as well, for what is behind the name
}

// Explanation is what becomes of a name, and why.
type Explanation struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Client   string `json:"client,omitempty"` // the name of the client that it is for
	Verdict  string `json:"verdict"`          // blocked, allowed or untouched
	List     string `json:"list"`
	Rule     string `json:"rule"`
	Source   string `json:"source"`
	Line     int    `json:"line"`
	Group    string `json:"group"` // of the client: the one that the rule is for
	Owner    string `json:"owner"`
	Category string `json:"category"`

	Schedule []string `json:"schedule,omitempty"` // of the list
	Answer   string   `json:"answer,omitempty"`   // what a rule answers instead
	Note     string   `json:"note,omitempty"`     // what decides beside the rules
	Offer    *Offer   `json:"-"`                  // what the page can do about it
	Remedy   *Remedy  `json:"remedy,omitempty"`   // what would allow a blocked name
	Weaker   []Rule   `json:"weaker,omitempty"`   // rules that match as well, but lost
	Asleep   []Rule   `json:"asleep,omitempty"`   // rules that match, but not for this client or not now

	Chain     []Link   `json:"chain,omitempty"` // what is behind the name, when that was asked for
	Addresses []string `json:"addresses,omitempty"`
}

// Remedy is the line of the configuration that would allow a name.
type Remedy struct {
	Table string `json:"table"` // as in "[blocking]"
	Line  string `json:"line"`  // the whole line of that table, with what it has today
}

// Link is a step of the way from a name to what its answer leads to.
type Link struct {
	Type     string `json:"type"` // of the record: CNAME, HTTPS, A, ...
	Target   string `json:"target"`
	Verdict  string `json:"verdict"`
	List     string `json:"list,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Source   string `json:"source,omitempty"`
	Line     int    `json:"line,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Category string `json:"category,omitempty"`
}

// Rule is a rule that matches a name.
type Rule struct {
	Verdict string `json:"verdict"`
	List    string `json:"list"`
	Rule    string `json:"rule"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Group   string `json:"group,omitempty"`
	Why     string `json:"why,omitempty"` // it does not apply
}

// Kept is one thing that is kept.
type Kept struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Where string `json:"where"`
	Much  string `json:"how_much"`
	Until string `json:"until"`

	Oldest *time.Time `json:"oldest"` // null when there is nothing, or nobody knows
}

// File is a file that is really in the data directory.
type File struct {
	Name    string    `json:"name"` // below the directory
	What    string    `json:"what"` // "" when it is none of deadpixel's
	Bytes   int64     `json:"bytes"`
	Changed time.Time `json:"changed"`
}

// Privacy is how [privacy] stands.
type Privacy struct {
	Clients string `json:"clients"`
	Queries string `json:"queries"`
	Keep    string `json:"keep"`
	Recent  string `json:"recent"`
}

// About is what is kept of one address, read back from where it is.
type About struct {
	Sums    int    `json:"sums"`    // in how many sums of the history it is
	Queries uint64 `json:"queries"` // of the last 26 hours, that they tell of
	Blocked uint64 `json:"blocked"`
	Names   int    `json:"names"`   // blocked and requested ones that are remembered
	Logged  int    `json:"logged"`  // queries in the query log
	More    bool   `json:"more"`    // there may be more of these, which would take long to count
	Appears string `json:"appears"` // in what form, in words
}

// Nothing says whether that is nothing.
func (a About) Nothing() bool { return a.Sums+a.Names+a.Logged == 0 }

// Options are what the page is made of.
type Options struct {
	Blocker   Blocker
	Lists     Lists
	Stats     func(Range) Stats
	Since     func() map[string]uint64 // the start: queries by outcome
	Companies func(Range) Companies
	// Company tells of one company, by its name as people write it. Its error is
	// ErrNotFound where nobody knows it.
	Company func(r Range, name string) (CompanyDetail, error)
	// Evidence is the sheet of a month. Its error is ErrNotFound where nothing is kept of it.
	Evidence  func(year int, month time.Month) (Evidence, error)
	Upstreams func() []Upstream
	Explain   func(context.Context, Question) (Explanation, error)
	Felt      func() Felt
	Kept      func() (Held, []Kept)  // what the history has, and all that is kept
	Settings  func() Privacy         // by which it is kept
	Files     func() ([]File, error) // what is in the data directory
	About     func(netip.Addr) (About, error)
	Today     func() []Use // its clients of today
	Forget    func() error // erases it
	// ForgetClient erases what is kept of an address, and returns in how many sums it was
	// and what that means.
	ForgetClient func(netip.Addr) (erased int, note string, err error)

	// Queries finds queries in what is kept of them.
	Queries func(context.Context, QueryFilter) (QueryPage, error)
	// Tail tells of blocked queries until ctx ends; then it closes the channel.
	Tail func(ctx context.Context) <-chan Sight

	Household func() Household // the groups and clients as configured
	Running   func() Running   // the configuration

	Rules    Rules
	Devices  Devices
	Requests func() []Request                 // what people wish to be allowed, for who may change something
	Refuse   func(name, address string) error // drops such a wish

	Ready func() error                // why it is not ready; nil when it is
	Alive func(context.Context) error // whether DNS is answered

	Metrics http.Handler
	Allow   func(netip.Addr) bool // who may connect

	Version      string
	Started      time.Time
	Zone         *time.Location
	Base         string         // the path under which the page stands, as "/dns"; "" is the root
	PasswordHash string         // "" means that changes come from this machine only
	Tokens       []Token        // keys for scripts
	Proxies      []netip.Prefix // reverse proxies that are believed what they say of a request
	Hosts        []string       // names under which the page may be asked for, beside the machine's own
	Log          *slog.Logger
}

//go:embed templates/*.html
var templates embed.FS

//go:embed static
var static embed.FS

// Page is the handler of the page and the API. It is safe for concurrent use.
type Page struct {
	Options
	hosts     map[string]bool
	sessions  sessions
	passwords passwords
	tries     tries
	turns     turns
	streams   streams
	page      *template.Template
	mux       *http.ServeMux
}

// New makes the handler.
func New(o Options) (*Page, error) {
	if o.PasswordHash != "" {
		if err := CheckHash(o.PasswordHash); err != nil {
			return nil, err
		}
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	p := &Page{Options: o, hosts: ownHosts(o.Hosts)}
	p.streams.end, p.streams.watchers = make(chan struct{}), map[chan string]bool{}
	var err error
	p.page, err = template.New("").Funcs(p.functions()).ParseFS(templates, "templates/*.html")
	p.mux = http.NewServeMux()
	for _, one := range p.table() {
		p.mux.HandleFunc(one.pattern, p.needs(one.scope, one.handle))
	}
	return p, err
}

// ServeHTTP answers one request: guard, route.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	r, err := p.enter(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if status, reason := p.guard(r); status != 0 {
		fail(w, status, reason)
		return
	}
	p.strip(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	recognise(r)
	p.mux.ServeHTTP(w, r)
}

// maxBody bounds a request's body in bytes.
const maxBody = 16 << 10

// functions are those that templates call.
func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		"ago":          p.ago,
		"at":           at,
		"clock":        p.clock,
		"clockSeconds": func(t time.Time) string { return t.In(p.Zone).Format("Mon 15:04:05") },
		"coordinate":   coordinate,
		"few":          few,
		"join":         strings.Join,
		"keptClients":  keptClients,
		"keptNames":    keptNames,
		"latency":      milliseconds,
		"milliseconds": func(d time.Duration) string { return milliseconds(float64(d) / 1e6) },
		"number":       number,
		"ofCompany":    ofCompany,
		"pair":         func(a, b any) []any { return []any{a, b} },
		"sentence":     sentence,
		"share":        share,
		"size":         size,
		"span":         lasting,
		"to":           p.to,
		"usesSay":      usesSay,
		"words":        words,
	}
}
