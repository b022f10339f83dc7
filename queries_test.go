package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/metrics/querylog"
	"deadpixel/ui"
)

// queriesOnDisk is all that the store has, unpacked.
func queriesOnDisk(t *testing.T, p *program) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "data", "queries", "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		b, err := exec.Command("zcat", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all)
}

// Queries are kept as far as the setting says, shown, counted and erased; and what a
// stricter setting does not permit is gone.
func TestQueriesAreKept(t *testing.T) {
	up := newInternet(t)
	config := func(queries, to string) string {
		return basics(up.address) + starterList + "[privacy]\nqueries = \"" + queries + "\"\nlog_to = " + to + "\n"
	}
	p := prepare(t, "")
	tap := filepath.Join(p.dir, "tap")
	p.write(config("all", `["store", "stdout", "dnstap+file://`+tap+`"]`))
	var out bytes.Buffer
	p.cmd.Stdout = &out
	p.start()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	p.wantRcode("needed.example", dns.RcodeSuccess)
	p.wantRcode("cloaked.example", dns.RcodeNameError)
	find := func(query string) (page ui.QueryPage) {
		t.Helper()
		_, body := p.get("/api/v1/queries" + query)
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return page
	}
	// The counting comes after the reply.
	for begin := time.Now(); len(find("").Queries) < 3; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%+v", find(""))
		}
	}
	got := find("?name=cloaked").Queries
	if len(got) != 1 || got[0].Hidden != "pixel.facebook.com" || got[0].Reason != "cname" || got[0].Owner != "Meta" || got[0].Rcode != "NXDOMAIN" || len(got[0].Client) != 16 || got[0].Address != "" {
		t.Errorf("a hidden tracker: %+v", got)
	}
	if got := find("?name=needed").Queries; len(got) != 1 || got[0].Outcome != "forwarded" || !strings.Contains(got[0].Upstream, "127.0.0.1") {
		t.Errorf("an allowed name: %+v", got)
	}
	k := p.keeping()
	p.signal(syscall.SIGHUP) // which writes what would wait for the minute
	p.wait("configuration reloaded")
	if text := queriesOnDisk(t, p); k.About.Logged != 3 || !strings.Contains(text, "needed.example") || strings.Contains(text, "127.0.0.1\"") {
		t.Errorf("kept of this device: %+v; on disk: %s", k.About, text)
	}
	said := false
	for _, one := range k.Kept {
		said = said || strings.Contains(one.Where, "queries/") && one.Much == "3 queries" && one.Oldest != nil
	}
	if !said {
		t.Errorf("what is kept is not said: %+v", k.Kept)
	}
	for _, sink := range []string{"buffer", "store", "stdout", "dnstap"} {
		if _, metrics := p.get("/metrics"); !strings.Contains(metrics, `deadpixel_query_log_dropped_total{sink="`+sink+`"} 0`) {
			t.Errorf("what %s drops is not counted", sink)
		}
	}
	streams := 0
	for _, one := range k.Kept {
		if strings.HasSuffix(one.Until, "erasing here does not reach it") && (one.Where == "whoever reads stdout" || one.Where == "whoever reads dnstap") {
			streams++
		}
	}
	if streams != 2 {
		t.Errorf("what is out of reach is not said: %+v", k.Kept)
	}

	reload := func(text string) {
		t.Helper()
		p.write(text)
		p.signal(syscall.SIGHUP)
		p.wait("configuration reloaded")
	}
	reload(config("blocked", `["store"]`))
	p.wantRcode("other.example", dns.RcodeSuccess)
	if text := queriesOnDisk(t, p); strings.Contains(text, "needed.example") || !strings.Contains(text, "pixel.facebook.com") {
		t.Errorf("only what was blocked: %s", text)
	}
	if got := find("").Queries; len(got) != 2 {
		t.Errorf("only what was blocked: %+v", got)
	}
	r, err := http.NewRequest(http.MethodDelete, p.web+"/api/v1/privacy/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", answer, err)
	}
	answer.Body.Close()
	if got := find("").Queries; len(got) != 0 || p.keeping().About.Logged != 0 || strings.Contains(queriesOnDisk(t, p), "facebook") {
		t.Errorf("after erasing what is of this device: %+v", got)
	}
	reload(config("none", `["store"]`))
	if _, err := os.Stat(filepath.Join(p.dir, "data", "queries")); !os.IsNotExist(err) {
		t.Errorf("with none: %v", err)
	}
	p.stop()

	lines := 0
	for line := range strings.Lines(out.String()) {
		var l querylog.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Name == "" || l.Time.IsZero() {
			t.Errorf("%v: %s", err, line)
		}
		lines++
	}
	if b, err := os.ReadFile(tap); err != nil || !bytes.Contains(b, []byte("protobuf:dnstap.Dnstap")) || !bytes.Contains(b, []byte("\x06needed\x07example\x00")) || bytes.Contains(b, []byte("\x05other\x07example")) {
		t.Errorf("dnstap has %q, %v", b, err)
	}
	if lines != 3 {
		t.Errorf("%d lines on standard output, want 3:\n%s", lines, &out)
	}
}

// A new rule about what this household asks for is told of by the page, without the name.
func TestRuleAboutAskedName(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, "")
	list := filepath.Join(p.dir, "list.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("||old.example^\n")
	p.write(basics(up.address) + "[privacy]\nqueries = \"all\"\n[[lists]]\nname = \"ours\"\nsource = \"list.txt\"\npopular = \"hold\"\n")
	p.start()
	p.wantRcode("www.clinic.example", dns.RcodeSuccess)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, body := p.get("/api/v1/queries"); strings.Contains(body, "clinic") {
			break
		}
		if time.Since(begin) > patience {
			t.Fatal("the query is not kept")
		}
	}
	write("||old.example^\n||clinic.example^\n")
	r, err := http.Post(p.web+"/api/v1/lists/refresh", "application/json", strings.NewReader(`{"list":"ours"}`))
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", r, err)
	}
	r.Body.Close()
	p.wantRcode("www.clinic.example", dns.RcodeSuccess)
	_, page := p.get("/lists")
	if !strings.Contains(page, "is held back") || !strings.Contains(page, "1 name that this household has asked for of late") || strings.Contains(page, "www.clinic") {
		t.Errorf("the page says %s", page)
	}
	p.stop()
}

// Who reads standard output may go: the house goes on, and what is lost is counted.
func TestReaderOfStdoutGoes(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+starterList+"[privacy]\nqueries = \"all\"\nlog_to = [\"stdout\"]\n")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = write
	p.start()
	write.Close()
	p.wantRcode("first.example", dns.RcodeSuccess)
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil || !strings.Contains(line, "first.example") {
		t.Fatalf("%v: %s", err, line)
	}
	read.Close()
	p.wantRcode("second.example", dns.RcodeSuccess)
	p.wait("the query log cannot be written; deadpixel goes on without")
	p.wantRcode("third.example", dns.RcodeSuccess)
	if _, metrics := p.get("/metrics"); !strings.Contains(metrics, `deadpixel_query_log_dropped_total{sink="stdout"} `) || strings.Contains(metrics, `{sink="stdout"} 0`) {
		t.Error("what is lost is not counted")
	}
	p.stop()
}

// A PostgreSQL server that is away disturbs nobody; what may be in it and is out of reach is
// told, without the password.
func TestPostgresIsAway(t *testing.T) {
	up := newInternet(t)
	config := func(queries, to string) string {
		return basics(up.address) + starterList + "[privacy]\nqueries = \"" + queries + "\"\nlog_to = [\"" + to + "\"]\n"
	}
	const server = "postgres://house:hunter2@127.0.0.1:9/queries"
	p := prepare(t, config("all", server)).start()
	p.wantRcode("needed.example", dns.RcodeSuccess)
	p.wantRcode("other.example", dns.RcodeSuccess)
	p.write(config("all", "store"))
	p.signal(syscall.SIGHUP)
	p.wait("a PostgreSQL server is not in [privacy] log_to any more; what it has of the query log stays there, out of reach")
	p.wait("configuration reloaded")
	p.write(config("none", server))
	p.signal(syscall.SIGHUP)
	p.wait("what the PostgreSQL server has of the query log cannot be erased; the next reload or start tries again, if [privacy] log_to names it")
	p.signal(syscall.SIGTERM)
	for line := range p.lines {
		p.said = append(p.said, line.text)
	}
	if err := <-p.exited; err != nil {
		t.Error(err)
	}
	if said := strings.Join(p.said, "\n"); !strings.Contains(said, "the query log waits for its PostgreSQL server") || !strings.Contains(said, "postgres://…@127.0.0.1:9/queries") || strings.Contains(said, "hunter2") || strings.Contains(said, "needed") {
		t.Errorf("the log says %s", said)
	}
}
