package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// stir does from an address all that a device can do: queries of every outcome, broken
// ones, broken connections, and visits of the page. It returns the names that it asks for
// and that nobody blocks.
func (p *program) stir(from string, blocked string) (allowed []string) {
	p.t.Helper()
	ip := net.ParseIP(from)
	names := map[string]string{
		"forwarded": "private-matter.example.org",
		"failed":    "private-matter.dead.example",
		"local":     "private-matter.lan",
		"a circle":  "private-matter.circle.example",
		"cname":     "cloaked-matter.example.org",
	}
	for _, name := range names {
		p.askFrom(from, name, dns.TypeA)
		p.askFrom(from, name, dns.TypeA) // from the cache, or failing again
		allowed = append(allowed, name)
	}
	p.askFrom(from, blocked, dns.TypeA)
	odd := "private-oddity.example.org"
	allowed = append(allowed, odd)
	for _, qtype := range []uint16{dns.TypeANY, dns.TypeAXFR, dns.TypeTXT, dns.TypeHTTPS} {
		p.askFrom(from, odd, qtype)
	}
	whole, err := new(dns.Msg).SetQuestion(dns.Fqdn(odd), dns.TypeA).Pack()
	if err != nil {
		p.t.Fatal(err)
	}
	broken := [][]byte{whole[:len(whole)-3], whole[:5], append(slices.Clone(whole), 1, 2, 3)}
	for _, change := range []func([]byte){
		func(b []byte) { b[2] |= 0x80 },         // a response
		func(b []byte) { b[2] |= 4 << 3 },       // NOTIFY
		func(b []byte) { b[5] = 2 },             // two questions
		func(b []byte) { b[len(b)-1] = 3 },      // CHAOS
		func(b []byte) { b[12], b[13] = 63, 0 }, // labels that go nowhere
	} {
		b := slices.Clone(whole)
		change(b)
		broken = append(broken, b)
	}
	udp, err := net.DialUDP("udp", &net.UDPAddr{IP: ip}, must(net.ResolveUDPAddr("udp", p.dns)))
	if err != nil {
		p.t.Fatal(err)
	}
	defer udp.Close()
	for _, b := range broken {
		if _, err := udp.Write(b); err != nil {
			p.t.Fatal(err)
		}
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: patience}
	for _, part := range [][]byte{{0}, {0, 200, 1, 2, 3}, append([]byte{0, byte(len(whole))}, whole...), []byte("GET / HTTP/1.1\r\n\r\n")} {
		tcp, err := dialer.Dial("tcp", p.dns)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := tcp.Write(part); err != nil {
			p.t.Fatal(err)
		}
		tcp.(*net.TCPConn).SetLinger(0) // a reset, while the answer may be on its way
		tcp.Close()
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	for _, path := range []string{"/", "/recent", "/privacy", "/why?name=" + odd, "/api/v1/explain?name=" + odd + "&resolve=true", "/api/v1/explain?name=!" + odd, "/nowhere/" + odd} {
		r, err := client.Get(p.web + path)
		if err != nil {
			p.t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	for path, body := range map[string]string{"pause": `{"client":"` + odd + `"}`, "requests": `{"name":"` + blocked + `"}`, "self_allow": `{"name":"` + blocked + `"}`, "rules": `{"rule":"` + odd + `"`} {
		r, err := client.Post(p.web+"/api/v1/"+path, "application/json", strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		r.Body.Close()
	}
	for _, text := range []string{"GET /" + odd + " HTTP/9.9\r\n\r\n", odd, "\x16\x03\x01\x02\x00\x01"} { // no HTTP, and TLS where there is none
		web, err := dialer.Dial("tcp", strings.TrimPrefix(p.web, "http://"))
		if err != nil {
			p.t.Fatal(err)
		}
		fmt.Fprint(web, text)
		web.Close()
	}
	return allowed
}

// With default settings, whatever a device does, neither its address nor a name that it
// asked for and was given reaches the disk, the log or standard output, also not at debug
// level. Only who says so gets both in the log.
func TestNoTraceOfWhatever(t *testing.T) {
	up := newInternet(t)
	const blocked = "x71-pixel.tracker.example"
	askers := []string{"127.83.219.47", "127.201.94.163", "127.149.238.77"}
	config := basics(up.address) + "[blocking]\ndeny = [\"tracker.example\"]\n[upstream.routes]\n\"dead.example\" = [\"127.0.0.1:9\"]\n" + "[local]\n\"private-matter.circle.example\" = [\"around.circle.example\"]\n\"around.circle.example\" = [\"private-matter.circle.example\"]\n" + starterList + "[groups.default]\nself_allow = \"5m\"\n"
	for _, names := range []bool{false, true} {
		text := config
		if names {
			text = strings.Replace(config, "[log]\n", "[log]\nnames = true\n", 1)
		}
		p := prepare(t, text, "--log-level", "debug")
		var out bytes.Buffer
		p.cmd.Stdout = &out
		p.start()
		var allowed []string
		for _, asker := range askers {
			allowed = p.stir(asker, blocked)
		}
		// What was counted has been observed.
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if _, metrics := p.get("/metrics"); strings.Contains(metrics, fmt.Sprintf(`outcome="failed",transport="udp"} %d`, 4*len(askers))) {
				break
			}
			if time.Since(begin) > patience {
				t.Fatal("the queries are not counted")
			}
		}
		p.signal(syscall.SIGTERM)
		for line := range p.lines {
			p.said = append(p.said, line.text)
		}
		if err := <-p.exited; err != nil {
			t.Error(err)
		}
		said := strings.Join(p.said, "\n") + out.String()
		if names {
			for _, told := range append(askers, "private-matter.circle.example") {
				if !strings.Contains(said, told) {
					t.Errorf("with [log] names, the log does not tell of %s:\n%s", told, said)
				}
			}
			continue
		}
		if !strings.Contains(said, "no answer") || !strings.Contains(said, "deadpixel stops") {
			t.Fatalf("the log is not that of all this:\n%s", said)
		}
		for _, asker := range askers {
			noTrace(t, filepath.Join(p.dir, "data"), said, asker, append(allowed, blocked)...)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
