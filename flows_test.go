package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/miekg/dns"

	"deadpixel/ui"
)

// withScripts runs a test in a browser that runs scripts, and in one that does not.
func withScripts(t *testing.T, b *browser, p *program, test func(*testing.T, *tab)) {
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts=%v", scripts), func(t *testing.T) {
			x := b.tab(t, p.web)
			if !scripts {
				x.noScripts()
			}
			test(t, x)
		})
	}
}

// locked is a configuration with the password of tests.
func locked(t testing.TB) string {
	t.Helper()
	hash, err := ui.HashPassword(secret)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("password_hash = %q\n", hash)
}

// order is an order of a script that knows the password.
func (p *program) order(path, body string) {
	p.t.Helper()
	if status, answer := p.webFrom(parent, "POST", path, body, asOwner); status != http.StatusOK {
		p.t.Fatalf("%s %s: %d %s", path, body, status, answer)
	}
}

func browseSigningIn(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/")
		x.lacks("main", "5 minutes")
		x.follow("#state", "Sign in to pause")
		// The browser gives the focus some time after the page is there.
		x.wait("the focus on the password", func() bool { return look[string](x, "() => document.activeElement.id") == "password" })
		x.write("#password", "wrong")
		x.moved(401, x.pointer("main", "Sign in"))
		x.reads("[role=alert]", "Wrong password")
		x.write("#password", secret)
		x.moved(200, press(kb.Enter)) // all of the page, or a click could miss what still moves
		x.reads("#state", "5 minutes")
		x.follow("header", "Sign out")
		x.lacks("main", "5 minutes")
		x.reads("header", "Sign in")
	})
}

func browsePausing(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList+"[groups.kids]\n").start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.enter()
		x.reads("#state", "Trackers are blocked")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		x.follow("#state", "5 minutes")
		x.reads("#state", "Blocking is paused", "Until ")
		p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
		x.follow("#state", "Resume blocking")
		x.reads("#state", "Trackers are blocked")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		x.follow("#state", "as long as I like")
		x.reads("#state", "Until you resume")
		x.follow("#state", "Resume blocking")

		x.visit(whereGroupsAre)
		x.press("main", "Pause default")
		x.follow(".menu[open]", "1 hour")
		x.reads("main", "paused until")
		p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
		x.follow("main", "Resume default")
		x.lacks("main", "paused until")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	})
}

// whereGroupsAre is the page on which groups and clients are paused by themselves.
const whereGroupsAre = "/clients"

func browseWhy(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/why?name=pixel.facebook.com")
		x.reads(".answer", "pixel.facebook.com (A) is blocked for this device, in the group default, by the list starter", "It belongs to Meta")
		x.lacks("main", "Allow for")
		x.enter()
		x.write("#name", "pixel.facebook.com")
		x.follow("form[role=search]", "Explain")
		x.reads("h1", "Why is this name blocked?")
		x.reads(".answer", "is blocked", "To allow it, write in [blocking]")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)

		x.follow(".answer", "Allow for 10 minutes")
		x.reads(".answer", "is allowed")
		x.reads("#allowances", "pixel.facebook.com for")
		p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
		if x.scripts { // also in what has been fetched again since
			for _, path := range []string{"/api/v1/pause", "/api/v1/resume"} {
				looks := x.asked("/why")
				p.order(path, "")
				x.wait("the page looks again", func() bool { return x.asked("/why") > looks })
			}
		}
		x.follow("#allowances", "Block again")
		x.reads(".answer", "is blocked")
		x.lacks("main", "Allowed for a while")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)

		for _, whom := range []string{"Allow for the group default", "Allow for good, for everybody"} {
			x.visit("/why?name=pixel.facebook.com")
			x.follow(".answer", whom)
			x.reads(".answer", "is allowed")
			p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
			x.follow(".answer", "Remove the rule")
			x.reads(".answer", "is blocked")
			p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		}

		// What is asked stays in the form; what is wrong is said beside it.
		x.visit("/why?name=cloaked.example&type=AAAA&client=192.0.2.9")
		if got := look[string](x, `() => ["name", "type", "client"].map(id => document.getElementById(id).value).join()`); got != "cloaked.example,AAAA,192.0.2.9" {
			t.Errorf("the form has %q", got)
		}
		x.visit("/why?name=cloaked.example")
		x.press("main", "Look behind the name")
		x.follow("main", "Explain")
		x.reads(".answer", "Behind the name", "CNAME pixel.facebook.com, blocked by the list starter")
		x.visit("/why?name=a..b")
		x.reads("[role=alert]", "a..b")
	})
}

func browseRecent(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/recent")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		x.visit("/recent")
		x.reads("#blockedhere", "pixel.facebook.com", "The list starter has it", "It belongs to Meta")
		x.follow("#blockedhere", "Ask the owner")
		x.reads("#blockedhere", "The owner has been asked")

		owner := b.tab(t, p.web)
		owner.enter()
		owner.reads("#notices", "127.0.0.1 asks to allow pixel.facebook.com")
		owner.follow("#notices", "Allow 10 minutes")
		owner.reads(".answer", "is allowed")
		p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
		x.visit("/recent")
		x.reads("#blockedhere", "Allowed until")
		owner.visit("/")
		owner.lacks("main", "asks to allow")
		owner.follow("#allowances", "Block again")

		x.visit("/recent")
		x.follow("#blockedhere", "Ask the owner")
		owner.visit("/")
		owner.follow("#notices", "No")
		owner.lacks("main", "asks to allow")
		x.visit("/recent")
		x.reads("#blockedhere", "Ask the owner")
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	})
}

func browseSelfAllow(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList+"[groups.default]\nself_allow = \"15m\"\n").start().untilEnd()
	names := map[bool]string{true: "pixel.facebook.com", false: "ads.facebook.com"}
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		name := names[x.scripts]
		p.wantRcode(name, dns.RcodeNameError)
		x.visit("/recent")
		x.follow("#blockedhere", "Allow for 15 minutes "+name)
		x.reads("#blockedhere", "Allowed until")
		p.wantRcode(name, dns.RcodeSuccess)
	})
}

func browseRanges(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList+"[privacy]\nkeep = \"800h\"\n")
	b.month(t, p)
	p.start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/")
		for _, span := range []string{"7 days", "30 days", "24 hours"} {
			x.follow("nav[aria-label=Range]", span)
			x.reads("#numbers", "The last "+span)
			x.reads("nav[aria-label=Range] [aria-current]", span)
			x.lacks("#plot", "when queries blocked")
			x.press("#figures", "The same as a table")
			x.reads("#figures", "when queries blocked")
			shown := look[[]int](x, `() => [document.querySelectorAll("#figures tbody tr").length, document.querySelectorAll("#plot rect.hit").length]`)
			if shown[0] == 0 || shown[0] > shown[1] {
				t.Errorf("%s: %d rows for %d columns", span, shown[0], shown[1])
			}
			x.press("#figures", "The same as a table")
		}
	})
}

func browseLive(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList, "--debug", "127.0.0.1:0").start().untilEnd()
	watched := func() bool {
		r, err := http.Get(p.debug + "goroutine?debug=2")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		stacks, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(stacks), "ui.(*Page).tail")
	}
	x := b.tab(t, p.web)
	x.visit("/live")
	x.reads("main", "Sign in to watch")
	x.enter()
	if watched() {
		t.Fatal("it is watched before anybody does")
	}
	x.follow("header", "Live")
	x.reads("#tailstate", "Nothing has been blocked yet")
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	x.reads("#tail", "pixel.facebook.com", "Meta", "starter")
	if !watched() {
		t.Error("nobody seems to watch, though somebody does")
	}
	x.press("main", "Hold still")
	x.reads("#tailstate", "Held still")
	x.wait("nobody watches what is held still", func() bool { return !watched() })
	p.wantRcode("ads.facebook.com", dns.RcodeNameError)
	x.press("main", "Go on")
	x.wait("it is watched again", watched)
	p.wantRcode("an.facebook.com", dns.RcodeNameError)
	x.reads("#tail", "an.facebook.com")
	x.lacks("#tail", "ads.facebook.com")
	if got := look[string](x, `() => document.querySelector("#tail tbody th span").textContent`); got != "an.facebook.com" {
		t.Errorf("the first is %q, want the newest", got)
	}
	x.follow("header", "Now")
	x.wait("nobody watches after the page was left", func() bool { return !watched() })

	x.follow("header", "Live")
	x.wait("it is watched", watched)
	x.follow("header", "Sign out")
	x.wait("nobody watches after signing out", func() bool { return !watched() })

	plain := b.tab(t, p.web).noScripts()
	plain.enter()
	plain.follow("header", "Live")
	plain.reads("main", "This needs JavaScript")
	plain.lacks("main", "Hold still")
}

// The front page is told of what changes, and asks for nothing that it was not told of.
func browseFollowing(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList).start().untilEnd()
	x := b.tab(t, p.web)
	x.enter()
	x.visit("/")
	x.wait("the page follows", func() bool { return x.following("/api/v1/events") })
	asked, told := x.asked("/"), x.told()
	look[bool](x, "() => { globalThis.untouched = true; return true }")
	p.order("/api/v1/pause", `{"duration":"5m"}`)
	x.reads("#state", "Blocking is paused")
	p.wantRcode("www.example.org", dns.RcodeSuccess)
	x.reads("#totals", "queries 1")
	p.order("/api/v1/resume", "")
	x.reads("#state", "Trackers are blocked")
	if !look[bool](x, "() => globalThis.untouched") {
		t.Error("the page was loaded again as a whole")
	}
	x.wait("as many looks as there were changes", func() bool { return x.asked("/")-asked == x.told()-told })
	if n := x.asked("/") - asked; n < 3 {
		t.Errorf("%d looks, want one for each change", n)
	}
	// What somebody is about to press stays.
	look[bool](x, `() => { document.querySelector("#state button").focus(); return true }`)
	p.order("/api/v1/pause", `{"duration":"5m"}`)
	x.wait("it is told", func() bool { return x.told()-told > 3 && x.asked("/")-asked == x.told()-told })
	x.reads("#state", "Trackers are blocked")
}

func browseSessions(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		other := b.tab(t, p.web)
		other.enter()
		x.enter()
		x.follow("header", "Sessions")
		x.follow("main", "Sign out everywhere")
		x.reads("header", "Sign in")
		other.visit("/clients")
		other.reads("main", "Sign in to see this")
		other.lacks("body", "Sign out")
	})
}

func browseCompanies(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList+"[privacy]\nkeep = \"800h\"\n")
	b.month(t, p)
	p.start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/")
		x.follow("#findings", "All companies")
		x.reads("h1", "Who tried to follow you")
		x.follow("nav[aria-label=Range]", "30 days")
		x.reads("#companies", "120 companies tried to follow you", "Tracking Company 3")
		counts := look[[]int](x, `() => [...document.querySelectorAll("#companies tbody tr td:first-of-type")].map(e => Number(e.innerText.replace(/\D/g, "")))`)
		if len(counts) < 2 || !slices.IsSortedFunc(counts, func(a, b int) int { return b - a }) {
			t.Errorf("the ranks are %v", counts)
		}
		x.follow("#companies", "Tracking Company 3")
		x.reads("h1", "Tracking Company 3")
		x.reads("#numbers", "The last 30 days")
		x.follow("nav[aria-label=Range]", "7 days")
		x.reads("#numbers", "The last 7 days")
		x.follow("main", "All companies")
		x.reads("#ranked", "The last 7 days")
		x.follow("main", "Evidence of this month")
		x.reads("body", "Tracking Company 3")
	})
}

func browseLists(t *testing.T, b *browser) {
	served := make(chan string) // what is answered to the next fetch; it waits for that
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case text := <-served:
			fmt.Fprint(w, text)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(source.Close)
	serve := func(text string) {
		t.Helper()
		select {
		case served <- text:
		case <-time.After(patience):
			t.Fatal("nobody fetches")
		}
	}
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList+fmt.Sprintf("[[lists]]\nname = \"slow\"\nsource = %q\npopular = \"hold\"\n", source.URL)).start().untilEnd()
	text := "ads.example\n"
	serve(text)
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		again := func(what, want string) {
			t.Helper()
			if x.scripts {
				x.reads(what, want)
				return
			}
			x.wait(want, func() bool { x.visit("/lists"); return strings.Contains(x.text(what), want) })
		}
		x.enter()
		x.visit("/lists")
		again("#listtable", "slow")
		x.follow("main", "Fetch all now")
		x.reads("#fetching", "being fetched")
		text += fmt.Sprintf("more-%v.example\n", x.scripts)
		serve(text)
		x.wait("it is fetched", func() bool {
			if !x.scripts {
				x.follow("header", "Lists")
			}
			return x.text("#fetching") == ""
		})
		again("#listtable", "+1 −0")
		x.reads("#overlap", "What they have in common")

		// A new rule against a popular name waits to be accepted.
		name := map[bool]string{true: "wikipedia.org", false: "google.com"}[x.scripts]
		x.follow("#listtable", "slow")
		x.reads("h1", "slow")
		x.follow("main", "Fetch now")
		text += "||" + name + "^\n"
		serve(text)
		x.visit("/lists")
		again("#listtable", "is held back: ||"+name)
		p.wantRcode(name, dns.RcodeServerFailure)
		x.follow("#listtable", "Accept held rules")
		serve(text)
		x.wait("it is in use", func() bool { return p.ask(name, dns.TypeA).Rcode == dns.RcodeNameError })
		x.visit("/lists")
		x.lacks("#listtable", "is held back")
	})
}

func browsePrivacy(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		x.visit("/")
		x.follow("footer", "exactly what is kept")
		x.reads("main", "1 blocked or requested names in memory")
		x.lacks("main", "Erase the whole history")
		x.follow("main", "Erase what is kept about this device")
		x.reads("[role=status]", "Read back: nothing is kept about this device any more.")
		x.reads("main", "Nothing is kept about 127.0.0.1")
		x.enter()
		x.follow("header", "Privacy")
		x.follow("main", "Erase the whole history")
		x.reads("[role=status]", "Erased. Read back: the history is empty.")
	})
}

func browseConfiguration(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/config")
		x.reads("main", "Sign in to see this")
		x.lacks("body", "data_dir")
		x.enter()
		x.follow("header", "Configuration")
		x.reads("main", "password_hash", "data_dir", "config.toml:")
		x.lacks("body", "argon2id")
	})
}

// Below a path, all that a page leads to and asks for is below it, too.
func browseBelow(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+"base_path = \"/dns/\"\n"+locked(t)+starterList).start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.web += "/dns"
		x.enter()
		for _, room := range look[[]string](x, `() => [...document.querySelectorAll("nav[aria-label=Pages] a")].map(a => a.innerText)`) {
			x.follow("nav[aria-label=Pages]", room)
			x.reads("nav [aria-current=page]", room)
			if x.scripts && look[bool](x, `() => Boolean(document.querySelector("[data-live]"))`) {
				x.wait(room+" follows", func() bool { return x.following("/dns/api/v1/events") })
			}
		}
		x.follow("header", "Now")
		x.follow("#state", "5 minutes")
		x.reads("#state", "Blocking is paused")
		x.follow("#state", "Resume blocking")
		x.follow("header", "Sign out")
		x.reads("header", "Sign in")
	})
}

func browseQueries(t *testing.T, b *browser) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+locked(t)+starterList+"[privacy]\nqueries = \"all\"\n").start().untilEnd()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		name := fmt.Sprintf("scripts-%v.example.org", x.scripts) // not in the cache yet
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		p.wantRcode(name, dns.RcodeSuccess)
		x.visit("/queries")
		x.reads("main", "Sign in to see them")
		x.lacks("body", "facebook")
		x.enter()
		x.wait("both queries", func() bool {
			x.follow("nav", "Queries")
			return strings.Contains(x.text(".queries"), "pixel.facebook.com") && strings.Contains(x.text(".queries"), name)
		})
		x.write("#name", "FACEBOOK")
		x.follow("form.ask", "Find")
		x.reads(".queries", "pixel.facebook.com", "blocked", "by starter")
		x.lacks(".queries", name)
		x.visit("/queries?outcome=forwarded")
		x.reads(".queries", name)
		x.lacks(".queries", "facebook")
		if got := look[string](x, `() => document.getElementById("outcome").value`); got != "forwarded" {
			t.Errorf("the form has %q", got)
		}
		x.follow(".queries", name)
		x.reads(".answer", name+" (A) is untouched")

		// Each page leads to older ones, until there is none.
		for range 101 {
			p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		}
		x.wait("a second page", func() bool {
			x.visit("/queries?name=facebook")
			return strings.Contains(x.text("main"), "Older ones")
		})
		x.follow("main", "Older ones")
		x.reads(".queries", "pixel.facebook.com")
		x.lacks("main", "Older ones")
		x.visit("/privacy")
		x.follow("main", "Erase the whole history")
		x.visit("/queries")
		x.reads("main", "None that fits.")
	})
}
