package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/miekg/dns"
)

// axePath is the variable that says where axe-core is: its axe.min.js, as npm installs it.
const axePath = "DEADPIXEL_TEST_AXE"

// axe is axe-core's source.
func axe(t *testing.T) string {
	t.Helper()
	path := os.Getenv(axePath)
	if path == "" {
		t.Skipf("needs axe-core: npm install --prefix DIR axe-core@4.14.1, then %s=DIR/node_modules/axe-core/axe.min.js", axePath)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// bigHouse prepares a program with thirty days behind it, and all that a page can have to
// show: long names, lists that fail, rules that are held; and so many groups, clients and
// lists.
func bigHouse(t *testing.T, b *browser, upstream string, groups, clients, lists int) *program {
	t.Helper()
	p := prepare(t, "")
	b.month(t, p)
	var c strings.Builder
	c.WriteString(basics(upstream) + locked(t) + "[privacy]\nkeep = \"800h\"\nqueries = \"all\"\n[blocking]\ndeny = [\"never-to-be-reached.example\"]\n" + starterList)
	for i := range lists - 2 {
		fmt.Fprintf(&c, "[[lists]]\nname = \"list %d\"\nsource = %q\n", i, p.file(fmt.Sprintf("list-%d.txt", i), fmt.Sprintf("ads%d.example\nthis is no rule\n", i)))
		switch i {
		case 0:
			c.WriteString("kind = \"allow\"\n")
		case 1:
			c.WriteString("schedule = [\"mon-fri 21:00-07:00\", \"sat,sun 22:30-08:00\"]\ngroups = [\"group 1\"]\n")
		case 2:
			c.WriteString("refresh = \"1s\"\npopular = \"hold\"\n")
		case 3, 4:
			c.WriteString("refresh = \"1s\"\n")
		}
	}
	fmt.Fprintf(&c, "[[lists]]\nname = %q\nsource = %q\n", strings.Repeat("a-list-with-a-very-long-name", 3), p.file(strings.Repeat("long", 30)+".txt", "ads.example\n"))
	c.WriteString("[groups.default]\nno_account = [\"TikTok\", \"Meta\"]\n")
	for i := range groups - 2 {
		fmt.Fprintf(&c, "[groups.\"group %d\"]\n", i)
	}
	fmt.Fprintf(&c, "[groups.%s]\nblock = false\n", strings.Repeat("long-group-name-", 5))
	for i := range clients {
		fmt.Fprintf(&c, "[[clients]]\nname = \"tablet of person %d\"\nmatch = [\"127.0.1.%d\"]\ngroups = [\"group %d\", \"group %d\"]\n", i, i+1, i%(groups-2), (i+1)%(groups-2))
	}
	p.write(c.String())
	return p.start().untilEnd()
}

// bustle is what happens in the house that pages show.
func (p *program) bustle() {
	p.t.Helper()
	long := strings.Repeat("a-label-that-is-as-long-as-they-come.", 5) + "never-to-be-reached.example"
	for _, name := range []string{"pixel.facebook.com", "cloaked.example.org", "ads.facebook.com", "www.example.org", "use-application-dns.net", "never-to-be-reached.example", long} {
		for _, from := range []string{"127.0.0.1", "127.0.1.1", "127.0.1.2"} {
			p.askFrom(from, name, dns.TypeA)
		}
	}
	for i, from := range []string{"127.0.0.1", "127.0.1.1"} {
		body := fmt.Sprintf(`{"name": %q}`, []string{"pixel.facebook.com", long}[i])
		if status, answer := p.webFrom(from, "POST", "/api/v1/requests", body); status != 200 {
			p.t.Fatalf("%s asks: %d %s", from, status, answer)
		}
	}
	for _, r := range []struct{ path, body string }{
		{"/api/v1/rules", `{"rule": "needed.example", "action": "allow", "duration": "1h"}`},
		{"/api/v1/rules", `{"rule": "` + long + `", "action": "allow", "client": "tablet of person 1", "duration": "1h"}`},
		{"/api/v1/rules", `{"rule": "ads.facebook.com", "action": "allow", "group": "group 1"}`},
		{"/api/v1/pause", `{"client": "tablet of person 2", "duration": "1h"}`},
		{"/api/v1/pause", `{"group": "group 3"}`},
	} {
		p.order(r.path, r.body)
	}
	// A refresh brings rules about names that many ask for; another fails.
	popular := "ads2.example\n||google.com^\n||wikipedia.org^\n"
	p.file("list-2.txt", popular)
	p.file("list-3.txt", popular)
	if err := os.Remove(filepath.Join(p.dir, "list-4.txt")); err != nil {
		p.t.Fatal(err)
	}
}

// shapes finds every page that links lead to, one of each shape: of those whose
// query has the same keys, the first.
func (x *tab) shapes(from ...string) []string {
	x.t.Helper()
	seen, found := map[string]bool{}, []string{}
	for queue := from; len(queue) > 0; queue = queue[1:] {
		u, err := url.Parse(queue[0])
		if err != nil {
			x.t.Fatal(err)
		}
		keys := []string{u.Path}
		for key := range u.Query() {
			if key != "range" { // it shows the same, of another time
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		shape := strings.Join(keys, " ")
		if seen[shape] || strings.HasPrefix(u.Path, "/api/") || u.Path == "/metrics" || strings.HasPrefix(u.Path, "/static/") {
			continue
		}
		seen[shape] = true
		found = append(found, u.RequestURI())
		x.visit(u.RequestURI())
		queue = append(queue, look[[]string](x, `() => [...document.links].filter(a => a.origin === location.origin).map(a => a.pathname + a.search)`)...)
	}
	return found
}

// widths are those that pages are looked at with, in pixels.
var widths = []int64{320, 768, 1280}

// violations are what axe-core finds: for each a sentence.
const violations = `async rules => (await axe.run(document, { resultTypes: ["violations"], ...rules })).violations.flatMap(v =>
	v.nodes.slice(0, 3).map(n => v.impact + ": " + v.help + " (" + v.id + "): " + n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " ")))`

// stickOut are the first elements that reach further than the card or the window that
// they are in, where nobody can scroll there.
const stickOut = `() => {
	const scrolls = e => e && (getComputedStyle(e).overflowX === "auto" || scrolls(e.parentElement));
	return [...document.body.querySelectorAll("*")].filter(e => {
		const box = e.getBoundingClientRect(), around = e.closest(".card")?.getBoundingClientRect().right ?? innerWidth;
		return box.width > 1 && box.right > around + 0.5 && e.checkVisibility() && !e.closest("svg") && !scrolls(e.parentElement);
	}).slice(0, 3).map(e => e.outerHTML.slice(0, 120));
}`

// inspect looks at a page in both themes and every width. The script is axe-core.
func (x *tab) inspect(name, script string) {
	x.t.Helper()
	x.do(chromedp.Evaluate[chromedp.Void](script))
	complaints := map[string]bool{}
	complain := func(format string, args ...any) {
		if c := fmt.Sprintf(format, args...); !complaints[c] {
			complaints[c] = true
			x.t.Errorf("%s: %s", name, c)
		}
	}
	for _, dark := range []bool{false, true} {
		x.dark(dark)
		rules, theme := map[string]any{"rules": map[string]any{"target-size": map[string]bool{"enabled": true}}}, "light"
		if dark { // all others are no matter of the theme
			rules, theme = map[string]any{"runOnly": []string{"color-contrast", "link-in-text-block"}}, "dark"
		}
		for _, width := range widths {
			x.size(width)
			for _, v := range look[[]string](x, violations, rules) {
				complain("%s", v)
			}
			if wide := look[int64](x, "() => document.scrollingElement.scrollWidth"); wide > width {
				complain("it is %d pixels wide in a window of %d", wide, width)
			}
			if out := look[[]string](x, stickOut); len(out) > 0 {
				complain("%d pixels: this sticks out: %s", width, strings.Join(out, "; "))
			}
			x.picture(fmt.Sprintf("%s-%d-%s", name, width, theme))
		}
	}
	x.dark(false)
	x.size(1280)
	if twice := look[[]string](x, `() => { const ids = [...document.querySelectorAll("[id]")].map(e => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i) }`); len(twice) > 0 {
		complain("more than one element is called %q", twice)
	}
	if n := look[int](x, `() => document.querySelectorAll("h1").length`); n != 1 {
		complain("%d headings of the first level, want 1", n)
	}
}

// fileOf is a path as the name of a file.
func fileOf(path string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune("/?=&%.", r) {
			return '-'
		}
		return r
	}, path), "-")
}

// On every page of a big household, of an empty one, for who has signed in and who has
// not, axe-core finds nothing, and nothing sticks out.
func browseLooks(t *testing.T, b *browser) {
	script := axe(t)
	up := newInternet(t)
	t.Run("a fault", func(t *testing.T) {
		x := b.tab(t, prepare(t, basics("127.0.0.1:9")+starterList).start().untilEnd().web)
		x.visit("/login")
		x.do(chromedp.Evaluate[chromedp.Void](script))
		look[bool](x, `() => { document.querySelector("main").append(Object.assign(new Image(), { src: "/static/icon.svg" })); return true }`)
		if got := strings.Join(look[[]string](x, violations, map[string]any{}), "\n"); !strings.Contains(got, "critical: ") || !strings.Contains(got, "image-alt") {
			t.Errorf("axe-core does not find a picture without words, but %q", got)
		}
		look[bool](x, `() => { document.querySelector("main img").style.width = "2000px"; return true }`)
		if got := look[[]string](x, stickOut); len(got) != 1 {
			t.Errorf("sticking out are %q", got)
		}
	})
	p := bigHouse(t, b, up.address, 6, 6, 8)
	p.bustle()
	why := []string{"/why?name=pixel.facebook.com", "/why?name=cloaked.example.org&resolve=true", "/why?name=www.example.org&client=tablet+of+person+1&type=A"}
	t.Run("owner", func(t *testing.T) {
		t.Parallel()
		x := b.tab(t, p.web)
		x.enter()
		x.wait("rules of the refresh are held", func() bool {
			_, body := p.get("/api/v1/status")
			return strings.Contains(body, `"held": true`) && strings.Contains(body, "no such file")
		})
		for _, page := range x.shapes(append([]string{"/"}, why...)...) {
			x.visit(page)
			x.inspect("owner-"+fileOf(page), script)
		}
		x.visit("/api/v1/report?format=html")
		x.inspect("evidence", script)
		x.visit("/")
		x.follow("#state", "5 minutes")
		x.inspect("owner-paused", script)
	})
	t.Run("visitor", func(t *testing.T) {
		t.Parallel()
		x := b.tab(t, p.web)
		for _, page := range x.shapes("/", "/login", why[0]) {
			x.visit(page)
			x.inspect("visitor-"+fileOf(page), script)
		}
		x.visit("/login")
		x.write("#password", "wrong")
		x.moved(401, x.pointer("main", "Sign in"))
		x.inspect("login-wrong", script)
		x.visit("/recent")
		look[bool](x, `() => { document.querySelector("#blockedhere input[name=name]").value = "a..b"; return true }`)
		x.moved(400, x.pointer("#blockedhere", "Ask the owner"))
		x.inspect("problem", script)
	})
	t.Run("empty", func(t *testing.T) {
		t.Parallel()
		p := prepare(t, "lists = []\n"+basics("127.0.0.1:9")).start().untilEnd()
		x := b.tab(t, p.web)
		for _, page := range x.shapes("/", "/login", "/why?name=www.example.org") {
			x.visit(page)
			x.inspect("empty-"+fileOf(page), script)
		}
	})
}

// lightest is what the front page may weigh, in bytes as sent, with all that it loads.
const lightest = 60_000

func browseWeight(t *testing.T, b *browser) {
	p := bigHouse(t, b, "127.0.0.1:9", 20, 50, 30)
	p.bustle()
	x := b.tab(t, p.web)
	x.enter()
	x.do(command(network.ClearBrowserCache, cdp.Empty{}))
	before := x.weight()
	x.visit("/?range=30d")
	x.wait("the page follows", func() bool { return x.following("/api/v1/events") })
	var sum float64
	after := x.weight()
	for path, bytes := range after {
		if bytes -= before[path]; bytes > 0 {
			t.Logf("%6.0f bytes: %s", bytes, path)
			sum += bytes
		}
	}
	t.Logf("%6.0f bytes in all", sum)
	for _, path := range []string{"/", "/static/style.css", "/static/live.js", "/static/icon.svg"} {
		if after[path] == before[path] {
			t.Errorf("%s did not come", path)
		}
	}
	if sum > lightest {
		t.Errorf("the front page weighs %.0f bytes, want at most %d", sum, lightest)
	}
}
