package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// output runs an external program to its end.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, external(t, program), args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func wantIn(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// What people ask with understands the answers.
func TestDigAndKdig(t *testing.T) {
	external(t, "dig")
	external(t, "kdig")
	up := newInternet(t)
	p := prepare(t, basics(up.address)+starterList).start()
	host, port, err := net.SplitHostPort(p.dns)
	if err != nil {
		t.Fatal(err)
	}
	dig := func(args ...string) string {
		return output(t, "dig", append([]string{"@" + host, "-p", port}, args...)...)
	}
	wantIn(t, dig("PIXEL.facebook.com"), "status: NXDOMAIN", "EDE: 15 (Blocked)", "PIXEL.facebook.com.", "SOA")
	wantIn(t, dig("+tcp", "+cookie", "+subnet=192.0.2.0/24", "+nsid", "www.example.org"), "status: NOERROR", "192.0.2.1")
	wantIn(t, dig("+notcp", "ANY", "www.example.org"), "RFC8482")
	wantIn(t, dig("-x", "127.0.0.1"), "localhost.")
	wantIn(t, dig("CH", "TXT", "version.bind"), "status: REFUSED")
	wantIn(t, output(t, "kdig", "@"+host, "-p", port, "+edns=1", "www.example.org"), "BADVERS")
	wantIn(t, output(t, "kdig", "@"+host, "-p", port, "+keepopen", "+tcp", "pixel.facebook.com", "www.example.org"), "NXDOMAIN", "192.0.2.1")
	p.stop()
}

// A real Unbound as upstream, also for what is too big for UDP, and gone.
func TestUnboundAsUpstream(t *testing.T) {
	tool := external(t, "unbound")
	dir := t.TempDir()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	port := free.LocalAddr().(*net.UDPAddr).Port
	free.Close()
	config := filepath.Join(dir, "unbound.conf")
	var big strings.Builder
	for i := range 40 {
		fmt.Fprintf(&big, "  local-data: 'big.example. 300 IN TXT \"%d %s\"'\n", i, strings.Repeat("x", 100))
	}
	text := fmt.Sprintf("server:\n  interface: 127.0.0.1\n  port: %d\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: %q\n  pidfile: %q\n  use-syslog: no\n"+
		"  local-zone: \"example.\" static\n  local-data: \"www.example. 300 IN A 192.0.2.7\"\n%s", port, dir, filepath.Join(dir, "pid"), big.String())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	unbound := exec.Command(tool, "-d", "-c", config)
	if err := unbound.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		unbound.Process.Signal(syscall.SIGTERM)
		unbound.Wait()
	}
	t.Cleanup(stop)
	c := dns.Client{Timeout: 100 * time.Millisecond}
	for begin := time.Now(); ; {
		if _, _, err := c.Exchange(new(dns.Msg).SetQuestion("www.example.", dns.TypeA), address); err == nil {
			break
		}
		if time.Since(begin) > patience {
			t.Fatal("unbound does not start")
		}
	}
	p := prepare(t, strings.Replace(basics(address), "[dns]", "timeout = \"500ms\"\n[dns]", 1)+starterList).start()
	if r := p.ask("www.example", dns.TypeA); len(r.Answer) != 1 || r.Answer[0].(*dns.A).A.String() != "192.0.2.7" {
		t.Errorf("got %v", r)
	}
	if r := p.ask("big.example", dns.TypeTXT); !r.Truncated || len(r.Answer) > 0 {
		t.Errorf("over UDP: %v", r)
	}
	tcp := dns.Client{Net: "tcp", Timeout: patience}
	if r, _, err := tcp.Exchange(new(dns.Msg).SetQuestion("big.example.", dns.TypeTXT), p.dns); err != nil || len(r.Answer) != 40 {
		t.Errorf("over TCP: %v, %v", r, err)
	}
	stop()
	p.wantRcode("www.example", dns.RcodeSuccess) // from the cache
	p.wantRcode("other.example", dns.RcodeServerFailure)
	p.stop()
}

// The units are without fault, and give the service next to nothing.
func TestSystemdUnits(t *testing.T) {
	external(t, "systemd-analyze")
	dir := t.TempDir()
	for _, name := range []string{"deadpixel.service", "deadpixel.socket"} {
		b, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		// The program is not installed here.
		text := strings.ReplaceAll(string(b), "/usr/local/bin/deadpixel", os.Args[0])
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := output(t, "systemd-analyze", "verify", filepath.Join(dir, "deadpixel.service"), filepath.Join(dir, "deadpixel.socket")); out != "" {
		t.Errorf("systemd-analyze verify says\n%s", out)
	}
	output(t, "systemd-analyze", "security", "--offline=true", "--threshold=15", filepath.Join(dir, "deadpixel.service"))
	users, err := filepath.Abs("systemd/sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	wantIn(t, output(t, "systemd-sysusers", "--dry-run", "--root="+dir, users), "deadpixel")
}
