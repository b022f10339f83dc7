package ui

import (
	"net/http"
	"strings"
)

// route is a path of the page or the API, and what is needed for it.
type route struct {
	pattern string // as http.ServeMux has it
	scope   Scope  // open is for everybody who may look
	handle  http.HandlerFunc
	does    *operation // of the API; nil for what programs have no use for
}

// top is the first part of the path.
func (r route) top() string {
	_, path, _ := strings.Cut(r.pattern, " /")
	top, _, _ := strings.Cut(path, "/")
	return strings.TrimSuffix(top, "{$}")
}

// table is all there is.
func (p *Page) table() []route {
	return []route{
		{"GET /{$}", open, p.index, nil},
		{"GET /companies", open, p.companies, nil},
		{"GET /why", open, p.why, nil},
		{"GET /static/", open, p.files, nil},
		{"GET /metrics", open, p.metrics, nil},
		{"GET /healthz", open, p.healthz, nil},
		{"GET /readyz", open, p.readyz, nil},
		{"GET /login", open, p.loginForm, nil},
		{"POST /login", open, p.login, nil},
		{"POST /logout", open, p.logout, nil},
		{"GET /api/v1/openapi.json", open, p.openAPI, nil},
		{"GET /api/v1/status", open, p.status, &operation{does: "How everything stands.", answer: []any{statusAnswer{}}}},
		{"GET /api/v1/explain", open, p.explain, &operation{does: "What becomes of a name, and why.", asks: []parameter{{name: "name", does: "the name", needed: true}, {name: "type", does: "the record type; A without one"}, {name: "client", does: "on whose behalf: an address, a MAC address, id:NAME or a client's name"}, {name: "resolve", does: "true asks upstream what is behind the name"}}, answer: []any{Explanation{}}}},
		{"GET /api/v1/events", open, p.events, &operation{does: "Tells as server-sent events that something has changed: state or numbers.", media: "text/event-stream", fails: []int{503}}},
		{"GET /api/v1/blocked", ToRead, p.tail, &operation{does: "Tells as server-sent events what is blocked, while somebody listens.", media: "text/event-stream", fails: []int{503}}},
		{"GET /live", open, p.live, nil},
		{"GET /lists", open, p.lists, nil},
		{"GET /api/v1/lists/changes", open, p.changes, &operation{does: "What the last refreshes changed in the rules of a list.", asks: []parameter{{name: "list", does: "the name of the list", needed: true}}, answer: []any{changesAnswer{}}, fails: []int{404, 500}}},
		{"GET /api/v1/lists/progress", open, p.progress, &operation{does: "How far the refresh of each list is.", answer: []any{progressAnswer{}}}},
		{"GET /api/v1/lists/overlap", open, p.overlap, &operation{does: "What the lists have in common.", answer: []any{overlapAnswer{}}, later: true, fails: []int{503}}},
		{"GET /clients", open, p.clients, nil},
		{"GET /api/v1/clients", ToRead, p.household, &operation{does: "Groups and clients as configured, and who asked today.", answer: []any{householdAnswer{}}}},
		{"GET /config", open, p.config, nil},
		{"GET /api/v1/config", ToRead, p.configuration, &operation{does: "The configuration as it runs, without its secrets.", answer: []any{Running{}}}},
		{"GET /api/v1/history", open, p.history, &operation{does: "The numbers of a range.", asks: []parameter{rangeParameter}, answer: []any{historyAnswer{}}}},
		{"GET /api/v1/companies", open, p.companiesOf, &operation{does: "Which companies were blocked in a range, or all about one.", asks: []parameter{rangeParameter, {name: "name", does: "one company"}}, answer: []any{companiesAnswer{}, companyAnswer{}}, fails: []int{404, 500}}},
		{"GET /api/v1/report", open, p.evidence, &operation{does: "The sheet of evidence for a month.", asks: []parameter{{name: "month", does: "as 2026-11; the present one without"}, {name: "format", does: "json without one", of: []string{"json", "html"}}}, answer: []any{Evidence{}}, media: "text/html", fails: []int{404, 500}}},
		{"GET /api/v1/privacy", open, p.keeping, &operation{does: "Everything that is kept, why, where, how much and until when, counted where it is.", answer: []any{keepingAnswer{}}}},
		{"GET /privacy", open, p.privacy, nil},
		{"POST /privacy/me", open, p.forgetMePage, nil},
		{"POST /privacy/history", ToErase, p.forgetAllPage, nil},
		{"GET /recent", open, p.recent, nil},
		{"GET /api/v1/recent", open, p.recentNames, &operation{does: "What was blocked for the asking address in the last minutes.", answer: []any{Recent{}}}},
		{"POST /api/v1/self_allow", open, p.selfAllow, &operation{does: "Allows a name for the asking address, where its group may.", body: wish{}, answer: []any{wishAnswer{}}, fails: []int{429}}},
		{"POST /api/v1/requests", open, p.ask, &operation{does: "Asks the owner to allow a name for the asking address.", body: wish{}, answer: []any{wishAnswer{}}, fails: []int{429}}},
		{"GET /queries", open, p.queries, nil},
		{"GET /api/v1/queries", ToRead, p.findQueries, &operation{does: "Queries that are kept, the newest first.", asks: []parameter{{name: "name", does: "a part of the name"}, {name: "client", does: "as it appears in what is kept"}, {name: "outcome", does: "what became of it", of: outcomes}, {name: "from", does: "next of the page before"}, {name: "limit", does: "how many, 100 without one, 1000 at most"}}, answer: []any{QueryPage{}}, fails: []int{500}}},
		{"GET /api/v1/requests", ToRead, p.openRequests, &operation{does: "What people ask to be allowed.", answer: []any{requestsAnswer{}}}},
		{"POST /api/v1/requests/refuse", ToRule, p.refuse, &operation{does: "Drops such a wish.", body: ruling{}, answer: []any{requestsAnswer{}}, fails: []int{404}}},
		{"GET /api/v1/rules", ToRead, p.rules, &operation{does: "What was allowed and denied on the page.", answer: []any{Written{}}}},
		{"POST /api/v1/rules", ToRule, p.rule, &operation{does: "Allows or denies a name: for good, or for a duration.", body: ruling{}, answer: []any{Written{}}, fails: []int{404}}},
		{"DELETE /api/v1/rules", ToRule, p.unrule, &operation{does: "Takes the same back.", body: ruling{}, answer: []any{Written{}}, fails: []int{404}}},
		{"DELETE /api/v1/privacy/me", open, p.forgetMe, &operation{does: "Erases what is kept of the asking address, and says what is left.", answer: []any{erased{}}, fails: []int{500}}},
		{"POST /api/v1/pause", ToPause, p.pause, &operation{does: "Pauses blocking for everybody, a group or a client; without a duration until resumed.", body: order{}, answer: []any{blockingAnswer{}}, fails: []int{404}}},
		{"POST /api/v1/resume", ToPause, p.resume, &operation{does: "Blocks again.", body: order{}, answer: []any{blockingAnswer{}}, fails: []int{404}}},
		{"POST /api/v1/lists/refresh", ToFetch, p.refresh, &operation{does: "Fetches one list or all; force accepts one that shrank, and rules that are held back.", body: order{}, answer: []any{listsAnswer{}}, fails: []int{404, 502}}},
		{"DELETE /api/v1/privacy/history", ToErase, p.forgetAll, &operation{does: "Erases the history, and says what is left.", answer: []any{keepingAnswer{}}, fails: []int{500}}},
	}
}

func (p *Page) metrics(w http.ResponseWriter, r *http.Request) { p.Metrics.ServeHTTP(w, r) }

// rangeParameter is the time up to now that is asked about.
var rangeParameter = parameter{name: "range", does: "the time up to now; 24h without one", of: []string{string(Day), string(Week), string(Month)}}
