package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// past is what GET /api/v1/history says.
type past struct {
	Queries, Blocked uint64
	Outcomes         map[string]uint64            `json:"by_outcome"`
	Lists            map[string]map[string]uint64 `json:"by_list"`
	Clients          []struct {
		Client           string
		Queries, Blocked uint64
	} `json:"clients_today"`
}

// wantPast waits until the history says so: what happened is counted once the reply
// has left.
func (p *program) wantPast(when string, queries, blocked uint64) (got past) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		for _, r := range []string{"24h", "7d", "30d"} {
			_, body := p.get("/api/v1/history?range=" + r)
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				p.t.Fatalf("%v: %s", err, body)
			}
			if got.Queries != queries || got.Blocked != blocked {
				break
			}
		}
		if got.Queries == queries && got.Blocked == blocked {
			return got
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %+v, want %d queries, %d blocked", when, got, queries, blocked)
		}
	}
}

// erase asks for something to be erased.
func (p *program) erase(path string) string {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodDelete, p.web+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		p.t.Errorf("%s: %s, %v: %s", path, answer.Status, err, b)
	}
	return string(b)
}

// The numbers of the page outlive a restart, and go when somebody erases them.
func TestHistoryOutlivesRestart(t *testing.T) {
	up := newInternet(t)
	p := prepare(t, basics(up.address)+"[privacy]\nclients = \"full\"\n"+starterList).start()
	p.wantRcode("www.example.org", dns.RcodeSuccess)
	p.askFrom("127.0.0.7", "pixel.facebook.com", dns.TypeA)
	p.wantPast("at first", 2, 1)
	p.stop()
	p = p.again().start()
	got := p.wantPast("after a restart", 2, 1)
	if got.Outcomes["forwarded"] != 1 || got.Lists["starter"]["name"] != 1 || len(got.Clients) != 2 {
		t.Errorf("%+v", got)
	}
	if _, page := p.get("/?range=7d"); !strings.Contains(page, `1 of them blocked`) || !strings.Contains(page, "Meta") {
		t.Errorf("the page has forgotten: %s", page)
	}
	if _, metrics := p.get("/metrics"); !strings.Contains(metrics, `deadpixel_queries_total{outcome="blocked",transport="udp"} 0`) {
		t.Error("counters of Prometheus went on after a restart")
	}
	if said := p.erase("/api/v1/privacy/me"); !strings.Contains(said, `"erased": 1`) {
		t.Errorf("me: %s", said)
	}
	if got := p.wantPast("without me", 2, 1); len(got.Clients) != 1 || got.Clients[0].Client != "127.0.0.7" {
		t.Errorf("%+v", got.Clients)
	}
	// A stricter form holds for what is there, too.
	p.write(basics(up.address) + "[privacy]\nclients = \"none\"\nkeep = \"24h\"\n" + starterList)
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	if got := p.wantPast("after a reload", 2, 1); len(got.Clients) != 1 || got.Clients[0].Client != "" {
		t.Errorf("%+v", got.Clients)
	}
	if said := p.erase("/api/v1/privacy/history"); !strings.Contains(said, `"minutes": 0`) || !strings.Contains(said, `"oldest": null`) {
		t.Errorf("all: %s", said)
	}
	p.wantPast("erased", 0, 0)
	p.stop()
	p = p.again().start()
	p.wantPast("erased, after a restart", 0, 0)
	p.stop()
}

// With default settings, neither who asked nor for what is anywhere in the data
// directory or the log, in no form that a simple search would find.
func TestNoTraceOnDisk(t *testing.T) {
	up := newInternet(t)
	const asker, allowed, blocked = "127.0.0.77", "private-matter.example.org", "x71-pixel.tracker.example"
	p := prepare(t, basics(up.address)+"[blocking]\ndeny = [\"tracker.example\"]\n"+starterList, "--log-level", "debug").start()
	for run := range uint64(2) {
		p.askFrom(asker, allowed, dns.TypeA)
		p.askFrom(asker, blocked, dns.TypeA)
		if got := p.wantPast("asked", 2*run+2, run+1); len(got.Clients) != 1 || got.Clients[0].Queries != 2*run+2 {
			t.Errorf("not one client: %+v", got.Clients)
		}
		for _, path := range []string{"/", "/metrics", "/api/v1/privacy", "/api/v1/status"} {
			p.get(path)
		}
		p.signal(syscall.SIGTERM)
		for line := range p.lines {
			p.said = append(p.said, line.text)
		}
		if err := <-p.exited; err != nil {
			t.Error(err)
		}
		said := strings.Join(p.said, "\n")
		searched := noTrace(t, filepath.Join(p.dir, "data"), said, asker, allowed, blocked)
		if !slices.Contains(searched, "history.db") || !slices.Contains(searched, "history.key") || !strings.Contains(said, "deadpixel stops") {
			t.Fatalf("searched %v and a log of %d bytes", searched, len(said))
		}
		p = p.again("--log-level", "debug").start()
	}
	p.stop()
}

// noTrace searches every file of a directory, and what was said, and returns the files.
func noTrace(t *testing.T, dir, said, asker string, names ...string) (searched []string) {
	t.Helper()
	address := netip.MustParseAddr(asker)
	wanted := traces(asker)
	four, sixteen := address.As4(), address.As16()
	for what, b := range map[string][]byte{"its bytes": four[:], "its bytes reversed": reversed(four[:]), "as IPv6": sixteen[:], "its bytes in hex": []byte(hex.EncodeToString(four[:]))} {
		wanted[what] = b
	}
	for _, name := range names {
		for what, b := range traces(name) {
			wanted[name+", "+what] = b
		}
		labels := strings.Split(name, ".")
		wire := ""
		for _, l := range labels {
			wire += string(rune(len(l))) + l
		}
		wanted[name+" as in a packet"] = []byte(wire)
		slices.Reverse(labels)
		wanted[name+" from the right"] = []byte(strings.Join(labels, "."))
	}
	look := func(where string, b []byte) {
		for what, trace := range wanted {
			if bytes.Contains(b, trace) {
				t.Errorf("%s has %s: %q", where, what, trace)
			}
		}
	}
	look("the log", []byte(said))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, b)
		searched = append(searched, d.Name())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return searched
}

// traces are a text in the forms in which somebody might write it without wanting to
// hide it.
func traces(text string) map[string][]byte {
	all := map[string][]byte{"as it is": []byte(text), "reversed": reversed([]byte(text)), "in hex": []byte(hex.EncodeToString([]byte(text)))}
	for shift := range 3 { // where it stands in what is encoded
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
		all["in base64, shifted by "+string(rune('0'+shift))] = []byte(strings.TrimRight(encoded, "=")[(shift*8+5)/6 : len(text)*4/3-2])
	}
	return all
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}
