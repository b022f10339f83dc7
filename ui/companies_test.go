package ui

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

var meta = Tracked{Name: "Meta", Category: "social_media", Attempts: 1200, Names: 17, Hidden: 300,
	Ways: map[string]uint64{"name": 880, "cname": 200, "https": 99, "address": 1, "unknown": 20}}

func (h *house) companies(r Range) Companies {
	h.shown = append(h.shown, r)
	if h.fault != nil {
		return Companies{Companies: []Tracked{}}
	}
	return Companies{Queries: 10000, Blocked: 2000, Unknown: 41, Companies: []Tracked{meta, {Name: "<script>&co", Attempts: 1, Ways: map[string]uint64{"name": 1}}}}
}

func (h *house) company(r Range, name string) (CompanyDetail, error) {
	h.shown = append(h.shown, r)
	switch {
	case h.fault != nil:
		return CompanyDetail{}, h.fault
	case name == "facebook", name == "Meta":
		hour := time.Now().Truncate(time.Hour)
		return CompanyDetail{Tracked: meta, Columns: []CompanyColumn{{hour.Add(-time.Hour), hour, 1000, 250}, {hour, hour.Add(time.Hour), 200, 50}},
			Lists: []CompanyList{{"starter", 1180, 300}, {"", 20, 0}}, Owned: 58, Domains: []string{"atdmt.com", "facebook.com"}}, nil
	case name == "<script>&co":
		return CompanyDetail{Tracked: Tracked{Name: name, Ways: map[string]uint64{}}}, nil
	}
	return CompanyDetail{}, fmt.Errorf("nobody knows a company %q: %w", name, ErrNotFound)
}

func (h *house) evidence(year int, month time.Month) (Evidence, error) {
	if h.fault != nil {
		return Evidence{}, h.fault
	}
	if month == time.February {
		return Evidence{}, fmt.Errorf("nothing is kept of it: %w", ErrNotFound)
	}
	m := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Format(monthFormat)
	return Evidence{Month: m, Zone: "Europe/Berlin", Made: time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC), Version: "1.2.3", From: m + "-03", Until: m + "-25", Missing: []string{m + "-01", m + "-02"},
		Keep: "720h", Method: EvidenceMethod("720h", false), Queries: 10000, Blocked: 2000, Unknown: 41, Attempts: 1201, Hidden: 300,
		Days: []EvidenceDay{{m + "-03", 1001, 300, 0}, {m + "-25", 200, 0, 0}},
		Companies: []EvidenceCompany{{meta, []EvidenceDay{{m + "-03", 1000, 300, 17}, {m + "-25", 200, 0, 3}}},
			{Tracked{Name: "<script>&co", Attempts: 1, Ways: map[string]uint64{"name": 1}}, []EvidenceDay{{m + "-03", 1, 0, 1}}}}}, nil
}

func TestCompaniesPage(t *testing.T) {
	p, h := newPage(t, "")
	for path, want := range map[string]struct {
		r     Range
		words string
	}{"/companies": {Day, "24 hours"}, "/companies?range=7d": {Week, "7 days"}, "/companies?range=30d": {Month, "30 days"}, "/companies?range=1y": {Day, "24 hours"}} {
		h.shown = nil
		wantText(t, look(p, path, stranger...), []string{
			`<h1>Who tried to follow you</h1>`, `<h2 id="ranked">The last ` + want.words + `</h2>`, "2 companies tried to follow you 1\u202f201 times: that is 12 % of all queries.",
			`<a href="/companies?name=Meta&amp;range=` + string(want.r) + `">Meta</a><span class="source">social media</span></th>`,
			`<td data-of="attempts">1 200</td><td data-of="share">60 %</td><td data-of="names in a day">17</td><td data-of="hidden">300</td>`,
			`name=%3Cscript%3E%26co&amp;range=`, `&lt;script&gt;&amp;co</a></th>`, "Of 41 more blocked queries nobody knows",
			`<a href="/companies?range=` + string(want.r) + `" aria-current="true">`, `<a href="/companies" aria-current="page">Companies</a>`, "/api/v1/report?format=html&amp;month=" + time.Now().UTC().Format(monthFormat),
		}, []string{"<script>&", "<script>co"})
		if len(h.shown) != 1 || h.shown[0] != want.r {
			t.Errorf("%s asks for %v", path, h.shown)
		}
	}
	wantText(t, look(p, "/"), []string{`<a class="name" href="/companies?name=Meta&amp;range=24h">Meta</a>`, `<a href="/companies?range=24h">All companies</a>`}, nil)
	h.fault = errors.New("none")
	wantText(t, look(p, "/companies"), []string{"Nobody whom the ownership data knows, in the last 24 hours."}, []string{"<table"})
}

func TestCompanyPage(t *testing.T) {
	p, h := newPage(t, "")
	wantText(t, look(p, "/companies?name=facebook&range=7d", stranger...), []string{
		"<title>Meta – deadpixel</title>", `<h1>Meta</h1>`, "Category: social media", `<dt>attempts</dt><dd class="blocked">1 200</dd>`, `<dt>hidden behind other names</dt><dd>300</dd>`, `<dd>17</dd>`,
		`aria-label="Attempts of Meta in every hour: 1 200 in 7 days, 300 of them hidden"`, ": 1 000 attempts, 250 hidden</title>", `<td>200</td><td>50</td>`, "hidden behind other names</span>",
		"<strong>200</strong> hidden behind a CNAME of another name", "<strong>99</strong> hidden behind an HTTPS record", "<strong>1</strong> known by the address", "<strong>20</strong> of which this was not kept",
		"<strong>1 180</strong> by starter, 300 of them hidden", "<strong>20</strong> by lists that were not kept", "has 58 domains of it, of which these are the first", "<code>atdmt.com</code>",
		`<a href="/why?name=atdmt.com">What becomes of atdmt.com, and why?</a>`, `<a href="/companies?name=Meta&amp;range=30d">30 days</a>`, `<a href="/companies?range=7d">All companies</a>`,
	}, nil)
	wantText(t, look(p, "/companies?name=%3Cscript%3E%26co"), []string{"<h1>&lt;script&gt;&amp;co</h1>", "No attempt.", "Nothing of it was blocked in the last 24 hours", "has no domain of it any more"}, []string{"<h1><script>"})
	for fault, status := range map[error]int{nil: 404, errors.New("broken"): 500} {
		h.fault = fault
		if w := call(p, "GET", "/companies?name=Nobody", ""); w.Code != status || !strings.Contains(w.Body.String(), "<h1>That did not work</h1>") || !strings.Contains(w.Body.String(), `href="/companies?range=24h"`) {
			t.Errorf("%v: %d %s", fault, w.Code, w.Body)
		}
		if w := call(p, "GET", "/api/v1/companies?name=Nobody", ""); w.Code != status {
			t.Errorf("%v: %d %s", fault, w.Code, w.Body)
		}
	}
}

func TestCompaniesAPI(t *testing.T) {
	p, _ := newPage(t, "")
	var all struct {
		Range Range
		Companies
	}
	w := call(p, "GET", "/api/v1/companies?range=30d", "", stranger...)
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || all.Range != Month || all.Unknown != 41 || all.Companies.Companies[0].Ways["https"] != 99 || all.Companies.Companies[0].Names != 17 {
		t.Errorf("%v: %s", err, w.Body)
	}
	var one struct {
		Range Range
		CompanyDetail
	}
	w = call(p, "GET", "/api/v1/companies?name=facebook", "", stranger...)
	if err := json.Unmarshal(w.Body.Bytes(), &one); err != nil || one.Range != Day || one.Name != "Meta" || one.Owned != 58 || len(one.Columns) != 2 || one.Columns[1].Hidden != 50 || one.Lists[0].Name != "starter" {
		t.Errorf("%v: %s", err, w.Body)
	}
	for _, path := range []string{"/api/v1/companies?range=1y", "/api/v1/companies?range=1y&name=Meta"} {
		if w := call(p, "GET", path, ""); w.Code != 400 || !strings.Contains(w.Body.String(), "24h, 7d or 30d") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// The sheet is one file that needs no other, with a policy that lets its own style
// through and nothing else.
func TestEvidence(t *testing.T) {
	p, h := newPage(t, "")
	w := call(p, "GET", "/api/v1/report?month=2026-11&format=html", "", stranger...)
	body := w.Body.String()
	if got := w.Header().Get("Content-Type"); w.Code != 200 || got != "text/html; charset=utf-8" || w.Header().Get("Content-Disposition") != `inline; filename="deadpixel-2026-11.html"` {
		t.Errorf("%d, %s: %s", w.Code, got, body)
	}
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %s does not let the style through:\n%s", policy, style)
	}
	wantText(t, spaces.ReplaceAllString(body, " "), []string{
		"<h1>Who tried to follow a household in 2026-11</h1>", "2026-11-03 to 2026-11-25, days of the time zone Europe/Berlin", "<dd>2026-11-01, 2026-11-02</dd>", "2026-11-25 12:30 UTC by deadpixel 1.2.3, from sums that are kept for 720h",
		`<th scope="row">Meta</th><td class="text">social media</td><td>1 200</td><td>2</td><td>17</td><td>300</td><td>880</td><td>200</td><td>99</td><td>1</td><td>20</td>`,
		`<th scope="col">03</th><th scope="col">25</th>`, `<th scope="row">Meta</th><td>1000<small>300</small></td><td>200</td>`, `<th scope="row">&lt;script&gt;&amp;co</th><td>1</td><td></td>`, `<th scope="row">all</th><td>1001<small>300</small></td><td>200</td>`,
		"41 blocked queries for names of which nobody knows", "CC BY 4.0",
	}, []string{"<script", "<link", "src=", "url(", "style=", "@import", "localhost"})
	open := 0
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF || open != 0 {
				t.Errorf("%v, %d elements are not closed", z.Err(), open)
			}
		case html.StartTagToken:
			if name, _ := z.TagName(); string(name) != "meta" {
				open++
			}
			continue
		case html.EndTagToken:
			open--
			continue
		default:
			continue
		}
		break
	}
	var e Evidence
	for _, path := range []string{"/api/v1/report?month=2026-11", "/api/v1/report?month=2026-11&format=json"} {
		w = call(p, "GET", path, "")
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Month != "2026-11" || e.Companies[0].Days[1].Names != 3 || e.Companies[0].Ways["cname"] != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: %s", err, w.Body)
		}
	}
	if w = call(p, "GET", "/api/v1/report", ""); !strings.Contains(w.Body.String(), `"month": "`+time.Now().UTC().Format(monthFormat)+`"`) {
		t.Errorf("without a month: %s", w.Body)
	}
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"?month=2026-13": {400, "is no month: write it like 2026-11"}, "?month=11": {400, "is no month"}, "?format=pdf": {400, "is no format: write html or json"},
		"?month=2026-02": {404, "nothing is kept of it"}, "?month=2026-02&format=html": {404, "<h1>That did not work</h1>"},
	} {
		if w := call(p, "GET", "/api/v1/report"+path, ""); w.Code != want.status || !strings.Contains(w.Body.String(), want.says) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	h.fault = errors.New("it cannot be read")
	if w := call(p, "GET", "/api/v1/report?format=html", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "it cannot be read") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := (Evidence{}).Write("pdf"); err == nil {
		t.Error("a format that nobody knows is written")
	}
}
