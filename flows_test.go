package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

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

func browseSigningIn(t *testing.T, b *browser) {
	p := prepare(t, basics("127.0.0.1:9")+locked(t)+starterList).start()
	withScripts(t, b, p, func(t *testing.T, x *tab) {
		x.visit("/")
		x.lacks("main", "5 minutes")
		x.follow("#state", "Sign in to pause")
		if at := look[string](x, "() => document.activeElement.id"); at != "password" {
			t.Errorf("the focus is on %q, want the password", at)
		}
		x.write("#password", "wrong")
		x.moved(401, x.pointer("main", "Sign in"))
		x.reads("[role=alert]", "wrong password")
		x.write("#password", secret)
		x.key(kb.Enter)
		x.reads("#state", "5 minutes")
		x.follow("header", "Sign out")
		x.lacks("main", "5 minutes")
		x.reads("header", "Sign in")
	})
	p.stop()
}
