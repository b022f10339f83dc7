package lists

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"deadpixel/lists/owners"
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

	text, _ := Builtins{}.Text("starter")
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
}

// Lists of what somebody has are whole, and stand above what other lists allow.
func TestOwnerLists(t *testing.T) {
	for _, c := range []struct {
		source  string
		blocked []string
		spared  []string
	}{
		{"service:TikTok", []string{"tiktok.com", "v16-webapp.tiktok.com", "musical.ly", "p16.tiktokcdn.com"}, []string{"bytedance.com", "akamaized.net"}},
		{"service:tik tok", []string{"tiktok.com"}, nil},
		{"service:instagram", []string{"i.instagram.com", "scontent.cdninstagram.com"}, []string{"facebook.com", "whatsapp.net"}},
		{"company:TikTok", []string{"tiktok.com", "bytedance.com"}, []string{"facebook.com"}},
		{"company:Meta", []string{"www.facebook.com", "instagram.com", "whatsapp.net", "video.fbcdn.net"}, []string{"tiktok.com"}},
	} {
		text, err := Builtins{}.Text(c.source)
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(c.source, Deny, Seed{})
		r, err := Parse(text, ParseOptions{List: c.source, Kind: Deny}, b.Add, func(s Skip) { t.Errorf("skipped %v", s) })
		if err != nil || r.Format != Adblock {
			t.Errorf("%s: %v, %v", c.source, r, err)
		}
		set := NewSet(Seed{}, b.Build())
		for _, name := range c.blocked {
			if v := set.Match([]byte(name), 1, nil); v.Action != Deny || v.Level != Important {
				t.Errorf("%s: %s is %v by a rule of level %v", c.source, name, v.Action, v.Level)
			}
		}
		for _, name := range c.spared {
			if v := set.Match([]byte(name), 1, nil); v.Action != None {
				t.Errorf("%s: %s is %v", c.source, name, v.Action)
			}
		}
	}
}

// The text is the same each time, and made from the data that is given.
func TestOwnerListText(t *testing.T) {
	d, err := owners.Read(strings.NewReader("b.example\tAcme\t\tThing\na.example\tAcme\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"company:acme":  "! All names of the company Acme that the ownership data knows.\n||a.example^$important\n||b.example^$important\n",
		"service:thing": "! All names of the service Thing that the ownership data knows.\n||b.example^$important\n",
	} {
		in, err := Builtins{Owners: func() *owners.Data { return d }}.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(in); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNoBuiltin(t *testing.T) {
	for name, want := range map[string]string{
		"other":            "there is builtin:starter, builtin:doh, builtin:safe_search, builtin:service:NAME, builtin:company:NAME",
		"":                 "there is no builtin list",
		"service:tictok":   `knows no service "tictok"; did you mean TikTok?`,
		"service:":         `knows no service ""`,
		"company:zzzzqqqq": `knows no company "zzzzqqqq"`,
	} {
		if _, err := (Builtins{}).Text(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}

// Each line of the safe search list leads one name to one of the servers that are
// meant for it.
func TestSafeSearch(t *testing.T) {
	targets, names := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(safeSearch) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '!' {
			continue
		}
		name, target, ok := strings.Cut(strings.TrimPrefix(line, "|"), "^$dnsrewrite=NOERROR;CNAME;")
		if n, err := Normalize(name); !ok || line[0] != '|' || err != nil || n != name {
			t.Errorf("%q", line)
		}
		if n, err := Normalize(target); err != nil || n != target {
			t.Errorf("%q leads to no name", line)
		}
		if names[name] {
			t.Errorf("%s is there twice", name)
		}
		names[name] = true
		targets[target]++
	}
	for target := range targets {
		if names[target] {
			t.Errorf("%s leads on", target)
		}
	}
	if targets["forcesafesearch.google.com"] < 370 || targets["restrict.youtube.com"] != 5 || len(targets) != 8 {
		t.Errorf("%v", targets)
	}
	for _, name := range []string{"www.google.com", "google.co.uk", "www.google.com.au", "bing.com", "duckduckgo.com", "m.youtube.com", "ya.ru"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}

	text, _ := Builtins{}.Text("safe_search")
	r, err := Parse(text, ParseOptions{List: "safe_search", Kind: Deny}, func(Rule) {}, func(s Skip) { t.Errorf("skipped %v", s) })
	if err != nil || r.Format != Adblock || r.Rules != len(names) || len(safeForms()) != len(names) {
		t.Fatalf("%v, %v, %d forms of %d names", r, err, len(safeForms()), len(names))
	}
	for name, want := range map[string]string{"www.google.de": "forcesafesearch.google.com", "search.brave.com": "safesearch.brave.com", "mail.google.com": ""} {
		got := ""
		if v := SafeSearch([]byte(name)); v.Action == Rewrite {
			got = v.Rewrites()[0].Name
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
}

// Each line of the list of resolvers is a rule about a name or an address, once.
func TestDoH(t *testing.T) {
	seen := map[string]bool{}
	addresses := 0
	for line := range strings.Lines(doh) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '!' {
			continue
		}
		if seen[line] {
			t.Errorf("%s is there twice", line)
		}
		seen[line] = true
		if line[0] == '|' {
			continue
		}
		if addr, err := netip.ParseAddr(line); err != nil || addr.String() != line || !addr.IsGlobalUnicast() || addr.IsPrivate() {
			t.Errorf("%q is no address", line)
		}
		addresses++
	}
	names := EncryptedResolvers()
	if len(names) < 150 || addresses < 100 || len(names)+addresses != len(seen) {
		t.Errorf("%d names, %d addresses, %d lines", len(names), addresses, len(seen))
	}

	text, _ := Builtins{}.Text("doh")
	b := NewBuilder("doh", Deny, Seed{})
	r, err := Parse(text, ParseOptions{List: "doh", Kind: Deny}, b.Add, func(s Skip) { t.Errorf("skipped %v", s) })
	if err != nil || r.Format != Adblock {
		t.Fatalf("%v, %v", r, err)
	}
	set := NewSet(Seed{}, b.Build())
	for _, name := range append(names, "abc123.dns.nextdns.io", "mozilla.cloudflare-dns.com", "chrome.cloudflare-dns.com") {
		if v := set.Match([]byte(name), 1, nil); v.Action != Deny {
			t.Errorf("%s is %v", name, v.Action)
		}
	}
	for _, name := range []string{"cloudflare.com", "google.com", "quad9.net", "www.quad9.net", "nextdns.io", "adguard.com", "icloud.com", "yandex.ru", "comcast.net"} {
		if v := set.Match([]byte(name), 1, nil); v.Action != None || slices.Contains(names, name) {
			t.Errorf("%s is %v", name, v.Action)
		}
	}
}
