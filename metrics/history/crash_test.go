package history

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// crashDir, in the environment, makes the test binary a program that keeps a history
// there until it is killed, and crashFrom says with which minute it begins.
const (
	crashDir  = "DEADPIXEL_TEST_HISTORY_DIR"
	crashFrom = "DEADPIXEL_TEST_HISTORY_FROM"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		from, err := strconv.Atoi(os.Getenv(crashFrom))
		if err == nil {
			keepForever(dir, from)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashBegin is the first minute of the program's clock; an hour later, hours are added
// up.
var crashBegin = time.Date(2026, 11, 24, 22, 30, 0, 0, time.UTC)

// keepForever lets minutes pass as fast as the disk takes them, with ten queries each,
// and prints the number of each minute that has been written.
func keepForever(dir string, from int) {
	var ours house
	h := ours.open(Settings{Dir: dir, Clients: Anonymous})
	for i := from; ; i++ {
		now := crashBegin.Add(time.Duration(i) * time.Minute)
		h.mu.Lock()
		h.read = now
		h.mu.Unlock()
		ours.ask(h, phone, 10)
		h.turn(now.Add(time.Minute))
		fmt.Println(i)
	}
}

// A program that is killed at any moment loses the minute that it has not written yet,
// and no more: all before are there, each whole.
func TestKilledHundredTimes(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	next := 0
	for round := range 100 {
		c := exec.Command(program)
		c.Env = append(os.Environ(), crashDir+"="+dir, crashFrom+"="+strconv.Itoa(next))
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatalf("round %d: it ended by itself", round)
		}
		<-time.After(rand.N(10 * time.Millisecond)) // a moment like any other
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		written := must(strconv.Atoi(lines.Text()))
		for lines.Scan() {
			written = must(strconv.Atoi(lines.Text()))
		}
		c.Wait() // its error is that it was killed

		now := crashBegin.Add(time.Duration(written+1) * time.Minute)
		s, aside, err := openStore(dir, now)
		if err != nil || aside != "" {
			t.Fatalf("round %d: it does not open: %v, set aside as %q", round, err, aside)
		}
		got := map[int64]uint64{}
		attempts := map[int64]uint64{} // of Meta
		err = s.view(func(tx *bolt.Tx) error {
			return from(tx, minutes, 0, func(n int64, v []byte) error {
				var one sum
				err := one.addRow(v, true)
				got[n], attempts[n] = one.Queries(), one.Companies["Meta"].Attempts()
				return err
			})
		})
		s.close()
		if err != nil {
			t.Fatal(err)
		}
		for i := max(0, written-20*60); i <= written+1; i++ {
			at := minutes.number(crashBegin.Add(time.Duration(i)*time.Minute), nil)
			switch n := got[at]; {
			case n == 10 && attempts[at] == 4 || i > written && n == 0:
			case n == 0:
				t.Errorf("round %d: minute %d of %d is lost", round, i, written)
			default:
				t.Errorf("round %d: minute %d has %d queries, %d attempts", round, i, n, attempts[at])
			}
		}
		if len(asideIn(dir)) > 0 {
			t.Fatal(asideIn(dir))
		}
		if next = written + 1; got[minutes.number(crashBegin.Add(time.Duration(next)*time.Minute), nil)] > 0 {
			next++ // it was killed between writing and telling
		}
	}
	if left := must(filepath.Glob(filepath.Join(dir, "*"))); len(left) > 3 {
		t.Errorf("files %v", left)
	}
	t.Logf("%d minutes were written", next)
}

// Garbage is set aside or read, and never brings the program down.
func FuzzOpen(f *testing.F) {
	good := filled(f, 200)
	for _, b := range [][]byte{good, good[:8192], good[:len(good)-4096], nil, []byte("x")} {
		f.Add(b, 0, byte(0))
	}
	for at := 16; at < len(good); at += 3*4096 + 9 {
		f.Add(good, at, byte(0xFF))
	}
	f.Fuzz(func(t *testing.T, b []byte, at int, mask byte) {
		if at >= 0 && at < len(b) {
			b = append([]byte(nil), b...)
			b[at] ^= mask
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Anonymous})
		ours.ask(h, phone, 3)
		h.turn(time.Now())
		h.Read(Month)
		if err := h.Erase(); err != nil {
			t.Error(err)
		}
		if held := h.Held(); held.Minutes+held.Hours+held.Days > 0 || held.Trouble != "" {
			t.Errorf("%+v; %s", held, &ours.log)
		}
		h.shut()
	})
}

// A sum on disk is read or refused.
func FuzzRow(f *testing.F) {
	f.Add(busy(3).encode())
	f.Add(new(sum).encode())
	f.Add(must(hex.DecodeString(oldRow)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sum
		if s.addRow(b, true) != nil {
			return
		}
		var again sum
		if err := again.addRow(s.encode(), true); err != nil || again.Queries() != s.Queries() {
			t.Errorf("%v: %d queries, want %d", err, again.Queries(), s.Queries())
		}
		var alone sum
		if err := eachClient(b, map[string]string{}, alone.use); err != nil || !maps.Equal(alone.clients, s.clients) {
			t.Errorf("%v: the clients alone are %v, want %v", err, alone.clients, s.clients)
		}
	})
}
