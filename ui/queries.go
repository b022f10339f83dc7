package ui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// QueryFilter says which of the kept queries are wanted; what is "" is not asked about.
type QueryFilter struct {
	Name    string // a part of it
	Client  string
	Outcome string
	From    string // as QueryPage.Next
	Limit   int
}

// QueryPage are some of the kept queries, the newest first.
type QueryPage struct {
	Kept    bool        `json:"kept"` // queries are kept where they can be found
	Queries []QueryLine `json:"queries"`
	Next    string      `json:"next"` // where older ones begin; "" where there is none
}

// QueryLine is a query that is kept.
type QueryLine struct {
	Time      time.Time `json:"time"`
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

// noQueries is the setting by which none is kept.
const noQueries = "none"

// Bounds of a page, in queries.
const (
	shownQueries = 100
	maxQueries   = 1000
)

// outcomes are what can become of a query.
var outcomes = []string{"blocked", "cached", "stale", "forwarded", "local", "refused", "limited", "dropped", "failed"}

// newFilter reads what is asked for.
func newFilter(q url.Values) (QueryFilter, error) {
	f := QueryFilter{Name: strings.ToLower(strings.TrimSuffix(strings.TrimSpace(q.Get("name")), ".")), Client: strings.TrimSpace(q.Get("client")), Outcome: q.Get("outcome"), From: q.Get("from"), Limit: shownQueries}
	if f.Outcome != "" && !slices.Contains(outcomes, f.Outcome) {
		return f, errors.New("the outcome is one of " + strings.Join(outcomes, ", "))
	}
	if written := q.Get("limit"); written != "" {
		n, err := strconv.Atoi(written)
		if err != nil || n < 1 || n > maxQueries {
			return f, errors.New("the limit is a number from 1 to 1000")
		}
		f.Limit = n
	}
	return f, nil
}

// queries is the page of kept queries.
func (p *Page) queries(w http.ResponseWriter, r *http.Request) {
	v := struct {
		frame
		QueryPage
		Filter   QueryFilter
		Outcomes []string
		Setting  string
		Problem  string
		Older    string // the address of the next page
	}{frame: p.frame(r, queriesTitle, "/queries"), Outcomes: outcomes, Setting: p.Settings().Queries}
	if v.MayChange && v.Setting != noQueries {
		var err error
		if v.Filter, err = newFilter(r.URL.Query()); err == nil {
			v.QueryPage, err = p.Queries(r.Context(), v.Filter)
		}
		if err != nil {
			v.Problem = err.Error()
		}
		if v.Next != "" {
			next := r.URL.Query()
			next.Set("from", v.Next)
			v.Older = "/queries?" + next.Encode()
		}
	}
	p.show(w, r, http.StatusOK, "queries.html", v)
}

// findQueries answers with the same as JSON.
func (p *Page) findQueries(w http.ResponseWriter, r *http.Request) {
	f, err := newFilter(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := p.Queries(r.Context(), f)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, page)
}
