package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/miekg/dns"
)

// What a running server answers is what its own description says, for every operation
// that it describes.
func TestAPIIsAsDescribed(t *testing.T) {
	p := prepare(t, basics("127.0.0.1:9")+starterList+"[groups.default]\nself_allow = \"5m\"\nno_account = [\"Meta\"]\n[[clients]]\nname = \"tablet\"\nmatch = [\"192.0.2.7\"]\ngroups = [\"default\"]\n").start()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	_, text := p.get("/api/v1/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			left[method+" "+path] = o.Responses.Status(200).Value.Content["text/event-stream"] == nil // streams have tests of their own
		}
	}
	doc.Servers = nil
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/v1/status", "", 200},
		{"GET", "/api/v1/explain?name=pixel.facebook.com&client=tablet", "", 200},
		{"GET", "/api/v1/explain?name=www.example.org&resolve=true", "", 200},
		{"GET", "/api/v1/explain?name=www.example.org&client=nobody", "", 400},
		{"GET", "/api/v1/explain", "", 400},
		{"GET", "/api/v1/lists/changes?list=starter", "", 200},
		{"GET", "/api/v1/lists/changes?list=none", "", 404},
		{"GET", "/api/v1/lists/progress", "", 200},
		{"GET", "/api/v1/lists/overlap", "", 200},
		{"GET", "/api/v1/clients", "", 200},
		{"GET", "/api/v1/queries", "", 200},
		{"GET", "/api/v1/queries?limit=x", "", 400},
		{"GET", "/api/v1/config", "", 200},
		{"GET", "/api/v1/history?range=7d", "", 200},
		{"GET", "/api/v1/history?range=8d", "", 400},
		{"GET", "/api/v1/companies", "", 200},
		{"GET", "/api/v1/companies?name=Meta&range=30d", "", 200},
		{"GET", "/api/v1/companies?name=nobody", "", 404},
		{"GET", "/api/v1/report", "", 200},
		{"GET", "/api/v1/report?format=html", "", 200},
		{"GET", "/api/v1/report?month=1999-01", "", 404},
		{"GET", "/api/v1/privacy", "", 200},
		{"GET", "/api/v1/recent", "", 200},
		{"POST", "/api/v1/requests", `{"name":"pixel.facebook.com"}`, 200},
		{"GET", "/api/v1/requests", "", 200},
		{"POST", "/api/v1/requests/refuse", `{"rule":"pixel.facebook.com","client":"127.0.0.1"}`, 200},
		{"POST", "/api/v1/self_allow", `{"name":"pixel.facebook.com"}`, 200},
		{"POST", "/api/v1/self_allow", `{"name":"pixel.facebook.com","duration":"1h"}`, 403},
		{"POST", "/api/v1/rules", `{"rule":"x.example","action":"allow"}`, 200},
		{"POST", "/api/v1/rules", `{"rule":"y.example","action":"allow","duration":"5m"}`, 200},
		{"GET", "/api/v1/rules", "", 200},
		{"DELETE", "/api/v1/rules", `{"rule":"@@||x.example^"}`, 200},
		{"DELETE", "/api/v1/rules", `{"rule":"@@||x.example^"}`, 404},
		{"POST", "/api/v1/pause", `{"duration":"5m","group":"default"}`, 200},
		{"POST", "/api/v1/pause", `{"group":"none"}`, 404},
		{"POST", "/api/v1/resume", `{"group":"default"}`, 200},
		{"POST", "/api/v1/lists/refresh", `{"list":"starter"}`, 200},
		{"DELETE", "/api/v1/privacy/me", "", 200},
		{"DELETE", "/api/v1/privacy/history", "", 200},
	} {
		r, err := http.NewRequest(c.method, p.web+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != c.status {
			t.Errorf("%s %s: %s, want %d: %s %v", c.method, c.path, answer.Status, c.status, body, err)
			continue
		}
		if c.status == 200 {
			left[c.method+" "+r.URL.Path] = false
		}
		r.URL.Scheme, r.URL.Host = "", ""
		route, path, err := router.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		if err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: path, Route: route},
			Status:                 answer.StatusCode, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		}); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
	for operation, untried := range left {
		if untried {
			t.Errorf("%s was not tried", operation)
		}
	}
	p.stop()
}
