package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"deadpixel/ui"
)

// places are all keys of a type, with "[]" for the index of an array and "*" for a name.
func places(t reflect.Type, at string) []string {
	switch {
	case t.Kind() == reflect.Struct:
		var all []string
		for field := range t.Fields() {
			if key := field.Tag.Get("toml"); key != "" {
				all = append(all, places(field.Type, below(at, key))...)
			}
		}
		return all
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return places(t.Elem(), at+"[]")
	case t.Kind() == reflect.Map:
		return places(t.Elem(), below(at, "*"))
	}
	return []string{at}
}

// suspicious are the names of keys whose values could open something or hold an account.
var suspicious = regexp.MustCompile(`hash|pass|token$|secret|key|url|source|servers|bootstrap|routes|log_to|account_?id|\.upstream$`)

// Whoever adds a key that can hold a secret has to decide how it is shown.
func TestEverySecretIsDecided(t *testing.T) {
	all := places(reflect.TypeFor[Config](), "")
	for _, place := range all {
		if suspicious.MatchString(place) && discretion[place] == nil && !harmless[place] {
			t.Errorf("%s: its name looks as if its value can hold a secret; write into discretion how it is shown", place)
		}
	}
	for place := range discretion {
		if !slices.Contains(all, place) {
			t.Errorf("discretion has %s, which is no key", place)
		}
	}
}

// No key is forgotten, and with the defaults all are as by default.
func TestSettingsHaveEveryKey(t *testing.T) {
	text := defaultConfig + "\n[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]\n" +
		"[[web.tokens]]\nname = \"x\"\nhash = \"sha256:" + strings.Repeat("0", 64) + "\"\nscopes = [\"read\"]\n"
	c, err := parseConfig("t.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	c.Upstream.Routes["a.example"], c.Local["b.example"] = []string{"192.0.2.1"}, []string{"192.0.2.2"}
	found := map[string]bool{}
	for _, s := range c.settings() {
		place := arrayIndex.ReplaceAllString(s.Key, "[]")
		place = regexp.MustCompile(`^(groups|upstream\.routes|local)\.(default|a\.example|b\.example)`).ReplaceAllString(place, "$1.*")
		found[place] = true
		own := strings.HasPrefix(place, "clients[]") || strings.HasPrefix(place, "web.tokens[]") && place != "web.tokens[].expires" || strings.HasPrefix(place, "local") || strings.HasPrefix(place, "upstream.routes")
		if s.Default == own {
			t.Errorf("%s: default is %v", s.Key, s.Default)
		}
	}
	for _, place := range places(reflect.TypeFor[Config](), "") {
		if !found[place] {
			t.Errorf("%s is not among the settings", place)
		}
	}
}

func TestSettings(t *testing.T) {
	c, err := parseConfig("t.toml", `time_zone = "UTC"
[web]
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$a2V5a2V5a2V5a2V5a2V5a2V5a2V5"
hosts = ["https://user:word@x.example/", "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"]
[dns]
rate_limit = 20
[upstream]
servers = ["https://dns.example/account7", "tls://9.9.9.9", "192.0.2.1:53"]
timeout = "30s"
[upstream.routes]
"home.arpa" = ["https://router.example/secret"]
[blocking]
deny = ["/\\d+\"x/"]
[cache]
size = "64MiB"
stale = "12h"
[[lists]]
name = "x"
source = "https://user:word@lists.example/x.txt?key=7#part"
refresh = "90m"
[groups."my kids"]
upstream = ["https://dns.example/account8"]
`)
	if err != nil {
		t.Fatal(err)
	}
	c.flags = map[string]string{"dns.listen": "--listen"}
	c.DNS.Listen = []string{"127.0.0.1:5300"}
	found := map[string]ui.Setting{}
	text := ""
	for _, s := range c.settings() {
		found[s.Key] = s
		text += s.Value + "\n"
	}
	for _, secret := range []string{"account", "secret", "word", "key=7", "argon2", "N9qo8uLO"} {
		if strings.Contains(text, secret) {
			t.Errorf("the settings tell %q", secret)
		}
	}
	type want struct {
		value   string
		plain   bool
		from    string
		private bool
	}
	for key, w := range map[string]want{
		"time_zone":                 {`"UTC"`, false, "t.toml:1", false},
		"web.password_hash":         {`"…"`, false, "t.toml:3", true},
		"web.hosts":                 {`["https://…@x.example/", "…"]`, false, "t.toml:4", false},
		"web.listen":                {`":8080"`, true, "", false},
		"dns.rate_limit":            {"20", false, "t.toml:6", false},
		"dns.listen":                {`["127.0.0.1:5300"]`, false, "--listen", false},
		"upstream.servers":          {`["https://dns.example/…", "tls://9.9.9.9", "192.0.2.1:53"]`, false, "t.toml:8", true},
		"upstream.timeout":          {`"30s"`, false, "t.toml:9", false},
		"upstream.routes.home.arpa": {`["https://router.example/…"]`, false, "t.toml:11", true},
		"blocking.deny":             {`["/\\d+\"x/"]`, false, "t.toml:13", false},
		"cache.size":                {`"64MiB"`, false, "t.toml:15", false},
		"cache.stale":               {`"12h"`, false, "t.toml:16", false},
		"cache.max_ttl":             {`"24h"`, true, "", false},
		"cache.min_ttl":             {`"0s"`, true, "", false},
		"lists[0].source":           {`"https://…@lists.example/x.txt?…"`, false, "t.toml:19", true},
		"lists[0].refresh":          {`"1h30m"`, false, "t.toml:20", false},
		"lists[0].kind":             {`"deny"`, true, "", false},
		"groups.my kids.upstream":   {`["https://dns.example/…"]`, false, "t.toml:22", true},
		"groups.my kids.block":      {"true", true, "", false},
		"groups.default.block":      {"true", true, "", false},
		"clients":                   {"[]", true, "", false},
		"local":                     {"{}", true, "", false},
	} {
		s, ok := found[key]
		if got := (want{s.Value, s.Default, s.From, s.Secret}); !ok || got != w {
			t.Errorf("%s: %+v, want %+v", key, got, w)
		}
	}
	if s := found["groups.my kids.block"]; s.Table != "groups.my kids" || s.Name != "block" {
		t.Errorf("the table is %q, the name %q", s.Table, s.Name)
	}
	if s := found["upstream.routes.home.arpa"]; s.Table != "upstream.routes" || s.Name != "home.arpa" {
		t.Errorf("the table is %q, the name %q", s.Table, s.Name)
	}
}

// What is shown of an address never has who is named in it, nor what is behind its host.
func TestAddressesWithoutAccounts(t *testing.T) {
	for address, want := range map[string][2]string{ // of an upstream, of a list
		"":                                {"", ""},
		"192.0.2.1":                       {"192.0.2.1", "192.0.2.1"},
		"[2001:db8::1]:53":                {"[2001:db8::1]:53", "[2001:db8::1]:53"},
		"/var/lists/a?b@c.txt":            {"/…", "/var/lists/a?b@c.txt"},
		"https://dns.example":             {"https://dns.example", "https://dns.example"},
		"https://dns.example/":            {"https://dns.example", "https://dns.example/"},
		"https://dns.example/dns-query":   {"https://dns.example/…", "https://dns.example/dns-query"},
		"https://dns.example?token=7":     {"https://dns.example/…", "https://dns.example?…"},
		"https://a:b@c@dns.example:444/x": {"https://…@dns.example:444/…", "https://…@dns.example:444/x"},
		"https://dns.example/x@y":         {"https://dns.example/…", "https://dns.example/x@y"},
		"postgres://u:p@db.example/x#s":   {"postgres://…@db.example/…", "postgres://…@db.example/x"},
	} {
		if got := hostOnly(address); got != want[0] {
			t.Errorf("%q as an upstream: %q, want %q", address, got, want[0])
		}
		if got := withoutAccount(address); got != want[1] {
			t.Errorf("%q as a list: %q, want %q", address, got, want[1])
		}
	}
	if got := discreet(`t.toml:3: "https://a:b@dns.example/account" is none`); got != `t.toml:3: "https://…@dns.example/…" is none` {
		t.Errorf("a message: %s", got)
	}
}

func FuzzDiscreet(f *testing.F) {
	for _, seed := range []string{"https://a:b@c/d?e#f", "://@", "a://b@", "x://user:SECRET@host/SECRET?SECRET#SECRET"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		secret := "SECRET"
		if strings.Contains(s, secret) || strings.ContainsAny(s, "/?#@:") {
			return
		}
		for _, address := range []string{"https://" + secret + "@" + s, "https://" + secret + ":" + s + "@" + s + "/", "https://host" + s + "/" + secret + s, "https://host" + s + "?" + secret} {
			if got := hostOnly(address); strings.Contains(got, secret) {
				t.Errorf("%q becomes %q", address, got)
			}
		}
		if got := withoutAccount("https://" + secret + ":" + secret + "@host/" + s + "?" + secret); strings.Contains(got, secret) {
			t.Errorf("got %q", got)
		}
	})
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", 400 * time.Millisecond: "400ms", 10 * time.Minute: "10m", 100 * time.Hour: "100h", 10 * time.Second: "10s"} {
		got := brief(d)
		if back, err := time.ParseDuration(got); got != want || err != nil || back != d {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for _, s := range []string{"", "a", `\xab`, `"`, "\x01\x7f", "tab\t", "ü", "/[a-z]+\\.example/"} {
		c, err := parseConfig("t.toml", "time_zone = \"UTC\"\n[local]\n"+quoted("k"+s)+" = []\n")
		if err == nil {
			_, ok := c.Local["k"+s]
			if !ok {
				t.Errorf("%q is read as %v", s, c.Local)
			}
		} else if strings.Contains(err.Error(), "no valid TOML") {
			t.Errorf("%q: %v", quoted(s), err)
		}
	}
}
