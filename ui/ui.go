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
	"time"
)

// ErrNotFound is wrapped by errors of Options about a group or list that does
// not exist.
var ErrNotFound = errors.New("not found")

// Blocker switches blocking of a group of clients.
type Blocker interface {
	// Blocking says whether it is on, and if not, until when; zero means until resumed.
	Blocking() (on bool, until time.Time)
	// Pause switches it off for d, until resumed when d is 0.
	Pause(group string, d time.Duration) error
	Resume(group string) error
}

// Lists are the lists of rules.
type Lists interface {
	Lists() []List
	// Refresh fetches one list, or all when name is "".
	Refresh(ctx context.Context, name string, force bool) error
	// Changes are the last refreshes that changed the rules of a list, the newest first.
	Changes(name string) ([]Change, error)
}

// List is how a list stands.
type List struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Source    string     `json:"source"`
	Format    string     `json:"format"`
	Entries   int        `json:"entries"`
	Skipped   int        `json:"skipped"`
	Updated   *time.Time `json:"updated"` // null when there is no copy
	Next      *time.Time `json:"next"`
	LastError string     `json:"last_error"`
	Skips     []string   `json:"skips,omitempty"` // the first skipped lines, as list:line: reason

	Added   int           `json:"added"` // rules, by the last refresh that changed some
	Removed int           `json:"removed"`
	Changed *time.Time    `json:"changed"`           // null when there was none
	Popular []PopularRule `json:"popular,omitempty"` // rules that a refresh brought and that deny popular names
}

// PopularRule is a rule that a refresh brought and that denies popular names.
type PopularRule struct {
	Rule  string   `json:"rule"`
	Line  int      `json:"line"`
	Names []string `json:"names"` // the first of them
	Count int      `json:"count"` // of all of them
	Held  bool     `json:"held"`  // it is left out until a forced refresh
}

// More is how many names are not among Names.
func (r PopularRule) More() int { return r.Count - len(r.Names) }

// Change is what one refresh changed in the rules of a list.
type Change struct {
	Time    time.Time `json:"time"`
	Added   int       `json:"added"`
	Removed int       `json:"removed"`
	New     []string  `json:"added_rules,omitempty"` // the first of them
	Gone    []string  `json:"removed_rules,omitempty"`
	Note    string    `json:"note,omitempty"` // why rules that were counted are not named
}

// Upstream is how an upstream stands.
type Upstream struct {
	Server    string  `json:"server"`
	Healthy   bool    `json:"healthy"`
	LatencyMS float64 `json:"latency_ms"`
}

// Stats are the numbers of the page: by outcome since the start, the others of
// the last 24 hours.
type Stats struct {
	Outcomes         map[string]uint64
	Queries, Blocked uint64
	Minutes          []Minute // oldest first
	Companies        []Company
}

// Minute is what happened in one minute.
type Minute struct {
	Time             time.Time
	Queries, Blocked uint64
}

// Company is how often a company was blocked.
type Company struct {
	Name  string
	Count uint64
}

// Explanation is what becomes of a name, and why.
type Explanation struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Verdict  string `json:"verdict"` // blocked, allowed or untouched
	List     string `json:"list"`
	Rule     string `json:"rule"`
	Source   string `json:"source"`
	Line     int    `json:"line"`
	Group    string `json:"group"`
	Owner    string `json:"owner"`
	Category string `json:"category"`
	Note     string `json:"note,omitempty"`   // what decides beside the rules
	Weaker   []Rule `json:"weaker,omitempty"` // rules that match as well, but lost

	Chain     []Explanation `json:"chain,omitempty"` // the names behind, when they were asked for
	Addresses []string      `json:"addresses,omitempty"`
}

// Rule is a rule that matches a name.
type Rule struct {
	Verdict string `json:"verdict"`
	List    string `json:"list"`
	Rule    string `json:"rule"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
}

// Kept is one thing that is kept.
type Kept struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Where string `json:"where"`
	Much  string `json:"how_much"`
	Until string `json:"until"`
}

// Options are what the page is made of.
type Options struct {
	Blocker   Blocker
	Lists     Lists
	Stats     func() Stats
	Upstreams func() []Upstream
	// Explain says what becomes of a name that client asks for; "" for either of
	// the last two means the default.
	Explain func(name, client, qtype string) (Explanation, error)
	Kept    func() []Kept
	Forget  func() // erases the history

	Ready func() error                // why it is not ready; nil when it is
	Alive func(context.Context) error // whether DNS is answered

	Metrics http.Handler
	Allow   func(netip.Addr) bool // who may connect

	Version      string
	Started      time.Time
	Zone         *time.Location
	PasswordHash string   // "" means that changes come from this machine only
	Hosts        []string // names under which the page may be asked for, beside the machine's own
	Log          *slog.Logger
}

//go:embed templates/*.html
var templates embed.FS

//go:embed static
var static embed.FS

// Page is the handler of the page and the API. It is safe for concurrent use.
type Page struct {
	Options
	hosts    map[string]bool
	sessions sessions
	page     *template.Template
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
	p.sessions.valid = map[[32]byte]time.Time{}
	var err error
	p.page, err = template.New("").Funcs(template.FuncMap{"number": number, "ago": p.ago, "clock": p.clock}).ParseFS(templates, "templates/*.html")
	return p, err
}

// ServeHTTP answers one request: guard, route.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if status, reason := p.guard(r); status != 0 {
		fail(w, status, reason)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.routes().ServeHTTP(w, r)
}

// maxBody bounds a request's body in bytes.
const maxBody = 16 << 10

// routes are the paths; those with a change in front of them need permission.
func (p *Page) routes() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", p.index)
	m.Handle("GET /static/", http.FileServerFS(static))
	m.Handle("GET /metrics", p.Metrics)
	m.HandleFunc("GET /healthz", p.healthz)
	m.HandleFunc("GET /readyz", p.readyz)
	m.HandleFunc("GET /login", p.loginForm)
	m.HandleFunc("POST /login", p.login)
	m.HandleFunc("POST /logout", p.logout)
	m.HandleFunc("GET /api/v1/status", p.status)
	m.HandleFunc("GET /api/v1/explain", p.explain)
	m.HandleFunc("GET /api/v1/lists/changes", p.changes)
	m.HandleFunc("GET /api/v1/privacy", p.privacy)
	m.HandleFunc("DELETE /api/v1/privacy/me", p.forgetMe)
	m.Handle("POST /api/v1/pause", p.change(p.pause))
	m.Handle("POST /api/v1/resume", p.change(p.resume))
	m.Handle("POST /api/v1/lists/refresh", p.change(p.refresh))
	m.Handle("DELETE /api/v1/privacy/history", p.change(p.forgetAll))
	return m
}
