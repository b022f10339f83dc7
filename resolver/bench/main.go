//go:build linux

// Command bench measures deadpixel beside other DNS servers, and beside the
// least that any program in Go must do for a packet. It prints one table.
// Everything happens on loopback addresses.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && slices.Contains([]string{modeFloor, modeFloorBatch, modeStub}, os.Args[1]) {
		fmt.Fprintln(os.Stderr, serveMode(os.Args[1], os.Args[2]))
		os.Exit(1)
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run measures, and says whether every answer was right.
func run(ctx context.Context, o options) (good bool, err error) {
	// A reply must wake its reader at once, whatever else of the generator runs.
	runtime.GOMAXPROCS(max(8, runtime.NumCPU()))
	// Nor may collecting garbage take the processors from a server: it waits for
	// the end of a turn, unless there is very much.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(2 << 30)
	b := &bench{options: o}
	if b.dir, err = os.MkdirTemp("", "deadpixel-bench-"); err != nil {
		return false, err
	}
	if !o.keep {
		defer os.RemoveAll(b.dir)
	}
	if err := b.prepare(ctx); err != nil {
		return false, err
	}
	defer b.stub.stop()

	for _, m := range measures {
		if !slices.Contains(o.measures, m.name) {
			continue
		}
		if err = m.run(b, ctx); err != nil {
			break // what there is by now is still worth telling
		}
	}
	fmt.Print(b.header(), "\n", b.markdown())
	for _, n := range b.notes {
		fmt.Print("\n", n, "\n")
	}
	return !b.bad, errors.Join(err, b.write())
}

// prepare makes the work, finds the servers and starts their upstream.
func (b *bench) prepare(ctx context.Context) error {
	var list []string
	var set map[string]bool
	var err error
	if b.listFile != "" {
		list, set, err = readList(b.listFile)
	} else {
		list, err = generate(b.rules)
	}
	if err != nil {
		return err
	}
	b.list = newWork(list, set, b.names, b.exact)
	if b.deadpixel == "" {
		b.say("building deadpixel")
		b.deadpixel = filepath.Join(b.dir, "deadpixel")
		if err := build(ctx, b.deadpixel); err != nil {
			return err
		}
	}
	if b.deadpixel, err = filepath.Abs(b.deadpixel); err != nil {
		return err
	}
	if err := b.choose(); err != nil {
		return err
	}
	return b.startStub(ctx)
}

// build builds the program of the module in which this is run.
func build(ctx context.Context, to string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w (--deadpixel names a program that is built already)", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	cmd.Dir = strings.TrimSpace(string(root))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// choose keeps the servers that are here and wanted.
func (b *bench) choose() error {
	all, err := kinds(b.deadpixel)
	if err != nil {
		return err
	}
	for _, text := range b.peers {
		k, err := another(text)
		if err != nil {
			return err
		}
		all = append(all, k)
	}
	var known, absent []string
	for _, k := range all {
		known = append(known, k.name)
		switch {
		case len(b.wanted) > 0 && !slices.Contains(b.wanted, k.name):
		case k.path == "":
			absent = append(absent, k.name)
		default:
			b.kinds = append(b.kinds, k)
			b.results.servers = append(b.results.servers, k.name)
		}
	}
	for _, s := range b.wanted {
		if !slices.Contains(known, s) {
			return fmt.Errorf("no server %q; there are %s", s, strings.Join(known, ", "))
		}
	}
	if len(absent) > 0 {
		b.note("Absent on this machine: %s.", strings.Join(absent, ", "))
	}
	return nil
}

// stamp is the time that some put before all that they say.
var stamp = regexp.MustCompile(`^\w+ +\d+ [\d:]+ `)

// header tells where and with what this was measured.
func (b *bench) header() string {
	var u syscall.Utsname
	syscall.Uname(&u)
	release := strings.Builder{}
	for _, c := range u.Release {
		if c != 0 {
			release.WriteByte(byte(c))
		}
	}
	source := fmt.Sprintf("%s made up", figure(float64(len(b.list.list))))
	if b.listFile != "" {
		source = fmt.Sprintf("%s of %s", figure(float64(len(b.list.list))), filepath.Base(b.listFile))
	}
	var t strings.Builder
	fmt.Fprintf(&t, "%s, Linux %s, %s, %d processors, %s. Rules: %s; long list: %s. Threads: %d. Rounds: %d; median (minimum–maximum).\n\n",
		time.Now().UTC().Format(time.DateOnly), release.String(), processor(), runtime.NumCPU(), runtime.Version(),
		source, figure(float64(b.million)), b.threads, b.rounds)
	for _, k := range b.kinds {
		if k.version != nil {
			fmt.Fprintf(&t, "- %s: %s\n", k.name, stamp.ReplaceAllString(output(k.path, k.version...), ""))
		}
	}
	return t.String()
}

// processor is the model that the kernel tells.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// write writes the files that were asked for.
func (b *bench) write() error {
	var failed error
	if b.jsonFile != "" {
		text, err := json.MarshalIndent(map[string]any{"header": b.header(), "rows": b.rows, "notes": b.notes}, "", "\t")
		failed = errors.Join(err, os.WriteFile(b.jsonFile, append(text, '\n'), 0o644))
	}
	if b.plotFile != "" {
		if len(b.plot.panels) == 0 {
			return errors.Join(failed, errors.New("--plot: only growth and clients are drawn, and neither was measured"))
		}
		failed = errors.Join(failed, os.WriteFile(b.plotFile, []byte(b.plot.svg()), 0o644))
	}
	return failed
}
