package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// Devices of a household that is all on this machine.
const (
	parent = "127.0.0.1" // no entry of [[clients]] is about it
	kid    = "127.0.0.2"
	guest  = "127.0.0.3"
	cousin = "127.0.0.4" // a guest among the kids
)

// people is who they are.
const people = `
[[clients]]
name = "kids tablet"
match = ["127.0.0.2"]
groups = ["kids"]
[[clients]]
name = "guest"
match = ["127.0.0.3"]
groups = ["guests"]
[[clients]]
name = "cousin"
match = ["127.0.0.4"]
groups = ["guests", "kids"]
`

// askFrom puts a question over UDP from an address of this machine.
func (p *program) askFrom(from, name string, qtype uint16, options ...dns.EDNS0) *dns.Msg {
	p.t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = options
	c := dns.Client{Timeout: patience, Dialer: &net.Dialer{Timeout: patience, LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}}
	r, _, err := c.Exchange(m, p.dns)
	if err != nil {
		p.t.Fatalf("%s for %s: %v", name, from, err)
	}
	return r
}

// becomes is what somebody gets for a name: the first address, or the response code.
func (p *program) becomes(from, name string, options ...dns.EDNS0) string {
	p.t.Helper()
	r := p.askFrom(from, name, dns.TypeA, options...)
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return dns.RcodeToString[r.Rcode]
}

// What becomes of a name that is blocked, or not.
const (
	blocked = "NXDOMAIN"
	open    = "192.0.2.1" // the address that every name of newInternet has
)

// want compares what becomes of a name for somebody.
func (p *program) want(from, name, want string, options ...dns.EDNS0) {
	p.t.Helper()
	if got := p.becomes(from, name, options...); got != want {
		p.t.Errorf("%s for %s: %s, want %s", name, from, got, want)
	}
}

// reload puts another configuration to use.
func (p *program) reload(config string) {
	p.t.Helper()
	p.write(config)
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
}

// kill ends the program as a power cut does.
func (p *program) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	for range p.lines { // to its end
	}
	<-p.exited
}

// switches is how blocking stands, by "", "group NAME" and "client NAME".
func (p *program) switches() map[string]string {
	p.t.Helper()
	var s blockingState
	_, body := p.get("/api/v1/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		p.t.Fatalf("%v: %s", err, body)
	}
	word := func(enabled bool, until *time.Time) string {
		switch {
		case enabled:
			return "on"
		case until == nil:
			return "off"
		}
		return "off for a while"
	}
	all := map[string]string{"": word(s.Blocking.Enabled, s.Blocking.Until)}
	for _, g := range s.Blocking.Groups {
		all["group "+g.Name] = word(g.Enabled, g.Until)
	}
	for _, c := range s.Blocking.Clients {
		all["client "+c.Name] = word(c.Enabled, c.Until)
	}
	return all
}

// file writes a file that a configuration names.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Everybody has rules of their own, over a reload as well.
func TestHousehold(t *testing.T) {
	usual, careful := newInternet(t), newInternet(t)
	config := basics(usual.address) + fmt.Sprintf(`
[blocking]
deny = ["everywhere.example"]
[[lists]]
name = "everybody"
source = %q
[[lists]]
name = "kids"
source = %q
groups = ["kids"]
[groups.kids]
deny = ["game.example"]
allow = ["school.example", "everywhere.example"]
response = "zero"
upstream = [%q]
[groups.guests]
block = false
`, file(t, "everybody.txt", "ads.example\nschool.example\n"), file(t, "kids.txt", "video.example\n"), careful.address) + people
	p := prepare(t, config).start()
	const zero = "0.0.0.0"
	tests := []struct {
		name                       string
		parent, kid, guest, cousin string
	}{
		{"ads.example", blocked, zero, open, zero},
		{"school.example", blocked, open, open, open},
		{"game.example", open, zero, open, zero},
		{"video.example", open, zero, open, zero},
		{"everywhere.example", blocked, open, open, open},
		{"www.example.org", open, open, open, open},
	}
	for range 2 {
		for _, tt := range tests {
			p.want(parent, tt.name, tt.parent)
			p.want(kid, tt.name, tt.kid)
			p.want(guest, tt.name, tt.guest)
			p.want(cousin, tt.name, tt.cousin)
		}
		p.wantMetrics(`deadpixel_blocking_enabled{group="default"} 1`, `deadpixel_blocking_enabled{group="guests"} 0`, `deadpixel_blocking_enabled{group="kids"} 1`)
		// Another group and another client move the places of the others.
		p.reload(config + "[groups.aunts]\nupstream = [\"127.0.0.1:9\"]\n[[clients]]\nname = \"aunt\"\nmatch = [\"127.0.0.9\"]\ngroups = [\"aunts\"]\n")
	}
	before := usual.asked.Load()
	p.want(kid, "kid.example.org", open)
	p.want(cousin, "cousin.example.org", open)
	if usual.asked.Load() != before {
		t.Error("the servers of everybody were asked for the kids")
	}
	before = careful.asked.Load()
	p.want(parent, "kid.example.org", open) // what the kids' servers said is no answer for others
	p.want(guest, "guest.example.org", open)
	if careful.asked.Load() != before {
		t.Error("the servers of the kids were asked for others")
	}
	p.stop()
}

// A pause is for everybody, a group or a device, and goes on after a restart.
func TestPauses(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, "lists = []\n"+basics(up.address)+"[blocking]\ndeny = [\"ads.example\"]\n[groups.kids]\n[groups.guests]\n"+people).start()
	change := func(status int, says string, args ...string) {
		t.Helper()
		got, out := p.command(append(args, "--web", strings.TrimPrefix(p.web, "http://"))...)
		if got != status || !strings.Contains(out, says) {
			t.Errorf("%s: status %d, want %d; %q is wanted in %s", strings.Join(args, " "), got, status, says, out)
		}
	}
	stands := func(want map[string]string) {
		t.Helper()
		got := p.switches()
		for _, who := range []string{"", "group default", "group kids", "group guests", "client kids tablet", "client guest", "client cousin"} {
			w := "on"
			if want[who] != "" {
				w = want[who]
			}
			if got[who] != w {
				t.Errorf("blocking of %q is %q, want %q", who, got[who], w)
			}
		}
	}
	is := func(parent, kid, guest, cousin string) {
		t.Helper()
		p.want("127.0.0.1", "ads.example", parent)
		p.want("127.0.0.2", "ads.example", kid)
		p.want("127.0.0.3", "ads.example", guest)
		p.want("127.0.0.4", "ads.example", cousin)
	}
	const while = "off for a while"
	is(blocked, blocked, blocked, blocked)
	stands(nil)

	change(0, "blocking is off for the group kids until ", "pause", "5m", "--group", "kids")
	kids := map[string]string{"group kids": while, "client kids tablet": while}
	is(blocked, open, blocked, blocked)
	stands(kids)
	p.wantMetrics(`deadpixel_blocking_enabled{group="default"} 1`, `deadpixel_blocking_enabled{group="kids"} 0`, `deadpixel_paused_clients 0`)
	p.kill()
	p.again().start()
	is(blocked, open, blocked, blocked)
	stands(kids)
	change(0, "blocking is on for the group kids", "resume", "--group", "kids")
	is(blocked, blocked, blocked, blocked)

	change(0, "blocking is off for the client kids tablet until `deadpixel resume`", "pause", "--client", "kids tablet")
	is(blocked, open, blocked, blocked)
	stands(map[string]string{"client kids tablet": "off"})
	p.wantMetrics(`deadpixel_paused_clients 1`)
	p.reload("lists = []\n" + basics(up.address) + "[blocking]\ndeny = [\"ads.example\"]\n[groups.kids]\n[groups.guests]\n[groups.aunts]\n" + people)
	is(blocked, open, blocked, blocked)
	p.stop()
	p.again().start()
	is(blocked, open, blocked, blocked)
	change(0, "blocking is on for the client kids tablet", "resume", "--client", "kids tablet")
	is(blocked, blocked, blocked, blocked)

	change(0, "blocking is off until ", "pause", "1h")
	change(0, "blocking is off for the group kids until `deadpixel resume`", "pause", "--group", "kids")
	is(open, open, open, open)
	stands(map[string]string{"": while, "group default": while, "group kids": "off", "group guests": while, "client kids tablet": "off", "client guest": while, "client cousin": while})
	p.kill()
	p.again().start()
	is(open, open, open, open)
	change(0, "blocking is on", "resume") // whatever was paused
	is(blocked, blocked, blocked, blocked)
	stands(nil)

	change(1, `there is no group "kidz"; did you mean "kids"?`, "pause", "5m", "--group", "kidz")
	change(1, `there is no client "kid tablet" in [[clients]]; did you mean "kids tablet"?`, "pause", "5m", "--client", "kid tablet")
	change(1, `there is no group "kidz"`, "resume", "--group", "kidz")
	change(2, "no duration", "pause", "5", "--group", "kids")
	change(2, "not both", "pause", "--group", "kids", "--client", "guest")
	r, err := http.Post(p.web+"/api/v1/pause", "application/json", strings.NewReader(`{"group":"kidz"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNotFound {
		t.Errorf("the API on an unknown group: %s", r.Status)
	}
	is(blocked, blocked, blocked, blocked)
	p.stop()
}

// Prometheus is told when each pause ends, and of none for a group that never blocks.
func TestPauseEnds(t *testing.T) {
	c, err := parseConfig("config.toml", "[groups.kids]\n[groups.guests]\nblock = false\n"+people)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	soon, later, never := now.Add(time.Minute), now.Add(time.Hour), time.Time{}
	kids, everybody := resolver.Target{Group: "kids"}, resolver.Target{}
	type pauses = map[resolver.Target]time.Time
	type ends = map[string]time.Time
	for name, tt := range map[string]struct {
		pauses  pauses
		ends    ends
		clients int
	}{
		"nothing":               {nil, ends{}, 0},
		"over":                  {pauses{kids: now}, ends{}, 0},
		"a group":               {pauses{kids: soon}, ends{"kids": soon}, 0},
		"until resumed":         {pauses{kids: never}, ends{"kids": never}, 0},
		"one that never blocks": {pauses{{Group: "guests"}: soon}, ends{}, 0},
		"everybody":             {pauses{everybody: soon, kids: later}, ends{"default": soon, "kids": later}, 0},
		"everybody, for longer": {pauses{everybody: later, kids: soon}, ends{"default": later, "kids": later}, 0},
		"clients":               {pauses{{Client: "guest"}: soon, {Client: "cousin"}: never, {Client: "gone"}: never}, ends{}, 2},
	} {
		s := &server{}
		s.pause.Restore(tt.pauses)
		ends, clients := s.paused(&generation{config: c}, now)
		if !maps.EqualFunc(ends, tt.ends, time.Time.Equal) || clients != tt.clients {
			t.Errorf("%s: %v and %d clients, want %v and %d", name, ends, clients, tt.ends, tt.clients)
		}
	}
}

// Pauses and allowances that cannot be read are told, and count as none.
func TestDamagedState(t *testing.T) {
	for name, text := range map[string]string{
		"cut off":       `[{"name":"ads.example","group":"kids","until":"2099-01-01T00`,
		"no JSON":       "\x00\x00\x00\x00",
		"another shape": `{"kids":true}`,
		"no time":       `[{"group":"kids","until":"soon"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, "lists = []\n"+basics("127.0.0.1:9")+"[blocking]\ndeny = [\"ads.example\"]\n[groups.kids]\n[groups.guests]\n"+people)
			dir := filepath.Join(p.dir, "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			files := []string{pauseFile, allowedFile}
			for _, file := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p.start()
			wantIn(t, strings.Join(p.said, "\n"), "the pauses of before cannot be read", "what was allowed for a while cannot be read")
			_, out := p.command("explain", "ads.example")
			wantIn(t, out, append(files, "blocked")...)
			p.want(kid, "ads.example", blocked)
			p.stop()
		})
	}
}

// newZone is an upstream that has these records and no others; it returns its
// address. It follows the CNAMEs among them.
func newZone(t *testing.T, text string) string {
	t.Helper()
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		records = append(records, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		owner := q.Question[0].Name
		for _, rr := range records { // a CNAME stands before what it leads to
			if rr.Header().Name != owner {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok {
				m.Answer, owner = append(m.Answer, rr), c.Target
			} else if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return conn.LocalAddr().String()
}

// age makes every stored copy of ownership data be as old as then.
func (p *program) age(then time.Time) {
	p.t.Helper()
	copies, err := filepath.Glob(filepath.Join(p.dir, "data", ownershipFiles))
	if err != nil || len(copies) != 1 {
		p.t.Fatalf("the copies are %v, %v", copies, err)
	}
	if err := os.Chtimes(copies[0], then, then); err != nil {
		p.t.Fatal(err)
	}
}

// A device is known by the name that the house has for its address.
func TestHostNames(t *testing.T) {
	up := newInternet(t)
	leases := file(t, "dnsmasq.leases", fmt.Sprintf("%d 02:00:00:00:00:40 %s tablet *\n", time.Now().Add(time.Hour).Unix(), kid))
	p := prepare(t, strings.Replace("lists = []\n"+basics(up.address), "[dns]", fmt.Sprintf("[dns]\nlease_files = [%q]", leases), 1)+`
[local]
"console.home.arpa" = ["127.0.0.3"]
[groups.kids]
deny = ["game.example"]
[[clients]]
name = "tablet"
match = ["host:tablet.home.arpa"]
groups = ["kids"]
[[clients]]
name = "console"
match = ["host:console.home.arpa"]
groups = ["kids"]
`).start()
	p.want(kid, "game.example", blocked)
	p.want(guest, "game.example", blocked)
	p.want(parent, "game.example", open)
	for _, who := range []string{kid, "host:tablet.home.arpa", "tablet"} {
		_, out := p.command("explain", "--client", who, "game.example")
		wantIn(t, out, "for tablet, in group kids")
	}
	p.stop()
}

// Leases that cannot be read keep nobody from an explanation, nor the program from
// its start.
func TestUnreadableLeases(t *testing.T) {
	p := prepare(t, strings.Replace("lists = []\n"+basics("127.0.0.1:9"), "[dns]", fmt.Sprintf("[dns]\nlease_files = [%q]", t.TempDir()), 1)+`
[[clients]]
name = "tablet"
match = ["host:tablet", "127.0.0.2"]
groups = ["default"]
`).start()
	status, out := p.command("explain", "--client", kid, "www.example.org")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	wantIn(t, out, "warning: whose address 127.0.0.2 is may be unknown here: ", "www.example.org: untouched", "for tablet, in group default")
	wantIn(t, strings.Join(p.said, "\n"), "cannot be read")
	p.stop()
}
