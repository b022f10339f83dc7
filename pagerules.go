package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// allowedFile is where what is allowed for a while outlives the program, in the
// data directory. What is allowed for one address is not in it: no address of a
// device is ever written down.
const allowedFile = "allowed.json"

// maxAllowed bounds for how long something is allowed "for a while".
const maxAllowed = 30 * 24 * time.Hour

// storedAllowance is one allowance in that file.
type storedAllowance struct {
	Name   string    `json:"name"`
	Group  string    `json:"group,omitempty"`
	Client string    `json:"client,omitempty"`
	Until  time.Time `json:"until"`
}

// restoreAllowances takes over what was allowed for a while when the program ended.
// A file that cannot be read is told and counts as none.
func (s *server) restoreAllowances(dir string) {
	all, err := readAllowances(dir)
	if err != nil {
		s.log.Error("what was allowed for a while cannot be read; everything is blocked as configured", "err", err)
	}
	for _, one := range all {
		if err := s.allowed.Add(one); err != nil {
			s.log.Error("what was allowed for a while is not all taken over", "err", err)
			return
		}
	}
}

// readAllowances reads what is allowed for a while.
func readAllowances(dir string) ([]resolver.Allowance, error) {
	stored, err := readState[storedAllowance](filepath.Join(dir, allowedFile))
	var all []resolver.Allowance
	for _, a := range stored {
		if name, err := lists.Normalize(a.Name); err == nil && name != "" {
			all = append(all, resolver.Allowance{Name: name, Group: a.Group, Client: a.Client, Until: a.Until})
		}
	}
	return all, err
}

// storeAllowances writes down what is allowed for a while. It holds also when that
// fails, which is told. The caller holds s.ruling.
func (s *server) storeAllowances() {
	var stored []storedAllowance
	for _, a := range s.allowed.All(time.Now()) {
		if !a.Address.IsValid() {
			stored = append(stored, storedAllowance{a.Name, a.Group, a.Client, a.Until})
		}
	}
	if err := writeState(filepath.Join(s.dataDir(s.current.Load().config), allowedFile), stored); err != nil {
		s.log.Error("what is allowed for a while will not outlive a restart", "err", err)
	}
}

// pageRules is the ui.Rules.
type pageRules struct{ s *server }

// Written implements ui.Rules.
func (p pageRules) Written() ui.Written {
	g := p.s.current.Load()
	f := readRulesFile(g.rulesBy, g.config)
	w := ui.Written{File: g.rulesBy, Rules: []ui.WrittenRule{}, Allowed: []ui.Allowed{}, Problems: []string{}}
	for _, s := range f.sections {
		for _, r := range s.rules {
			one := ui.WrittenRule{Rule: r.text, Action: "deny", Group: s.group, Line: r.line + 1}
			if r.allows {
				one.Action = "allow"
			}
			w.Rules = append(w.Rules, one)
		}
	}
	for _, problem := range f.problems {
		w.Problems = append(w.Problems, problem.Error())
	}
	for _, a := range p.s.allowed.All(time.Now()) {
		one := ui.Allowed{Name: a.Name, Group: a.Group, Client: a.Client, Until: a.Until}
		if a.Address.IsValid() {
			one.Client = a.Address.String()
		}
		w.Allowed = append(w.Allowed, one)
	}
	return w
}

// Add implements ui.Rules.
func (p pageRules) Add(r ui.Ruling) error {
	if err := p.known(r); err != nil {
		return err
	}
	p.s.ruling.Lock()
	defer p.s.ruling.Unlock()
	if r.Duration != 0 {
		return p.allowFor(r)
	}
	text, err := ruleText(r.Rule, r.Allow)
	if err == nil && r.Client != "" {
		text, err = forClient(text, r.Client)
	}
	if err == nil {
		err = p.edit(func(f *rulesFile) bool { return f.add(r.Group, text) })
	}
	if err == nil && r.Allow {
		p.answers(r, r.Rule)
	}
	return err
}

// allowFor allows a name for a while. The caller holds s.ruling.
func (p pageRules) allowFor(r ui.Ruling) error {
	one, err := newAllowance(r)
	switch {
	case err != nil:
		return err
	case !r.Allow:
		return errors.New("for a while, a name can only be allowed; without a duration it is denied for good")
	case r.Duration < 0 || r.Duration > maxAllowed:
		return fmt.Errorf("the duration is at most %v; without one, the name is allowed for good", maxAllowed)
	}
	one.Until = time.Now().Add(r.Duration).Round(time.Second)
	if err := p.s.allowed.Add(one); err != nil {
		return err
	}
	p.s.storeAllowances()
	p.s.log.Info("a name is allowed for a while", "for", r.Duration, "group", r.Group)
	p.answers(r, one.Name)
	return nil
}

// newAllowance is what a ruling for a while is about, without its end.
func newAllowance(r ui.Ruling) (resolver.Allowance, error) {
	one := whose(r)
	rules, err := lists.ParseRule(r.Rule, lists.Allow)
	if err != nil {
		return one, err
	}
	if len(rules) != 1 || rules[0].Shape != lists.Subtree || rules[0].Important || len(rules[0].Clients)+len(rules[0].Types)+len(rules[0].DenyAllow) > 0 || rules[0].Rewrite != nil {
		return one, fmt.Errorf("%q: for a while, write just a name; it is allowed with everything below it", r.Rule)
	}
	one.Name = rules[0].Name
	return one, nil
}

// Remove implements ui.Rules.
func (p pageRules) Remove(r ui.Ruling) error {
	p.s.ruling.Lock()
	defer p.s.ruling.Unlock()
	found := false
	if one, err := newAllowance(r); err == nil {
		if found = p.s.allowed.Remove(one); found {
			p.s.storeAllowances()
		}
	}
	text := strings.TrimSpace(r.Rule)
	if _, err := lists.ParseRule(text, lists.Deny); err != nil {
		return err
	}
	if r.Client != "" {
		var err error
		if text, err = forClient(text, r.Client); err != nil {
			return err
		}
	}
	var there bool
	err := p.edit(func(f *rulesFile) bool {
		there = f.remove(r.Group, text)
		return there
	})
	if err == nil && !found && !there {
		err = fmt.Errorf("there is no such rule: %q: %w", r.Rule, ui.ErrNotFound)
	}
	return err
}

// forClient is a rule for one client only: the name of an entry or an address.
func forClient(text, client string) (string, error) {
	bare, allows := strings.CutPrefix(text, "@@")
	if rules, err := lists.ParseRule(bare, lists.Deny); err == nil && len(rules) == 1 && rules[0].Shape == lists.Subtree && !strings.ContainsAny(bare, "|^$") {
		text = "||" + bare + "^"
		if allows {
			text = "@@" + text
		}
	}
	mark := "$"
	if strings.Contains(text, "^$") {
		mark = ","
	}
	text += mark + "client='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(client) + "'"
	rules, err := lists.ParseRule(text, lists.Deny)
	if err != nil {
		return "", err
	}
	if len(rules) != 1 || len(rules[0].Clients) != 1 {
		return "", fmt.Errorf("%q cannot be for one client: write a name", text)
	}
	return text, nil
}

// edit changes the file of rules as it is now, and puts them to use. The caller
// holds s.ruling.
func (p pageRules) edit(change func(*rulesFile) bool) error {
	g := p.s.current.Load()
	f := readRulesFile(g.rulesBy, g.config)
	if f.unreadable != nil {
		return fmt.Errorf("the rules cannot be read, so nothing is changed: %w", f.unreadable)
	}
	if !change(f) {
		return nil
	}
	if err := f.write(); err != nil {
		return fmt.Errorf("the rules cannot be written ([blocking] rules_file says where): %w", err)
	}
	f = parseRulesFile(f.path, f.text(), g.config) // with the lines of now
	own, _ := g.config.own()
	if err := g.store.ReplaceOwn(append(own, g.config.pageRules(f)...)); err != nil {
		return err
	}
	p.s.log.Info("rules are changed by the page", "file", f.path)
	return nil
}

// known says whether those whom a ruling is for exist.
func (p pageRules) known(r ui.Ruling) error {
	to := whose(r)
	return pauser(p).known(ui.Target{Group: to.Group, Client: to.Client})
}

// whose is for whom a ruling is, as an allowance without a name has it.
func whose(r ui.Ruling) resolver.Allowance {
	if ip, err := netip.ParseAddr(r.Client); err == nil {
		return resolver.Allowance{Group: r.Group, Address: ip.Unmap().WithZone("")}
	}
	return resolver.Allowance{Group: r.Group, Client: r.Client}
}

// answers drops the wishes that a ruling grants.
func (p pageRules) answers(r ui.Ruling, written string) {
	granted := whose(r)
	p.s.requests.settle(written, func(q request) bool {
		a := p.s.current.Load().askerAt(q.address)
		return granted.For(a.policy, &a.who)
	})
}
