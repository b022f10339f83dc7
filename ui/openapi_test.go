package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// described is the description of the API, and what finds the route of a request.
var described = sync.OnceValues(func() (routers.Router, error) {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	p := &Page{Options: Options{Version: "1.2.3"}}
	text, err := json.Marshal(p.describe())
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// Every answer of the API that any test of this package sees is as described. It returns
// what is not.
func asDescribed(r *http.Request, w *httptest.ResponseRecorder) error {
	if !strings.HasPrefix(r.URL.Path, "/api/v1/") || w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusSeeOther || r.URL.Path == "/api/v1/openapi.json" {
		return nil
	}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && isForm(r) {
		return nil // a page, for a form
	}
	router, err := described()
	if err != nil {
		return err
	}
	asked := r.Clone(context.Background())
	asked.URL.Host, asked.URL.Scheme = "", ""
	route, path, err := router.FindRoute(asked)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: path, Route: route},
		Status:                 w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		return fmt.Errorf("%s %s: %d: %w", r.Method, r.URL.Path, w.Code, err)
	}
	return nil
}

// The description is a good one, of every route of the API and of nothing else.
func TestOpenAPI(t *testing.T) {
	p, _ := newPage(t, "")
	w := call(p, "GET", "/api/v1/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	routes := 0
	for _, one := range p.table() {
		method, path, _ := strings.Cut(one.pattern, " ")
		if !strings.HasPrefix(path, "/api/") || path == "/api/v1/openapi.json" {
			continue
		}
		routes++
		item := doc.Paths.Value(path)
		if item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s is not described", one.pattern)
			continue
		}
		o := item.GetOperation(method)
		if scope, _ := o.Extensions["x-scope"].(string); Scope(scope) != one.scope || (o.Security == nil) != (one.scope == open) {
			t.Errorf("%s needs %q, and is described with %q", one.pattern, one.scope, scope)
		}
		if o.Summary == "" || o.Responses.Status(200) == nil {
			t.Errorf("%s is hardly described: %+v", one.pattern, o)
		}
	}
	described := 0
	for _, item := range doc.Paths.Map() {
		described += len(item.Operations())
	}
	if described != routes || routes < 25 {
		t.Errorf("%d operations are described, of %d routes", described, routes)
	}
}

// What is not as described is found.
func TestAsDescribed(t *testing.T) {
	for body, good := range map[string]bool{
		`{"lists": []}`:              true,
		`{"lists": null}`:            false,
		`{}`:                         false,
		`{"lists": [], "more": 1}`:   false,
		`{"lists": [{"name": "x"}]}`: false,
		`{"lists": "starter"}`:       false,
	} {
		w := httptest.NewRecorder()
		reply(w, 200, json.RawMessage(body))
		err := asDescribed(httptest.NewRequest("POST", "/api/v1/lists/refresh", nil), w)
		if (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
	w := httptest.NewRecorder()
	fail(w, 418, "teapot")
	if asDescribed(httptest.NewRequest("POST", "/api/v1/pause", nil), w) == nil {
		t.Error("a status that is not described")
	}
	if asDescribed(httptest.NewRequest("POST", "/api/v1/nowhere", nil), w) == nil {
		t.Error("a route that is not described")
	}
}
