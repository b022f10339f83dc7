package ui

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Rules are those that the page makes.
type Rules interface {
	Written() Written
	// Add makes a rule, for good where its Duration is 0. What says the opposite goes.
	Add(Ruling) error
	// Remove takes a rule back, or ends what is allowed for a while.
	Remove(Ruling) error
}

// Ruling is a rule that somebody makes or takes back. Where it has neither a group
// nor a client, it is for everybody.
type Ruling struct {
	Rule     string // a name, or a rule in the syntax of any list
	Allow    bool   // else it denies
	Group    string
	Client   string // the name of an entry, or an address
	Duration time.Duration
}

// Written is what the page has made of rules.
type Written struct {
	File     string        `json:"file"`
	Rules    []WrittenRule `json:"rules"`
	Allowed  []Allowed     `json:"allowed"`  // for a while
	Problems []string      `json:"problems"` // lines of the file that are not used, as file:line: why
}

// WrittenRule is a rule of the file.
type WrittenRule struct {
	Rule   string `json:"rule"`
	Action string `json:"action"` // allow or deny
	Group  string `json:"group"`  // "" for everybody
	Line   int    `json:"line"`
}

// Allowed is a name that is allowed for a while, with everything below it.
type Allowed struct {
	Name   string    `json:"name"`
	Group  string    `json:"group"`
	Client string    `json:"client"`
	Until  time.Time `json:"until"`
}

// For is whom it is allowed for, in words.
func (a Allowed) For() string {
	switch {
	case a.Group != "":
		return "the group " + a.Group
	case a.Client != "":
		return a.Client
	}
	return "everybody"
}

// Offer is what the page can do about an explanation.
type Offer struct {
	Client    string // whom the name can be allowed for, for a while
	Group     string // whose rule would allow it; "" where none would
	Everybody bool   // a rule for everybody would allow it
	Written   bool   // the deciding rule is one of the page: it can be taken back
	Of        string // whose group that rule is, if it is one's
	OfClient  string // whose client, if one's
	Rule      string // that rule
}

// ruling is the body of a change of rules.
type ruling struct {
	Rule     string `json:"rule"`
	Action   string `json:"action"`
	Group    string `json:"group"`
	Client   string `json:"client"`
	Duration string `json:"duration"`

	back string // where a form goes back to
}

// readRuling reads JSON or a form.
func readRuling(r *http.Request) (ruling, error) {
	var o ruling
	err := readBody(r, &o, map[string]*string{"rule": &o.Rule, "action": &o.Action, "group": &o.Group, "client": &o.Client, "duration": &o.Duration, "back": &o.back})
	switch {
	case err != nil:
		return o, err
	case o.Rule == "":
		return o, errors.New("write which rule: {\"rule\": \"needed.example\", \"action\": \"allow\"}")
	}
	return o, Target{o.Group, o.Client}.check()
}

// order is the ruling that was meant.
func (o ruling) order() (Ruling, error) {
	r := Ruling{Rule: o.Rule, Allow: o.Action == "allow", Group: o.Group, Client: o.Client}
	d, err := readDuration(o.Duration)
	r.Duration = d
	return r, err
}

// place is where a form goes back to: the front page, or the explanation of a name.
func (o ruling) place() string {
	switch o.back {
	case "":
		return "/why"
	case "/":
		return "/"
	}
	return "/why?name=" + url.QueryEscape(o.back)
}

func (p *Page) rules(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, p.Rules.Written())
}

// rule makes a rule, or does what else the body says: forms cannot DELETE.
func (p *Page) rule(w http.ResponseWriter, r *http.Request) { p.ruled(w, r, "") }

func (p *Page) unrule(w http.ResponseWriter, r *http.Request) { p.ruled(w, r, "remove") }

// ruled carries out a change of rules: an action, or with "" that of the body.
func (p *Page) ruled(w http.ResponseWriter, r *http.Request, action string) {
	o, err := readRuling(r)
	var meant Ruling
	if err == nil {
		meant, err = o.order()
	}
	if err == nil {
		switch cmp.Or(action, o.Action) {
		case "allow", "deny":
			err = p.Rules.Add(meant)
		case "remove":
			err = p.Rules.Remove(meant)
		default:
			err = fmt.Errorf("the action is \"allow\" or \"deny\", not %q", o.Action)
		}
	}
	p.done(w, r, o.place(), err, http.StatusBadRequest, func() any { return p.Rules.Written() })
}
