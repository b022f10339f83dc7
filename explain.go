package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// explain says what becomes of a question, and why, by the same walk that answers
// queries.
func (g *generation) explain(ctx context.Context, q ui.Question) (ui.Explanation, error) {
	qtype, err := parseType(q.Type)
	if err != nil {
		return ui.Explanation{}, err
	}
	a, err := g.asker(q.Client)
	if err != nil {
		return ui.Explanation{}, fmt.Errorf("client: %w", err)
	}
	e := ui.Explanation{Type: dns.Type(qtype).String(), Client: a.policy.Client, Verdict: verdictUntouched, Group: a.groups()[0]}
	if ip, err := netip.ParseAddr(q.Name); err == nil {
		g.explainAddress(&e, a, ip.Unmap().WithZone(""))
		return e, nil
	}
	if e.Name, err = lists.Normalize(q.Name); err != nil {
		return e, fmt.Errorf("%q is no name: %w", q.Name, err)
	}
	e.Owner, e.Category = g.owners.lookup(e.Name)
	j, v := g.judge(a, e.Name, qtype)
	e.Verdict, e.List, e.Note, e.Answer = j.verdict, j.list, j.note, j.answer
	found := g.store.Explain(e.Name, qtype, &a.who)
	everything := a.who
	everything.Lists = nil
	switch {
	case j.list == resolver.CanaryList || j.list == lists.SafeSearchList:
		e.Rule, e.Source, e.Line = e.Name, g.config.file, g.lineOf(j.list, a)
		if j.list == lists.SafeSearchList {
			e.Group = g.safeGroup(a)
		}
		tell(&e, found)
	case g.allowed.Decided(v):
		one, _ := g.allowed.Find([]byte(e.Name), a.policy, &a.who, time.Now())
		e.Rule, e.Source, e.Note = one.Name, "the page", g.untilWhen(one.Until)
		e.Offer = newOffer(one)
		tell(&e, found)
	case j.list != "" && len(found) > 0:
		g.decided(&e, a, found[0])
		tell(&e, found[1:])
	case a.now.Blocks:
		tell(&e, found)
	}
	if g.local.Owns(e.Name) == "" {
		g.asleep(&e, a, found, g.store.Explain(e.Name, qtype, &everything))
	}
	if e.Verdict == verdictBlocked {
		e.Remedy = g.remedy(a, e.Name, j.list, v)
		g.offer(&e, a, v)
	} else if q.Resolve {
		err = g.follow(ctx, &e, a, v, qtype)
	}
	return e, err
}

// explainAddress says what becomes of answers that hold an address.
func (g *generation) explainAddress(e *ui.Explanation, a asker, ip netip.Addr) {
	qtype := dns.TypeA
	if ip.Is6() {
		qtype = dns.TypeAAAA
	}
	e.Name, e.Type = ip.String(), dns.TypeToString[qtype]
	if !a.now.Blocks || !g.config.Blocking.FollowAddress {
		e.Note = "addresses of answers are not looked at for this client now"
		return
	}
	found := g.store.ExplainAddress(ip, qtype, &a.who)
	if len(found) == 0 {
		return
	}
	e.Verdict, e.List = wordFor(found[0].Verdict), found[0].List
	g.decided(e, a, found[0])
	tell(e, found[1:])
	if e.Verdict == verdictBlocked {
		e.Remedy = g.remedy(a, e.Name, e.List, found[0].Verdict)
	}
}

// decided fills in the rule that decides.
func (g *generation) decided(e *ui.Explanation, a asker, x lists.Explanation) {
	e.Rule, e.Source, e.Line, e.Group = x.Rule, withoutAccount(x.Source), x.Line, x.Group
	if x.Source == g.rulesBy {
		e.Offer = &ui.Offer{Written: true, Rule: x.Rule, Of: x.Group}
	}
	if e.Group == "" {
		e.Group = g.group(a, x.Place)
	}
	if at := x.Place - g.own; at >= 0 {
		e.Schedule = g.lists[at].Schedule
	}
}

// tell adds rules that match, but are weaker.
func tell(e *ui.Explanation, found []lists.Explanation) {
	for _, x := range found {
		e.Weaker = append(e.Weaker, ruleOf(x))
	}
}

// ruleOf is a rule that matches, in the words of the page.
func ruleOf(x lists.Explanation) ui.Rule {
	return ui.Rule{Verdict: wordFor(x.Verdict), List: x.List, Rule: x.Rule, Source: withoutAccount(x.Source), Line: x.Line, Group: x.Group}
}

// asleep adds the rules that would match if their lists applied.
func (g *generation) asleep(e *ui.Explanation, a asker, awake, all []lists.Explanation) {
	for _, x := range all {
		if slices.ContainsFunc(awake, func(o lists.Explanation) bool { return o.Place == x.Place && o.Line == x.Line }) {
			continue
		}
		r := ruleOf(x)
		r.Why = g.whyAsleep(a, x.Place)
		e.Asleep = append(e.Asleep, r)
	}
}

// offer is what the page can do about a blocked name, v being the verdict on it.
func (g *generation) offer(e *ui.Explanation, a asker, v lists.Verdict) {
	if v.Action == lists.Rewrite && v.Level == lists.OfGroup {
		return // no name lifts that
	}
	if e.Offer == nil {
		e.Offer = new(ui.Offer)
	}
	e.Offer.Client, e.Offer.Group = e.Client, e.Group
	if e.Client == "" && a.who.Address.IsValid() {
		e.Offer.Client = a.who.Address.String()
	}
	e.Offer.Everybody = v.Level < lists.Own || v.Level == lists.Own && v.Action != lists.Rewrite
}

// newOffer is to end what is allowed for a while.
func newOffer(one resolver.Allowance) *ui.Offer {
	o := &ui.Offer{Written: true, Rule: one.Name, Of: one.Group, OfClient: one.Client}
	if one.Address.IsValid() {
		o.OfClient = one.Address.String()
	}
	return o
}

// untilWhen says when what is allowed for a while is over.
func (g *generation) untilWhen(t time.Time) string {
	t = t.In(g.zone)
	layout := "15:04"
	if time.Until(t) >= 12*time.Hour {
		layout = "Mon 2 Jan, 15:04"
	}
	return "allowed until " + t.Format(layout) + " by the page"
}

// remedy is the line of the configuration that would allow what a verdict denies.
func (g *generation) remedy(a asker, name, list string, v lists.Verdict) *ui.Remedy {
	b := &g.config.Blocking
	if list == resolver.RebindList {
		return &ui.Remedy{Table: "[blocking]", Line: "rebind_allow = " + array(b.RebindAllow, name)}
	}
	rules := []string{name}
	if v.Action == lists.Rewrite && v.Level >= lists.Own { // which the name does not lift, and lists may deny it too
		rules = append(rules, "@@||"+name+"^$dnsrewrite")
	}
	if v.Level < lists.OfGroup {
		return &ui.Remedy{Table: "[blocking]", Line: "allow = " + array(b.Allow, rules...)}
	}
	group := a.policy.Groups[0]
	return &ui.Remedy{Table: "[groups." + tomlKey(group) + "]", Line: "allow = " + array(g.config.Groups[group].Allow, rules...)}
}

// array is a TOML array of strings with some more.
func array(have []string, more ...string) string {
	var all []string
	for _, s := range slices.Concat(have, more) {
		all = append(all, tomlString(s))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// tomlString is a basic string (TOML 1.0, "String").
func tomlString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// tomlKey is a key, in quotes where it has to be.
func tomlKey(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return s
	}
	return tomlString(s)
}

// follow asks the upstreams for e's name, or for the one that a rule puts in its
// place, and explains what the answer leads to. Nothing of a blocked name goes there.
func (g *generation) follow(ctx context.Context, e *ui.Explanation, a asker, asked lists.Verdict, qtype uint16) error {
	name := e.Name
	for _, r := range asked.Rewrites() {
		switch {
		case r.Name != "":
			name = r.Name
			e.Chain = append(e.Chain, ui.Link{Type: "CNAME", Target: name, Verdict: verdictUntouched})
			asked = lists.Verdict{Action: lists.Allow, Level: lists.OfGroup} // what a rule leads to is not judged
		case qtype == dns.TypeA && r.Address.Is4(), qtype == dns.TypeAAAA && r.Address.Is6():
			e.Addresses = append(e.Addresses, r.Address.String())
		}
	}
	if name == e.Name && asked.Action == lists.Rewrite || g.local.Owns(name) != "" {
		return nil
	}
	wire, err := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype).Pack()
	if err != nil {
		return err
	}
	q := &resolver.Query{Client: a.who.Address, Transport: resolver.TCP, Start: time.Now()}
	if fault := q.Parse(wire); fault != resolver.Sound {
		return fmt.Errorf("%q cannot be asked for", name)
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.Upstream.Timeout)
	defer cancel()
	denied := false
	answer, err := g.resolver.Trace(ctx, q, a.policy, asked, func(step *resolver.Step) bool {
		g.link(e, a, step, !denied)
		denied = denied || step.Denied || step.Inside
		return true
	})
	if err != nil {
		return err
	}
	m := new(dns.Msg)
	if err := m.Unpack(answer.Wire); err != nil {
		return err
	}
	if m.Rcode != dns.RcodeSuccess {
		e.Note = strings.TrimPrefix(e.Note+"; upstream says "+dns.RcodeToString[m.Rcode], "; ")
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			e.Addresses = append(e.Addresses, rr.A.String())
		case *dns.AAAA:
			e.Addresses = append(e.Addresses, rr.AAAA.String())
		}
	}
	return nil
}

// link adds a step to the chain. The first that is denied decides about e.
func (g *generation) link(e *ui.Explanation, a asker, step *resolver.Step, first bool) {
	verdict := step.Verdict
	if verdict.Action == lists.Rewrite { // only asked names are rewritten
		verdict = lists.Verdict{}
	}
	l := ui.Link{Type: dns.TypeToString[step.Type], Target: string(step.Name), Verdict: wordFor(verdict)}
	var found []lists.Explanation
	if step.Address.IsValid() {
		l.Target = step.Address.String()
		if verdict.Action == lists.None && !step.Inside {
			return // an ordinary address
		}
		found = g.store.ExplainAddress(step.Address, step.Type, &a.who)
	} else {
		l.Owner, l.Category = g.owners.lookup(l.Target)
		if verdict.Action != lists.None {
			found = g.store.Explain(l.Target, step.Type, &a.who)
		}
	}
	if len(found) > 0 {
		l.List, l.Rule, l.Source, l.Line = found[0].List, found[0].Rule, withoutAccount(found[0].Source), found[0].Line
	}
	if step.Inside {
		l.Verdict, l.List, l.Rule, l.Source, l.Line = verdictBlocked, resolver.RebindList, e.Name, g.config.file, g.lineOf(resolver.RebindList, a)
	}
	e.Chain = append(e.Chain, l)
	if !first || !step.Denied && !step.Inside {
		return
	}
	e.Verdict, e.List, e.Rule, e.Source, e.Line = verdictBlocked, l.List, l.Rule, l.Source, l.Line
	e.Note = "its answer leads to " + l.Target + " by " + article(l.Type)
	switch {
	case step.Inside:
		e.Note = "a public name that leads to a private address"
	case len(found) > 0:
		g.decided(e, a, found[0])
	}
	e.Remedy = g.remedy(a, e.Name, l.List, verdict)
	g.offer(e, a, verdict)
}

// article is the name of a record type in a sentence.
func article(kind string) string {
	if strings.ContainsAny(kind[:1], "AH") {
		return "an " + kind + " record"
	}
	return "a " + kind + " record"
}
