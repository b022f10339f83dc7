package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"deadpixel/lists"
	"deadpixel/lists/owners"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// Verdicts, as `explain` and the API write them.
const (
	verdictBlocked   = "blocked"
	verdictAllowed   = "allowed"
	verdictUntouched = "untouched"
)

// defaultGroup is where every client is (the interface's [groups.default]).
const defaultGroup = "default"

// explain says what becomes of name, by the same rules that answer queries.
func (g *generation) explain(name string, qtype uint16) (ui.Explanation, error) {
	e := ui.Explanation{Type: dns.TypeToString[qtype], Verdict: verdictUntouched, Group: defaultGroup}
	var err error
	if e.Name, err = lists.Normalize(name); err != nil {
		return e, fmt.Errorf("%q is no name: %w", name, err)
	}
	if o, known := owners.Lookup(owners.Embedded(), e.Name); known {
		e.Owner, e.Category = o.Company, o.Category
	}
	if e.Note = g.local.Owns(e.Name); e.Note != "" {
		return e, nil
	}
	found, err := g.store.Explain(e.Name, qtype)
	if err != nil {
		return e, err
	}
	for i, x := range found {
		r := ui.Rule{Verdict: verdictBlocked, List: x.List, Rule: x.Rule, Source: x.Source, Line: x.Line}
		if x.Action == lists.Allow {
			r.Verdict = verdictAllowed
		}
		if i == 0 {
			e.Verdict, e.List, e.Rule, e.Source, e.Line = r.Verdict, r.List, r.Rule, r.Source, r.Line
		} else {
			e.Weaker = append(e.Weaker, r)
		}
	}
	if len(found) == 0 && g.config.Blocking.Canaries && resolver.IsCanary(e.Name) {
		e.Verdict, e.List, e.Rule = verdictBlocked, resolver.CanaryList, e.Name
		e.Source, e.Line = g.config.file, g.config.lines.of("blocking.canaries")
		e.Note = "its NXDOMAIN asks programs not to go around the household's DNS"
	}
	return e, nil
}

// explainFlags are those of the command.
type explainFlags struct {
	client, qtype string
	json, resolve bool
}

func explainCommand(f *flags) *cobra.Command {
	var o explainFlags
	c := &cobra.Command{
		Use:   "explain NAME...",
		Short: "Say whether each name is blocked, allowed or untouched, and why",
		Args:  usage(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			return runExplain(c.Context(), f, o, names, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&o.client, "client", "", "`ADDR` of the client that asks")
	c.Flags().StringVar(&o.qtype, "type", "A", "record `TYPE` that is asked for")
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	c.Flags().BoolVar(&o.resolve, "resolve", false, "ask the upstreams as well, and explain the names behind CNAMEs")
	return c
}

func runExplain(ctx context.Context, f *flags, o explainFlags, names []string, out io.Writer) error {
	qtype, err := parseType(o.qtype)
	if err != nil {
		return errUsage{err}
	}
	if o.client != "" {
		if _, err := netip.ParseAddr(o.client); err != nil {
			return errUsage{fmt.Errorf("--client: %q is no address", o.client)}
		}
	}
	g, err := offline(ctx, f)
	if err != nil {
		return err
	}
	defer g.pools.closeExcept(nil)
	failed := false
	for _, name := range names {
		e, err := g.explain(name, qtype)
		if err == nil && o.resolve {
			err = g.follow(ctx, &e, qtype)
		}
		if err != nil {
			failed = true
			fmt.Fprintf(out, "%s: %v\n", name, err)
			continue
		}
		if o.json {
			if err := json.NewEncoder(out).Encode(e); err != nil {
				return err
			}
			continue
		}
		printExplanation(out, e)
	}
	if failed {
		return errSilent
	}
	return nil
}

// parseType reads a record type by name or as TYPE123 (RFC 3597, section 5).
func parseType(s string) (uint16, error) {
	if s == "" {
		return dns.TypeA, nil
	}
	if t, ok := dns.StringToType[strings.ToUpper(s)]; ok {
		return t, nil
	}
	var n uint16
	if _, err := fmt.Sscanf(strings.ToUpper(s), "TYPE%d", &n); err != nil {
		return 0, fmt.Errorf("%q is no record type: write it like A, AAAA, HTTPS or TYPE65", s)
	}
	return n, nil
}

// offline is a generation on the stored lists that answers no queries.
func offline(ctx context.Context, f *flags) (*generation, error) {
	c, err := f.loadConfig()
	if err != nil {
		return nil, err
	}
	dir, err := c.dataDir(f.data)
	if err != nil {
		return nil, err
	}
	p := parts{dataDir: dir, pause: new(resolver.Pause), log: slog.New(slog.DiscardHandler)}
	g, err := newGeneration(c, nil, p)
	if err != nil {
		return nil, err
	}
	if err := g.load(ctx, p); err != nil {
		g.pools.closeExcept(nil)
		return nil, err
	}
	return g, nil
}

// follow asks the upstreams for e's name, unless it is blocked, and explains
// every name behind it.
func (g *generation) follow(ctx context.Context, e *ui.Explanation, qtype uint16) error {
	if e.Verdict == verdictBlocked {
		return nil // nothing of a blocked name goes to an upstream
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(e.Name), qtype)
	wire, err := m.Pack()
	if err != nil {
		return err
	}
	q := &resolver.Query{Transport: resolver.TCP, Start: time.Now(), MayWait: true} // without a client: asked by deadpixel itself
	if fault := q.Parse(wire); fault != resolver.Sound {
		return fmt.Errorf("%q cannot be asked for", e.Name)
	}
	var a resolver.Answer
	ctx, cancel := context.WithTimeout(ctx, g.config.Upstream.Timeout)
	defer cancel()
	if err := g.resolver.Resolve(ctx, q, &a); err != nil {
		return err
	}
	if a.Hidden != nil {
		return g.uncover(e, string(a.Hidden), a.Reason, qtype)
	}
	if a.List == resolver.RebindList {
		e.Verdict, e.List, e.Rule = verdictBlocked, a.List, e.Name
		e.Source, e.Line = g.config.file, g.config.lines.of("blocking.rebind_protection")
		e.Note = "a public name that leads to a private address; [blocking] rebind_allow spares it"
		return nil
	}
	if err := m.Unpack(a.Wire); err != nil {
		return err
	}
	if m.Rcode != dns.RcodeSuccess {
		e.Note = strings.TrimPrefix(e.Note+"; upstream says "+dns.RcodeToString[m.Rcode], "; ")
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.CNAME:
			hidden, err := g.explain(rr.Target, qtype)
			if err != nil {
				return err
			}
			e.Chain = append(e.Chain, hidden)
		case *dns.A:
			e.Addresses = append(e.Addresses, rr.A.String())
		case *dns.AAAA:
			e.Addresses = append(e.Addresses, rr.AAAA.String())
		}
	}
	return nil
}

// uncover explains that e's name is blocked for what its answer leads to.
func (g *generation) uncover(e *ui.Explanation, hidden string, how resolver.Reason, qtype uint16) error {
	behind, err := g.explain(hidden, qtype)
	if err != nil {
		return err
	}
	e.Chain = append(e.Chain, behind)
	e.Verdict, e.List, e.Rule, e.Source, e.Line = behind.Verdict, behind.List, behind.Rule, behind.Source, behind.Line
	record := "a CNAME"
	if how == resolver.ByHTTPS {
		record = "an HTTPS record"
	}
	e.Note = "its answer leads to " + behind.Name + " by " + record
	return nil
}

// printExplanation writes e for a person.
func printExplanation(out io.Writer, e ui.Explanation) {
	fmt.Fprintf(out, "%s: %s%s\n", e.Name, e.Verdict, by(e.List, e.Rule, e.Source, e.Line))
	if e.Note != "" {
		fmt.Fprintf(out, "  %s\n", e.Note)
	}
	if e.Owner != "" {
		fmt.Fprintf(out, "  belongs to %s (%s)\n", e.Owner, e.Category)
	}
	for _, r := range e.Weaker {
		fmt.Fprintf(out, "  also %s%s\n", r.Verdict, by(r.List, r.Rule, r.Source, r.Line))
	}
	for _, x := range e.Chain {
		fmt.Fprintf(out, "  behind it %s: %s%s\n", x.Name, x.Verdict, by(x.List, x.Rule, x.Source, x.Line))
	}
	if len(e.Addresses) > 0 {
		fmt.Fprintf(out, "  addresses %s\n", strings.Join(e.Addresses, ", "))
	}
}

// by names the rule that decided.
func by(list, rule, source string, line int) string {
	if list == "" {
		return ""
	}
	if line == 0 {
		return fmt.Sprintf(" by list %s, rule %s (%s)", list, rule, source)
	}
	return fmt.Sprintf(" by list %s, rule %s (%s:%d)", list, rule, source, line)
}
