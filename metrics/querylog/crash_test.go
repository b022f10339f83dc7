package querylog

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"deadpixel/resolver"
)

// crashDir, in the environment, makes the test binary a program that keeps queries there
// until it is killed, and crashFrom says with which number it begins.
const (
	crashDir  = "DEADPIXEL_TEST_QUERYLOG_DIR"
	crashFrom = "DEADPIXEL_TEST_QUERYLOG_FROM"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		from, err := strconv.Atoi(os.Getenv(crashFrom))
		if err == nil {
			err = keepForever(dir, from)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// keepForever writes as fast as the disk takes it, ten queries at a time, erases a client
// now and then, and prints the number of what has been written.
func keepForever(dir string, from int) error {
	s, err := OpenStore(loose(dir))
	if err != nil {
		return err
	}
	for i := from; ; i++ {
		var all []Record
		for range 10 {
			all = append(all, record(time.Now(), "192.0.2.1", fmt.Sprintf("n%d.example", i), resolver.Cached))
		}
		all = append(all, record(time.Now(), "192.0.2.2", "gone.example", resolver.Cached))
		if err := s.Write(context.Background(), all); err != nil {
			return err
		}
		s.mu.Lock()
		err := s.flush()
		s.mu.Unlock()
		if err == nil && i%7 == 0 {
			_, err = s.EraseClient(context.Background(), "192.0.2.2")
		}
		if err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// A program that is killed at any moment loses what it has not written yet, and no more;
// nothing is set aside, and nothing is there twice.
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
		c.Stderr = os.Stderr
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
		<-time.After(rand.N(5 * time.Millisecond)) // a moment like any other
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		last := lines.Text()
		for lines.Scan() {
			last = lines.Text()
		}
		c.Wait() // its error is that it was killed
		written, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}

		s := opened(t, loose(dir))
		got, err := s.Names(context.Background(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range written + 2 {
			switch n := got[fmt.Sprintf("n%d.example", i)]; {
			case n == 10 || i > written && n == 0:
			default:
				t.Errorf("round %d: %d of %d has %d queries", round, i, written, n)
			}
		}
		if h, err := s.Held(context.Background()); len(h.Aside) > 0 || err != nil {
			t.Fatalf("round %d: set aside: %v, %v", round, h.Aside, err)
		}
		if next = written + 1; got[fmt.Sprintf("n%d.example", next)] > 0 {
			next++ // it was killed between writing and telling
		}
		s.Close()
	}
	if left, _ := filepath.Glob(filepath.Join(dir, storeDir, "*.tmp")); len(left) > 0 {
		t.Errorf("files that were never finished: %v", left)
	}
	t.Logf("%d times ten queries were written", next)
}
