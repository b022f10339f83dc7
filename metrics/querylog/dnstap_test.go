package querylog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/protobuf/encoding/protowire"

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
	six.Transport = resolver.QUIC // which many readers do not know
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

// What a file has from before stays, also after a kill or on a full disk in the middle of
// a frame; and a file of somebody else is left alone.
func TestDnstapFileGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dns.tap")
	records := tapped(t)
	for i, cut := range []func([]byte) []byte{
		func(b []byte) []byte { return b },                                      // a stop frame
		func(b []byte) []byte { return b[:len(b)-12] },                          // killed
		func(b []byte) []byte { return append(b[:len(b)-12], 0, 0, 1, 0, 'x') }, // in a frame
		func(b []byte) []byte { return append(b[:len(b)-12], 0, 0) },            // in its length
	} {
		d, err := NewDnstap("dnstap+file://"+path, "house", "deadpixel 1", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if i < len(records) {
			if err := d.Write(context.Background(), records[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, cut(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewDnstap("dnstap+file://"+path, "house", "deadpixel 1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	readTap(t, path)
	letter := filepath.Join(t.TempDir(), "letter.txt")
	const text = "Dear neighbour, this is not for you to write over."
	if err := os.WriteFile(letter, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDnstap("dnstap+file://"+letter, "", "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "letter.txt: it is no file of dnstap") {
		t.Errorf("somebody else's file: %v", err)
	}
	if b, _ := os.ReadFile(letter); string(b) != text {
		t.Errorf("somebody else's file is now %q", b)
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
	var log bytes.Buffer
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	lost := 0
	for range 10 {
		d.retry = time.Time{}
		var some *lostError
		if errors.As(d.Write(context.Background(), many), &some) {
			lost += some.n
		}
		if d.size > maxTapWait {
			t.Fatalf("%d bytes wait", d.size)
		}
	}
	if lost == 0 || lost+len(d.waiting) != 10*len(many) {
		t.Errorf("%d are lost and %d wait, of %d", lost, len(d.waiting), 10*len(many))
	}
	if n := strings.Count(log.String(), "waits for its reader"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, &log)
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

// A burst that is more than may wait is no loss while somebody reads.
func TestDnstapBurst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dns.tap")
	d, err := NewDnstap("dnstap+file://"+path, "house", "deadpixel 1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	one := record(time.Now(), "192.0.2.7", "a.example", resolver.Cached)
	many := slices.Repeat([]Record{one}, 2*maxTapWait/len(d.message(&one)))
	if err := d.Write(context.Background(), many); err != nil || d.size != 0 || len(d.waiting) != 0 {
		t.Errorf("%v; %d bytes wait in %d frames", err, d.size, len(d.waiting))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < 2*maxTapWait {
		t.Errorf("%d bytes are in the file, %v", info.Size(), err)
	}
}

// How a query came in is told for each transport.
func TestDnstapProtocols(t *testing.T) {
	d := &Dnstap{}
	for transport, want := range map[resolver.Transport]uint64{resolver.UDP: 1, resolver.TCP: 2, resolver.TLS: 3, resolver.HTTPS: 4, resolver.QUIC: 7} {
		r := record(time.Now(), "", "a.example", resolver.Cached)
		r.Transport = transport
		outer := d.message(&r)
		if got := fields(t, fields(t, outer)[14].([]byte))[3]; got != want {
			t.Errorf("%v is %v, want %d", transport, got, want)
		}
	}
}

// fields are those of a protobuf message, numbers as uint64.
func fields(t *testing.T, b []byte) map[protowire.Number]any {
	t.Helper()
	all := map[protowire.Number]any{}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			all[field], n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			all[field], n = protowire.ConsumeFixed32(b)
		default:
			all[field], n = protowire.ConsumeBytes(b)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
	}
	return all
}

// Whatever a file holds, it is left as it was, or is one that goes on: a start frame and
// whole frames.
func FuzzResume(f *testing.F) {
	start := control(controlStart, true)
	f.Add([]byte{})
	f.Add(start[:20])
	f.Add(start)
	f.Add(append(slices.Clone(start), 0, 0, 0, 1, 'x', 0, 0, 0, 9, 'y'))
	f.Add(append(append(slices.Clone(start), 0, 0, 0, 1, 'x'), control(controlStop, false)...))
	more := append(slices.Clone(start), 0, 0, 0, 1, 0, 0, 0, 0) // one field more
	more[7] += 8
	f.Add(more)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		failed := resume(file)
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if failed != nil {
			if bytes.HasPrefix(start, b) || !bytes.Equal(after, b) {
				t.Errorf("%v: %x, now %x", failed, b, after)
			}
			return
		}
		if at, err := file.Seek(0, io.SeekCurrent); err != nil || at != int64(len(after)) {
			t.Errorf("goes on at %d of %d, %v", at, len(after), err)
		}
		rest, ok := bytes.CutPrefix(after, start)
		for ok && len(rest) > 0 {
			if ok = len(rest) > 4; !ok {
				break
			}
			size := int(binary.BigEndian.Uint32(rest))
			if ok = size > 0 && len(rest) >= 4+size; ok {
				rest = rest[4+size:]
			}
		}
		if !ok {
			t.Errorf("from %x it is %x", b, after)
		}
	})
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
