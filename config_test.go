package main

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The file says what is built in, and so does an empty one.
func TestConfigFileSaysTheDefaults(t *testing.T) {
	for name, text := range map[string]string{"config.toml": defaultConfig, "an empty file": ""} {
		got, err := parseConfig(name, text)
		if err != nil {
			t.Fatal(err)
		}
		want := defaults()
		want.file, want.lines = got.file, got.lines
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s says\n%+v\nthe built-in defaults are\n%+v", name, got, want)
		}
	}
}

func TestConfigWarnings(t *testing.T) {
	for text, want := range map[string]string{
		"[dns]\nallow_from = [\"any\"]":                                           `t.toml:2: "any" makes an open resolver`,
		"[[lists]]\nname = \"x\"\nsource = \"https://x/\"\nrefresh = \"1m\"":      `t.toml:4: list "x" is fetched every 1m0s: its publisher may lock you out`,
		"[groups.kids]\ndeny = [\"a.example$client=Tablet\"]":                     `t.toml:2: groups.kids.deny: the rule "a.example$client=Tablet" is about a client "Tablet", which [[clients]] does not have`,
		"[blocking]\nallow = [\"a.example$client=192.0.2.1|192.0.2.0/24\"]":       "",
		clientX + "[blocking]\nallow = [\"a.example$client=x\"]":                  "",
		"[dns]\ncertificate = \"/c\"\nprivate_key = \"/k\"":                       "t.toml:2: nothing uses the certificate",
		"[web]\ntls = true\n[dns]\ncertificate = \"/c\"\nprivate_key = \"/k\"":    "",
		"[web]\ntrusted_proxies = [\"127.0.0.1\"]":                                "t.toml:2: whoever comes through the proxy can change nothing",
		tokenX + "expires = \"2024-11-30\"":                                       `t.toml:5: the token "x" expired on 2024-11-30`,
		tokenX + "expires = \"2126-11-30\"":                                       "",
		clientX + "[blocking]\ndeny = [\"a.example$client=~Xy\"]":                 `is about a client "Xy", which [[clients]] does not have; did you mean "X"?`,
		"[[lists]]\nname = \"x\"\nsource = \"/a\"\nrefresh = \"24h\"\n[groups.x]": "",
	} {
		c, err := parseConfig("t.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		all := c.warnings()
		if want == "" && len(all) > 0 || want != "" && (len(all) != 1 || !strings.Contains(all[0].Error(), want)) {
			t.Errorf("%q: %v, want %q", text, all, want)
		}
	}
}

var tokenX = "[[web.tokens]]\nname = \"x\"\nhash = \"sha256:" + strings.Repeat("00", 32) + "\"\nscopes = [\"read\"]\n"

const clientX = "[[clients]]\nname = \"X\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]\n"

// Every key stands in config.toml, every key of the file is known, and no key
// that is not built is in it.
func TestConfigFileHasEveryKey(t *testing.T) {
	found := locate(defaultConfig)
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if _, ok := found[key]; !ok {
			t.Errorf("config.toml does not show %s", key)
		}
	}
	for key := range unbuilt {
		if _, ok := found[strings.Replace(key, "lists.", "lists[0].", 1)]; ok {
			t.Errorf("config.toml shows %s, which is not built", key)
		}
	}
}

// What config.toml shows as a comment is right when somebody takes the marks away.
func TestConfigFileExamples(t *testing.T) {
	example := regexp.MustCompile(`(?m)^# ((\[\[clients|\[\[web\.|\[groups\.|"|name |match |groups |services |hash |scopes |expires ).*)$`)
	c, err := parseConfig("t.toml", example.ReplaceAllString(defaultConfig, "$1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Clients) != 1 || len(c.Clients[0].Match) != 6 || len(c.Groups["kids"].Services) != 1 || len(c.Local) != 3 || len(c.Web.Tokens) != 1 {
		t.Errorf("got %+v, %+v, %v", c.Clients, c.Groups["kids"], c.Local)
	}
}

func keysOf(t reflect.Type, prefix string) []string {
	var keys []string
	for field := range t.Fields() {
		key := field.Tag.Get("toml")
		if key == "" {
			continue
		}
		key = prefix + key
		switch {
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field.Type, key+".")...)
		case field.Type == reflect.TypeFor[[]ListConfig]():
			keys = append(keys, keysOf(reflect.TypeFor[ListConfig](), key+"[0].")...)
		case field.Type == reflect.TypeFor[map[string]GroupConfig]():
			keys = append(keys, keysOf(reflect.TypeFor[GroupConfig](), key+".default.")...)
		case field.Type == reflect.TypeFor[[]ClientConfig](), field.Type == reflect.TypeFor[[]TokenConfig](): // there is none by default; see TestConfigFileExamples
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

func TestConfigMistakes(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"syntax", "[dns\n", "t.toml:2: no valid TOML"},
		{"unknown key", "[dns]\nlissten = [\":53\"]", `t.toml:2: unknown key "dns.lissten": did you mean "listen"?`},
		{"unknown table", "\n[dnss]\nx = 1", `t.toml:2: unknown key "dnss": did you mean "dns"?`},
		{"wrong type", "[dns]\n\nrate_limit = \"a lot\"", "t.toml:3: dns.rate_limit"},
		{"wrong element", "[dns]\nlisten = [53]", "t.toml:2: dns.listen"},
		{"duration without unit", "[upstream]\ntimeout = 2", "t.toml:2: upstream.timeout"},
		{"bad duration", "[upstream]\ntimeout = \"2 fortnights\"", "t.toml:2: upstream.timeout"},
		{"timeout too long", "[upstream]\ntimeout = \"1h\"", "t.toml:2: upstream.timeout: has to be between"},
		{"negative duration", "[cache]\nstale = \"-1s\"", "t.toml:2: cache.stale"},
		{"bad size", "[cache]\nsize = \"big\"", "t.toml:2: cache.size"},
		{"tiny cache", "[cache]\nsize = \"1KB\"", "t.toml:2: cache.size: is too small"},
		{"bad address", "[dns]\nlisten = [\"53\"]", `t.toml:2: dns.listen: "53" is no address to listen on`},
		{"bad port", "[dns]\nlisten = [\":99999\"]", "t.toml:2: dns.listen"},
		{"no address", "[dns]\nlisten = []", "t.toml:2: dns.listen: without an address"},
		{"bad network", "[dns]\nallow_from = [\"everyone\"]", `t.toml:2: dns.allow_from: "everyone" is no network`},
		{"bad strategy", "[upstream]\nstrategy = \"best\"", "t.toml:2: upstream.strategy"},
		{"no upstream", "[upstream]\nservers = []", "t.toml:2: upstream.servers: without a server"},
		{"bad upstream", "[upstream]\nservers = [\"gopher://x\"]", "t.toml:2: upstream.servers"},
		{"unbuilt upstream", "[upstream]\nservers = [\"quic://dns.example\"]", "t.toml:2: upstream.servers"},
		{"bootstrap by name", "[upstream]\nbootstrap = [\"dns.example\"]", "t.toml:2: upstream.bootstrap"},
		{"bad route", "[upstream.routes]\n\"home.arpa\" = [\"router::::\"]", "t.toml:2: upstream.routes.home.arpa"},
		{"bad response", "[blocking]\nresponse = \"gone\"", "t.toml:2: blocking.response"},
		{"bad own rule", "[blocking]\ndeny = [\"/(/\"]", "t.toml:2: blocking.deny"},
		{"bad exemption", "[blocking]\nrebind_allow = [\"a..example\"]", "t.toml:2: blocking.rebind_allow"},
		{"list without name", "[[lists]]\nsource = \"builtin:starter\"", "t.toml:1: lists: the list needs a name"},
		{"list without source", "[[lists]]\nname = \"x\"", "t.toml:1: lists: list \"x\" needs a source"},
		{"two of a name", "[[lists]]\nname = \"x\"\nsource = \"/a\"\n[[lists]]\nname = \"x\"\nsource = \"/b\"", `t.toml:5: lists.name: there are two lists named "x"`},
		{"unknown builtin", "[[lists]]\nname = \"x\"\nsource = \"builtin:y\"", `t.toml:3: lists.source: there is no builtin list "y"`},
		{"bad kind", "[[lists]]\nname = \"x\"\nsource = \"/a\"\nkind = \"block\"", "t.toml:4: lists.kind"},
		{"bad format", "[[lists]]\nname = \"x\"\nsource = \"/a\"\nformat = \"csv\"", "t.toml:4: lists.format"},
		{"bad match", "[[lists]]\nname = \"x\"\nsource = \"/a\"\nmatch = \"all\"", "t.toml:4: lists.match"},
		{"bad popular", "[[lists]]\nname = \"x\"\nsource = \"/a\"\npopular = \"hide\"", `t.toml:4: lists.popular: "hide" is none of "flag", "hold", "off"`},
		{"refresh too often", "[[lists]]\nname = \"x\"\nsource = \"/a\"\nrefresh = \"1ms\"", "t.toml:4: lists.refresh"},
		{"reserved name", "[[lists]]\nname = \"config\"\nsource = \"/a\"", `t.toml:2: lists.name: "config" is taken`},
		{"bad local", "[local]\n\"nas.home.arpa\" = [\"192.168.1.256\"]", "t.toml:2: local"},
		{"bad zone", "time_zone = \"Moon/Base\"", "t.toml:1: time_zone"},
		{"bad level", "[log]\nlevel = \"loud\"", "t.toml:2: log.level"},
		{"bad hash", "[web]\npassword_hash = \"secret\"", "t.toml:2: web.password_hash"},
		{"unbuilt key", "[dns]\ntls_listen = [\":853\"]", "t.toml:2: dns.tls_listen"},
		{"bad queries", "[privacy]\nqueries = \"some\"", `t.toml:2: privacy.queries: "some" is none of "none", "blocked", "all"`},
		{"bad sink", "[privacy]\nlog_to = [\"syslog\"]", `t.toml:2: privacy.log_to: "syslog" is none of "store"`},
		{"bad dnstap", "[privacy]\nlog_to = [\"dnstap+udp://x\"]", `t.toml:2: privacy.log_to: "dnstap+udp://x" is no place for dnstap`},
		{"bad server", "[privacy]\nlog_to = [\"postgres://u:secret@h:port/\"]", "t.toml:2: privacy.log_to: no address of a PostgreSQL server"},
		{"two of a kind", "[privacy]\nlog_to = [\"store\", \"store\"]", `t.toml:2: privacy.log_to: there are two of the kind "store"`},
		{"bad form of clients", "[privacy]\nclients = \"some\"", `t.toml:2: privacy.clients: "some" is none of "none", "anonymous", "full"`},
		{"keep too short", "[privacy]\nkeep = \"1m\"", `t.toml:2: privacy.keep: has to be between "1h" and "87600h"`},
		{"keep too long", "[privacy]\nkeep = \"720000h\"", "t.toml:2: privacy.keep: has to be between"},
		{"keep in days", "[privacy]\nkeep = \"30d\"", "t.toml:2: privacy.keep"},
		{"recent is too long", "[privacy]\nrecent = \"25h\"", "t.toml:2: privacy.recent"},
		{"self_allow is too long", "[groups.kids]\nself_allow = \"25h\"", "t.toml:2: groups.kids.self_allow"},
		{"unknown key of a group", "[groups.kids]\nblok = true", `t.toml:2: unknown key "groups.kids.blok": did you mean "block"?`},
		{"no table of a group", "groups = [\"kids\"]", "t.toml:1: groups: "},
		{"a group that is no table", "[groups]\nkids = true", "t.toml:2: groups.kids: true is a boolean"},
		{"bad rule of a group", "[groups.kids]\ndeny = [\"/(/\"]", "t.toml:2: groups.kids.deny"},
		{"bad response of a group", "[groups.kids]\nresponse = \"no\"", "t.toml:2: groups.kids.response"},
		{"bad upstream of a group", "[groups.kids]\nupstream = [\"gopher://x\"]", "t.toml:2: groups.kids.upstream"},
		{"unknown service", "[groups.kids]\nservices = [\"tictok\"]", `t.toml:2: groups.kids.services: the ownership data knows no service "tictok"; did you mean TikTok?`},
		{"unknown company", "[groups.kids]\nno_account = [\"Mettta\"]", "t.toml:2: groups.kids.no_account: the ownership data knows no company"},
		{"unknown builtin list", "[[lists]]\nname = \"x\"\nsource = \"builtin:service:tictok\"", "t.toml:3: lists.source: the ownership data knows no service"},
		{"unknown group of a list", "[[lists]]\nname = \"x\"\nsource = \"/a\"\ngroups = [\"kid\"]\n[groups.kids]\nblock = true", `t.toml:4: lists.groups: there is no group "kid"; did you mean "kids"?`},
		{"bad schedule", "[[lists]]\nname = \"x\"\nsource = \"/a\"\nschedule = [\"mon 25:00-26:00\"]", `t.toml:4: lists.schedule: "mon 25:00-26:00" is no schedule`},
		{"reserved prefix", "[[lists]]\nname = \"service:x\"\nsource = \"/a\"", `t.toml:2: lists.name: "service:x" is taken`},
		{"client without name", "[[clients]]\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]", "t.toml:1: clients: the client needs a name"},
		{"client without match", "[[clients]]\nname = \"x\"\ngroups = [\"default\"]", `t.toml:1: clients: client "x" needs a match`},
		{"client without groups", "[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.1\"]", `t.toml:1: clients: client "x" needs groups`},
		{"client of an unknown group", "[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"defualt\"]", `t.toml:4: clients.groups: there is no group "defualt"; did you mean "default"?`},
		{"bad match of a client", "[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.256\"]\ngroups = [\"default\"]", "t.toml:3: clients.match"},
		{"two clients of one address", "[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]\n[[clients]]\nname = \"y\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]", "t.toml:7: clients.match: "},
		{"a group without a name", "[groups.\"\"]\nblock = false", `t.toml:1: groups: a group needs a name`},
		{"two clients of one name", "[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.1\"]\ngroups = [\"default\"]\n[[clients]]\nname = \"x\"\nmatch = [\"192.0.2.2\"]\ngroups = [\"default\"]", `t.toml:6: clients.name: there are two clients named "x"`},
		{"everybody a forwarder", "[dns]\ntrust_ecs_from = [\"any\"]", `t.toml:2: dns.trust_ecs_from: "any" is no forwarder`},
		{"the world a forwarder", "[dns]\ntrust_ecs_from = [\"::/0\"]", `t.toml:2: dns.trust_ecs_from: "::/0" is no forwarder`},
		{"bad forwarder", "[dns]\ntrust_ecs_from = [\"router\"]", "t.toml:2: dns.trust_ecs_from"},
		{"TLS without a certificate", "[web]\ntls = true", "t.toml:2: web.tls: needs [dns] certificate and private_key"},
		{"a certificate without its key", "[dns]\ncertificate = \"/c.pem\"", "t.toml:2: dns.certificate: needs private_key"},
		{"a key without its certificate", "[dns]\nprivate_key = \"/k.pem\"", "t.toml:2: dns.private_key: needs certificate"},
		{"bad proxy", "[web]\ntrusted_proxies = [\"nginx\"]", `t.toml:2: web.trusted_proxies: "nginx" is no proxy`},
		{"everybody a proxy", "[web]\ntrusted_proxies = [\"::/0\"]", `t.toml:2: web.trusted_proxies: "::/0" is no proxy`},
		{"bad base path", "[web]\nbase_path = \"dns\"", `t.toml:2: web.base_path: "dns" is no path`},
		{"a base path of our own", "[web]\nbase_path = \"/api/\"", "t.toml:2: web.base_path"},
		{"a token without a name", "[[web.tokens]]\nhash = \"x\"\nscopes = [\"read\"]", "t.toml:1: web.tokens.name: a token needs a name"},
		{"bad hash of a token", "[[web.tokens]]\nname = \"x\"\nhash = \"x\"\nscopes = [\"read\"]", "t.toml:3: web.tokens.hash: no hash of a token"},
		{"bad scope", "[[web.tokens]]\nname = \"x\"\nhash = \"x\"\nscopes = [\"all\"]", `t.toml:4: web.tokens.scopes: "all" is none of "read"`},
		{"bad end of a token", "[[web.tokens]]\nname = \"x\"\nhash = \"x\"\nscopes = [\"read\"]\nexpires = \"soon\"", `t.toml:5: web.tokens.expires: "soon" is no day`},
		{"owners too often", "[owners]\nrefresh = \"1s\"", "t.toml:2: owners.refresh"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseConfig("t.toml", c.text)
			if err == nil {
				t.Fatalf("accepted; want %q", c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	_, err := parseConfig("t.toml", "time_zone = \"Moon/Base\"\n[log]\nlevel = \"loud\"\n[cache]\nmin_ttl = \"48h\"\n")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"t.toml:1: time_zone", "t.toml:3: log.level", "t.toml:5: cache.min_ttl"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}

func TestListsReplaceTheDefaults(t *testing.T) {
	for text, want := range map[string]int{"": 2, "lists = []": 0, "[[lists]]\nname = \"x\"\nsource = \"builtin:starter\"": 1} {
		c, err := parseConfig("t.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Lists) != want {
			t.Errorf("%q: %d lists, want %d", text, len(c.Lists), want)
		}
	}
}

func TestDataDir(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/state")
	c := defaults()
	for _, step := range []struct{ flag, key, want string }{{"", "", "/state"}, {"", "/key", "/key"}, {"/flag", "/key", "/flag"}} {
		c.DataDir = step.key
		if got, err := c.dataDir(step.flag); got != step.want || err != nil {
			t.Errorf("flag %q, key %q: got %q, %v, want %q", step.flag, step.key, got, err, step.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"32MB": 32e6, "1GiB": 1 << 30, "512KB": 512e3, "7": 7} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(defaultConfig)
	f.Add("[[lists]]\nname = \"x\"\nsource = \"/a\"\n[upstream.routes]\n\"home.arpa\" = []")
	f.Add("lists = [{name = 'x', source = 'builtin:starter'}]\n[local]\n\"*.x\" = ['192.0.2.1']")
	place := regexp.MustCompile(`^f\.toml(:\d+)?: .`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("f.toml", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		for _, problem := range each(err) {
			if err != nil && !place.MatchString(problem.Error()) {
				t.Errorf("%q does not say where", problem)
			}
		}
	})
}

// A flag wins over its key, and its mistake is wrong usage.
func TestFlagsWin(t *testing.T) {
	file := t.TempDir() + "/c.toml"
	if err := os.WriteFile(file, []byte("[dns]\nlisten = [\":5353\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := flags{config: file, listen: []string{"127.0.0.1:5300"}, webSet: true, logLevel: "warn"}.loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.DNS.Listen[0] != "127.0.0.1:5300" || c.Web.Listen != "" || c.Log.Level != "warn" {
		t.Errorf("got %+v", c)
	}
	_, err = flags{config: file, listen: []string{"nowhere"}}.loadConfig()
	if !errors.As(err, new(errUsage)) {
		t.Errorf("got %v, want wrong usage", err)
	}
	_, err = flags{config: file + ".missing"}.loadConfig()
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is no such file", err)
	}
}

func TestWarnings(t *testing.T) {
	c, err := parseConfig("t.toml", "[dns]\nallow_from = [\"any\"]\n[[lists]]\nname = \"x\"\nsource = \"https://lists.example/x\"\nrefresh = \"1m\"\n[[clients]]\nname = \"tablet\"\nmatch = [\"id:tablet\"]\ngroups = [\"default\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	if w := c.warnings(); len(w) != 3 || w[0].Line != 6 || w[1].Line != 2 || w[2].Line != 9 {
		t.Errorf("got %v", w)
	}
	if c.Lists[0].Refresh != time.Minute {
		t.Errorf("refresh %v", c.Lists[0].Refresh)
	}
}
