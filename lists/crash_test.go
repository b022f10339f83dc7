package lists

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crashDir, in the environment, makes the test binary a program that stores
// lists there until it is killed.
const crashDir = "DEADPIXEL_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Println(storeForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Both versions of the list that is being stored have so many entries.
const crashEntries = 5000

func crashText(version int) string {
	return strings.ReplaceAll(names(crashEntries), "host", fmt.Sprint("v", version, "-"))
}

func crashStore(dir string, source Source) (*Store, error) {
	s, err := NewStore(Options{Dir: dir, Lists: []Config{{Name: "a", Kind: Deny, Source: "https://lists.example/a", Fetcher: source, Remote: true}}})
	if err != nil {
		return nil, err
	}
	return s, s.Load(context.Background())
}

// storeForever stores both versions by turns and prints a line for each.
func storeForever(dir string) error {
	source := new(shop)
	s, err := crashStore(dir, source)
	for version := 0; err == nil; version = 1 - version {
		source.put(crashText(version), fmt.Sprint(version), nil)
		err = s.Refresh(context.Background(), "a", true)
		fmt.Println(version)
	}
	return err
}

// whole says which version a start finds on disk, -1 for none, and complains
// about everything else.
func whole(t *testing.T, dir string) int {
	t.Helper()
	s, err := crashStore(dir, &shop{err: errors.New("no internet")})
	if err != nil {
		t.Fatal(err)
	}
	st := s.Status()[0]
	if st.LastError != "" {
		t.Errorf("status %+v", st)
	}
	if st.Entries == 0 {
		return -1
	}
	for version := range 2 {
		first, last := fmt.Sprintf("v%d-0.example", version), fmt.Sprintf("v%d-%d.example", version, crashEntries-1)
		if s.Match([]byte(first), 1, nil).Action != Deny {
			continue
		}
		s.wants(t, last, Deny)
		found := s.Explain(last, 1, nil)
		if len(found) != 1 || found[0].Rule != last || found[0].Line != crashEntries || st.Entries != crashEntries {
			t.Errorf("%+v, %d entries", found, st.Entries)
		}
		return version
	}
	t.Errorf("neither version; status %+v", st)
	return -1
}

// A program that is killed at any moment of storing finds one version or the
// other when it starts again.
func TestKilledWhileStoring(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seen := map[int]int{}
	for range 25 {
		c := exec.Command(program)
		c.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + rand.N(4) {
			if !lines.Scan() || len(lines.Text()) != 1 {
				t.Errorf("the program said %q", lines.Text())
			}
		}
		<-time.After(rand.N(20 * time.Millisecond)) // a moment like any other
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		c.Wait() // its error is that it was killed
		version := whole(t, dir)
		if version < 0 {
			t.Fatal("nothing is left")
		}
		seen[version]++
	}
	t.Logf("found versions %v", seen)
}

// files are the files below a directory, by path.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			all[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The same without chance: every state of the directory between two versions,
// with the next file missing, begun, or written and not yet renamed. What changed
// is told of only when it has happened.
func TestEveryMomentOfStoring(t *testing.T) {
	dir := t.TempDir()
	source := &shop{text: crashText(0), etag: "0"}
	s, err := crashStore(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	empty := files(t, dir) // with the seed
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	source.put(crashText(1), "1", nil)
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	after := files(t, dir)

	for from, start := range map[int]map[string][]byte{-1: empty, 0: before} {
		var order []string // in which the files of the new version come
		for _, end := range []string{".raw", ".list", ".json", "-changes.json"} {
			for name, b := range after {
				changes := strings.HasSuffix(name, "-changes.json")
				if strings.HasSuffix(name, end) && changes == (end == "-changes.json") && !bytes.Equal(start[name], b) && (from >= 0 || !bytes.Equal(before[name], b)) {
					order = append(order, name)
				}
			}
		}
		if len(order) != 4 {
			t.Fatalf("%v", order)
		}
		for done := range len(order) + 1 {
			for _, begun := range []string{"missing", "begun", "not renamed"} {
				state := maps.Clone(start)
				for _, name := range order[:done] {
					state[name] = after[name]
				}
				if done < len(order) && begun != "missing" {
					b := after[order[done]]
					if begun == "begun" {
						b = b[:len(b)/2]
					}
					state[order[done]+".123"+temporary] = b
				}
				want := from
				if done >= len(order)-1 {
					want = 1
				}
				dir := restored(t, state)
				if got := whole(t, dir); got != want {
					t.Errorf("from version %d, %d files written, the next %s: version %d, want %d", from, done, begun, got, want)
				}
				s, err := crashStore(dir, &shop{err: errors.New("no internet")})
				if err != nil {
					t.Fatal(err)
				}
				if told, err := s.Changes("a"); err != nil || len(told) != max(0, done-len(order)+1) {
					t.Errorf("from version %d, %d files written, the next %s: %d changes, %v", from, done, begun, len(told), err)
				}
			}
		}
	}
}

// restored makes a directory of files.
func restored(t *testing.T, state map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range state {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What was left behind goes in time, and nothing that is needed.
func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	source := &shop{text: crashText(0)}
	s, err := crashStore(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	age := func(file string, d time.Duration) {
		t.Helper()
		path := filepath.Join(dir, "lists", file)
		at := time.Now().Add(-d)
		if _, err := os.Stat(path); err != nil {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for file := range files(t, filepath.Join(dir, "lists")) {
		age(file, 1000*time.Hour) // old, but in use
	}
	age("a-00000000.json.1.tmp", 2*time.Hour)
	age("a-00000000.json.2.tmp", time.Minute)
	age("gone-00000000.json", 31*24*time.Hour)
	age("paused-00000000.json", 29*24*time.Hour)
	if err := s.disk.sweep(s.lists); err != nil {
		t.Fatal(err)
	}
	has := func(want int, not, also []string) {
		t.Helper()
		left := files(t, filepath.Join(dir, "lists"))
		for _, file := range not {
			if _, there := left[file]; there {
				t.Errorf("%s is still there", file)
			}
		}
		for _, file := range also {
			if _, there := left[file]; !there {
				t.Errorf("%s is gone", file)
			}
		}
		if len(left) != want {
			t.Errorf("%d files, want %d", len(left), want)
		}
	}
	has(5, []string{"a-00000000.json.1.tmp", "gone-00000000.json"}, []string{"a-00000000.json.2.tmp", "paused-00000000.json"})
	if whole(t, dir) != 0 {
		t.Error("the copy in use is gone")
	}
	source.put(crashText(1), "", nil)
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	has(6, nil, nil) // the copy before went with its successor's coming, which is told of
	for file := range files(t, filepath.Join(dir, "lists")) {
		age(file, 1000*time.Hour)
	}
	source.put(crashText(0), "", nil)
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Changes("a"); err != nil || len(all) != 2 {
		t.Errorf("%d changes, %v", len(all), err)
	}
	source.put(crashText(1), "", nil)
	if err := s.Refresh(t.Context(), "a", false); err != nil {
		t.Fatal(err)
	}
	if whole(t, dir) != 1 {
		t.Error("the new copy is gone")
	}
}

// A disk that fails keeps no list from being used.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	source := &shop{text: crashText(0)}
	s, err := crashStore(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "lists")); err != nil {
		t.Fatal(err)
	}
	for version := range 2 {
		source.put(crashText(version), "", nil)
		if err := s.Refresh(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
		s.wants(t, fmt.Sprintf("v%d-7.example", version), Deny)
		s.wants(t, fmt.Sprintf("v%d-7.example", 1-version), None)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("%d files, want the seed alone", len(left))
	}
}
