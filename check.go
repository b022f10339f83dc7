package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"deadpixel/lists"
	"deadpixel/lists/owners"
)

func checkCommand(f *flags) *cobra.Command {
	var download bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Read the configuration and every list, and print each problem; start nothing",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return runCheck(c, f, download) },
	}
	c.Flags().BoolVar(&download, "fetch", false, "download the lists as well")
	return c
}

// runCheck prints problems as `file:line: message`. Skipped lines of a list and
// warnings are told, but are no error.
func runCheck(c *cobra.Command, f *flags, download bool) error {
	out := c.OutOrStdout()
	config, err := f.loadConfig()
	if errors.As(err, new(errUsage)) {
		return err
	}
	if err != nil { // the problems are what was asked for, so they go where results go
		fmt.Fprintln(out, message(err))
		return errSilent
	}
	for _, w := range config.warnings() {
		fmt.Fprintf(out, "%v (warning)\n", w)
	}
	if _, err := config.keyPair(); err != nil {
		fmt.Fprintln(out, err) // which says where
		return errSilent
	}
	dir, err := config.dataDir(f.data)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	p, err := newPools(config, nil, log)
	if err != nil {
		return err
	}
	defer p.closeExcept(nil)
	owned, err := newOwnership(c.Context(), config, newFetcher(p.bootstrap, lists.Builtins{}), parts{dataDir: dir, log: log})
	if err != nil {
		fmt.Fprintln(out, message(err))
		return errSilent
	}
	failed := false
	written := readRulesFile(config.rulesFile(dir), config)
	for _, problem := range written.problems {
		failed = true
		fmt.Fprintln(out, problem)
	}
	store, err := openStore(config, lists.Options{Own: config.pageRules(written), Dir: dir, ReadOnly: true, Log: log}, newFetcher(p.bootstrap, lists.Builtins{Owners: func() *owners.Data { return owned.data.Load() }}))
	if err != nil {
		return err
	}
	if owned.remote {
		if download {
			if err := owned.renew(c.Context()); err != nil {
				failed = true
				fmt.Fprintln(out, Problem{config.file, config.lines.of("owners.source"), fmt.Sprintf("owners.source: %v", err)})
			}
		}
		for _, problem := range config.unknownTo(owned.data.Load()) {
			fmt.Fprintf(out, "%v (warning)\n", problem)
		}
	}
	store.Check(c.Context(), download, func(source string, line int, severity, message string) {
		if owned.remote && fromOwners(source) && severity == lists.SeverityError {
			return // told above, with the line that names it
		}
		problem := Problem{source, line, message}
		if severity != lists.SeverityError {
			fmt.Fprintf(out, "%v (%s)\n", problem, severity)
			return
		}
		failed = true
		fmt.Fprintln(out, problem)
	})
	if failed {
		return errSilent
	}
	fmt.Fprintf(out, "%s and its %d lists are fine\n", config.file, len(config.allLists()))
	return nil
}
