package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadpixel/lists"
	"deadpixel/metrics/history"
	"deadpixel/metrics/querylog"
	"deadpixel/resolver"
	"deadpixel/resolver/upstream"
	"deadpixel/ui"
)

// checker collects what is wrong with values that have the right type.
type checker struct {
	c        *Config
	open     bool // what services and companies there are is not known yet
	problems []error
}

// report adds a problem at key, unless err is nil.
func (k *checker) report(key string, err error) {
	if err != nil {
		plain := arrayIndex.ReplaceAllString(key, "")
		k.problems = append(k.problems, Problem{k.c.file, k.c.lines.of(key), fmt.Sprintf("%s: %v", plain, err)})
	}
}

// validate finds every impossible value. It opens nothing and asks nobody.
func (c *Config) validate() error {
	k := &checker{c: c, open: c.Owners.Source != ""}
	if c.TimeZone != "" {
		_, err := time.LoadLocation(c.TimeZone)
		if err != nil {
			err = fmt.Errorf("%q is no time zone: write it like \"Europe/Brussels\"", c.TimeZone)
		}
		k.report("time_zone", err)
	}
	_, err := logLevel(c.Log.Level)
	k.report("log.level", err)
	k.report("log.format", oneOf(c.Log.Format, "auto", "text", "json"))

	k.addresses("dns.listen", c.DNS.Listen)
	if len(c.DNS.Listen) == 0 {
		k.report("dns.listen", errors.New("without an address nobody can ask; write [\":53\"]"))
	}
	k.networks("dns.allow_from", c.DNS.AllowFrom)
	_, err = resolver.NewForwarders(c.DNS.TrustECSFrom)
	k.report("dns.trust_ecs_from", err)
	if c.DNS.RateLimit < 0 {
		k.report("dns.rate_limit", errors.New("cannot be negative; 0 means no limit"))
	}
	k.upstreams()
	k.blocking()
	k.lists()
	k.groups()
	k.builtins(lists.Builtins{})
	k.clients()
	for _, name := range slices.Sorted(maps.Keys(c.Local)) {
		_, err := resolver.NewLocal(map[string][]string{name: c.Local[name]}, nil)
		k.report("local."+name, err)
	}
	for _, suffix := range slices.Sorted(maps.Keys(c.Upstream.Routes)) {
		_, err := resolver.NewLocal(nil, map[string]bool{suffix: true})
		k.report("upstream.routes."+suffix, err)
	}
	k.cache()
	if c.Owners.Refresh < time.Hour {
		k.report("owners.refresh", errors.New("has to be at least \"1h\""))
	}
	if c.Web.Listen != "" {
		k.addresses("web.listen", []string{c.Web.Listen})
	}
	k.networks("web.allow_from", c.Web.AllowFrom)
	k.web()
	if c.Privacy.Recent > maxRecent {
		k.report("privacy.recent", errors.New("has to be at most \"24h\""))
	}
	k.privacy()
	return errors.Join(k.problems...)
}

// web checks how the page is reached, and who may do what.
func (k *checker) web() {
	w, d := &k.c.Web, &k.c.DNS
	if w.PasswordHash != "" {
		k.report("web.password_hash", ui.CheckHash(w.PasswordHash))
	}
	_, err := k.c.proxies()
	k.report("web.trusted_proxies", err)
	k.report("web.base_path", ui.CheckBase(w.BasePath))
	switch want := k.c.wantsCertificate(); {
	case want != "" && d.Certificate == "":
		k.report(want, errors.New("needs [dns] certificate and private_key"))
	case d.Certificate != "" && d.PrivateKey == "":
		k.report("dns.certificate", errors.New("needs private_key as well"))
	case d.Certificate == "" && d.PrivateKey != "":
		k.report("dns.private_key", errors.New("needs certificate as well"))
	}
	names := map[string]bool{}
	for i, t := range w.Tokens {
		key := fmt.Sprintf("web.tokens[%d].", i)
		switch {
		case t.Name == "":
			k.report(key+"name", errors.New("a token needs a name, which says what it is for"))
		case names[t.Name]:
			k.report(key+"name", fmt.Errorf("there are two tokens %q", t.Name))
		}
		names[t.Name] = true
		k.report(key+"hash", ui.CheckTokenHash(t.Hash))
		if len(t.Scopes) == 0 {
			k.report(key+"scopes", errors.New("a token without a scope may do nothing"))
		}
		for _, s := range t.Scopes {
			_, err := ui.ParseScope(s)
			k.report(key+"scopes", err)
		}
		_, err = t.expires(time.UTC)
		k.report(key+"expires", err)
	}
}

// proxies are the networks of reverse proxies.
func (c *Config) proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, one := range c.Web.TrustedProxies {
		p, err := netip.ParsePrefix(one)
		if ip, errIP := netip.ParseAddr(one); errIP == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() || p.Bits() == 0 { // nobody's proxies are the whole world
			return nil, fmt.Errorf("%q is no proxy: write it like \"127.0.0.1\" or \"10.0.0.0/8\"", one)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// expires is the end of the last day on which a token may be used; zero when there is
// none.
func (t TokenConfig) expires(zone *time.Location) (time.Time, error) {
	if t.Expires == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, t.Expires, zone)
	if err != nil {
		return day, fmt.Errorf("%q is no day: write it like \"2027-12-31\"", t.Expires)
	}
	return day.AddDate(0, 0, 1), nil
}

func (k *checker) privacy() {
	p := &k.c.Privacy
	_, err := history.ParseForm(p.Clients)
	k.report("privacy.clients", err)
	_, err = querylog.ParseScope(p.Queries)
	k.report("privacy.queries", err)
	kinds := map[string]bool{}
	for _, to := range p.LogTo {
		k.report("privacy.log_to", checkSink(to))
		if kinds[sinkName(to)] {
			k.report("privacy.log_to", fmt.Errorf("there are two of the kind %q", sinkName(to)))
		}
		kinds[sinkName(to)] = true
	}
	if p.Keep < time.Hour || p.Keep > maxKeep {
		k.report("privacy.keep", fmt.Errorf("has to be between \"1h\" and \"%.0fh\", ten years", maxKeep.Hours()))
	}
}

// maxKeep bounds how long anything is kept: who writes more means another unit.
const maxKeep = 10 * 365 * 24 * time.Hour

func (k *checker) addresses(key string, addrs []string) {
	for _, a := range addrs {
		k.report(key, listenAddress(a))
	}
}

// listenAddress checks "host:port", ":port" and "[v6]:port".
func listenAddress(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return fmt.Errorf("%q is no address to listen on: write it like \":53\" or \"192.168.1.2:53\"", a)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%q: the port is a number up to 65535", a)
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q: %q is no address of this machine", a, host)
		}
	}
	return nil
}

func (k *checker) networks(key string, entries []string) {
	for _, e := range entries {
		_, err := resolver.NewAccess([]string{e}, slog.New(slog.DiscardHandler))
		k.report(key, err)
	}
}

func (k *checker) upstreams() {
	u := &k.c.Upstream
	_, err := resolver.ParseStrategy(u.Strategy)
	k.report("upstream.strategy", err)
	if len(u.Servers) == 0 {
		k.report("upstream.servers", errors.New("without a server nothing but local names can be answered; write at least one"))
	}
	for _, s := range u.Servers {
		k.report("upstream.servers", upstream.Check(s))
	}
	for _, s := range u.Bootstrap {
		k.report("upstream.bootstrap", upstream.CheckBootstrap(s))
	}
	for suffix, servers := range u.Routes {
		for _, s := range servers {
			k.report("upstream.routes."+suffix, upstream.Check(s))
		}
	}
	if u.Timeout < 100*time.Millisecond || u.Timeout > time.Minute {
		k.report("upstream.timeout", errors.New("has to be between \"100ms\" and \"1m\""))
	}
}

func (k *checker) blocking() {
	b := &k.c.Blocking
	_, err := resolver.ParseResponse(b.Response)
	k.report("blocking.response", err)
	if b.TTL > 24*time.Hour {
		k.report("blocking.ttl", errors.New("more than a day would keep a wrongly blocked name away for too long"))
	}
	k.rules("blocking", b.Deny, b.Allow)
	_, err = resolver.NewRebind(b.RebindAllow)
	k.report("blocking.rebind_allow", err)
}

func (k *checker) lists() {
	seen := map[string]bool{}
	for i, l := range k.c.Lists {
		key := fmt.Sprintf("lists[%d]", i)
		switch {
		case l.Name == "":
			k.report(key, errors.New("the list needs a name"))
		case reserved(l.Name):
			k.report(key+".name", fmt.Errorf("%q is taken: it stands for deadpixel's own rules in metrics", l.Name))
		case seen[l.Name]:
			k.report(key+".name", fmt.Errorf("there are two lists named %q; each needs its own", l.Name))
		}
		seen[l.Name] = true
		if l.Source == "" {
			k.report(key, fmt.Errorf("list %q needs a source: builtin:starter, a path or a URL", l.Name))
		}
		k.report(key+".kind", oneOf(l.Kind, "deny", "allow"))
		_, err := lists.ParseFormat(l.Format)
		k.report(key+".format", err)
		_, err = lists.ParseMatch(l.Match)
		k.report(key+".match", err)
		_, err = lists.ParsePopular(l.Popular)
		k.report(key+".popular", err)
		k.inGroups(key+".groups", l.Groups)
		_, err = resolver.ParseSchedule(l.Schedule)
		k.report(key+".schedule", err)
		if l.Refresh < time.Second {
			k.report(key+".refresh", errors.New("has to be at least \"1s\""))
		}
	}
}

func (k *checker) cache() {
	c := &k.c.Cache
	if c.MinTTL > c.MaxTTL {
		k.report("cache.min_ttl", errors.New("is longer than cache.max_ttl"))
	}
	if c.MinTTL > time.Hour {
		k.report("cache.min_ttl", errors.New("more than an hour breaks names that move"))
	}
	if c.Size > 0 && c.Size < 64<<10 {
		k.report("cache.size", errors.New("is too small to be of use; write at least \"64KB\", or 0 for no cache"))
	}
}

// routes says which suffixes have servers of their own.
func (c *Config) routes() map[string]bool {
	r := map[string]bool{}
	for suffix, servers := range c.Upstream.Routes {
		r[suffix] = len(servers) > 0
	}
	return r
}

func isURL(source string) bool {
	return strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")
}

// path makes a relative list path one beside the configuration file.
func (c *Config) path(source string) string {
	if isURL(source) || strings.HasPrefix(source, "builtin:") || filepath.IsAbs(source) {
		return source
	}
	return filepath.Join(filepath.Dir(c.file), source)
}

func oneOf(value string, allowed ...string) error {
	quoted := make([]string, len(allowed))
	for i, a := range allowed {
		if value == a {
			return nil
		}
		quoted[i] = strconv.Quote(a)
	}
	return fmt.Errorf("%q is none of %s", value, strings.Join(quoted, ", "))
}

func logLevel(s string) (slog.Level, error) {
	var level slog.Level
	if err := oneOf(s, "debug", "info", "warn", "error"); err != nil {
		return level, err
	}
	return level, level.UnmarshalText([]byte(s))
}
