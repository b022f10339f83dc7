package ui

import (
	"net/http"
	"net/netip"
	"slices"
)

// privacy is the page that says what is kept, and erases it.
type privacy struct {
	frame
	Settings Privacy
	Held     Held
	Disk     []Kept
	Memory   []Kept
	Files    []File
	Foreign  int // how many there are beside them, which are none of deadpixel's
	Address  string
	Proxied  string // why nothing can be said of a device
	About    About
	Fault    string // why not everything is known
	Told     string // what came of erasing
}

// inMemory is the place of what ends with the program.
const inMemory = "memory"

func (p *Page) privacy(w http.ResponseWriter, r *http.Request) { p.showPrivacy(w, r, "") }

func (p *Page) showPrivacy(w http.ResponseWriter, r *http.Request, told string) {
	v := privacy{frame: p.frame(r, privacyTitle, "/privacy"), Settings: p.Settings(), Told: told}
	var kept []Kept
	v.Held, kept = p.kept()
	for _, k := range kept {
		if k.Where == inMemory {
			v.Memory = append(v.Memory, k)
		} else {
			v.Disk = append(v.Disk, k)
		}
	}
	ip, ok := device(r)
	if v.Address = ip.String(); !ok {
		v.Proxied = throughProxy
	}
	var err error
	if v.Files, v.Foreign, err = p.filesFor(v.MayChange); err == nil && ok {
		v.About, err = p.About(ip)
	}
	if err != nil {
		v.Fault = err.Error()
	}
	p.show(w, r, http.StatusOK, "privacy.html", v)
}

// kept is what Options has, and what the page itself keeps of who uses it.
func (p *Page) kept() (Held, []Kept) {
	held, all := p.Kept()
	tried, friends := p.tries.held()
	ends := "; deadpixel stops, or [web] changes"
	return held, append(all,
		Kept{What: "who has signed in: a hash of a random text that is in their browser, with when that was and when it was seen last", Why: "a browser stays signed in", Where: inMemory,
			Much: many(p.sessions.held(), "session"), Until: "signed out, a day without a visit, or a week" + ends},
		Kept{What: "networks from which passwords or tokens were tried, with how many were wrong", Why: "nobody can guess for long", Where: inMemory,
			Much: many(tried, "network"), Until: "the next try after a minute" + ends},
		Kept{What: "networks from which somebody has signed in", Why: "those who guess elsewhere do not lock them out", Where: inMemory, Much: many(friends, "network"), Until: ends[2:]},
		Kept{What: "addresses from which something was allowed or asked for without signing in, and how often", Why: "nobody does that without end", Where: inMemory,
			Much: many(p.turns.held(), "device"), Until: "the next such order after a minute" + ends})
}

// filesFor are the files that are there. What is none of deadpixel's is named to who may
// change something, since nobody knows what that is; for others it is counted.
func (p *Page) filesFor(owner bool) (own []File, foreign int, err error) {
	all, err := p.Files()
	own = slices.DeleteFunc(all, func(f File) bool { return f.What == "" && !owner })
	return own, len(all) - len(own), err
}

// keeping answers with what the page shows.
func (p *Page) keeping(w http.ResponseWriter, r *http.Request) {
	held, kept := p.kept()
	status, _ := p.may(r, ToRead)
	files, foreign, err := p.filesFor(status == 0)
	answer := keepingAnswer{Settings: p.Settings(), Kept: kept, History: held, Files: files, Foreign: foreign}
	if ip, ok := device(r); ok && err == nil {
		var about About
		about, err = p.About(ip)
		answer.About = &about
	}
	if err != nil {
		answer.Problem = err.Error()
	}
	reply(w, http.StatusOK, answer)
}

// erased is what came of erasing what is kept of an address.
type erased struct {
	Erased int    `json:"erased"`
	Note   string `json:"note"`
	Left   About  `json:"left"` // read back afterwards
}

func (p *Page) erase(ip netip.Addr) (e erased, err error) {
	if e.Erased, e.Note, err = p.ForgetClient(ip); err != nil {
		return e, err
	}
	e.Left, err = p.About(ip)
	return e, err
}

// forgetMe needs no permission: it concerns the asking address only.
func (p *Page) forgetMe(w http.ResponseWriter, r *http.Request) {
	ip, ok := device(r)
	if !ok {
		fail(w, http.StatusForbidden, throughProxy)
		return
	}
	e, err := p.erase(ip)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, e)
}

// forgetMePage is forgetMe for a form.
func (p *Page) forgetMePage(w http.ResponseWriter, r *http.Request) {
	ip, ok := device(r)
	if !ok {
		p.refused(w, r, "/privacy", http.StatusForbidden, throughProxy)
		return
	}
	e, err := p.erase(ip)
	if err != nil {
		p.refused(w, r, "/privacy", http.StatusInternalServerError, err.Error())
		return
	}
	p.showPrivacy(w, r, erasedMe(e))
}

func (p *Page) forgetAll(w http.ResponseWriter, r *http.Request) {
	if err := p.Forget(); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	p.keeping(w, r)
}

// forgetAllPage is forgetAll for a form.
func (p *Page) forgetAllPage(w http.ResponseWriter, r *http.Request) {
	if err := p.Forget(); err != nil {
		p.refused(w, r, "/privacy", http.StatusInternalServerError, err.Error())
		return
	}
	held, _ := p.kept()
	p.showPrivacy(w, r, erasedAll(held))
}
