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
		{"GET /{$}", open, p.index},
		{"GET /companies", open, p.companies},
		{"GET /why", open, p.why},
		{"GET /static/", open, p.files},
		{"GET /metrics", open, p.metrics},
		{"GET /healthz", open, p.healthz},
		{"GET /readyz", open, p.readyz},
		{"GET /login", open, p.loginForm},
		{"POST /login", open, p.login},
		{"POST /logout", open, p.logout},
		{"GET /api/v1/status", open, p.status},
		{"GET /api/v1/explain", open, p.explain},
		{"GET /api/v1/events", open, p.events},
		{"GET /api/v1/blocked", ToRead, p.tail},
		{"GET /live", open, p.live},
		{"GET /lists", open, p.lists},
		{"GET /api/v1/lists/changes", open, p.changes},
		{"GET /api/v1/lists/progress", open, p.progress},
		{"GET /api/v1/lists/overlap", open, p.overlap},
		{"GET /clients", open, p.clients},
		{"GET /api/v1/clients", ToRead, p.household},
		{"GET /config", open, p.config},
		{"GET /api/v1/config", ToRead, p.configuration},
		{"GET /api/v1/history", open, p.history},
		{"GET /api/v1/companies", open, p.companiesOf},
		{"GET /api/v1/report", open, p.evidence},
		{"GET /api/v1/privacy", open, p.keeping},
		{"GET /privacy", open, p.privacy},
		{"POST /privacy/me", open, p.forgetMePage},
		{"POST /privacy/history", ToErase, p.forgetAllPage},
		{"GET /recent", open, p.recent},
		{"GET /api/v1/recent", open, p.recentNames},
		{"POST /api/v1/self_allow", open, p.selfAllow},
		{"POST /api/v1/requests", open, p.ask},
		{"GET /api/v1/requests", ToRead, p.openRequests},
		{"POST /api/v1/requests/refuse", ToRule, p.refuse},
		{"GET /api/v1/rules", ToRead, p.rules},
		{"POST /api/v1/rules", ToRule, p.rule},
		{"DELETE /api/v1/rules", ToRule, p.unrule},
		{"DELETE /api/v1/privacy/me", open, p.forgetMe},
		{"POST /api/v1/pause", ToPause, p.pause},
		{"POST /api/v1/resume", ToPause, p.resume},
		{"POST /api/v1/lists/refresh", ToFetch, p.refresh},
		{"DELETE /api/v1/privacy/history", ToErase, p.forgetAll},
	}
}

func (p *Page) metrics(w http.ResponseWriter, r *http.Request) { p.Metrics.ServeHTTP(w, r) }
