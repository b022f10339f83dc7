package ui

import (
	"fmt"
	"testing"
)

// What is configured of groups and clients is shown to who may change something, with
// who asked today in the form that is kept.
func TestPageOfClients(t *testing.T) {
	p, h := family(t)
	day := p.Household
	p.Household = func() Household {
		all := day()
		all.Groups[2].Deny, all.Groups[2].Allow, all.Groups[2].Response = []string{"<deny>.example"}, []string{"allow.example"}, "zero"
		all.Groups[2].Services, all.Groups[2].NoAccount, all.Groups[2].SafeSearch = []string{"tiktok"}, []string{"Meta"}, true
		all.Groups[2].Upstream, all.Groups[2].SelfAllow = []string{"tls://dns.example"}, "10m"
		return all
	}
	h.groups = append(h.groups, Switch{Name: "empty", Enabled: true})
	wants := []string{
		"In it: &lt;script&gt;tablet, laptop", "Nobody is in it", "Every device that is no client", "2 lists, and what else holds for it",
		`<li>starter</li><li>&lt;night&gt; <span class="quiet">off now</span>, until Sun 24 Nov, 07:00 <span class="quiet">(mon-fri 21:00-07:00)</span></li>`,
		"yes, answered with <code>zero</code>", "<dd>never</dd>", "<code>&lt;deny&gt;.example</code>", "<code>allow.example</code>", "<dd>tiktok</dd>", "<dd>Meta</dd>", "the safe form",
		"<code>tls://dns.example</code>", "something for their own device, for 10m", "nothing without signing in",
		"known by <code>192.168.1.40</code> <code>host:&lt;tablet&gt;</code>",
	}
	anonymous := []string{"linked to nobody by name", `<th scope="col">hash</th>`, `<code>cafe</code></th><td class="count" data-label="queries">5</td>`}
	wantText(t, look(p, "/clients"), append(wants, anonymous...), []string{"<deny>", "<night>", "Today:"})
	wantText(t, look(p, "/clients", stranger...), []string{"on the machine itself only"}, []string{"tablet", "cafe", "guests", "192.168.1.40"})

	// A client whose name is that of a hash is not taken for it.
	h.clients[1].Name = "cafe"
	wantText(t, look(p, "/clients"), anonymous, []string{"Today: 5"})
	h.form = "full"
	p.Today = func() []Use { return []Use{{"cafe", 5, 1}, {"192.0.2.9", 1200, 3}, {"", 7, 0}} }
	wantText(t, look(p, "/clients"), []string{"Today: 5 queries, 1 of them blocked", "<code>192.0.2.9</code>", "1\u202f200", "all who are not told apart"}, []string{"<code>cafe</code>", "linked to nobody"})
	h.form = "none"
	p.Today = func() []Use { return nil }
	wantText(t, look(p, "/clients"), []string{"This is not counted"}, []string{"<table>"})

	p.Today = func() (all []Use) {
		for i := range shownToday + 3 {
			all = append(all, Use{fmt.Sprintf("hash%d", i), 1, 0})
		}
		return all
	}
	wantText(t, look(p, "/clients"), []string{"hash49", "And 3 more"}, []string{"hash50"})
	wantText(t, look(p, "/api/v1/clients"), []string{`"name": "guests", "block": true`, `"on": false, "next": "2126-11-24T07:00:00Z"`, `"match": [ "192.168.1.40", "host:<tablet>" ]`, `"form": "none"`, `"client": "hash52"`}, nil)
	if w := call(p, "GET", "/api/v1/clients", "", stranger...); w.Code != 403 {
		t.Errorf("a stranger gets %d", w.Code)
	}
}

func TestPageOfNoClients(t *testing.T) {
	p, _ := newPage(t, "")
	wantText(t, look(p, "/clients"), []string{"None is configured"}, nil)
	locked, _ := newPage(t, "correct horse")
	wantText(t, look(locked, "/clients"), []string{`<a href="/login">Sign in</a> to see this`}, []string{"None is configured", `href="/clients"`})
}
