package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// get reads a path of the page.
func (p *program) get(path string) (status int, body string) {
	p.t.Helper()
	r, err := http.Get(p.web + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// wantMetrics waits for lines of /metrics: what happened is counted once the reply
// has left, so it may come after that.
func (p *program) wantMetrics(lines ...string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		_, text := p.get("/metrics")
		missing := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(text, "\n"+line+"\n") })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Errorf("/metrics has no %q in\n%s", missing, text)
			return
		}
	}
}

func TestBlocksWithoutInternet(t *testing.T) {
	p := prepare(t, strings.Replace(basics("127.0.0.1:9"), "[dns]", "timeout = \"300ms\"\n[dns]", 1)+starterList).start()
	r := p.ask("pixel.Facebook.com", dns.TypeA)
	if r.Rcode != dns.RcodeNameError || len(r.Ns) != 1 || r.Question[0].Name != "pixel.Facebook.com." {
		t.Errorf("got %v", r)
	}
	ede, ok := r.IsEdns0().Option[0].(*dns.EDNS0_EDE)
	if !ok || ede.InfoCode != dns.ExtendedErrorCodeBlocked || ede.ExtraText != "starter" {
		t.Errorf("extended error %v", r.IsEdns0())
	}
	p.wantRcode("www.example.org", dns.RcodeServerFailure)
	if status, body := p.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, body := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	p.stop()
}

// Profiles of the running program are there for who asked for them, and not on
// the page's address.
func TestProfiles(t *testing.T) {
	p := prepare(t, basics("127.0.0.1:9"), "--debug", "127.0.0.1:0").start()
	for path, want := range map[string]string{"": "goroutine", "heap?debug=1": "heap profile", "profile?seconds=1": "\x1f\x8b"} {
		r, err := http.Get(p.debug + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s%s: %s, %v: no %q", p.debug, path, r.Status, err, want)
		}
	}
	if status, _ := p.get("/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("on the page's address: %d", status)
	}
	p.stop()
}

func TestForwardsAndCounts(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+starterList).start()
	for range 2 {
		p.wantRcode("www.example.org", dns.RcodeSuccess)
	}
	before := up.asked.Load()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	if up.asked.Load() != before {
		t.Error("a blocked name was asked upstream")
	}
	p.wantMetrics(
		`deadpixel_queries_total{outcome="blocked",transport="udp"} 1`,
		`deadpixel_queries_total{outcome="forwarded",transport="udp"} 1`,
		`deadpixel_queries_total{outcome="cached",transport="udp"} 1`,
		`deadpixel_blocked_total{list="starter",reason="name"} 1`,
		`deadpixel_blocking_enabled{group="default"} 1`,
	)
	if status, body := p.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	p.stop()
}

// A tracker behind another name is blocked and counted as who it is; whoever does
// not want that turns it off.
func TestHiddenTracker(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+starterList).start()
	p.wantRcode("cloaked.example.org", dns.RcodeNameError)
	p.wantRcode("open.example.org", dns.RcodeSuccess)
	p.wantMetrics(`deadpixel_blocked_total{list="starter",reason="cname"} 1`, `deadpixel_blocked_owner_total{owner="Meta"} 1`)
	p.write(basics(up.address) + "[blocking]\nfollow_cname = false\n" + starterList)
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	p.wantRcode("cloaked.example.org", dns.RcodeSuccess)
	p.stop()
}

// A list that turns against a popular name is found out, over a reload as well,
// until somebody takes it as it is.
func TestHeldRule(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ours.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("keep.example\n")
	up := newInternet(t)
	p := prepare(t, basics(up.address)+fmt.Sprintf("[[lists]]\nname = \"ours\"\nsource = %q\npopular = \"hold\"\n", file)).start()
	refresh := func(body string) {
		t.Helper()
		r, err := http.Post(p.web+"/api/v1/lists/refresh", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("refresh %s: %s", body, r.Status)
		}
	}
	held := func(n int) {
		t.Helper()
		p.wantMetrics(fmt.Sprintf(`deadpixel_list_popular_rules{list="ours",state="held"} %d`, n), `deadpixel_list_popular_rules{list="ours",state="flagged"} 0`)
	}
	held(0)
	write("keep.example\nnew.example\ngithub.com\n")
	refresh(`{"list":"ours"}`)
	for range 2 {
		p.wantRcode("github.com", dns.RcodeSuccess)
		p.wantRcode("new.example", dns.RcodeNameError)
		held(1)
		_, changes := p.get("/api/v1/lists/changes?list=ours")
		if !strings.Contains(changes, "new.example") || strings.Contains(changes, "github.com") {
			t.Errorf("changes: %s", changes)
		}
		p.signal(syscall.SIGHUP)
		p.wait("configuration reloaded")
	}
	if _, page := p.get("/lists"); !strings.Contains(page, "Accept held rules") {
		t.Error("the page does not offer to accept the rule")
	}
	if status, _ := p.get("/api/v1/lists/changes?list=other"); status != http.StatusNotFound {
		t.Errorf("changes of no list: %d", status)
	}
	refresh(`{"list":"ours","force":true}`)
	p.wantRcode("github.com", dns.RcodeNameError)
	held(0)
	p.stop()
}

func TestReload(t *testing.T) {
	up := newInternet(t)
	base := basics(up.address)
	p := prepare(t, "lists = []\n"+base).start()
	p.wantRcode("tracker.example", dns.RcodeSuccess)

	p.write("lists = []\n" + base + "[blocking]\ndeny = [\"tracker.example\"]\n")
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	p.wantRcode("tracker.example", dns.RcodeNameError)

	p.write("lists = []\n" + base + "[blocking]\nresponse = \"perhaps\"\n")
	p.signal(syscall.SIGHUP)
	if line := p.wait("configuration refused"); !strings.Contains(line.Problem, ":11: blocking.response") {
		t.Errorf("the problem is %q", line.Problem)
	}
	p.wait("the previous configuration runs on")
	p.wantRcode("tracker.example", dns.RcodeNameError)
	if _, text := p.get("/metrics"); !strings.Contains(text, "deadpixel_config_reload_success 0\n") {
		t.Error("the failed reload is not counted")
	}
	p.stop()
}

// A reload that moves the data directory takes along what is to outlive a restart,
// and one that changes the time zone changes the page. What an hour ago was not
// finished is gone after a start.
func TestReloadMoves(t *testing.T) {
	up := newInternet(t)
	old, next := t.TempDir(), t.TempDir()
	config := func(dir, zone string) string {
		return fmt.Sprintf("data_dir = %q\ntime_zone = %q\nlists = []\n", dir, zone) + basics(up.address) + "[blocking]\ndeny = [\"ads.example\", \"more.example\"]\n[groups.kids]\n"
	}
	unfinished, young := filepath.Join(old, "rules.txt.123.tmp"), filepath.Join(old, "rules.txt.456.tmp")
	for _, file := range []string{unfinished, young} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(unfinished, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, config(old, "Asia/Tokyo"), "--data", "").start()
	if _, err := os.Stat(unfinished); !os.IsNotExist(err) {
		t.Errorf("what was never finished is left: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what may still be written is gone: %v", err)
	}
	p.post("pause", `{"group":"kids","duration":"1h"}`)
	p.rule("POST", `{"rule":"ads.example","action":"allow","duration":"1h"}`, 200)
	shown := func(zone string) {
		t.Helper()
		in, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		var s blockingState
		_, status := p.get("/api/v1/status")
		if err := json.Unmarshal([]byte(status), &s); err != nil {
			t.Fatal(err)
		}
		for _, g := range s.Blocking.Groups {
			if g.Until == nil {
				continue
			}
			if _, page := p.get("/"); !strings.Contains(page, "until "+g.Until.In(in).Format("15:04")) && !strings.Contains(page, g.Until.In(in).Format("Mon 2 Jan, 15:04")) {
				t.Errorf("the page does not say the end of the pause in the time of %s", zone)
			}
			return
		}
		t.Errorf("no pause in %s", status)
	}
	shown("Asia/Tokyo")
	p.write(config(next, "Asia/Kolkata"))
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	shown("Asia/Kolkata")
	p.kill()
	p.again("--data", "").start()
	p.want(parent, "ads.example", open)
	p.want(parent, "more.example", blocked)
	if got := p.switches()["group kids"]; got != "off for a while" {
		t.Errorf("the pause of the kids is %q", got)
	}
	p.stop()
}

// After a reload, the new upstreams are asked, and nothing of the old ones is served.
func TestReloadChangesUpstream(t *testing.T) {
	first, second := newInternet(t), newInternet(t)
	p := prepare(t, "lists = []\n"+basics(first.address)).start()
	p.wantRcode("www.example.org", dns.RcodeSuccess)
	p.write("lists = []\n" + basics(second.address))
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	before := first.asked.Load()
	p.wantRcode("www.example.org", dns.RcodeSuccess)
	p.wantRcode("other.example.org", dns.RcodeSuccess)
	if first.asked.Load() != before || second.asked.Load() < 2 {
		t.Errorf("the first was asked %d times more, the second %d times", first.asked.Load()-before, second.asked.Load())
	}
	if _, body := p.get("/api/v1/status"); !strings.Contains(body, second.address) || strings.Contains(body, first.address) {
		t.Errorf("status: %s", body)
	}
	p.stop()
}

// A changed list file and a changed address take effect together; queries to the
// address that stays are never refused.
func TestReloadRebinds(t *testing.T) {
	up := newInternet(t)
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte("one.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := basics(up.address) + fmt.Sprintf("[[lists]]\nname = \"ours\"\nsource = %q\n", list)
	p := prepare(t, config).start()
	p.wantRcode("one.example", dns.RcodeNameError)
	p.wantRcode("two.example", dns.RcodeSuccess)

	first := p.dns
	if err := os.WriteFile(list, []byte("two.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.write(strings.Replace(config, "listen = [\"127.0.0.1:0\"]", fmt.Sprintf("listen = [%q, \"127.0.0.2:0\"]", first), 1))
	p.signal(syscall.SIGHUP)
	line := p.wait("configuration reloaded")
	if len(line.DNS) != 2 {
		t.Fatalf("it answers on %v", line.DNS)
	}
	for _, address := range line.DNS {
		p.dns = address
		p.wantRcode("one.example", dns.RcodeSuccess)
		p.wantRcode("two.example", dns.RcodeNameError)
	}
	p.stop()
}

func TestPauseResumeExplain(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+starterList).start()
	web := strings.TrimPrefix(p.web, "http://")
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	if status, out := p.command("pause", "5m", "--web", web); status != 0 || !strings.Contains(out, "off until") {
		t.Errorf("pause: %d %s", status, out)
	}
	p.wantRcode("pixel.facebook.com", dns.RcodeSuccess)
	if status, out := p.command("resume", "--web", web); status != 0 || !strings.Contains(out, "blocking is on") {
		t.Errorf("resume: %d %s", status, out)
	}
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	if status, out := p.command("pause", "--group", "kids", "--web", web); status != 1 || !strings.Contains(out, "kids") {
		t.Errorf("pause of an unknown group: %d %s", status, out)
	}

	_, body := p.get("/api/v1/explain?name=pixel.facebook.com")
	status, out := p.command("explain", "--json", "pixel.facebook.com")
	if status != 0 {
		t.Fatalf("explain: %d %s", status, out)
	}
	var page, shell map[string]any
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if err := json.Unmarshal([]byte(out), &shell); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, key := range []string{"name", "verdict", "list", "rule", "source", "line", "group", "owner", "category"} {
		if page[key] != shell[key] || shell[key] == nil {
			t.Errorf("%s: the page says %v, the command %v", key, page[key], shell[key])
		}
	}
	if shell["verdict"] != verdictBlocked || shell["list"] != "starter" || shell["owner"] != "Meta" && shell["owner"] != "Facebook" {
		t.Errorf("got %v", shell)
	}
	if _, out := p.command("explain", "--resolve", "www.example.org"); !strings.Contains(out, "untouched") || !strings.Contains(out, "192.0.2.1") {
		t.Errorf("explain --resolve: %s", out)
	}
	if _, out := p.command("explain", "--resolve", "cloaked.example.org"); !strings.Contains(out, "cloaked.example.org: blocked by list starter") || !strings.Contains(out, "by a CNAME") ||
		!strings.Contains(out, "-> CNAME pixel.facebook.com: blocked") {
		t.Errorf("explain --resolve of a tracker's other name: %s", out)
	}
	p.stop()
}

// What is held of addresses, clients and companies is told, and the history erased.
func TestTellsWhatIsKept(t *testing.T) {
	p := prepare(t, "lists = []\n"+basics("127.0.0.1:9")+`[groups.default]
no_account = ["Meta"]
[groups.kids]
no_account = ["Meta"]
[[clients]]
name = "tablet"
match = ["192.0.2.40"]
groups = ["kids"]
`).start()
	// What happened is counted once the reply has left, so it may come after that.
	wantCount := func(when string, want uint64) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			_, body := p.get("/api/v1/status")
			var status struct {
				NoAccount []ui.Company `json:"no_account"`
			}
			if err := json.Unmarshal([]byte(body), &status); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if slices.Equal(status.NoAccount, []ui.Company{{Name: "Meta", Count: want}}) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v, want Meta %d", when, status.NoAccount, want)
			}
		}
	}
	wantCount("before any query", 0)
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	wantCount("after one", 1)

	if status, out := p.command("pause", "--group", "kids", "--web", strings.TrimPrefix(p.web, "http://")); status != 0 {
		t.Errorf("pause: %d %s", status, out)
	}
	_, body := p.get("/api/v1/privacy")
	for _, want := range []string{"a hash of one address", "pauses.json", "pauses: 1", "which addresses the devices of [[clients]] have", "belong to none of [[clients]]", "looked for a way around", "by a hash of its address", "history.db", `"clients_today": 1`, `"key_of_today": true`} {
		if !strings.Contains(body, want) {
			t.Errorf("what is kept lacks %q: %s", want, body)
		}
	}
	r, err := http.NewRequest(http.MethodDelete, p.web+"/api/v1/privacy/history", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("erasing: %s", answer.Status)
	}
	wantCount("after erasing", 0)
	p.stop()
}

func TestExitStatus(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("[dns]\nlissten = []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "lists.toml")
	if err := os.WriteFile(missing, []byte("[[lists]]\nname = \"x\"\nsource = \"nowhere.txt\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"version"}, 0, "deadpixel " + version},
		{[]string{"config"}, 0, "[upstream]"},
		{[]string{"completion", "bash"}, 0, "complete"},
		{[]string{"nonsense"}, 2, "unknown command"},
		{[]string{"--nonsense"}, 2, "unknown flag"},
		{[]string{"explain"}, 2, "requires at least 1"},
		{[]string{"explain", "--type", "NONE", "x.example"}, 2, "no record type"},
		{[]string{"explain", "--type", "TYPE65x", "x.example"}, 2, "no record type"},
		{[]string{"explain", "--type", "TYPE65536", "x.example"}, 2, "no record type"},
		{[]string{"pause", "soon"}, 2, "no duration"},
		{[]string{"--listen", "nowhere"}, 2, "--listen"},
		{[]string{"--debug", "6060"}, 2, "write a loopback address"},
		{[]string{"--debug", "0.0.0.0:6060"}, 2, "write a loopback address"},
		{[]string{"check", "--config", bad}, 1, bad + ":2: unknown key \"dns.lissten\""},
		{[]string{"check", "--config", missing}, 1, "nowhere.txt: "},
		{[]string{"--config", bad + ".not"}, 1, "no such file"},
		{[]string{"--listen", taken.LocalAddr().String(), "--web", ""}, 1, "--listen: "},
		{[]string{"--listen", "192.0.2.77:5300", "--web", ""}, 1, "is no address of this machine"},
		{[]string{"pause", "--web", "127.0.0.1:9"}, 1, "no running server"},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			var out strings.Builder
			status := run(context.Background(), append(c.args, "--data", filepath.Join(dir, "data")), strings.NewReader(""), &out, &out)
			if status != c.status || !strings.Contains(out.String(), c.says) {
				t.Errorf("status %d, want %d; %q is wanted in\n%s", status, c.status, c.says, out.String())
			}
		})
	}
}

func TestPassword(t *testing.T) {
	var out strings.Builder
	if status := run(context.Background(), []string{"password"}, strings.NewReader("correct horse\n"), &out, &out); status != 0 {
		t.Fatal(out.String())
	}
	if _, err := parseConfig("t.toml", "[web]\n"+out.String()); err != nil {
		t.Errorf("%q is not accepted: %v", out.String(), err)
	}
	if status := run(context.Background(), []string{"password"}, strings.NewReader("short\n"), io.Discard, io.Discard); status != 1 {
		t.Error("a short password was taken")
	}
}

// systemdSocket is the other end of $NOTIFY_SOCKET.
func systemdSocket(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	messages := make(chan string, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				close(messages)
				return
			}
			messages <- string(b[:n])
		}
	}()
	return path, func() string { return <-messages }
}

func TestTellsSystemd(t *testing.T) {
	path, next := systemdSocket(t)
	p := prepare(t, basics("127.0.0.1:9")+starterList)
	p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
	p.start()
	want := func(prefix string) {
		t.Helper()
		for m := next(); !strings.HasPrefix(m, prefix); m = next() {
			if m == "" {
				t.Fatalf("%s never came", prefix)
			}
		}
	}
	want("READY=1")
	want("WATCHDOG=1") // with all upstreams down
	p.signal(syscall.SIGHUP)
	want("RELOADING=1")
	want("READY=1")
	if _, text := p.get("/metrics"); strings.Contains(text, `deadpixel_queries_total{outcome="local",transport="udp"} 1`) {
		t.Error("the query to itself was counted")
	}
	p.stop()
	want("STOPPING=1")
}

func TestSocketActivation(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := prepare(t, strings.NewReplacer("127.0.0.1:0", "192.0.2.1:5353").Replace(basics("127.0.0.1:9"))+starterList)
	for _, s := range []interface{ File() (*os.File, error) }{udp.(*net.UDPConn), tcp.(*net.TCPListener), web.(*net.TCPListener)} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, f)
	}
	udp.Close()
	tcp.Close()
	web.Close()
	// $$ stays the same over exec, and is what systemd writes into LISTEN_PID.
	args := p.cmd.Args
	p.cmd.Path = external(t, "sh")
	p.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, args...)
	p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS=3", "LISTEN_FDNAMES=dns:unknown:web")
	p.start()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	if status, _ := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	p.stop()
}

// Killed at random moments while it stores lists, the next start is clean.
func TestKilledWhileStoring(t *testing.T) {
	var version atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := version.Add(1)
		fmt.Fprint(w, "always.example\n")
		for i := range 20_000 {
			fmt.Fprintf(w, "host%d.version%d.example\n", i, v)
		}
	}))
	defer source.Close()
	p := prepare(t, strings.Replace(basics("127.0.0.1:9"), "[dns]", "timeout = \"300ms\"\n[dns]", 1)+
		fmt.Sprintf("[[lists]]\nname = \"remote\"\nsource = %q\nrefresh = \"1s\"\n", source.URL)).start()
	p.wait("list in use")
	for range 8 {
		p.wantRcode("always.example", dns.RcodeNameError)
		after := version.Load()
		for version.Load() == after { // the next copy is on its way
			p.ask("always.example", dns.TypeA)
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // any moment of storing it
		p.signal(syscall.SIGKILL)
		for range p.lines { // to its end
		}
		<-p.exited
		p.again().start()
		for len(p.lines) > 0 {
			if line := <-p.lines; strings.Contains(line.Message, "of no use") {
				t.Errorf("after a kill: %s", line.text)
			}
		}
	}
	p.stop()
}

// The program ends by itself when it is not asked to run.
func TestRunsFromTheShell(t *testing.T) {
	cmd := exec.Command(os.Args[0], "version")
	cmd.Env = append(os.Environ(), beProgram+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "deadpixel ") {
		t.Errorf("%v: %s", err, out)
	}
}
