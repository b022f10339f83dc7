package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// Sessions end after sessionIdle without a visit, and after sessionTime in any case.
const (
	sessionTime = 7 * 24 * time.Hour
	sessionIdle = 24 * time.Hour
	maxSessions = 200
)

// Names of the cookie. The first binds it to this very host (RFC 6265bis, section
// 4.1.3.2), which needs TLS and a page that stands at the root.
const (
	boundCookie = "__Host-deadpixel"
	plainCookie = "deadpixel_session"
)

// session is somebody who has signed in.
type session struct {
	opened, seen time.Time
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.opened) >= sessionTime || now.Sub(s.seen) >= sessionIdle
}

// sessions are who has signed in, in memory; they end with the program, and with
// another password. The zero value has none. They are safe for concurrent use.
type sessions struct {
	mu  sync.Mutex
	all map[[32]byte]*session // by the sum of the token, so that memory shows none
}

// open begins a session and returns its token. Where there are too many, the one that
// has been seen last longest ago ends.
func (s *sessions) open(now time.Time) string {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[32]byte]*session{}
	}
	var stalest [32]byte
	for sum, one := range s.all {
		if one.over(now) {
			delete(s.all, sum)
		} else if old := s.all[stalest]; old == nil || one.seen.Before(old.seen) {
			stalest = sum
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, stalest)
	}
	s.all[sha256.Sum256([]byte(token))] = &session{now, now}
	return token
}

// has says whether a request belongs to a session, and notes the visit.
func (s *sessions) has(r *http.Request, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens(r) {
		sum := sha256.Sum256([]byte(token))
		switch one := s.all[sum]; {
		case one == nil:
		case one.over(now):
			delete(s.all, sum)
		default:
			one.seen = now
			return true
		}
	}
	return false
}

// close ends the session of a request, or all of them.
func (s *sessions) close(r *http.Request, everywhere bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if everywhere {
		clear(s.all)
	}
	for _, token := range tokens(r) {
		delete(s.all, sha256.Sum256([]byte(token)))
	}
}

// held is how many there are, also of those that are over and not found out yet.
func (s *sessions) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// tokens are those that a request brings.
func tokens(r *http.Request) []string {
	var all []string
	for _, name := range []string{boundCookie, plainCookie} {
		for _, c := range r.CookiesNamed(name) {
			all = append(all, c.Value)
		}
	}
	return all
}

// cookie is one for the token of a session, "" to take it away.
func (p *Page) cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{Name: plainCookie, Value: token, Path: p.to("/"), MaxAge: int(sessionTime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: visitOf(r).https}
	if c.Secure && c.Path == "/" {
		c.Name = boundCookie
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
