package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Costs of a new argon2id hash: the second choice of RFC 9106, section 4, with
// less memory for small machines (OWASP, "Password Storage": 19 MiB, 2 passes).
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonSalt   = 16
	argonKey    = 32
)

// Bounds of hashes that are accepted, so that a login cannot exhaust the machine.
const (
	argonMaxMemory = 256 << 10
	argonMaxPasses = 16
	bcryptMaxCost  = 16
)

// errHash says that a text is no hash of a password.
var errHash = errors.New("no hash of a password; `deadpixel password` makes one")

// argonHash is a hash in the form $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type argonHash struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

func parseArgon(s string) (argonHash, error) {
	var h argonHash
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return h, errHash
	}
	if h.memory < 8 || h.memory > argonMaxMemory || h.passes < 1 || h.passes > argonMaxPasses || h.threads < 1 {
		return h, fmt.Errorf("%w: its costs are out of bounds (at most m=%d, t=%d)", errHash, argonMaxMemory, argonMaxPasses)
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.key) < 16 {
		return h, errHash
	}
	return h, nil
}

// CheckHash says what is wrong with a password hash; nil when it is one of
// argon2id or bcrypt.
func CheckHash(s string) error {
	if strings.HasPrefix(s, "$2") {
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil || cost > bcryptMaxCost {
			return errHash
		}
		return nil
	}
	_, err := parseArgon(s)
	return err
}

// HashPassword makes an argon2id hash.
func HashPassword(password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, 1, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonPasses,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

func verify(hash, password string) bool {
	if strings.HasPrefix(hash, "$2") {
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	}
	h, err := parseArgon(hash)
	if err != nil {
		return false
	}
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// Sessions.
const (
	cookieName   = "deadpixel_session"
	sessionTime  = 7 * 24 * time.Hour
	maxSessions  = 200
	maxFailures  = 10 // wrong passwords in failureTime; then nobody is let in until it is over
	failureTime  = time.Minute
	loginOpening = "/login"
)

// sessions are who has signed in; they end with the program or a new password.
type sessions struct {
	mu       sync.Mutex
	valid    map[[32]byte]time.Time // by the sum of the token
	failures int
	since    time.Time
	checking sync.Mutex // one password at a time, so that hashing cannot exhaust the machine
	proven   [32]byte   // sum of the last password that was right, for scripts that send it every time
}

var errTooMany = errors.New("too many wrong passwords; wait a minute")

// check says whether a password is right.
func (p *Page) check(password string) error {
	s := &p.sessions
	sum := sha256.Sum256([]byte(p.PasswordHash + "\x00" + password))
	s.mu.Lock()
	if s.proven == sum {
		s.mu.Unlock()
		return nil
	}
	if time.Since(s.since) > failureTime {
		s.failures, s.since = 0, time.Now()
	}
	if s.failures >= maxFailures {
		s.mu.Unlock()
		return errTooMany
	}
	s.failures++ // until it has proved right
	s.mu.Unlock()

	s.checking.Lock()
	ok := verify(p.PasswordHash, password)
	s.checking.Unlock()
	if !ok {
		return errors.New("wrong password")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures--
	s.proven = sum
	return nil
}

// open begins a session and returns its token.
func (s *sessions) open() string {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	for sum, until := range s.valid {
		if time.Now().After(until) || len(s.valid) >= maxSessions {
			delete(s.valid, sum)
		}
	}
	s.valid[sha256.Sum256([]byte(token))] = time.Now().Add(sessionTime)
	return token
}

func (s *sessions) has(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.valid[sha256.Sum256([]byte(c.Value))])
}

func (s *sessions) close(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.valid, sha256.Sum256([]byte(c.Value)))
	}
}

// may says whether a request may change something; else the status and the reason.
func (p *Page) may(r *http.Request) (int, error) {
	if p.PasswordHash == "" {
		if isLocal(r) {
			return 0, nil
		}
		return http.StatusForbidden, errors.New("no password is set, so changes are possible on the machine itself only; `deadpixel password` makes one")
	}
	if p.sessions.has(r) {
		return 0, nil
	}
	if _, password, ok := r.BasicAuth(); ok {
		err := p.check(password)
		switch {
		case err == nil:
			return 0, nil
		case errors.Is(err, errTooMany):
			return http.StatusTooManyRequests, err
		}
		return http.StatusUnauthorized, err
	}
	return http.StatusUnauthorized, errors.New("this needs the password")
}

// change lets only those through who may.
func (p *Page) change(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := p.may(r)
		switch {
		case status == 0:
			h(w, r)
		case status == http.StatusUnauthorized && isForm(r):
			http.Redirect(w, r, p.to(loginOpening), http.StatusSeeOther)
		default:
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="deadpixel", charset="UTF-8"`)
			}
			p.refused(w, r, "/", status, err.Error())
		}
	})
}

func (p *Page) loginForm(w http.ResponseWriter, r *http.Request) {
	p.showLogin(w, r, http.StatusOK, "")
}

// showLogin asks for the password, after a problem or for the first time.
func (p *Page) showLogin(w http.ResponseWriter, r *http.Request, status int, problem string) {
	v := struct {
		frame
		Problem string
	}{p.frame(r, loginTitle, loginOpening), problem}
	v.Narrow = true
	p.show(w, r, status, "login.html", v)
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	if p.PasswordHash == "" {
		fail(w, http.StatusForbidden, "no password is set")
		return
	}
	if err := p.check(r.PostFormValue("password")); err != nil {
		status := http.StatusUnauthorized
		if errors.Is(err, errTooMany) {
			status = http.StatusTooManyRequests
		}
		p.Log.Warn("login refused", "err", err)
		p.showLogin(w, r, status, err.Error())
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: p.sessions.open(), Path: p.to("/"), MaxAge: int(sessionTime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	http.Redirect(w, r, p.to("/"), http.StatusSeeOther)
}

func (p *Page) logout(w http.ResponseWriter, r *http.Request) {
	p.sessions.close(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: p.to("/"), MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, p.to("/"), http.StatusSeeOther)
}
