package owners

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
)

// Invented content in the formats that are read.
const (
	ownText = "# a comment\n\ncompany:The Acme Group\tAcme\r\nADS.example.\tAcme Inc.\tadvertising\tAcme Ads\tUS\r\nbücher.example\tBooks\n"

	disconnectServices = `{"license": "none", "categories": {
 "Email": [{"Acme": {"https://acme.example/": ["ads.example"]}}],
 "Advertising": [
  {"Acme": {"https://acme.example/": ["ads.example", "acme.example/pixel"], "performance": "true"}},
  {"Other": {"https://other.example/": ["other.example"]}}],
 "Novel": [{"Other": {"https://other.example/": ["novel.example"]}}]}}`

	disconnectEntities = `{"entities": {"Acme": {"properties": ["acme.example"], "resources": ["acme.example", "ads.example"]}, "Other": {"properties": ["other.example"]}}}`

	adguardCSV = "domain;tracker_id;category_id\nads.example;acme_ads;4\nstats.example;acme_stats;101\n"

	adguardJSON = `{"categories": {"4": "advertising"}, "trackers": {
 "acme_ads": {"name": "Acme Ads", "categoryId": 4, "url": "https://acme.example", "companyId": "acme"},
 "lone": {"name": "Lone", "categoryId": 999, "companyId": null}},
 "trackerDomains": {"ads.example": "acme_ads", "lone.example": "lone", "odd.example": "odd"}}`

	adguardSites = `{"companies": {
 "acme": {"name": "Acme", "websiteUrl": "https://www.acme.example/", "description": "x"},
 "page": {"name": "Page", "websiteUrl": "https://other.example/page"},
 "none": {"name": "None", "websiteUrl": null}}}`
)

func TestRead(t *testing.T) {
	cases := []struct {
		name, text string
		want       map[string]Owner
	}{
		{"own", ownText, map[string]Owner{
			"ads.example":            {Company: "Acme Inc.", Category: "advertising", Tracker: "Acme Ads", Country: "US"},
			"xn--bcher-kva.example":  {Company: "Books"},
			"x.ads.example":          {Company: "Acme Inc.", Category: "advertising", Tracker: "Acme Ads", Country: "US"},
			"unknown.acme.example":   {},
			"the acme group.example": {}}},
		{"byte order mark", "\ufeffads.example\tAcme\n", map[string]Owner{"ads.example": {Company: "Acme"}}},
		{"Disconnect services", disconnectServices, map[string]Owner{
			"ads.example": {Company: "Acme", Category: "advertising"}, "other.example": {Company: "Other", Category: "advertising"},
			"novel.example": {Company: "Other", Category: "novel"}, "acme.example": {}}},
		{"Disconnect entities", disconnectEntities, map[string]Owner{
			"acme.example": {Company: "Acme"}, "ads.example": {Company: "Acme"}, "other.example": {Company: "Other"}}},
		{"AdGuard csv", adguardCSV, map[string]Owner{
			"ads.example":   {Company: "acme_ads", Category: "advertising", Tracker: "acme_ads", guessed: true},
			"stats.example": {Company: "acme_stats", Category: "site_analytics", Tracker: "acme_stats", guessed: true}}},
		{"AdGuard trackers", adguardJSON, map[string]Owner{
			"ads.example":  {Company: "acme", Category: "advertising", Tracker: "Acme Ads"},
			"lone.example": {Company: "Lone", Tracker: "Lone", guessed: true},
			"odd.example":  {Company: "odd", Tracker: "odd", guessed: true}}},
		{"AdGuard companies", adguardSites, map[string]Owner{"acme.example": {Company: "Acme"}, "other.example": {}}},
	}
	for _, c := range cases {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write([]byte(c.text))
		z.Close()
		for kind, text := range map[string]string{"plain": c.text, "gzip": packed.String()} {
			d, err := Read(strings.NewReader(text))
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, kind, err)
				continue
			}
			for name, want := range c.want {
				if got, _ := Lookup(d, name); got != want {
					t.Errorf("%s, %s: %s is %+v, want %+v", c.name, kind, name, got, want)
				}
			}
		}
	}
}

// What is read is also found by the names of companies.
func TestReadCompany(t *testing.T) {
	d, err := Read(strings.NewReader(ownText))
	if err != nil {
		t.Fatal(err)
	}
	if name, _, ok := d.Company("the acme group"); name != "Acme Inc." || !ok {
		t.Errorf("%q, %v", name, ok)
	}
}

func TestReadErrors(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"empty", " \n", "nothing in it"},
		{"comments alone", "# x\n", "no domain in it"},
		{"page", "<!DOCTYPE html>", "a web page"},
		{"no tab", "# x\nads.example Acme\n", "line 2: want domain, company"},
		{"no domain", "ads example\tAcme\n", `line 1: "ads example" is no domain`},
		{"top level", "com\tAcme\n", `line 1: "com" is no domain`},
		{"address", "192.0.2.1\tAcme\n", "is an address"},
		{"nobody", "ads.example\t-\n", "neither a company nor a tracker"},
		{"other name for nothing", "company:Acme\t\n", "line 1: want another name"},
		{"csv", "domain;tracker_id;category_id\nads.example;acme\n", "line 2: want domain;tracker;category"},
		{"csv domain", "domain;tracker_id;category_id\n\nads;acme;4\n", `line 3: "ads" is no domain`},
		{"broken json", "{\n\"entities\": {\n", "line 3: unexpected end"},
		{"other json", `{"a": 1}`, "neither Disconnect's"},
		{"entities", `{"entities": []}`, "entities: want an object"},
		{"properties", `{"entities": {"Acme": {"properties": "x"}}}`, `entities."Acme".properties: want a list of domains`},
		{"entity domain", `{"entities": {"Acme": {"resources": ["ads.example", "x y"]}}}`, `entities."Acme".resources[1]: "x y" is no domain`},
		{"category", `{"categories": {"Advertising": {}}}`, "categories.Advertising: want a list"},
		{"service", `{"categories": {"Advertising": [{"Acme": {"https://acme.example/": [1]}}]}}`, `categories.Advertising[0]."Acme"."https://acme.example/": want a list of domains`},
		{"tracker", `{"trackerDomains": {}, "trackers": {"a": 1}}`, `trackers."a": want name`},
		{"tracker domain", `{"trackerDomains": {"ads.example": 1}, "trackers": {}}`, `trackerDomains."ads.example": want the name of a tracker`},
		{"broken gzip", "\x1f\x8b", "gzip"},
	}
	for _, c := range cases {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A text that unpacks to more than ownership data is ends with an error, not
// with the memory.
func TestReadTooLarge(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	line := bytes.Repeat([]byte("#"), 1<<20)
	for range maxSize>>20 + 1 {
		z.Write(line)
	}
	z.Close()
	if _, err := Read(&packed); err != errTooLarge {
		t.Errorf("%v, want %v", err, errTooLarge)
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{ownText, disconnectServices, disconnectEntities, adguardCSV, adguardJSON, adguardSites} {
		f.Add([]byte(text))
	}
	base, err := Read(strings.NewReader(ownText))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, name := range d.Companies() {
			if key(name) == "" {
				t.Errorf("a company is named %q", name)
			}
			if _, domains, ok := d.Company(name); !ok || len(domains) == 0 {
				t.Errorf("%q is not found again", name)
			}
		}
		for _, name := range d.Services() {
			if _, domains, ok := d.Service(name); !ok || len(domains) == 0 {
				t.Errorf("%q is not found again", name)
			}
		}
		for name, o := range Merge(d, base).owners {
			if o.Company == "" || !strings.Contains(name, ".") {
				t.Errorf("%q is of %+v", name, o)
			}
		}
	})
}
