package ui

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Tracked is what was blocked of a company's in some time.
type Tracked struct {
	Name     string            `json:"name"`
	Category string            `json:"category"` // of most of what it owns; "" when unknown
	Attempts uint64            `json:"attempts"` // blocked queries
	Names    uint64            `json:"names"`    // how many different names at least, on the day with most
	Hidden   uint64            `json:"hidden"`   // attempts that hid behind another name
	Ways     map[string]uint64 `json:"ways"`     // attempts by where the blocked name stood: name, cname, https, address, and unknown
}

// Companies are those that were blocked in a range.
type Companies struct {
	Queries   uint64    `json:"queries"`
	Blocked   uint64    `json:"blocked"`
	Unknown   uint64    `json:"unknown"`   // of these, names of which nobody knows whose they are
	Companies []Tracked `json:"companies"` // who tried most first
}

// CompanyDetail is what there is to know of one company.
type CompanyDetail struct {
	Tracked
	Columns []CompanyColumn `json:"columns"` // of the range, the oldest first
	Lists   []CompanyList   `json:"lists"`   // that blocked it, the most first
	Owned   int             `json:"owned"`   // how many domains the data has of it
	Domains []string        `json:"domains"` // the first of them
}

// CompanyColumn is what was blocked of a company in a part of a range.
type CompanyColumn struct {
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Attempts uint64    `json:"attempts"`
	Hidden   uint64    `json:"hidden"`
}

// CompanyList is what a list has blocked of a company; the name "" stands for what was
// blocked before that was kept.
type CompanyList struct {
	Name     string `json:"name"`
	Attempts uint64 `json:"attempts"`
	Hidden   uint64 `json:"hidden"`
}

// companies is the page of all companies.
type companies struct {
	frame
	Span  span
	Spans []span
	Companies
	Known uint64 // attempts of all Companies
	Month string // of now, as a report names it
}

// company is the page of one.
type company struct {
	frame
	Span  span
	Spans []span
	CompanyDetail
	Figure  figure
	Ways    []wayOf
	Example string // a name to ask about
}

// wayOf is how often blocked names stood somewhere.
type wayOf struct {
	What  string
	Count uint64
}

// companies shows all of them, or the one that is asked for.
func (p *Page) companies(w http.ResponseWriter, r *http.Request) {
	asked, _ := newSpan(r.URL.Query().Get("range"))
	if name := r.URL.Query().Get("name"); name != "" {
		p.company(w, r, name, asked)
		return
	}
	v := companies{frame: p.frame(r, companiesTitle, "/companies"), Span: asked, Spans: spans, Companies: p.Companies(asked.Range), Month: time.Now().In(p.Zone).Format(monthFormat)}
	for _, c := range v.Companies.Companies {
		v.Known += c.Attempts
	}
	p.show(w, r, http.StatusOK, "companies.html", v)
}

func (p *Page) company(w http.ResponseWriter, r *http.Request, name string, asked span) {
	c, err := p.Company(asked.Range, name)
	if err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, ErrNotFound) {
			status = http.StatusNotFound
		}
		p.problem(w, r, "/companies?range="+string(asked.Range), status, err.Error())
		return
	}
	v := company{frame: p.frame(r, c.Name, "/companies"), Span: asked, Spans: spans, CompanyDetail: c, Figure: newCompanyFigure(c, asked, p.Zone)}
	for _, way := range wayWords {
		if n := c.Ways[way.name]; n > 0 {
			v.Ways = append(v.Ways, wayOf{way.what, n})
		}
	}
	if len(c.Domains) > 0 {
		v.Example = c.Domains[0]
	}
	p.show(w, r, http.StatusOK, "company.html", v)
}

// companiesOf answers with the same as JSON.
func (p *Page) companiesOf(w http.ResponseWriter, r *http.Request) {
	s, ok := newSpan(r.URL.Query().Get("range"))
	if !ok {
		fail(w, http.StatusBadRequest, "the range is 24h, 7d or 30d")
		return
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		reply(w, http.StatusOK, companiesAnswer{s.Range, p.Companies(s.Range)})
		return
	}
	c, err := p.Company(s.Range, name)
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
	default:
		reply(w, http.StatusOK, companyAnswer{s.Range, c})
	}
}

// ofCompany is the address of a company's page for a range, after the page's own.
func ofCompany(name string, r Range) string {
	return "/companies?" + url.Values{"name": {name}, "range": {cmp.Or(string(r), string(Day))}}.Encode()
}
