package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/miekg/dns"
)

// stop is where the focus is after a press of the Tab key.
type stop struct {
	Place   int    // among all elements of the page; -1 when it is on none
	What    string // its name, for people
	Outline bool   // one sees where the focus is
	Inside  bool   // it is on the screen
	Extra   bool   // it is no control, but something that a browser lets one scroll
}

// controls is a selector of what one can use.
const controls = `a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]`

const focused = `controls => {
	const e = document.activeElement;
	if (!e || e === document.body) return { Place: -1 };
	const look = getComputedStyle(e), box = e.getBoundingClientRect();
	return {
		Place: [...document.querySelectorAll("*")].indexOf(e),
		What: e.tagName.toLowerCase() + " " + (e.innerText || e.id || "").replace(/\s+/g, " ").trim().slice(0, 60),
		Outline: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2 && e.matches(":focus-visible"),
		Inside: box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
		Extra: !e.matches(controls),
	};
}`

// tabs presses Tab until the focus has been everywhere.
func (x *tab) tabs() (all []stop) {
	x.t.Helper()
	for range 500 {
		x.key(kb.Tab)
		s := look[stop](x, focused, controls)
		if s.Place < 0 || len(all) > 0 && s.Place == all[0].Place {
			return all
		}
		all = append(all, s)
	}
	x.t.Fatal("the focus comes to no end")
	return nil
}

// tabTo presses Tab until the focus is on what reads so.
func (x *tab) tabTo(label string) {
	x.t.Helper()
	for range 500 {
		x.key(kb.Tab)
		if s := look[stop](x, focused, controls); s.Place >= 0 && strings.Contains(s.What, label) {
			return
		}
	}
	x.t.Fatalf("Tab does not come to %q", label)
}

// Whoever has only a keyboard comes to everything, in the order in which it is read,
// sees where they are, and can use it.
func browseKeys(t *testing.T, b *browser) {
	up := newInternet(t)
	config := "[groups.kids]\n[[clients]]\nname = \"kids tablet\"\nmatch = [\"127.0.0.2\"]\ngroups = [\"kids\"]\n"
	p := prepare(t, basics(up.address)+locked(t)+starterList+config).start().untilEnd()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	x := b.tab(t, p.web)
	x.visit("/login")
	x.tabTo("password")
	x.write("#password", secret)
	x.moved(200, press(kb.Enter))
	x.reads("header", "Sign out")

	for _, page := range x.shapes("/", "/why?name=pixel.facebook.com") {
		x.visit(page)
		walked, want := x.tabs(), look[[]int](x, `controls => {
			const all = [...document.querySelectorAll("*")];
			return [...document.querySelectorAll(controls)].filter(e => e.checkVisibility() && !e.disabled).map(e => all.indexOf(e));
		}`, controls)
		var got []int
		for _, s := range walked {
			if !s.Outline || !s.Inside {
				t.Errorf("%s: the focus on %q cannot be seen: %+v", page, s.What, s)
			}
			if !s.Extra {
				got = append(got, s.Place)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: Tab goes to %v, want all controls in their order, %v; it went over %+v", page, got, want, walked)
		}
	}

	// Past the navigation.
	x.visit("/")
	x.key(kb.Tab)
	if s := look[stop](x, focused, controls); !strings.Contains(s.What, "Skip to the content") {
		t.Errorf("the first is %q", s.What)
	}
	x.key(kb.Enter)
	x.wait("the content", func() bool { return look[string](x, "() => location.hash") == "#main" })
	x.key(kb.Tab)
	if first := look[bool](x, `controls => document.activeElement === document.querySelector("main").querySelector(controls)`, controls); !first {
		t.Errorf("after skipping, the focus is on %+v", look[stop](x, focused, controls))
	}

	// A menu, and what is in it.
	x.visit(whereGroupsAre)
	x.tabTo("Pause kids tablet")
	x.key(" ")
	x.wait("the menu opens", func() bool { return look[bool](x, `() => document.activeElement.closest("details").open`) })
	x.tabTo("5 minutes")
	x.moved(200, press(kb.Enter))
	x.tabTo("Resume kids tablet")
	x.moved(200, press(" "))
	x.lacks("main", "Resume")

	// A form: text, choice, box, and the way off.
	x.visit("/why")
	x.tabTo("input name")
	x.key("pixel.facebook.com")
	x.key(kb.Tab + kb.ArrowDown + kb.Tab + kb.Tab + " ")
	if got := look[string](x, `() => document.getElementById("type").value + document.getElementById("resolve").checked`); got != "AAAAtrue" {
		t.Errorf("the form has %q", got)
	}
	x.moved(200, press(kb.Enter))
	x.reads(".answer", "pixel.facebook.com (AAAA) is blocked")
	x.tabTo("Allow for 10 minutes")
	x.moved(200, press(kb.Enter))
	x.reads(".answer", "is allowed")
	x.tabTo("Block again")
	x.moved(200, press(" "))
	x.reads(".answer", "is blocked")
	x.tabTo("Sign out")
	x.moved(200, press(kb.Enter))
	x.reads("header", "Sign in")
}
