package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"deadpixel/resolver"
	"deadpixel/ui"
)

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
			return runExplain(c.Context(), f, o, names, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.client, "client", "", "`ADDR` of the client that asks, or its MAC address, \"id:NAME\", or name in [[clients]]")
	c.Flags().StringVar(&o.qtype, "type", "A", "record `TYPE` that is asked for")
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	c.Flags().BoolVar(&o.resolve, "resolve", false, "ask the upstreams as well, and explain what is behind the name")
	return c
}

func runExplain(ctx context.Context, f *flags, o explainFlags, names []string, out, errOut io.Writer) error {
	if _, err := parseType(o.qtype); err != nil {
		return errUsage{err}
	}
	pause := new(resolver.Pause)
	allowed := resolver.NewAllowances()
	g, err := offline(ctx, f, pause, allowed)
	if err != nil {
		return err
	}
	defer g.pools.closeExcept(nil)
	g.warn(errOut, "")
	dir, err := g.config.dataDir(f.data)
	if err != nil {
		return err
	}
	paused, pauseErr := readPauses(dir)
	allowances, allowedErr := readAllowances(dir)
	for _, err := range []error{pauseErr, allowedErr} {
		if err != nil { // the server says so too, and goes on without
			fmt.Fprintf(errOut, "%v (warning)\n", err)
		}
	}
	pause.Restore(paused)
	for _, one := range allowances {
		_ = allowed.Add(one) // as many as the server has
	}
	if err := g.readNeighbours(ctx, o.client); err != nil {
		fmt.Fprintf(errOut, "warning: whose address %s is may be unknown here: %v\n", o.client, err)
	}
	if _, err := g.asker(o.client); err != nil {
		return errUsage{fmt.Errorf("--client: %w", err)}
	}
	failed := false
	for _, name := range names {
		e, err := g.explain(ctx, ui.Question{Name: name, Type: o.qtype, Client: o.client, Resolve: o.resolve})
		switch {
		case err != nil:
			failed = true
			fmt.Fprintf(out, "%s: %v\n", name, err)
		case o.json:
			if err := json.NewEncoder(out).Encode(e); err != nil {
				return err
			}
		default:
			printExplanation(out, e)
		}
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
	digits, ok := strings.CutPrefix(strings.ToUpper(s), "TYPE")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is no record type: write it like A, AAAA, HTTPS or TYPE65", s)
	}
	return uint16(n), nil
}

// offline is a generation on the stored lists that answers no queries.
func offline(ctx context.Context, f *flags, pause *resolver.Pause, allowed *resolver.Allowances) (*generation, error) {
	c, err := f.loadConfig()
	if err != nil {
		return nil, err
	}
	dir, err := c.dataDir(f.data)
	if err != nil {
		return nil, err
	}
	p := parts{dataDir: dir, pause: pause, allowed: allowed, log: slog.New(slog.DiscardHandler)}
	g, err := newGeneration(c, nil, p)
	if err != nil {
		return nil, err
	}
	if err := g.load(ctx, nil, p); err != nil {
		g.pools.closeExcept(nil)
		return nil, err
	}
	return g, nil
}

// warn tells what an offline generation does not know: of rules with a mistake, and
// of each list that is not whole; fetch is what helps where there is no copy.
func (g *generation) warn(errOut io.Writer, fetch string) {
	for _, problem := range g.mistakes {
		fmt.Fprintf(errOut, "%v (warning)\n", problem)
	}
	for _, l := range g.store.Status() {
		message := ""
		switch copied := !l.Updated.IsZero(); {
		case copied && l.LastError == "":
			continue
		case copied:
			message = "its last good copy counts: " + l.LastError
		case l.LastError != "":
			message = "it is left out: " + l.LastError
		default:
			message = "it is left out: it has not been fetched yet" + fetch
		}
		fmt.Fprintf(errOut, "%v (warning)\n", Problem{g.config.file, g.config.lineOfList(l.Name), fmt.Sprintf("list %s: %s", l.Name, message)})
	}
}

// lineOfList is the line of the [[lists]] entry of a name, 0 for a default one.
func (c *Config) lineOfList(name string) int {
	for i, l := range c.Lists {
		if l.Name == name {
			return c.lines.of(fmt.Sprintf("lists[%d].source", i))
		}
	}
	return 0
}

// printExplanation writes e for a person.
func printExplanation(out io.Writer, e ui.Explanation) {
	fmt.Fprintf(out, "%s: %s%s\n", e.Name, e.Verdict, by(e.List, e.Rule, e.Source, e.Line))
	line := func(format string, args ...any) { fmt.Fprintf(out, "  "+format+"\n", args...) }
	if e.Client != "" {
		line("for %s, in group %s", e.Client, e.Group)
	} else if e.Group != resolver.DefaultGroup {
		line("in group %s", e.Group)
	}
	if e.Answer != "" {
		line("the answer is %s", e.Answer)
	}
	if e.Note != "" {
		line("%s", e.Note)
	}
	if len(e.Schedule) > 0 {
		line("the list is on %s", strings.Join(e.Schedule, "; "))
	}
	if e.Owner != "" {
		line("belongs to %s (%s)", e.Owner, e.Category)
	}
	for _, r := range e.Weaker {
		line("also %s%s", r.Verdict, by(r.List, r.Rule, r.Source, r.Line))
	}
	for _, r := range e.Asleep {
		line("would be %s%s, but %s", r.Verdict, by(r.List, r.Rule, r.Source, r.Line), r.Why)
	}
	for _, x := range e.Chain {
		line("-> %s %s: %s%s", x.Type, x.Target, x.Verdict, by(x.List, x.Rule, x.Source, x.Line))
		if x.Owner != "" {
			line("   belongs to %s (%s)", x.Owner, x.Category)
		}
	}
	if len(e.Addresses) > 0 {
		line("addresses %s", strings.Join(e.Addresses, ", "))
	}
	if e.Remedy != nil {
		line("to allow it, in %s: %s", e.Remedy.Table, e.Remedy.Line)
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
