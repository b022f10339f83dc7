package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// beProgram makes the test binary be deadpixel, so that tests see the program as
// a shell does: signals, exit status, systemd's environment.
const beProgram = "DEADPIXEL_TEST_BE_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is a running deadpixel.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	dir    string
	config string
	dns    string // where it answers
	web    string // URL of its page
	debug  string // URL of its profiles
	lines  chan logLine
	said   []string // the lines that wait has read
	exited chan error
}

// logLine is one line of the JSON log.
type logLine struct {
	Message string   `json:"msg"`
	Problem string   `json:"problem"`
	DNS     []string `json:"dns"`
	Web     string   `json:"web"`
	URL     string   `json:"url"`
	text    string
}

// prepare makes a program with a configuration on top of what every test needs:
// ports of its own, no list from the internet.
func prepare(t testing.TB, config string, args ...string) *program {
	t.Helper()
	p := &program{t: t, dir: t.TempDir()}
	p.config = filepath.Join(p.dir, "config.toml")
	p.write(config)
	return p.again(args...)
}

// again prepares another run on the same configuration and data.
func (p *program) again(args ...string) *program {
	p.lines, p.exited, p.said = make(chan logLine, 1000), make(chan error, 1), nil
	p.cmd = exec.Command(os.Args[0], append([]string{"--config", p.config, "--data", filepath.Join(p.dir, "data")}, args...)...)
	p.cmd.Env = append(os.Environ(), beProgram+"=1")
	return p
}

// write replaces the configuration.
func (p *program) write(config string) {
	p.t.Helper()
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// start runs the program until it answers.
func (p *program) start() *program {
	p.t.Helper()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		scanner := bufio.NewScanner(stderr)
		for scanner.Scan() {
			line := logLine{text: scanner.Text()}
			_ = json.Unmarshal(scanner.Bytes(), &line) // what is no JSON stays text
			p.lines <- line
		}
		close(p.lines)
		p.exited <- p.cmd.Wait()
	}()
	p.t.Cleanup(func() { p.cmd.Process.Kill() })
	line := p.wait("deadpixel answers")
	if len(line.DNS) == 0 {
		p.t.Fatalf("no address in %q", line.text)
	}
	p.dns, p.web = line.DNS[0], line.Web
	return p
}

// wait returns the next log line with a message.
func (p *program) wait(message string) logLine {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				p.t.Fatalf("it ended without saying %q:\n%s", message, strings.Join(p.said, "\n"))
			}
			p.said = append(p.said, line.text)
			if line.Message == "profiles are served" {
				p.debug = line.URL
			}
			if line.Message == message {
				return line
			}
		case <-limit:
			p.t.Fatalf("it did not say %q in %v:\n%s", message, patience, strings.Join(p.said, "\n"))
		}
	}
}

// stop ends the program as systemd does and wants exit status 0.
func (p *program) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	go func(lines <-chan logLine) {
		for range lines { // let the program write on
		}
	}(p.lines)
	select {
	case err := <-p.exited:
		if err != nil {
			p.t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		p.t.Error("it does not stop")
	}
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// ask puts a question over UDP.
func (p *program) ask(name string, qtype uint16) *dns.Msg {
	p.t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	m.SetEdns0(1232, false)
	c := dns.Client{Timeout: patience}
	r, _, err := c.Exchange(m, p.dns)
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	return r
}

// wantRcode asks for A and compares.
func (p *program) wantRcode(name string, want int) {
	p.t.Helper()
	if r := p.ask(name, dns.TypeA); r.Rcode != want {
		p.t.Errorf("%s: %s, want %s", name, dns.RcodeToString[r.Rcode], dns.RcodeToString[want])
	}
}

// command runs another command beside the program, on the same configuration.
func (p *program) command(args ...string) (status int, out string) {
	p.t.Helper()
	var b bytes.Buffer
	args = append(args, "--config", p.config, "--data", filepath.Join(p.dir, "data"))
	status = run(context.Background(), args, strings.NewReader(""), &b, &b)
	return status, b.String()
}

// internet is an upstream that has an address for every name; those that begin
// with "cloaked" are a tracker's.
type internet struct {
	address string
	asked   atomic.Int64
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &internet{address: conn.LocalAddr().String()}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		u.asked.Add(1)
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		if q.Question[0].Qtype == dns.TypeA {
			owner := q.Question[0].Name
			if strings.HasPrefix(owner, "cloaked") {
				rr, _ := dns.NewRR(owner + " 300 IN CNAME pixel.facebook.com.")
				m.Answer, owner = append(m.Answer, rr), "pixel.facebook.com."
			}
			rr, _ := dns.NewRR(owner + " 300 IN A 192.0.2.1")
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return u
}

// basics are the lines that a test's configuration begins with.
func basics(upstream string) string {
	return fmt.Sprintf("[log]\nformat = \"json\"\n[upstream]\nservers = [%q]\n[dns]\nlisten = [\"127.0.0.1:0\"]\n[web]\nlisten = \"127.0.0.1:0\"\n", upstream)
}

const starterList = "[[lists]]\nname = \"starter\"\nsource = \"builtin:starter\"\n"
