package querylog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"deadpixel/resolver"
)

// cluster is a PostgreSQL server of a test's own, on a socket of the file system.
type cluster struct {
	t    *testing.T
	bin  string
	dir  string
	as   *syscall.SysProcAttr
	proc *exec.Cmd
}

// newCluster makes one. PostgreSQL refuses to run as root, so there it runs as nobody.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skip("needs the program postgres")
	}
	dir, err := os.MkdirTemp("/tmp", "deadpixel-pg-") // short, for the socket, and reachable for nobody
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, bin: filepath.Dir(found[len(found)-1]), dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, err1 := strconv.Atoi(nobody.Uid)
		gid, err2 := strconv.Atoi(nobody.Gid)
		if err1 != nil || err2 != nil || os.Chown(dir, uid, gid) != nil {
			t.Fatal(err1, err2)
		}
		c.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.run("initdb", "-D", filepath.Join(dir, "data"), "-U", "house", "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-sync")
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *cluster) run(program string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.SysProcAttr, cmd.Dir = c.as, c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func (c *cluster) start() {
	c.proc = exec.Command(filepath.Join(c.bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	c.proc.SysProcAttr, c.proc.Dir = c.as, c.dir
	if err := c.proc.Start(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop() {
	c.proc.Process.Signal(syscall.SIGINT) // a fast shutdown
	c.proc.Wait()
}

func (c *cluster) url(password string) string {
	return fmt.Sprintf("postgres://house:%s@/postgres?host=%s", password, c.dir)
}

// eventually waits for what has to come.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begin := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("%s never comes", what)
		}
	}
}

func TestPostgres(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t)
	set := StoreSettings{Keep: 24 * time.Hour, Scope: All, Clients: true, Address: true}
	p, err := NewPostgres(ctx, c.url("hunter2"), set)
	if err != nil {
		t.Fatal(err)
	}
	again := func() { // at once, also after a try that failed
		p.retry = time.Time{}
		p.Write(ctx, nil)
	}
	held := func() int {
		p.retry = time.Time{}
		h, err := p.Held(ctx)
		if err != nil {
			return -1
		}
		return h.Lines
	}
	// Before anything was written, there is nothing to erase, and that is no error.
	eventually(t, "the server", func() bool { return p.Erase(ctx) == nil })
	if n, err := p.EraseClient(ctx, "192.0.2.1"); n != 0 || err != nil || held() != 0 {
		t.Errorf("erasing what is not there: %d, %v", n, err)
	}
	now := time.Now()
	hostile := record(now, "192.0.2.9", "x'); DROP TABLE deadpixel_queries; --\x00\xff", resolver.Blocked)
	if err := p.Write(ctx, []Record{record(now, "192.0.2.1", "a.example", resolver.Cached), record(now, "2001:db8::1", "b.example", resolver.Blocked), hostile}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first write", func() bool {
		again() // the server has just been started
		return held() == 3 && len(p.waiting) == 0
	})
	var name, address string
	if err := p.pool.QueryRow(ctx, "SELECT name, host(address) FROM deadpixel_queries WHERE outcome = 'blocked' AND name LIKE 'x%'").Scan(&name, &address); err != nil || name != "x'); DROP TABLE deadpixel_queries; --\\000\uFFFD" || address != "192.0.2.9" {
		t.Errorf("got %q of %s, %v", name, address, err)
	}
	if n, err := p.Count(ctx, "2001:db8::1"); n != 1 || err != nil {
		t.Errorf("%d lines of a client, %v", n, err)
	}

	// While the server is away, records wait; then they are there.
	c.stop()
	if err := p.Write(ctx, []Record{record(now, "192.0.2.1", "c.example", resolver.Cached)}); err != nil || len(p.waiting) != 1 {
		t.Errorf("while it is away: %v, %d wait", err, len(p.waiting))
	}
	if _, err := p.Count(ctx, "192.0.2.1"); err == nil || !strings.Contains(err.Error(), "is away") {
		t.Errorf("counting while it is away: %v", err)
	}
	c.start()
	eventually(t, "what has waited", func() bool { again(); return len(p.waiting) == 0 && held() == 4 })

	// A burst that is more than may wait is no loss while the server is there.
	burst := make([]Record, maxPgWait+1)
	for i := range burst {
		burst[i] = record(now, "192.0.2.3", "burst.example", resolver.Cached)
	}
	if err := p.Write(ctx, burst); err != nil || held() != 4+len(burst) {
		t.Errorf("a burst: %v, %d are held", err, held())
	}
	if n, err := p.EraseClient(ctx, "192.0.2.3"); n != len(burst) || err != nil {
		t.Errorf("erasing the burst: %d, %v", n, err)
	}

	// What is too old goes.
	if _, err := p.pool.Exec(ctx, "UPDATE deadpixel_queries SET at = at - interval '25 hours' WHERE name = 'c.example'"); err != nil {
		t.Fatal(err)
	}
	p.pruned = time.Time{}
	if err := p.Write(ctx, nil); err != nil || held() != 3 {
		t.Errorf("what is too old: %v, %d are left", err, held())
	}

	if n, err := p.EraseClient(ctx, "192.0.2.1", "laptop"); n != 1 || err != nil || held() != 2 {
		t.Errorf("erasing a client: %d, %v, %d are left", n, err, held())
	}
	set.Address = false
	p.Use(set)
	p.Write(ctx, nil)
	if n, err := p.Count(ctx, "2001:db8::1", "192.0.2.9"); n != 0 || err != nil || held() != 2 {
		t.Errorf("without addresses: %d, %v, of %d", n, err, held())
	}
	if err := p.Write(ctx, []Record{record(now, "cafe", "d.example", resolver.Cached)}); err != nil || held() != 3 {
		t.Errorf("one more: %v, %d", err, held())
	}
	set.Scope = Blocked
	p.Use(set)
	p.Write(ctx, []Record{record(now, "cafe", "e.example", resolver.Cached)})
	if held() != 2 {
		t.Errorf("only what was blocked: %d", held())
	}
	if err := p.Erase(ctx); err != nil || held() != 0 {
		t.Errorf("erasing: %v, %d", err, held())
	}

	// Somebody else, later, on the same tables; and a newer version's.
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	p, err = NewPostgres(ctx, c.url("hunter2"), set)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.put(ctx); err != nil {
		t.Errorf("a second start: %v", err)
	}
	if _, err := p.pool.Exec(ctx, "INSERT INTO deadpixel_schema VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	p.ready = false
	if err := p.put(ctx); err == nil || !strings.Contains(err.Error(), "a newer deadpixel") {
		t.Errorf("tables of a newer version: %v", err)
	}
	p.Close()

	// A password never reaches the log.
	var log bytes.Buffer
	set.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err = NewPostgres(ctx, c.url("wrong-secret"), set)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.Write(ctx, []Record{record(now, "cafe", "x.example", resolver.Blocked)})
		p.retry = time.Time{}
	}
	if text := log.String(); strings.Count(text, "waits for its PostgreSQL server") != 1 {
		t.Errorf("the log says more than once: %s", text)
	}
	if text := log.String(); !strings.Contains(text, "waits for its PostgreSQL server") || strings.Contains(text, "secret") || strings.Contains(text, "x.example") {
		t.Errorf("the log says %s", text)
	}
	p.Close()
	for _, bad := range []string{"postgres://house:secret@host:port/", "postgres://house:secret@host/?sslmode=nonsense", "://secret"} {
		if err := CheckPostgres(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
