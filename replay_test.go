package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// file writes a file beside the program's configuration.
func (p *program) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// replayed runs `replay --json` and takes its lines apart.
func (p *program) replayed(args ...string) (found map[string]difference, s summary, warnings string) {
	p.t.Helper()
	var out, errOut strings.Builder
	args = append([]string{"replay", "--json", "--config", p.config, "--data", filepath.Join(p.dir, "data")}, args...)
	if status := run(p.t.Context(), args, strings.NewReader(""), &out, &errOut); status != 0 {
		p.t.Fatalf("status %d: %s", status, errOut.String())
	}
	found = map[string]difference{}
	for line := range strings.Lines(out.String()) {
		var x struct {
			difference
			Summary *summary
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			p.t.Fatalf("%v: %s", err, line)
		}
		if x.Summary != nil {
			return found, *x.Summary, errOut.String()
		}
		found[x.Name] = x.difference
	}
	p.t.Fatalf("no summary in %s", out.String())
	return nil, s, ""
}

const householdLog = `tracker.example A 192.0.2.7
tracker.example AAAA 192.0.2.7
tracker.example A 192.0.2.8
cdn.tracker.example A 192.0.2.7
needed.example A 192.0.2.7
both.example A 192.0.2.7
www.example.org A 192.0.2.7
use-application-dns.net A 192.0.2.7
nas.home.arpa A 192.0.2.7
`

// twoConfigurations are a present one and a new one, which adds a list.
func twoConfigurations(t *testing.T) (p *program, next, log string) {
	p = prepare(t, "lists = []\n[blocking]\ndeny = [\"both.example\", \"needed.example\"]\n")
	p.file("new.txt", "# ours\ntracker.example\nboth.example\n")
	next = p.file("new.toml", "[blocking]\ncanaries = false\nallow = [\"needed.example\"]\n[[lists]]\nname = \"new\"\nsource = \"new.txt\"\n[local]\n\"nas.home.arpa\" = [\"192.168.1.2\"]\n")
	return p, next, p.file("queries.txt", householdLog)
}

func TestReplayNewConfiguration(t *testing.T) {
	p, next, log := twoConfigurations(t)
	found, s, warnings := p.replayed(log, "--new", next, "--all", "--clients")
	if warnings != "" {
		t.Errorf("warnings: %s", warnings)
	}
	want := summary{Queries: 9, Names: 7, BlockedBefore: 3, BlockedAfter: 4, NewlyBlocked: 1, Unblocked: 2, OtherRule: 2}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	for name, want := range map[string]string{
		"tracker.example": "newly blocked, 3 by [192.0.2.7 192.0.2.8] for [A AAAA]: untouched; blocked by list new, rule tracker.example (new.txt:2)",
		"needed.example": fmt.Sprintf("unblocked, 1 by [192.0.2.7] for [A]: blocked by list config, rule needed.example (%s:3); allowed by list config, rule needed.example (%s:3)",
			p.config, next),
		"both.example": fmt.Sprintf("another rule, 1 by [192.0.2.7] for [A]: blocked by list config, rule both.example (%s:3); blocked by list new, rule both.example (new.txt:3)", p.config),
		"nas.home.arpa": "another rule, 1 by [192.0.2.7] for [A]: untouched (a name of this house or of a standard: it is answered here and never leaves); " +
			"untouched ([local] answers for it)",
		"use-application-dns.net": fmt.Sprintf("unblocked, 1 by [192.0.2.7] for [A]: blocked by list canary, rule use-application-dns.net (%s:2) (its NXDOMAIN asks programs not to go around the household's DNS); untouched", p.config),
	} {
		x := found[name]
		got := fmt.Sprintf("%s, %d by %v for %v: %v; %v", x.Change, x.Queries, x.Addresses, x.Types, x.Before, x.After)
		if got != want || x.Clients != len(x.Addresses) {
			t.Errorf("%s:\n got %s, %d clients\nwant %s", name, got, x.Clients, want)
		}
	}
	if len(found) != 5 {
		t.Errorf("%d names have changed: %v", len(found), found)
	}
	if found, _, _ := p.replayed(log, "--new", next); len(found) != 3 || found["tracker.example"].Addresses != nil {
		t.Errorf("without --all and --clients: %v", found)
	}
	if found, s, _ := p.replayed(log, "--new", next, "--client", "192.0.2.8"); len(found) != 1 || s.Queries != 1 {
		t.Errorf("of one client: %v, %+v", found, s)
	}
}

func TestReplayForAPerson(t *testing.T) {
	p, next, log := twoConfigurations(t)
	status, out := p.command("replay", log, "--new", next)
	if status != 0 || !strings.HasPrefix(out, `tracker.example: newly blocked, 3 queries by 2 clients
  before untouched
  after blocked by list new, rule tracker.example (new.txt:2)
`) || !strings.HasSuffix(out, `9 queries for 7 names
blocked before: 3 queries (33.3 %); after: 4 queries (44.4 %)
newly blocked: 1 name; unblocked: 2 names; by another rule: 2 names
`) || strings.Contains(out, "192.0.2.") {
		t.Errorf("status %d, got\n%s", status, out)
	}
	if _, out := p.command("replay", log, "--new", next, "--clients"); !strings.Contains(out, "  asked by 192.0.2.7, 192.0.2.8\n") {
		t.Errorf("with --clients:\n%s", out)
	}
	status, out = p.command("replay", log)
	if status != 0 || !strings.HasPrefix(out, "both.example: blocked, 1 query by 1 client\n  after blocked by list config, rule both.example (") ||
		!strings.HasSuffix(out, "9 queries for 7 names\nblocked: 3 queries (33.3 %), 3 names\n") {
		t.Errorf("under the present configuration: status %d, got\n%s", status, out)
	}
}

// Without --new, what the log says is compared with what the configuration does.
func TestReplayAgainstTheLog(t *testing.T) {
	p := prepare(t, "lists = []\n[blocking]\ndeny = [\"www.example.org\", \"both.example\"]\n")
	log := p.file("pihole.log", `dnsmasq[7]: query[A] tracker.example from 192.0.2.7
dnsmasq[7]: gravity blocked tracker.example is 0.0.0.0
dnsmasq[7]: query[A] both.example from 192.0.2.7
dnsmasq[7]: exactly denied both.example is 0.0.0.0
dnsmasq[7]: query[A] printer.lan from 192.0.2.7
dnsmasq[7]: config printer.lan is NXDOMAIN
dnsmasq[7]: query[A] www.example.org from 192.0.2.7
dnsmasq[7]: forwarded www.example.org to 192.0.2.53
dnsmasq[7]: query[A] www.example.org from 192.0.2.8
dnsmasq[7]: query[A] open.example from 192.0.2.8
dnsmasq[7]: cached open.example is 192.0.2.1
`)
	found, s, _ := p.replayed(log)
	if want := (summary{Queries: 6, Names: 5, BlockedBefore: 3, BlockedAfter: 3, Unknown: 1, NewlyBlocked: 1, Unblocked: 1}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if x := found["tracker.example"]; x.Change != unblocked || x.Before.Note != "the log says so" || x.After.Verdict != verdictUntouched {
		t.Errorf("tracker.example: %+v", x)
	}
	if x := found["www.example.org"]; x.Change != newlyBlocked || x.Queries != 1 || x.After.Rule.Rule != "www.example.org" {
		t.Errorf("www.example.org: %+v", x)
	}
	if len(found) != 2 {
		t.Errorf("%d names have changed: %v", len(found), found)
	}
	if _, out := p.command("replay", log); !strings.Contains(out, "of 1 query the log does not say what became\n") {
		t.Errorf("got\n%s", out)
	}
}

// A list without a copy is named, and downloaded for the run when that is asked for.
func TestReplayFetch(t *testing.T) {
	var asked atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "||tracker.example^\n")
	}))
	defer source.Close()
	p := prepare(t, fmt.Sprintf("[[lists]]\nname = \"remote\"\nsource = %q\n[[lists]]\nname = \"gone\"\nsource = \"nowhere.txt\"\n", source.URL))
	log := p.file("queries.txt", "cdn.tracker.example\nstrange..example\n")
	found, s, warnings := p.replayed(log)
	if len(found) != 0 || asked.Load() != 0 || s.NotUnderstood != 1 {
		t.Errorf("without --fetch: %v, %+v, asked %d times", found, s, asked.Load())
	}
	for _, want := range []string{p.config + ":3: list remote: it is left out: it has not been fetched yet", p.config + ":6: list gone: it is left out: ", log + ":2: empty label (not understood)"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no %q in\n%s", want, warnings)
		}
	}
	found, _, warnings = p.replayed(log, "--fetch")
	if x := found["cdn.tracker.example"]; x.Change != nowBlocked || x.After.Rule.Rule != "tracker.example" || x.After.Line != 1 || asked.Load() != 1 {
		t.Errorf("with --fetch: %+v, asked %d times", x, asked.Load())
	}
	if strings.Contains(warnings, "list remote") || !strings.Contains(warnings, "list gone") {
		t.Errorf("warnings: %s", warnings)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "data")); err == nil {
		t.Error("something was stored")
	}
	source.Close()
	if _, _, warnings := p.replayed(log, "--fetch"); !strings.Contains(warnings, "list remote: it is left out: ") {
		t.Errorf("when the source does not answer: %s", warnings)
	}
}

func TestReplayFails(t *testing.T) {
	p, _, log := twoConfigurations(t)
	bad := p.file("bad.toml", "[blocking]\nresponse = \"perhaps\"\n")
	empty := p.file("empty.log", "")
	cases := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no file", nil, 2, "accepts 1 arg"},
		{"no configuration named", []string{log, "--new", ""}, 2, "--new: name the file"},
		{"no address", []string{log, "--client", "tablet"}, 2, `--client: "tablet" is no address`},
		{"missing log", []string{log + ".not"}, 1, "deadpixel: " + log + ".not: no such file"},
		{"a directory", []string{p.dir}, 1, p.dir + ": "},
		{"empty log", []string{empty}, 1, empty + ": there is no query in it"},
		{"empty standard input", []string{"-"}, 1, "standard input: there is no query in it"},
		{"missing configuration", []string{log, "--new", bad + ".not"}, 1, bad + ".not: no such file"},
		{"fault in the new configuration", []string{log, "--new", bad}, 1, bad + ":2: blocking.response"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, out := p.command(append([]string{"replay"}, c.args...)...)
			if status != c.status || !strings.Contains(out, c.says) {
				t.Errorf("status %d, want %d; %q is wanted in\n%s", status, c.status, c.says, out)
			}
		})
	}
}

// Who waits for a pipe can be stopped.
func TestReplayStops(t *testing.T) {
	p := prepare(t, "lists = []\n")
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		var out strings.Builder
		ended <- run(ctx, []string{"replay", "-", "--config", p.config, "--data", filepath.Join(p.dir, "data")}, in, &out, &out)
	}()
	cancel()
	select {
	case status := <-ended:
		if status != 1 {
			t.Errorf("status %d", status)
		}
	case <-time.After(patience):
		t.Error("it does not stop")
	}
}
