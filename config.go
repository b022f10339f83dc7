package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // zone data for machines without any

	"github.com/BurntSushi/toml"

	"deadpixel/resolver"
)

//go:embed config.toml
var defaultConfig string

// Config is the configuration as written; the tags are the keys of config.toml.
// Every package gets its own Options from it, and none sees this type.
type Config struct {
	DataDir  string `toml:"data_dir"`
	TimeZone string `toml:"time_zone"`

	Log struct {
		Level  string `toml:"level"`
		Format string `toml:"format"`
		Names  bool   `toml:"names"`
	} `toml:"log"`

	DNS struct {
		Listen    []string `toml:"listen"`
		AllowFrom []string `toml:"allow_from"`
		RateLimit int      `toml:"rate_limit"`

		Certificate string `toml:"certificate"`
		PrivateKey  string `toml:"private_key"`

		TrustECSFrom []string `toml:"trust_ecs_from"`
		LeaseFiles   []string `toml:"lease_files"`
	} `toml:"dns"`

	Upstream struct {
		Servers   []string            `toml:"servers"`
		Strategy  string              `toml:"strategy"`
		Bootstrap []string            `toml:"bootstrap"`
		Timeout   time.Duration       `toml:"timeout"`
		Routes    map[string][]string `toml:"routes"`
	} `toml:"upstream"`

	Blocking struct {
		Response    string        `toml:"response"`
		TTL         time.Duration `toml:"ttl"`
		Deny        []string      `toml:"deny"`
		Allow       []string      `toml:"allow"`
		FollowCNAME bool          `toml:"follow_cname"`
		FollowHTTPS bool          `toml:"follow_https"`
		Canaries    bool          `toml:"canaries"`

		FollowAddress    bool     `toml:"follow_address"`
		RebindProtection bool     `toml:"rebind_protection"`
		RebindAllow      []string `toml:"rebind_allow"`

		RulesFile string `toml:"rules_file"`
	} `toml:"blocking"`

	Lists   []ListConfig           `toml:"lists"`
	Groups  map[string]GroupConfig `toml:"groups"`
	Clients []ClientConfig         `toml:"clients"`
	Local   map[string][]string    `toml:"local"`

	Owners struct {
		Source  string        `toml:"source"`
		Refresh time.Duration `toml:"refresh"`
	} `toml:"owners"`

	Cache struct {
		Size       Size          `toml:"size"`
		MinTTL     time.Duration `toml:"min_ttl"`
		MaxTTL     time.Duration `toml:"max_ttl"`
		Stale      time.Duration `toml:"stale"`
		StaleAfter time.Duration `toml:"stale_after"`
		Prefetch   bool          `toml:"prefetch"`
	} `toml:"cache"`

	Web struct {
		Listen       string   `toml:"listen"`
		AllowFrom    []string `toml:"allow_from"`
		Hosts        []string `toml:"hosts"`
		PasswordHash string   `toml:"password_hash"`

		TrustedProxies []string      `toml:"trusted_proxies"`
		BasePath       string        `toml:"base_path"`
		TLS            bool          `toml:"tls"`
		Tokens         []TokenConfig `toml:"tokens"`
	} `toml:"web"`

	Privacy struct {
		Clients string        `toml:"clients"`
		Queries string        `toml:"queries"`
		LogTo   []string      `toml:"log_to"`
		Keep    time.Duration `toml:"keep"`
		Recent  time.Duration `toml:"recent"`
	} `toml:"privacy"`

	file  string // where it came from
	lines lines
	flags map[string]string // the flags that won over keys
}

// ListConfig is one [[lists]] entry.
type ListConfig struct {
	Name    string        `toml:"name"`
	Kind    string        `toml:"kind"`
	Source  string        `toml:"source"`
	Format  string        `toml:"format"`
	Match   string        `toml:"match"`
	Refresh time.Duration `toml:"refresh"`
	Popular string        `toml:"popular"`

	Groups   []string `toml:"groups"`
	Schedule []string `toml:"schedule"`
}

// GroupConfig is one [groups.NAME] table.
type GroupConfig struct {
	Block      bool     `toml:"block"`
	Deny       []string `toml:"deny"`
	Allow      []string `toml:"allow"`
	Response   string   `toml:"response"`
	Upstream   []string `toml:"upstream"`
	SafeSearch bool     `toml:"safe_search"`
	Services   []string `toml:"services"`
	NoAccount  []string `toml:"no_account"`

	SelfAllow time.Duration `toml:"self_allow"`
}

// ClientConfig is one [[clients]] entry.
type ClientConfig struct {
	Name   string   `toml:"name"`
	Match  []string `toml:"match"`
	Groups []string `toml:"groups"`
}

// TokenConfig is one [[web.tokens]] entry.
type TokenConfig struct {
	Name    string   `toml:"name"`
	Hash    string   `toml:"hash"`
	Scopes  []string `toml:"scopes"`
	Expires string   `toml:"expires"`
}

// Size is a number of bytes.
type Size int64

// unbuilt are the promised keys whose feature this version does not have.
var unbuilt = map[string]string{
	"dns.tls_listen":   "DNS over TLS for clients",
	"dns.https_listen": "DNS over HTTPS for clients",
	"dns.quic_listen":  "DNS over QUIC for clients",
}

// defaults are the built-in defaults; a test proves that config.toml says the same.
func defaults() *Config {
	c := new(Config)
	c.Log.Level, c.Log.Format = "info", "auto"
	c.DNS.Listen = []string{":53"}
	c.DNS.AllowFrom = []string{"local"}
	c.DNS.TrustECSFrom = []string{}
	c.DNS.LeaseFiles = []string{"/var/lib/misc/dnsmasq.leases"}
	c.Upstream.Servers = []string{"https://dns.quad9.net/dns-query", "tls://one.one.one.one"}
	c.Upstream.Strategy = "fastest"
	c.Upstream.Bootstrap = []string{"9.9.9.9", "1.1.1.1"}
	c.Upstream.Timeout = 2 * time.Second
	c.Upstream.Routes = map[string][]string{}
	c.Blocking.Response = "nxdomain"
	c.Blocking.TTL = 10 * time.Second
	c.Blocking.Deny, c.Blocking.Allow = []string{}, []string{}
	c.Blocking.FollowCNAME, c.Blocking.FollowHTTPS = true, true
	c.Blocking.FollowAddress = true
	c.Blocking.Canaries = true
	c.Blocking.RebindProtection, c.Blocking.RebindAllow = true, []string{}
	c.Lists = []ListConfig{defaultList(), defaultList()}
	c.Lists[0].Name, c.Lists[0].Source = "starter", "builtin:starter"
	c.Lists[1].Name, c.Lists[1].Source = "stevenblack", "https://raw.githubusercontent.com/StevenBlack/hosts/master/hosts"
	c.Groups = map[string]GroupConfig{resolver.DefaultGroup: defaultGroup()}
	c.Clients = []ClientConfig{}
	c.Local = map[string][]string{}
	c.Owners.Refresh = 7 * 24 * time.Hour
	c.Cache.Size = 32e6
	c.Cache.MaxTTL = 24 * time.Hour
	c.Cache.Stale = 24 * time.Hour
	c.Cache.StaleAfter = 400 * time.Millisecond
	c.Cache.Prefetch = true
	c.Web.Listen = ":8080"
	c.Web.AllowFrom, c.Web.Hosts = []string{}, []string{}
	c.Web.TrustedProxies, c.Web.BasePath, c.Web.Tokens = []string{}, "/", []TokenConfig{}
	c.Privacy.Recent = 10 * time.Minute
	c.Privacy.Queries, c.Privacy.LogTo = "none", []string{toStore}
	c.Privacy.Clients, c.Privacy.Keep = "anonymous", 30*24*time.Hour
	return c
}

func defaultList() ListConfig {
	return ListConfig{Kind: "deny", Format: "auto", Match: "auto", Refresh: 24 * time.Hour, Popular: "flag", Groups: []string{}, Schedule: []string{}}
}

func defaultGroup() GroupConfig {
	return GroupConfig{Block: true, Deny: []string{}, Allow: []string{}, Upstream: []string{}, Services: []string{}, NoAccount: []string{}}
}

// Problem is one thing wrong with the configuration or a list.
type Problem struct {
	File    string
	Line    int // 0 when it concerns the whole file
	Message string
}

func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

// findConfig says which file to read: the one asked for, else the first that
// exists, else "" for the embedded default.
func findConfig(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	for _, path := range []string{"config.toml", "/etc/deadpixel/config.toml"} {
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return "", nil
}

// loadConfig reads a configuration and checks it whole. It returns every problem
// it can find at once, joined; the Config is usable only without any.
func loadConfig(path string) (*Config, error) {
	text, name := defaultConfig, "config.toml (built in)"
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
		text, name = string(b), path
	}
	c, err := parseConfig(name, text)
	if c != nil {
		c.file = name
	}
	return c, err
}

// parseConfig reads text, which name is the file of.
func parseConfig(name, text string) (*Config, error) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, Problem{name, syntax.Position.Line, "no valid TOML: " + syntax.Message}
		}
		return nil, Problem{name, 0, err.Error()}
	}
	c := defaults()
	c.file, c.lines = name, locate(text)
	d := decoder{file: name, lines: c.lines}
	d.table(tree, c, "")
	if err := errors.Join(d.problems...); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// loadConfig reads the configuration that the flags ask for; they win over keys.
func (f flags) loadConfig() (*Config, error) {
	path, err := findConfig(f.config)
	if err != nil {
		return nil, err
	}
	c, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	c.flags = map[string]string{}
	var problems []error
	if len(f.listen) > 0 {
		c.DNS.Listen = f.listen
		c.flags["dns.listen"] = "--listen"
		for _, a := range f.listen {
			problems = append(problems, flagError("--listen", listenAddress(a)))
		}
	}
	if f.webSet {
		c.flags["web.listen"] = "--web"
		if c.Web.Listen = f.web; f.web != "" {
			problems = append(problems, flagError("--web", listenAddress(f.web)))
		}
	}
	if f.logLevel != "" {
		c.Log.Level, c.flags["log.level"] = f.logLevel, "--log-level"
		_, err := logLevel(f.logLevel)
		problems = append(problems, flagError("--log-level", err))
	}
	if f.data != "" {
		c.DataDir, c.flags["data_dir"] = f.data, "--data"
	}
	if _, err := c.dataDir(f.data); err != nil {
		problems = append(problems, err)
	}
	return c, errors.Join(problems...)
}

// flagError is wrong usage of a flag, or nil.
func flagError(flag string, err error) error {
	if err == nil {
		return nil
	}
	return errUsage{fmt.Errorf("%s: %w", flag, err)}
}

// at says where a key is written, for messages.
func (c *Config) at(key string) string {
	if flag, ok := c.flags[key]; ok {
		return flag
	}
	if line := c.lines.of(key); line > 0 {
		return fmt.Sprintf("%s:%d: %s", c.file, line, key)
	}
	return key
}

// dataDir is where compiled lists live: the flag, the key, systemd's state
// directory, or the user's.
func (c *Config) dataDir(flag string) (string, error) {
	for _, dir := range []string{flag, c.DataDir, os.Getenv("STATE_DIRECTORY")} {
		if dir != "" {
			return dir, nil
		}
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "deadpixel"), nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "deadpixel"), nil
	}
	return "", errors.New("no place to keep the lists: set data_dir or --data, since there is neither $STATE_DIRECTORY nor a home directory")
}
