package ui

import "testing"

// Queries that are kept are shown to who has signed in, and the page is not offered where
// there is none.
func TestQueriesPage(t *testing.T) {
	p, _ := newPage(t, "")
	wantText(t, look(p, "/queries"), []string{"keeps single queries"}, []string{"<table", `href="/queries" aria-current`})
	p.Settings = func() Privacy { return Privacy{"anonymous", "blocked", "720h", "10m"} }
	wantText(t, look(p, "/queries?name=X.example.&outcome=blocked&client=cafe"),
		[]string{"&lt;b&gt;x.example</a>", "by starter", "of Meta", "1.2 ms", "cafe", `<option selected>blocked</option>`, `value="x.example"`, `href="/queries?client=cafe&amp;from=f%2F1%2F2&amp;name=X.example.&amp;outcome=blocked"`, `href="/queries" aria-current="page"`},
		[]string{"<b>", "does not keep"})
	wantText(t, look(p, "/queries", stranger...), []string{"on the machine itself only"}, []string{"<table", "starter", `href="/queries"`})
	wantText(t, look(p, "/queries?outcome=eaten"), []string{`role="alert"`, "The outcome is one of"}, []string{"<table"})
	wantText(t, look(p, "/queries?from=broken"), []string{`role="alert">No place.`}, []string{"<table"})
	for path, status := range map[string]int{"": 200, "?limit=7&from=f/1/2": 200, "?limit=0": 400, "?limit=1001": 400, "?limit=x": 400, "?outcome=eaten": 400, "?from=broken": 500} {
		if w := call(p, "GET", "/api/v1/queries"+path, ""); w.Code != status {
			t.Errorf("%s: %d, want %d: %s", path, w.Code, status, w.Body)
		}
	}
	if w := call(p, "GET", "/api/v1/queries", "", stranger...); w.Code != 403 {
		t.Errorf("a stranger: %d", w.Code)
	}
}
