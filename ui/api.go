package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(whole(v)) // whoever has gone cannot be told
}

// fail writes an error as JSON.
func fail(w http.ResponseWriter, status int, reason string) {
	reply(w, status, map[string]string{"error": reason})
}

// isForm says whether a request comes from a form of the page; then the answer
// is the page.
func isForm(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded"
}

// recognise calls JSON by its name where a client calls it a form, as curl's -d does:
// read as one, it would be an order without a word, which concerns everybody.
func recognise(r *http.Request) {
	if !isForm(r) {
		return
	}
	body := bufio.NewReader(r.Body)
	if first, _ := body.Peek(1); string(first) == "{" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
}

func (p *Page) status(w http.ResponseWriter, r *http.Request) {
	stats := p.Stats(Day)
	reply(w, http.StatusOK, statusAnswer{
		Version: p.Version, Uptime: int64(time.Since(p.Started) / time.Second), Blocking: p.Blocker.Blocking(), Queries: p.Since(),
		NoAccount: stats.NoAccount, Escapes: stats.Escapes, OneSource: stats.OneSource,
		Lists: p.listsFor(p.reads(r)), Upstreams: p.Upstreams(),
	})
}

// newQuestion reads what an explanation is asked for.
func newQuestion(q url.Values) Question {
	resolve, _ := strconv.ParseBool(q.Get("resolve"))
	return Question{Name: q.Get("name"), Client: q.Get("client"), Type: q.Get("type"), Resolve: resolve}
}

func (p *Page) explain(w http.ResponseWriter, r *http.Request) {
	q := newQuestion(r.URL.Query())
	if q.Name == "" {
		fail(w, http.StatusBadRequest, "write which name: /api/v1/explain?name=tracker.example")
		return
	}
	e, err := p.Explain(r.Context(), q)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, http.StatusOK, e)
}

// order is the body of a change, of which each takes what it knows.
type order struct {
	Duration string `json:"duration"`
	Group    string `json:"group"`
	Client   string `json:"client"`
	List     string `json:"list"`
	Force    bool   `json:"force"`
}

// readOrder reads an order; an empty body is an empty one.
func readOrder(r *http.Request) (order, error) {
	var o order
	var force string
	err := readBody(r, &o, map[string]*string{"duration": &o.Duration, "group": &o.Group, "client": &o.Client, "list": &o.List, "force": &force})
	if err != nil {
		return o, err
	}
	if force != "" {
		if o.Force, err = strconv.ParseBool(force); err != nil {
			return o, fmt.Errorf("force is true or false, not %q", force)
		}
	}
	return o, o.target().check()
}

// readBody reads JSON into what into points to, or a form into its fields. What it does
// not know it refuses: an order whose "group" is misspelt would concern everybody.
func readBody(r *http.Request, into any, fields map[string]*string) error {
	if !isForm(r) {
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
			return errors.New("the body is no JSON of this call: " + err.Error())
		}
		return nil
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		field := fields[name]
		if field == nil {
			return fmt.Errorf("unknown field %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		*field = r.PostForm.Get(name)
	}
	return nil
}

// readDuration reads how long something lasts; 0 when it does not say.
func readDuration(written string) (time.Duration, error) {
	if written == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(written)
	if err != nil || d <= 0 {
		return 0, errors.New("the duration is written like \"5m\" or \"1h30m\"")
	}
	return d, nil
}

func (o order) target() Target { return Target{o.Group, o.Client} }

// place is where the page shows what o changes.
func (o order) place() string {
	if o.target() != (Target{}) {
		return "/clients"
	}
	return "/"
}

// done answers a change: a form with the page at a place, or with one that says what
// went wrong, others with v or an error.
func (p *Page) done(w http.ResponseWriter, r *http.Request, place string, err error, failure int, v func() any) {
	if errors.Is(err, ErrNotFound) {
		failure = http.StatusNotFound
	}
	switch {
	case err != nil:
		p.refused(w, r, place, failure, err.Error())
	case isForm(r):
		http.Redirect(w, r, p.to(place), http.StatusSeeOther)
	default:
		reply(w, http.StatusOK, v())
	}
}

// refused says that something could not be done: on a page that leads back to a place
// for a form, else as JSON.
func (p *Page) refused(w http.ResponseWriter, r *http.Request, place string, status int, reason string) {
	if !isForm(r) {
		fail(w, status, reason)
		return
	}
	p.problem(w, r, place, status, reason)
}

// problem is a page that says what went wrong, and leads back to a place.
func (p *Page) problem(w http.ResponseWriter, r *http.Request, place string, status int, reason string) {
	v := struct {
		frame
		Problem, Back string
	}{p.frame(r, refusedTitle, ""), reason, place}
	v.Narrow = true
	p.show(w, r, status, "problem.html", v)
}

func (p *Page) pause(w http.ResponseWriter, r *http.Request) {
	o, err := readOrder(r)
	var d time.Duration
	if err == nil {
		d, err = readDuration(o.Duration)
	}
	if err == nil {
		err = p.Blocker.Pause(o.target(), d)
	}
	p.done(w, r, o.place(), err, http.StatusBadRequest, func() any { return blockingAnswer{p.Blocker.Blocking()} })
}

func (p *Page) resume(w http.ResponseWriter, r *http.Request) {
	o, err := readOrder(r)
	if err == nil {
		err = p.Blocker.Resume(o.target())
	}
	p.done(w, r, o.place(), err, http.StatusBadRequest, func() any { return blockingAnswer{p.Blocker.Blocking()} })
}

func (p *Page) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := p.Alive(ctx); err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (p *Page) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := p.Ready(); err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}
