// Command deadpixel is a DNS sinkhole: it answers queries for tracker domains
// with NXDOMAIN and forwards the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// flags are the global flags and those of `serve`.
type flags struct {
	config   string
	data     string
	logLevel string
	listen   []string
	web      string
	webSet   bool // --web was given, perhaps as ""
	debug    string
}

// errUsage marks wrong usage: exit status 2.
type errUsage struct{ error }

// errSilent is a failure that has already been reported.
var errSilent = errors.New("already reported")

// run executes one command line and returns the exit status: 0 fine, 1 the run
// failed, 2 wrong usage.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := commands(in, out)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var usage errUsage
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "deadpixel: %v\nrun `deadpixel --help` for the usage\n", err)
		return 2
	}
	fmt.Fprintln(errOut, message(err))
	return 1
}

// message prints problems as they stand, each on its line, and names the program
// before everything else.
func message(err error) string {
	var lines []string
	for _, e := range each(err) {
		line := e.Error()
		if !errors.As(e, new(Problem)) {
			line = "deadpixel: " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// commands is the command line.
func commands(in io.Reader, out io.Writer) *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:           "deadpixel",
		Short:         "A DNS sinkhole: trackers get NXDOMAIN, the rest is forwarded",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			f.webSet = c.Flags().Changed("web")
			return serveCommand(c.Context(), f, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	all := root.PersistentFlags()
	all.StringVar(&f.config, "config", "", "configuration `FILE` (default ./config.toml, then /etc/deadpixel/config.toml, then the built-in one)")
	all.StringVar(&f.data, "data", "", "`DIR` for compiled lists and downloaded copies")
	all.StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error")

	serve := &cobra.Command{Use: "serve", Short: "Run the server in the foreground", Args: usage(cobra.NoArgs), RunE: root.RunE}
	for _, c := range []*cobra.Command{root, serve} {
		c.Flags().StringArrayVar(&f.listen, "listen", nil, "DNS `ADDR` to listen on, instead of [dns] listen (repeatable)")
		c.Flags().StringVar(&f.debug, "debug", "", "loopback `ADDR` that serves profiles (net/http/pprof)")
		c.Flags().StringVar(&f.web, "web", "", "`ADDR` of the page, instead of [web] listen; \"\" turns it off")
	}
	root.AddCommand(serve, checkCommand(&f), explainCommand(&f), pauseCommand(&f), resumeCommand(&f), replayCommand(&f, in), reportCommand(&f), passwordCommand(in), tokenCommand(),
		&cobra.Command{Use: "config", Short: "Print the annotated default configuration", Args: usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				_, err := io.WriteString(out, defaultConfig)
				return err
			}},
		&cobra.Command{Use: "version", Short: "Print version, commit and Go version", Args: usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				b := buildInfo()
				_, err := fmt.Fprintf(out, "deadpixel %s, commit %s, %s\n", b.version, b.commit, runtime.Version())
				return err
			}},
	)
	return root
}

// usage marks a refusal of arguments as wrong usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return errUsage{err}
		}
		return nil
	}
}
