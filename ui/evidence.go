package ui

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"
)

// Evidence is a sheet for whoever wants to complain about companies that follow people:
// what was blocked of each in a month. Nobody's browsing can be read out of it, nor who
// lives here.
type Evidence struct {
	Month     string            `json:"month"`     // as 2026-11
	Zone      string            `json:"time_zone"` // whose midnights end the days
	Made      time.Time         `json:"made"`
	Version   string            `json:"version"`      // of deadpixel
	From      string            `json:"from"`         // the first day of which anything is kept, as 2026-11-01
	Until     string            `json:"until"`        // the last
	Missing   []string          `json:"missing_days"` // of which nothing is kept, up to the day when it was made
	Keep      string            `json:"kept_for"`     // after that, a day is deleted
	Method    []string          `json:"method"`       // how it was measured, in sentences
	Queries   uint64            `json:"queries"`      // of all kinds
	Blocked   uint64            `json:"blocked"`
	Unknown   uint64            `json:"unknown"`  // of these, names of which nobody knows whose they are
	Attempts  uint64            `json:"attempts"` // of all companies
	Hidden    uint64            `json:"hidden"`
	Days      []EvidenceDay     `json:"days"`      // of which something is kept, the first one first
	Companies []EvidenceCompany `json:"companies"` // who tried most first
}

// EvidenceDay is what was blocked on a day, of all companies or of one.
type EvidenceDay struct {
	Day      string `json:"day"` // as 2026-11-01
	Attempts uint64 `json:"attempts"`
	Hidden   uint64 `json:"hidden"`
	Names    uint64 `json:"names,omitempty"` // of one company, different ones at least
}

// EvidenceCompany is a company with its days, of which those without an attempt are left
// out.
type EvidenceCompany struct {
	Tracked
	Days []EvidenceDay `json:"days"`
}

// Of is what was blocked on a day.
func (c EvidenceCompany) Of(day string) EvidenceDay {
	if i := slices.IndexFunc(c.Days, func(d EvidenceDay) bool { return d.Day == day }); i >= 0 {
		return c.Days[i]
	}
	return EvidenceDay{Day: day}
}

// Number is the day of the month.
func (d EvidenceDay) Number() string { return d.Day[len(d.Day)-2:] }

// ParseMonth reads a month as 2026-11; "" is the one of now.
func ParseMonth(written string, now time.Time) (year int, month time.Month, err error) {
	if written == "" {
		return now.Year(), now.Month(), nil
	}
	t, err := time.Parse(monthFormat, written)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no month: write it like 2026-11", written)
	}
	return t.Year(), t.Month(), nil
}

// evidenceTypes are the media types of the formats.
var evidenceTypes = map[string]string{"html": "text/html; charset=utf-8", "json": "application/json"}

// CheckEvidenceFormat complains about a format that Write does not take.
func CheckEvidenceFormat(format string) error {
	if evidenceTypes[format] == "" {
		return fmt.Errorf("%q is no format: write html or json", format)
	}
	return nil
}

//go:embed templates/evidence.css
var evidenceStyle string

// Write makes the sheet: "html", a page that needs nothing else, or "json".
func (e Evidence) Write(format string) ([]byte, error) {
	if err := CheckEvidenceFormat(format); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if format == "json" {
		to := json.NewEncoder(&b)
		to.SetIndent("", "  ")
		to.SetEscapeHTML(false)
		err := to.Encode(e)
		return b.Bytes(), err
	}
	page, err := template.New("").Funcs(template.FuncMap{"number": number, "words": words, "share": share}).ParseFS(templates, "templates/evidence.html")
	if err == nil {
		err = page.ExecuteTemplate(&b, "evidence", struct {
			Evidence
			Style template.CSS
			Ways  []wayTitle
		}{e, template.CSS(evidenceStyle), wayTitles})
	}
	return b.Bytes(), err
}

// evidence answers with the sheet of a month.
func (p *Page) evidence(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	format := cmp.Or(q.Get("format"), "json")
	year, month, err := ParseMonth(q.Get("month"), time.Now().In(p.Zone))
	if err = errors.Join(err, CheckEvidenceFormat(format)); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	e, err := p.Evidence(year, month)
	var b []byte
	if err == nil {
		b, err = e.Write(format)
	}
	switch {
	case errors.Is(err, ErrNotFound) && format == "html":
		p.problem(w, r, "/companies", http.StatusNotFound, err.Error())
		return
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, err.Error())
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	if format == "html" { // it brings its style along, to be whole when it is saved
		sum := sha256.Sum256([]byte(evidenceStyle))
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	}
	w.Header().Set("Content-Type", evidenceTypes[format])
	w.Header().Set("Content-Disposition", fmt.Sprintf("inline; filename=\"deadpixel-%s.%s\"", e.Month, format))
	send(w, r, http.StatusOK, b)
}
