package ui

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Each route that needs permission lets a token through that has its scope, and no other.
func TestScopes(t *testing.T) {
	p, _ := newPage(t, "correct horse")
	p.Tail = nil // the stream is another test's
	secrets := map[Scope]string{}
	for _, s := range Scopes {
		secret, hash := NewToken()
		secrets[s] = secret
		p.Tokens = append(p.Tokens, Token{Name: "for " + string(s), Hash: hash, Scopes: []Scope{s}})
	}
	permitted := 0
	for _, one := range p.table() {
		if one.scope == open || strings.HasSuffix(one.pattern, "/blocked") {
			continue
		}
		method, path, _ := strings.Cut(one.pattern, " ")
		if w := call(p, method, path, ""); w.Code != http.StatusUnauthorized || len(w.Header().Values("WWW-Authenticate")) != 2 {
			t.Errorf("%s by nobody: %d", one.pattern, w.Code)
		}
		for s, secret := range secrets {
			w := call(p, method, path, "", "Authorization: Bearer "+secret)
			if refused := w.Code == http.StatusForbidden; refused != (s != one.scope) || refused && !strings.Contains(w.Body.String(), "has no scope") {
				t.Errorf("%s, which needs %q, with %q: %d: %s", one.pattern, one.scope, s, w.Code, w.Body)
			}
			permitted++
		}
	}
	if permitted < 30 {
		t.Errorf("only %d tries", permitted)
	}
}

func TestTokens(t *testing.T) {
	p, h := newPage(t, "correct horse")
	secret, hash := NewToken()
	old, oldHash := NewToken()
	if CheckTokenHash(hash) != nil || CheckTokenHash("sha256:00") == nil || CheckTokenHash(secret) == nil {
		t.Errorf("hashes: %s", hash)
	}
	p.Tokens = []Token{{"doorbell", hash, []Scope{ToPause}, time.Time{}}, {"old", oldHash, []Scope{ToPause}, time.Now().Add(-time.Second)}}
	pause := func(token string, words ...string) int {
		return call(p, "POST", "/api/v1/pause", "{}", append(words, "Authorization: "+token)...).Code
	}
	if got := pause("bearer "+secret, stranger...); got != 200 || !h.paused {
		t.Errorf("a token: %d", got)
	}
	if w := call(p, "POST", "/api/v1/pause", "{}", "Authorization: Bearer "+old); w.Code != 401 || !strings.Contains(w.Body.String(), "expired") {
		t.Errorf("one that is over: %d %s", w.Code, w.Body)
	}
	for i := range maxTries {
		if got := pause("Bearer x", stranger...); got != 401 {
			t.Errorf("wrong token %d: %d", i, got)
		}
	}
	w := call(p, "POST", "/api/v1/pause", "{}", append(stranger, "Authorization: Bearer x")...)
	if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 429 || err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("after many wrong ones: %d, to wait %d s, %v", w.Code, seconds, err)
	}
	if got := pause("Bearer "+secret, stranger...); got != 200 {
		t.Errorf("the right one, which nobody guesses: %d", got)
	}
	if got := pause("Bearer "+secret, "from=192.168.1.6", "host=192.168.1.2"); got != 200 {
		t.Errorf("from elsewhere, meanwhile: %d", got)
	}
	// Where there is no password, a token is still worth what it says, and only that.
	open, _ := newPage(t, "")
	open.Tokens = p.Tokens
	if w := call(open, "POST", "/api/v1/pause", "{}", append(stranger, "Authorization: Bearer "+secret)...); w.Code != 200 {
		t.Errorf("without a password: %d", w.Code)
	}
	if w := call(open, "DELETE", "/api/v1/privacy/history", "", append(stranger, "Authorization: Bearer "+secret)...); w.Code != 403 {
		t.Errorf("beyond its scope: %d", w.Code)
	} else if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope", scope="privacy"`) {
		t.Errorf("what it lacks: %q", got)
	}
}

// Whoever has no tries left learns nothing by going on, also where a script has sent the
// right password before, which then is known without a sum.
func TestNoGuessesWithoutTries(t *testing.T) {
	p, _ := newPage(t, "correct horse")
	pause := func(basic string, words ...string) int {
		return call(p, "POST", "/api/v1/pause", "{}", append(words, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+basic)))...).Code
	}
	for i := range 2 * maxTries { // that are right do not count
		if got := pause("correct horse", "from=192.168.1.6", "host=192.168.1.2"); got != 200 {
			t.Fatalf("the script, %d: %d", i, got)
		}
	}
	for range maxTries {
		if got := pause("wrong", stranger...); got != 401 {
			t.Errorf("a guess: %d", got)
		}
	}
	for _, guess := range []string{"wrong", "correct horse"} {
		if got := pause(guess, stranger...); got != 429 {
			t.Errorf("a guess too many, %q: %d", guess, got)
		}
		if w := call(p, "POST", "/login", url.Values{"password": {guess}}.Encode(), append(stranger, form)...); w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("signing in with %q: %d, %q", guess, w.Code, w.Header())
		}
	}
	if got := pause("correct horse", "from=192.168.1.6", "host=192.168.1.2"); got != 200 {
		t.Errorf("the script, meanwhile: %d", got)
	}
}

// Whoever guesses locks out themselves, and many together only those who never signed
// in.
func TestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tries
		owner := netip.MustParseAddr("192.168.1.2")
		try := func(ip netip.Addr) error { return all.begin(ip, time.Now(), false) }
		if try(owner) != nil {
			t.Fatal("the first try")
		}
		all.right(owner)
		attacker := func(n int) netip.Addr { return netip.AddrFrom16([16]byte{0xfd, 7: byte(n), 15: byte(n * 7)}) }
		for i := range maxTries {
			if try(netip.AddrFrom16([16]byte{0xfd, 15: byte(i)})) != nil { // addresses of one network
				t.Errorf("try %d", i)
			}
		}
		if try(attacker(0)) == nil {
			t.Error("one network has too many tries")
		}
		for n := 1; all.all < maxAllTries; n++ {
			try(attacker(n))
		}
		if try(netip.MustParseAddr("192.168.1.9")) == nil {
			t.Error("all together have too many tries")
		}
		if err := try(owner); err != nil {
			t.Errorf("the owner is locked out: %v", err)
		}
		if err := try(netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Errorf("the machine itself is locked out: %v", err)
		}
		time.Sleep(tryTime + time.Second)
		if err := try(attacker(0)); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// Sessions end by themselves, when unused and in any case, and everywhere when asked.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all sessions
		has := func(token string) bool {
			r, _ := http.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: plainCookie, Value: token})
			return all.has(r, time.Now())
		}
		idle, busy := all.open(time.Now()), all.open(time.Now())
		for range int(sessionTime/time.Hour) - 1 {
			time.Sleep(time.Hour)
			if !has(busy) {
				t.Fatal("a session in use has ended")
			}
		}
		if has(idle) {
			t.Error("an unused session lasts")
		}
		if time.Sleep(time.Hour); has(busy) {
			t.Error("a session in use has no end")
		}
		first := all.open(time.Now())
		for range maxSessions {
			time.Sleep(time.Second)
			all.open(time.Now())
		}
		if len(all.all) != maxSessions || has(first) {
			t.Errorf("%d sessions, the oldest among them: %v", len(all.all), has(first))
		}
	})
	p, _ := newPage(t, "correct horse")
	var cookies []string
	for range 3 {
		c := call(p, "POST", "/login", "password=correct+horse", form).Result().Cookies()[0]
		cookies = append(cookies, "Cookie: "+c.Name+"="+c.Value)
	}
	in := func() (all []bool) {
		for _, c := range cookies {
			all = append(all, call(p, "GET", "/api/v1/rules", "", c).Code == 200)
		}
		return all
	}
	wantText(t, look(p, "/login", cookies[0]), []string{"Sign out everywhere"}, []string{`type="password"`})
	call(p, "POST", "/logout", "everywhere=true", form) // of somebody who is not signed in
	call(p, "POST", "/logout", "", form, cookies[0])
	if got := in(); !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("after one has signed out: %v", got)
	}
	call(p, "POST", "/logout", "everywhere=true", form, cookies[1])
	if got := in(); !slices.Equal(got, []bool{false, false, false}) {
		t.Errorf("after signing out everywhere: %v", got)
	}
}
