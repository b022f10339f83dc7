package querylog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/resolver"
)

// external finds a real program, or skips the test and names it.
func external(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs the program %s", program)
	}
	return path
}

// tapped are records of every kind that matters to dnstap.
func tapped(t *testing.T) []Record {
	t.Helper()
	at := time.Date(2026, 11, 25, 12, 0, 0, 250e6, time.UTC)
	full := record(at, "192.0.2.7", "full.example", resolver.Forwarded)
	reply := new(dns.Msg).SetQuestion("full.example.", dns.TypeA)
	reply.Response = true
	reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: "full.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(203, 0, 113, 9)})
	var err error
	if full.Wire, err = reply.Pack(); err != nil {
		t.Fatal(err)
	}
	blocked := record(at, "cafe", "blocked.example", resolver.Blocked)
	blocked.Rcode, blocked.Transport = dns.RcodeNameError, resolver.TCP
	six := record(at, "2001:db8::7", "six.example", resolver.Cached)
	dropped := record(at, "cafe", "", resolver.Dropped)
	return []Record{full, blocked, six, dropped}
}

// readTap has kdig read what was written, and finds each reply in it.
func readTap(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command(external(t, "kdig"), "-G", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"full.example.", "203.0.113.9", "192.0.2.7", "blocked.example.", "NXDOMAIN", "six.example.", "2001:db8::7", "1.5 ms"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("kdig does not find %q:\n%s", want, out)
		}
	}
	if n := strings.Count(string(out), "status: "); n != 3 {
		t.Errorf("kdig finds %d replies, want 3:\n%s", n, out)
	}
}

func TestDnstapFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dns.tap")
	d, err := NewDnstap("dnstap+file://"+path, "house", "deadpixel 1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(context.Background(), tapped(t)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	readTap(t, path)
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte("house")) || !bytes.Contains(b, []byte("deadpixel 1")) || bytes.Contains(b, []byte("cafe")) {
		t.Errorf("who wrote it is not in it, or who asked is: %v", err)
	}
}

// A real reader that comes late gets all of it, over either kind of socket.
func TestDnstapReader(t *testing.T) {
	tool := external(t, "fstrm_capture")
	for _, kind := range []string{"unix", "tcp"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, "dns.tap")
			target, args := "dnstap+unix://"+filepath.Join(dir, "s"), []string{"-u", filepath.Join(dir, "s")}
			if kind == "tcp" {
				free, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				_, port, _ := net.SplitHostPort(free.Addr().String())
				free.Close()
				target, args = "dnstap+tcp://127.0.0.1:"+port, []string{"-a", "127.0.0.1", "-p", port}
			}
			d, err := NewDnstap(target, "house", "deadpixel 1", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Write(context.Background(), tapped(t)); err != nil { // waits
				t.Fatal(err)
			}
			reader := exec.Command(tool, append(args, "-t", "protobuf:dnstap.Dnstap", "-w", out)...)
			if err := reader.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { reader.Process.Kill(); reader.Wait() })
			for begin := time.Now(); d.w == nil || len(d.waiting) > 0; time.Sleep(10 * time.Millisecond) {
				if time.Since(begin) > 20*time.Second {
					t.Fatal("the reader is not found")
				}
				d.retry = time.Time{}
				if err := d.Write(context.Background(), nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			reader.Process.Signal(syscall.SIGTERM)
			reader.Wait()
			readTap(t, out)
		})
	}
}

// Nobody who reads costs a bounded amount of memory, and a reader of something else is
// told apart.
func TestDnstapWithoutReader(t *testing.T) {
	d, err := NewDnstap("dnstap+unix://"+filepath.Join(t.TempDir(), "none"), "", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	many := make([]Record, 10_000)
	for i := range many {
		many[i] = record(time.Now(), "192.0.2.7", fmt.Sprintf("name-%d.example", i), resolver.Cached)
	}
	lost := 0
	for range 10 {
		if d.Write(context.Background(), many) != nil {
			lost++
		}
		if d.size > maxTapWait {
			t.Fatalf("%d bytes wait", d.size)
		}
	}
	if lost == 0 {
		t.Error("what is lost is not told")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	other, self := net.Pipe()
	go func() {
		buffer := make([]byte, 1024)
		other.Read(buffer)
		reply := bytes.ReplaceAll(control(controlAccept, true), []byte("dnstap.Dnstap"), []byte("other.Message"))
		other.Write(reply)
	}()
	if err := shakeHands(self); err == nil || !strings.Contains(err.Error(), "not dnstap") {
		t.Errorf("a reader of something else: %v", err)
	}
	for _, bad := range []string{"dnstap://x", "dnstap+unix://host/path", "dnstap+unix:", "dnstap+tcp://host", "dnstap+tcp://host:1/path", "dnstap+file://", "x"} {
		if CheckDnstap(bad) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzReadControl(f *testing.F) {
	f.Add(control(controlAccept, true))
	f.Add(control(controlFinish, false))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, types, err := readControl(bytes.NewReader(b)); err != nil && types != nil {
			t.Errorf("both %v and %v", types, err)
		}
	})
}
