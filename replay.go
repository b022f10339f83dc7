package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"deadpixel/resolver"
)

// replayFlags are those of the command.
type replayFlags struct {
	next, client              string
	json, fetch, all, clients bool
}

func replayCommand(f *flags, in io.Reader) *cobra.Command {
	var o replayFlags
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Say what would become of the queries of a log, and what a new configuration would change",
		Long: `Say what would become of the queries of a log.

FILE is one name a line (perhaps with a record type and a client's address), a log of Pi-hole or dnsmasq, Pi-hole's
database as CSV, what its API answers, or AdGuard Home's querylog.json; plain or gzip; "-" is the standard input.

With --new, every query is judged under the present configuration and under that one, and what differs is printed.
Without, what the log says happened is compared with what the present configuration does.

Names are judged by themselves, and nothing is asked upstream: what hides behind a CNAME is not seen. Nothing is stored.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("new") && o.next == "" {
				return errUsage{errors.New("--new: name the file of the new configuration")}
			}
			return runReplay(c.Context(), f, o, args[0], in, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.next, "new", "", "configuration `FILE` to compare with the present one")
	c.Flags().StringVar(&o.client, "client", "", "only what the client at `ADDR` asked; queries of no named client count as its")
	c.Flags().BoolVar(&o.clients, "clients", false, "name the clients' addresses")
	c.Flags().BoolVarP(&o.all, "all", "a", false, "print as well what only another rule decides")
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line, and a summary as the last one")
	c.Flags().BoolVar(&o.fetch, "fetch", false, "download lists of which there is no stored copy, for this run")
	return c
}

func runReplay(ctx context.Context, f *flags, o replayFlags, file string, in io.Reader, out, errOut io.Writer) error {
	var only netip.Addr
	if o.client != "" {
		var err error
		if only, err = netip.ParseAddr(o.client); err != nil {
			return errUsage{fmt.Errorf("--client: %q is no address", o.client)}
		}
	}
	c := new(comparison)
	var err error
	if c.after, err = complete(ctx, f, o.fetch, errOut); err != nil {
		return err
	}
	defer c.after.pools.closeExcept(nil)
	if o.next != "" {
		next := *f
		next.config = o.next
		c.before = c.after
		if c.after, err = complete(ctx, &next, o.fetch, errOut); err != nil {
			return err
		}
		defer c.after.pools.closeExcept(nil)
	}
	c.log, err = openQueryLog(ctx, file, in, only.Unmap().WithZone(""))
	if file == standardInput {
		file = "standard input"
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	c.log.warn(file, errOut)
	c.compare()
	if !o.all {
		c.withoutReasons()
	}
	c.explain()
	w := bufio.NewWriter(out)
	if o.json {
		err = c.encode(w, o.clients)
	} else {
		c.print(w, o.clients)
	}
	return errors.Join(err, w.Flush())
}

// complete is an offline generation. With fetch, lists without a copy are downloaded
// first, into memory only.
func complete(ctx context.Context, f *flags, fetch bool, errOut io.Writer) (*generation, error) {
	g, err := offline(ctx, f, new(resolver.Pause), nil)
	if err != nil {
		return nil, err
	}
	for _, l := range g.store.Status() {
		if fetch && l.Updated.IsZero() {
			_ = g.store.Refresh(ctx, l.Name, false) // its status says what went wrong
		}
	}
	if ctx.Err() != nil {
		g.pools.closeExcept(nil)
		return nil, ctx.Err()
	}
	g.warn(errOut, "; `--fetch` downloads it for this run")
	return g, nil
}

// standardInput is how the argument for it is written.
const standardInput = "-"

// openQueryLog reads file, or in when that is standardInput. It returns when ctx ends, even
// while it waits for somebody to type.
func openQueryLog(ctx context.Context, file string, in io.Reader, only netip.Addr) (*queryLog, error) {
	if file != standardInput {
		f, err := os.Open(file)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		defer f.Close()
		return readQueryLog(ctx, f, only)
	}
	type result struct {
		log *queryLog
		err error
	}
	read := make(chan result, 1)
	go func() {
		l, err := readQueryLog(ctx, in, only)
		read <- result{l, err}
	}()
	select {
	case r := <-read:
		return r.log, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// warn tells what of the log does not count.
func (l *queryLog) warn(file string, errOut io.Writer) {
	for _, f := range l.faults {
		p := Problem{file, f.number, f.reason}
		if l.format == jsonDocument {
			p = Problem{file, 0, fmt.Sprintf("query %d: %s", f.number, f.reason)}
		}
		fmt.Fprintf(errOut, "%v (not understood)\n", p)
	}
	if more := l.strange - len(l.faults); more > 0 {
		fmt.Fprintf(errOut, "%s: %d more are not understood\n", file, more)
	}
	if l.left > 0 {
		fmt.Fprintf(errOut, "%s: %d queries are left out, which came after %d different ones\n", file, l.left, maxAsked)
	}
}

// encode writes the changes and the summary, an object a line.
func (c *comparison) encode(out io.Writer, clients bool) error {
	e := json.NewEncoder(out)
	for _, x := range c.changes {
		if clients {
			x.Addresses = x.addresses()
		}
		if err := e.Encode(x); err != nil {
			return err
		}
	}
	return e.Encode(map[string]summary{"summary": c.summary})
}

// print writes the changes and the summary for a person.
func (c *comparison) print(out io.Writer, clients bool) {
	for _, x := range c.changes {
		fmt.Fprintf(out, "%s: %s, %s", x.Name, x.Change, counted(x.Queries, "query", "queries"))
		if x.Clients > 0 {
			fmt.Fprintf(out, " by %s", counted(x.Clients, "client", "clients"))
		}
		fmt.Fprintln(out)
		if x.before.verdict != verdictUnknown {
			fmt.Fprintf(out, "  before %v\n", x.Before)
		}
		fmt.Fprintf(out, "  after %v\n", x.After)
		if x.Owner != "" {
			fmt.Fprintf(out, "  belongs to %s (%s)\n", x.Owner, x.Category)
		}
		if clients && x.Clients > 0 {
			fmt.Fprintf(out, "  asked by %s\n", strings.Join(x.addresses(), ", "))
		}
	}
	s := &c.summary
	fmt.Fprintf(out, "%s for %s\n", counted(s.Queries, "query", "queries"), counted(s.Names, "name", "names"))
	if s.Unknown == s.Queries {
		fmt.Fprintf(out, "blocked: %s, %s\n", share(s.BlockedAfter, s.Queries), counted(s.NewlyBlocked, "name", "names"))
		return
	}
	fmt.Fprintf(out, "blocked before: %s; after: %s\n", share(s.BlockedBefore, s.Queries), share(s.BlockedAfter, s.Queries))
	fmt.Fprintf(out, "newly blocked: %s; unblocked: %s", counted(s.NewlyBlocked, "name", "names"), counted(s.Unblocked, "name", "names"))
	if c.before != nil {
		fmt.Fprintf(out, "; by another rule: %s", counted(s.OtherRule, "name", "names"))
	}
	fmt.Fprintln(out)
	if s.Unknown > 0 {
		fmt.Fprintf(out, "of %s the log does not say what became\n", counted(s.Unknown, "query", "queries"))
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// share is a number of queries and how many percent of all they are.
func share(n, all int) string {
	return fmt.Sprintf("%s (%.1f %%)", counted(n, "query", "queries"), 100*float64(n)/float64(all))
}
