package ui

import (
	"errors"
	"net/http"
	"time"
)

const loginPath = "/login"

func (p *Page) loginForm(w http.ResponseWriter, r *http.Request) {
	p.showLogin(w, r, http.StatusOK, "")
}

// showLogin asks for the password, after a problem or for the first time.
func (p *Page) showLogin(w http.ResponseWriter, r *http.Request, status int, problem string) {
	v := struct {
		frame
		Problem string
	}{p.frame(r, loginTitle, loginPath), problem}
	v.Narrow = true
	p.show(w, r, status, "login.html", v)
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	if p.PasswordHash == "" {
		p.refused(w, r, "/", http.StatusForbidden, "no password is set")
		return
	}
	if err := p.check(r, r.PostFormValue("password")); err != nil {
		status := http.StatusUnauthorized
		if errors.Is(err, errTooMany) {
			status = http.StatusTooManyRequests
			p.challenge(w, r, open, status)
		}
		p.Log.Warn("login refused", "err", err)
		p.showLogin(w, r, status, err.Error())
		return
	}
	http.SetCookie(w, p.cookie(r, p.sessions.open(time.Now())))
	http.Redirect(w, r, p.to("/"), http.StatusSeeOther)
}

// logout ends the session, or with everywhere=true all of them, which needs one.
func (p *Page) logout(w http.ResponseWriter, r *http.Request) {
	p.sessions.close(r, r.PostFormValue("everywhere") == "true" && p.caller(r).signedIn)
	http.SetCookie(w, p.cookie(r, ""))
	http.Redirect(w, r, p.to("/"), http.StatusSeeOther)
}
