package ui

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// caller is who sends a request, and what they may do.
type caller struct {
	all      bool    // everything: whoever has the password, or is at the machine itself
	scopes   []Scope // else these
	token    string  // the name of the token that says so
	signedIn bool    // there is a session
	status   int     // of what they may not do
	refusal  error
}

// may says whether a caller may do something that needs scope; else the status and the
// reason.
func (c *caller) may(s Scope) (int, error) {
	switch {
	case s == open, c.all, slices.Contains(c.scopes, s):
		return 0, nil
	case c.token != "":
		return http.StatusForbidden, fmt.Errorf("the token %q has no scope %q", c.token, s)
	}
	return c.status, c.refusal
}

// passwords checks the one that there is.
type passwords struct {
	mu       sync.Mutex
	checking sync.Mutex // one at a time, so that hashing cannot exhaust the machine
	proven   [32]byte   // sum of the last password that was right, for scripts that send it every time
}

var errWrongPassword = errors.New("wrong password")

// check says whether a password is right.
func (p *Page) check(r *http.Request, password string) error {
	s := &p.passwords
	sum := sha256.Sum256([]byte(p.PasswordHash + "\x00" + password))
	s.mu.Lock()
	proven := subtle.ConstantTimeCompare(s.proven[:], sum[:]) == 1
	s.mu.Unlock()
	// That it is the right one is not told to whoever has no tries left either: they could
	// go on guessing, as fast as the machine answers.
	if err := p.tries.begin(client(r), time.Now(), proven); err != nil || proven {
		return err
	}
	s.checking.Lock()
	right := verify(p.PasswordHash, password)
	s.checking.Unlock()
	if !right {
		return errWrongPassword
	}
	p.tries.right(client(r))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proven = sum
	return nil
}

// checkToken finds the token that was sent. A right one is let through also where too
// many were wrong: unlike a password it cannot be guessed, and so scripts go on while
// somebody tries.
func (p *Page) checkToken(r *http.Request, sent string) (*Token, error) {
	t := find(p.Tokens, sent)
	if t == nil {
		if err := p.tries.begin(client(r), time.Now(), false); err != nil {
			return nil, err
		}
		return nil, errors.New("there is no such token")
	}
	if !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return nil, fmt.Errorf("the token %q expired on %s", t.Name, t.Expires.Format(time.DateOnly))
	}
	return t, nil
}

// caller finds out who sends a request. It does so once for each, since a password is
// dear to check.
func (p *Page) caller(r *http.Request) *caller {
	v := visitOf(r)
	if v.who == nil {
		v.who = p.identify(r)
	}
	return v.who
}

func (p *Page) identify(r *http.Request) *caller {
	if sent, ok := bearer(r); ok {
		t, err := p.checkToken(r, sent)
		if err != nil {
			return refuse(err)
		}
		return &caller{scopes: t.Scopes, token: t.Name}
	}
	if p.PasswordHash == "" {
		if isLocal(r) {
			return &caller{all: true}
		}
		return &caller{status: http.StatusForbidden, refusal: errors.New("no password is set, so changes are possible on the machine itself only; `deadpixel password` makes one")}
	}
	if p.sessions.has(r, time.Now()) {
		return &caller{all: true, signedIn: true}
	}
	if _, password, ok := r.BasicAuth(); ok {
		if err := p.check(r, password); err != nil {
			return refuse(err)
		}
		return &caller{all: true}
	}
	return refuse(errors.New("this needs the password"))
}

// refuse is a caller whom nothing is permitted, for a reason.
func refuse(err error) *caller {
	status := http.StatusUnauthorized
	if errors.Is(err, errTooMany) {
		status = http.StatusTooManyRequests
	}
	return &caller{status: status, refusal: err}
}

// bearer is the token that a request brings (RFC 6750, section 2.1).
func bearer(r *http.Request) (token string, ok bool) {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(kind, "Bearer")
}

// may says whether a request may do something that needs scope; else the status and the
// reason.
func (p *Page) may(r *http.Request, s Scope) (int, error) { return p.caller(r).may(s) }

// reads says whether whoever asks may see what was asked for.
func (p *Page) reads(r *http.Request) bool {
	status, _ := p.may(r, ToRead)
	return status == 0
}

// needs lets only those through who may.
func (p *Page) needs(s Scope, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, err := p.may(r, s)
		switch {
		case status == 0:
			h(w, r)
		case status == http.StatusUnauthorized && isForm(r):
			http.Redirect(w, r, p.to(loginPath), http.StatusSeeOther)
		default:
			p.challenge(w, r, s, status)
			p.refused(w, r, "/", status, err.Error())
		}
	}
}

// challenge says in headers what would let a caller through who was refused: what to sign
// in with (RFC 9110, section 11.6.1), which scope a token lacks (RFC 6750, section 3.1),
// or how long to wait.
func (p *Page) challenge(w http.ResponseWriter, r *http.Request, s Scope, status int) {
	h := w.Header()
	switch {
	case status == http.StatusUnauthorized:
		h.Add("WWW-Authenticate", `Basic realm="deadpixel", charset="UTF-8"`)
		h.Add("WWW-Authenticate", `Bearer realm="deadpixel"`)
	case status == http.StatusForbidden && p.caller(r).token != "":
		h.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="deadpixel", error="insufficient_scope", scope="%s"`, s))
	case status == http.StatusTooManyRequests:
		h.Set("Retry-After", p.tries.wait(time.Now()))
	}
}
