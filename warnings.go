package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"deadpixel/lists"
)

// warnings are what is allowed but unwise.
func (c *Config) warnings() []Problem {
	var all []Problem
	for i, l := range c.Lists {
		if l.Refresh < time.Hour {
			key := fmt.Sprintf("lists[%d].refresh", i)
			why := "once a day is usual"
			if isURL(l.Source) {
				why = "its publisher may lock you out; " + why
			}
			all = append(all, Problem{c.file, c.lines.of(key), fmt.Sprintf("list %q is fetched every %v: %s", l.Name, l.Refresh, why)})
		}
	}
	if c.Log.Names && c.Log.Level != "debug" {
		all = append(all, Problem{c.file, c.lines.of("log.names"), "\"names\" shows in the log at level = \"debug\" only"})
	}
	for _, e := range c.DNS.AllowFrom {
		if e == "any" {
			all = append(all, Problem{c.file, c.lines.of("dns.allow_from"), "\"any\" makes an open resolver where the internet reaches this machine; attackers use these to flood others"})
		}
	}
	for i, one := range c.Clients {
		if slices.ContainsFunc(one.Match, func(m string) bool { return strings.HasPrefix(m, "id:") }) {
			all = append(all, Problem{c.file, c.lines.of(fmt.Sprintf("clients[%d].match", i)), fmt.Sprintf("client %q: devices tell an \"id:\" by encrypted DNS, to which this version does not listen yet", one.Name)})
		}
	}
	all = append(all, c.unguarded(time.Now())...)
	return append(all, c.strangers()...)
}

// unguarded is what does not serve who may use the page, though it is meant to.
func (c *Config) unguarded(now time.Time) []Problem {
	var all []Problem
	warn := func(key, text string) { all = append(all, Problem{c.file, c.lines.of(key), text}) }
	if c.DNS.Certificate != "" && c.wantsCertificate() == "" {
		warn("dns.certificate", "nothing uses the certificate: [web] tls is false")
	}
	if len(c.Web.TrustedProxies) > 0 && c.Web.PasswordHash == "" && len(c.Web.Tokens) == 0 {
		warn("web.trusted_proxies", "whoever comes through the proxy can change nothing, since there is no [web] password_hash; `deadpixel password` makes one")
	}
	zone, err := c.zone()
	if err != nil {
		return all // told elsewhere
	}
	for i, t := range c.Web.Tokens {
		if end, err := t.expires(zone); err == nil && !end.IsZero() && now.After(end) {
			warn(fmt.Sprintf("web.tokens[%d].expires", i), fmt.Sprintf("the token %q expired on %s; remove it, or make another: `deadpixel token`", t.Name, t.Expires))
		}
	}
	return all
}

// strangers are the clients that rules of the configuration name and that
// [[clients]] does not know.
func (c *Config) strangers() []Problem {
	known := c.clientNames()
	var all []Problem
	look := func(key string, texts []string) {
		for _, text := range texts {
			rules, _ := lists.ParseRule(text, lists.Deny) // it was found to be one
			for _, r := range rules {
				for _, term := range r.Clients {
					if term.Name != "" && !slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, term.Name) }) {
						all = append(all, Problem{c.file, c.lines.of(key), fmt.Sprintf("%s: the rule %q is about a client %q, which [[clients]] does not have%s", key, text, term.Name, didYouMean(term.Name, known))})
					}
				}
			}
		}
	}
	look("blocking.deny", c.Blocking.Deny)
	look("blocking.allow", c.Blocking.Allow)
	for _, name := range c.groupNames() {
		look("groups."+name+".deny", c.Groups[name].Deny)
		look("groups."+name+".allow", c.Groups[name].Allow)
	}
	return all
}
