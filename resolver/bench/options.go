//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	deadpixel string
	peers     []string
	wanted    []string // servers; empty means all
	measures  []string
	listFile  string
	rules     int
	million   int
	names     int
	exact     bool
	threads   int
	rounds    int
	queries   int
	seconds   time.Duration
	idle      time.Duration
	away      time.Duration
	lead      time.Duration // of load before and after something happens
	smoke     bool
	keep      bool
	jsonFile  string
	plotFile  string

	growthSteps, clientSteps []int
}

// parse reads the command line.
func parse(args []string, out io.Writer) (options, error) {
	o := options{lead: time.Second, growthSteps: []int{10_000, 100_000, 1_000_000, 5_000_000}, clientSteps: []int{1, 10, 100, 1000, 10_000}}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprintf(out, "bench [flags] [measure...]\n\nMeasures: %s.\nWithout any: %s. \"all\" is all.\n\n",
			strings.Join(names(true), ", "), strings.Join(names(false), ", "))
		f.PrintDefaults()
	}
	f.StringVar(&o.deadpixel, "deadpixel", "", "the `program` to measure (default: built from the module that this is part of)")
	f.Func("peer", "another server: 'name=command with {port} {upstream} {list} {dir} {hosts}' (repeatable)", func(s string) error {
		o.peers = append(o.peers, s)
		return nil
	})
	comma := func(to *[]string) func(string) error {
		return func(s string) error {
			*to = append(*to, strings.Split(s, ",")...)
			return nil
		}
	}
	f.Func("servers", "only these, with commas between", comma(&o.wanted))
	f.Func("measures", "the same as measures behind the flags, with commas between", comma(&o.measures))
	f.StringVar(&o.listFile, "list", "", "a `file` of domains, one a line, .gz too (default: made up names)")
	f.IntVar(&o.rules, "rules", 100_000, "how many names to make up")
	f.IntVar(&o.million, "million", 1_000_000, "how many names the long list has")
	f.IntVar(&o.names, "names", 10_000, "how many names are in the caches")
	f.BoolVar(&o.exact, "exact", false, "ask only for the listed names, not for names below them")
	f.IntVar(&o.threads, "threads", 2, "threads of every server that can have several")
	f.IntVar(&o.rounds, "rounds", 5, "rounds; start, reload, outage, growth and clients have at most 3, memory has 1")
	f.IntVar(&o.queries, "queries", 200_000, "queries in a turn of throughput")
	f.DurationVar(&o.seconds, "seconds", 5*time.Second, "how long a turn of steady lasts")
	f.DurationVar(&o.idle, "idle", 31*time.Second, "how long to wait before memory is looked at")
	f.DurationVar(&o.away, "away", 5*time.Second, "how long the upstream is silent in outage")
	f.StringVar(&o.jsonFile, "json", "", "a `file` for the raw values")
	f.StringVar(&o.plotFile, "plot", "", "a `file` for the drawing of growth and clients, SVG")
	f.BoolVar(&o.keep, "keep", false, "keep the servers' logs")
	f.BoolVar(&o.smoke, "smoke", false, "everything once and tiny: proves that it works, measures nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.measures = append(o.measures, f.Args()...)
	if o.smoke {
		o.small()
	}
	return o, o.complete()
}

// small makes everything tiny.
func (o *options) small() {
	o.rules, o.million, o.names, o.queries, o.rounds = 2000, 20_000, 200, 2000, 1
	o.seconds, o.idle, o.away, o.lead = 500*time.Millisecond, time.Second, 500*time.Millisecond, 300*time.Millisecond
	o.growthSteps, o.clientSteps = []int{1000, 5000}, []int{1, 50}
	if len(o.measures) == 0 {
		o.measures = []string{"all"}
	}
}

// complete checks the numbers and names the measures.
func (o *options) complete() error {
	for name, n := range map[string]int{"rules": o.rules, "million": o.million, "names": o.names, "threads": o.threads, "rounds": o.rounds, "queries": o.queries} {
		if n < 1 {
			return fmt.Errorf("--%s must be at least 1", name)
		}
	}
	if o.names > maxRules/2 {
		return fmt.Errorf("--names must be at most %d", maxRules/2)
	}
	all := names(true)
	switch {
	case len(o.measures) == 0:
		o.measures = names(false)
	case slices.Contains(o.measures, "all"):
		o.measures = all
	}
	for _, m := range o.measures {
		if !slices.Contains(all, m) {
			return fmt.Errorf("no measure %q; there are %s", m, strings.Join(all, ", "))
		}
	}
	return nil
}

// names are those of the measures.
func names(all bool) (some []string) {
	for _, m := range measures {
		if all || m.usual {
			some = append(some, m.name)
		}
	}
	return some
}

// fewRounds is for measures that take long or hardly differ.
func (o *options) fewRounds() int { return min(o.rounds, 3) }
