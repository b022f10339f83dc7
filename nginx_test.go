package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The page works behind a real nginx as the README has it, what happens included.
func TestBehindNginx(t *testing.T) {
	tool := external(t, "nginx")
	ours, theirs := "", ""
	for _, block := range snippets(t)["toml"] {
		if strings.Contains(block, "trusted_proxies") {
			ours = block
		}
	}
	if blocks := snippets(t)["nginx"]; len(blocks) == 1 {
		theirs = blocks[0]
	}
	_, keys, found := strings.Cut(ours, "listen = \"127.0.0.1:8080\"\n")
	if !found || !strings.Contains(theirs, "http://127.0.0.1:8080;") {
		t.Fatalf("the README shows something else: %s, %s", ours, theirs)
	}
	p := prepare(t, strings.Replace(basics("127.0.0.1:9"), "[web]\n", "[web]\n"+keys, 1)+starterList).start()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s;\nproxy_temp_path %[1]s;\nfastcgi_temp_path %[1]s;\nuwsgi_temp_path %[1]s;\nscgi_temp_path %[1]s;\nserver {\nlisten %[2]s;\n%[3]s}\n}\n",
		dir, front, strings.Replace(theirs, "http://127.0.0.1:8080;", p.web+";", 1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command(tool, "-p", dir, "-c", config, "-e", "stderr")
	var said strings.Builder
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Signal(syscall.SIGTERM)
		nginx.Wait()
	})
	get := func(path string) *http.Response {
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			r, err := http.Get("http://" + front + path)
			if err == nil {
				return r
			}
			if time.Since(begin) > patience {
				t.Fatalf("nginx does not answer: %v, %s", err, &said)
			}
		}
	}
	r := get("/dns/api/v1/recent")
	var recent struct{ Blocked []struct{ Name string } }
	if err := json.NewDecoder(r.Body).Decode(&recent); err != nil || len(recent.Blocked) != 1 {
		t.Errorf("the device's own names: %v, %+v", err, recent)
	}
	r.Body.Close()
	if r := get("/dns/"); r.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", r.Status)
	}
	events := get("/dns/api/v1/events")
	defer events.Body.Close()
	lines := bufio.NewScanner(events.Body)
	lines.Scan() // it is watched from now on
	if status, out := p.command("pause", "5m", "--web", strings.TrimPrefix(p.web, "http://")); status != 0 {
		t.Errorf("pause: %d %s", status, out)
	}
	time.AfterFunc(patience, func() { events.Body.Close() })
	for lines.Scan() {
		if lines.Text() == `data: {"what":"state"}` {
			break
		}
	}
	if lines.Text() == "" {
		t.Error("nothing came through nginx as it happened")
	}
	p.stop()
}
