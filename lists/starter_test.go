package lists

import (
	"strings"
	"testing"
)

// The starter list keeps the shape that its head promises.
func TestStarter(t *testing.T) {
	categories := map[string]bool{"advertising": true, "analytics": true, "social pixel": true, "session replay": true,
		"fingerprinting": true, "telemetry": true, "CNAME cloaking": true}
	companies, names := map[string]bool{}, map[string]int{}
	heading := ""
	for line := range strings.Lines(starter) {
		line = strings.TrimSpace(line)
		if company, category, ok := strings.Cut(strings.TrimPrefix(line, "# "), " | "); ok && strings.HasPrefix(line, "#") {
			if !categories[category] || companies[company] {
				t.Errorf("heading %q", line)
			}
			companies[company], heading = true, company
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if heading == "" {
			t.Errorf("%q stands under no company", line)
		}
		if names[strings.TrimPrefix(line, "*.")]++; names[strings.TrimPrefix(line, "*.")] > 1 {
			t.Errorf("%q is there twice", line)
		}
	}
	if len(names) < 400 || len(companies) < 60 {
		t.Errorf("%d names of %d companies", len(names), len(companies))
	}

	text, _ := Builtin("starter")
	b := NewBuilder("starter", Deny, Seed{})
	r, err := Parse(text, ParseOptions{List: "starter", Kind: Deny}, b.Add, func(s Skip) { t.Errorf("skipped %v", s) })
	if err != nil || r.Format != Domains {
		t.Fatalf("%v, %v", r, err)
	}
	set := NewSet(Seed{}, b.Build())
	for name, want := range map[string]Action{
		"pixel.facebook.com": Deny, "an.facebook.com": Deny, "googleads.g.doubleclick.net": Deny, "cdn.tracker.fpjs.io": Deny,
		// What people need: sites, logins, payments, portals, updates, push messages.
		"www.facebook.com": None, "graph.facebook.com": None, "accounts.google.com": None, "www.google.com": None,
		"login.microsoftonline.com": None, "appleid.apple.com": None, "www.paypal.com": None, "js.stripe.com": None,
		"captive.apple.com": None, "connectivitycheck.gstatic.com": None, "detectportal.firefox.com": None, "www.msftconnecttest.com": None,
		"swscan.apple.com": None, "update.googleapis.com": None, "windowsupdate.microsoft.com": None, "deb.debian.org": None,
		"courier.push.apple.com": None, "fcm.googleapis.com": None, "mtalk.google.com": None, "linkedin.com": None,
	} {
		if got := set.Match([]byte(name), 1, nil).Action; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if _, ok := Builtin("other"); ok {
		t.Error("there is a list that nobody wrote")
	}
}
