package owners

import (
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	cases := []struct {
		name, company string
		known         bool
	}{
		{"facebook.com", "Meta", true},
		{"pixel.facebook.com", "Meta", true},
		{"a.b.doubleclick.net", "Google", true},
		{"v16.tiktokv.us", "ByteDance Inc", true}, // of services.tsv
		{"tumblr.com", "Automattic", true},        // corrected by it
		{"qq.com", "Tencent", true},
		{"netflix.com", "Netflix", true},
		{"notfacebook.com", "", false},
		{"example.org", "", false},
		{"com", "", false},
		{"", "", false},
	}
	for _, c := range cases {
		o, known := Lookup(Embedded(), c.name)
		if o.Company != c.company || known != c.known {
			t.Errorf("%q: %+v, %v, want %q, %v", c.name, o, known, c.company, c.known)
		}
		if o, known := Lookup(Embedded(), []byte(c.name)); o.Company != c.company || known != c.known {
			t.Errorf("%q as bytes: %+v, %v", c.name, o, known)
		}
	}
	if _, known := Lookup(nil, "facebook.com"); known {
		t.Error("no data knows a name")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	d, name := Embedded(), []byte("a.b.c.doubleclick.net")
	if n := testing.AllocsPerRun(100, func() { Lookup(d, name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every line of owners.tsv is there: as it is, or as services.tsv has it.
func TestTrackers(t *testing.T) {
	lines := 0
	corrected := newTable()
	if err := corrected.tsv(services); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(trackers) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			continue // the heading
		}
		lines++
		want := Owner{Company: f[1], Category: f[2], Tracker: f[3], Country: f[4]}
		if want.Company == "" {
			want.Company, want.guessed = want.Tracker, true
		}
		got, known := Lookup(Embedded(), f[0])
		if _, other := corrected.owners[f[0]]; other {
			if !known {
				t.Errorf("%s is not known", f[0])
			}
			continue
		}
		if meant, other := corrected.also.companies[key(want.Company)]; other {
			want.Company = meant
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", f[0], got, want)
		}
	}
	if lines != 5091 {
		t.Errorf("%d lines, want 5091", lines)
	}
}

// services.tsv promises that a service has names, and that none is another's.
func TestServices(t *testing.T) {
	own := newTable()
	if err := own.tsv(services); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(services) {
		domain, _, row := strings.Cut(line, "\t")
		if row && seen[domain] {
			t.Errorf("%s is there twice", domain)
		}
		seen[domain] = true
		if f := strings.Split(line, "\t"); row && len(f) != 5 && !strings.Contains(domain, ":") {
			t.Errorf("%q has %d columns", line, len(f))
		}
	}
	whose := map[string]string{}
	for _, name := range Embedded().Services() {
		same, domains, ok := Embedded().Service(name)
		if !ok || same != name || len(domains) == 0 {
			t.Errorf("%s: %q, %q, %v", name, same, domains, ok)
		}
		companies := map[string]bool{}
		for _, domain := range domains {
			if other, taken := whose[domain]; taken {
				t.Errorf("%s is of %s and of %s", domain, other, name)
			}
			whose[domain] = name
			o, _ := Lookup(Embedded(), domain)
			companies[o.Company] = true
		}
		if _, own := own.services[key(name)]; own && len(companies) != 1 {
			t.Errorf("%s is of the companies %v", name, companies)
		}
	}
	for k, meant := range own.also.services {
		if _, ok := Embedded().services[key(meant)]; !ok {
			t.Errorf("%q means %q, which is no service", k, meant)
		}
	}
	for k, meant := range own.also.companies {
		if _, ok := Embedded().companies[key(meant)]; !ok {
			t.Errorf("%q means %q, which is no company", k, meant)
		}
	}
}

// Blocking one service must not block another by a name that lies in its own,
// but for those that are made that way.
func TestServicesApart(t *testing.T) {
	inside := map[string]string{"WeChat": "QQ", "iCloud Private Relay": "", "Apple TV+": ""}
	for _, name := range []string{"TikTok", "Instagram", "Facebook", "WhatsApp", "Messenger", "Threads", "Snapchat", "YouTube", "Twitter",
		"Reddit", "Discord", "Twitch", "Pinterest", "LinkedIn", "Telegram", "Signal", "Netflix", "Disney+", "Prime Video", "Spotify",
		"Roblox", "Minecraft", "Fortnite", "Epic Games", "Steam", "PlayStation", "Xbox", "Nintendo", "Amazon", "eBay", "Temu", "SHEIN",
		"AliExpress", "ChatGPT", "Tinder", "OnlyFans", "Tumblr", "VK", "9GAG", "Zoom", "WeChat", "QQ"} {
		_, domains, ok := Embedded().Service(name)
		if !ok {
			t.Errorf("there is no %s", name)
		}
		for _, other := range []string{"TikTok", "Instagram", "Facebook", "WhatsApp", "YouTube", "Amazon", "Prime Video", "Twitch", "Xbox",
			"Minecraft", "Fortnite", "Epic Games", "Reddit", "Google", "GitHub", "WeChat"} {
			if other == name || inside[other] == name {
				continue
			}
			_, theirs, _ := Embedded().Service(other)
			for _, domain := range theirs {
				if i := slices.IndexFunc(domains, func(d string) bool { return strings.HasSuffix(domain, "."+d) }); i >= 0 {
					t.Errorf("%s blocks %s of %s", name, domain, other)
				}
			}
		}
	}
}

func TestService(t *testing.T) {
	for _, c := range []struct{ written, name, domain string }{
		{"tiktok", "TikTok", "musical.ly"},
		{"Tik-Tok", "TikTok", "tiktokcdn.com"},
		{"TIKTOK_CDN", "TikTok", "tiktok.com"},
		{"x", "Twitter", "twimg.com"},
		{"disney plus", "Disney+", "bamgrid.com"},
		{"Disney+", "Disney+", "dssott.com"},
		{"openai", "ChatGPT", "openai.com"},
		{"prime_video", "Prime Video", "aiv-cdn.net"},
		{"google analytics", "Google Analytics", "google-analytics.com"}, // a tracker
		{"meta", "Meta", "meta.com"},
	} {
		name, domains, ok := Embedded().Service(c.written)
		if name != c.name || !slices.Contains(domains, c.domain) || !ok || !slices.IsSorted(domains) {
			t.Errorf("%q: %q, %q, %v, want %q with %s", c.written, name, domains, ok, c.name, c.domain)
		}
	}
	for _, bad := range []string{"", "?", "tiktokk", "example"} {
		if name, _, ok := Embedded().Service(bad); ok {
			t.Errorf("%q is %s", bad, name)
		}
	}
}

func TestCompany(t *testing.T) {
	for _, c := range []struct {
		written, name string
		domains       []string
	}{
		{"Meta", "Meta", []string{"facebook.com", "facebook.net", "fbcdn.net", "tfbnw.net", "whatsapp.net", "whatsapp.com", "instagram.com",
			"cdninstagram.com", "internet.org", "fb.com", "thefacebook.com", "freebasics.com", "fbsbx.com", "messenger.com", "m.me", "fb.me", "fburl.com", "threads.net"}},
		{"meta platforms, inc.", "Meta", nil},
		{"Facebook", "Meta", nil},
		{"whatsapp", "Meta", nil},
		{"TikTok", "ByteDance Inc", []string{"tiktok.com", "bytedance.com", "capcut.com"}},
		{"bytedance", "ByteDance Inc", nil},
		{"Google", "Google", []string{"google.com", "google.de", "doubleclick.net", "youtube.com", "gmail.com"}},
		{"Alphabet Inc.", "Google", nil},
		{"YouTube", "Google", nil},
		{"X", "X Corp.", []string{"twitter.com", "t.co"}},
		{"Twitter", "X Corp.", nil},
		{"linkedin", "Microsoft", []string{"linkedin.com", "bing.com", "xbox.com"}},
		{"disney", "The Walt Disney Company", []string{"disneyplus.com", "espncdn.com"}},
	} {
		name, domains, ok := Embedded().Company(c.written)
		if name != c.name || !ok || len(domains) == 0 {
			t.Errorf("%q: %q, %v, want %q", c.written, name, ok, c.name)
		}
		for _, domain := range c.domains {
			if !slices.Contains(domains, domain) {
				t.Errorf("%s lacks %s", name, domain)
			}
		}
		for _, domain := range domains {
			if o, _ := Lookup(Embedded(), domain); o.Company != name {
				t.Errorf("%s of %s is %s's", domain, name, o.Company)
			}
		}
	}
	if _, _, ok := Embedded().Company("nobody at all"); ok {
		t.Error("a company that nobody knows has domains")
	}
	if _, _, ok := (*Data)(nil).Company("Meta"); ok {
		t.Error("no data knows a company")
	}
}

func TestCompanies(t *testing.T) {
	all := Embedded().Companies()
	if len(all) < 1000 || !slices.Contains(all, "Meta") || slices.Contains(all, "") {
		t.Errorf("%d companies, such as %q", len(all), all[:3])
	}
	if !slices.IsSorted(all) {
		t.Error("not sorted")
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct{ written, service, company string }{
		{"tictok", "TikTok", "TikTok"},
		{"instagramm", "Instagram", "Instagram"},
		{"micorsoft", "", "Microsoft"},
		{"gogle", "Google", "Google"},
		{"zzzzqqqq", "", ""},
		{"", "", ""},
	} {
		for kind, got := range map[string][]string{c.service: Embedded().SuggestServices(c.written), c.company: Embedded().SuggestCompanies(c.written)} {
			if kind == "" && kind == c.company && len(got) > 0 || kind != "" && (len(got) == 0 || got[0] != kind) || len(got) > maxSuggestions {
				t.Errorf("%q: %q, want %q", c.written, got, kind)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	read := func(text string) *Data {
		t.Helper()
		d, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base := read("service:Pic	Pictures\ncompany:Oldname	Acme\n" +
		"ads.example\tAcme\tadvertising\tAcme Ads\tUS\npics.example\tAcme\tmisc\tPictures\tUS\ncdn.example\tAcme\tmisc\tPictures\tUS\n")
	over := read("cdn.example\tOther\nsub.ads.example\tOldname Ltd.\tmisc\tAcme Ads\nnew.example\tACME\t\tPictures\n")
	trackers := read("domain;tracker_id;category_id\nx.ads.example;x_ads;6\nads.example;acme_ads;6\nalone.example;alone;4\n")

	d := Merge(over, base)
	for name, want := range map[string]Owner{
		"ads.example":     {Company: "Acme", Category: "advertising", Tracker: "Acme Ads", Country: "US"},
		"cdn.example":     {Company: "Other", Category: "misc", Tracker: "Pictures"}, // over wins, base fills in
		"sub.ads.example": {Company: "Acme", Category: "misc", Tracker: "Acme Ads"},
		"new.example":     {Company: "Acme", Tracker: "Pictures"},
	} {
		if got, _ := Lookup(d, name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if _, domains, _ := d.Company("Oldname"); !slices.Equal(domains, []string{"ads.example", "new.example", "pics.example"}) {
		t.Errorf("Acme has %q", domains)
	}
	if _, domains, _ := d.Service("pic"); !slices.Equal(domains, []string{"cdn.example", "new.example", "pics.example"}) {
		t.Errorf("Pictures has %q", domains)
	}

	d = Merge(trackers, base)
	for name, want := range map[string]Owner{
		"x.ads.example": {Company: "Acme", Category: "site_analytics", Tracker: "x_ads", Country: "US"},
		"ads.example":   {Company: "Acme", Category: "site_analytics", Tracker: "acme_ads", Country: "US"},
		"alone.example": {Company: "alone", Category: "advertising", Tracker: "alone", guessed: true},
	} {
		if got, _ := Lookup(d, name); got != want {
			t.Errorf("with trackers, %s: %+v, want %+v", name, got, want)
		}
	}
	if Merge(nil, base) != base || Merge(over, nil) != over {
		t.Error("nothing added is a change")
	}
	if o, _ := Lookup(base, "cdn.example"); o.Company != "Acme" {
		t.Error("base was changed")
	}
}

// A company is of the category of most of its products, however many domains one has.
func TestCategory(t *testing.T) {
	own, err := Read(strings.NewReader("a.example\tAcme\tmisc\tAcme\n" + "b.example\tAcme\tmisc\tAcme Pages\n" + "c.example\tAcme\tadvertising\tAcme Ads\n" +
		"v.example\tShow\taudio_video_player\tShow\nv.test\tShow\taudio_video_player\tShow\nv.invalid\tShow\taudio_video_player\tShow\n" +
		"x.example\tShow\tsite_analytics\tShow X\ny.example\tShow\tsite_analytics\tShow Y\n" + "m.example\tMum\t\tMum\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data       *Data
		name, want string
	}{
		{Embedded(), "Google", "advertising"}, {Embedded(), "Meta", "social_media"}, {Embedded(), "facebook", "social_media"}, {Embedded(), "Nobody at All", ""},
		{own, "Acme", "advertising"}, {own, "acme inc.", "advertising"}, {own, "Show", "site_analytics"}, {own, "Mum", ""},
		{Merge(own, Embedded()), "Acme", "advertising"}, {Merge(own, Embedded()), "Google", "advertising"}, {nil, "Google", ""},
	} {
		if got := c.data.Category(c.name); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
