package lists

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// disk is where a Store keeps its copies. A list has
//
//	NAME.json           what is known of the copy; it names the other two by the
//	                    sum of their content, and is written last
//	NAME-SUM.raw        the text as fetched, in gzip
//	NAME-SUM-HOW.list   compiled; HOW is how it was to be understood
//	NAME-changes.json   what the last refreshes changed; nothing depends on it
//
// Every file is written aside, synced and renamed, so that a start after a kill
// at any moment finds the copy before or the copy after.
type disk struct {
	dir      string // "" when nothing is kept
	readOnly bool   // what is there is read, and nothing changed
}

func (d disk) writes() bool { return d.dir != "" && !d.readOnly }

// meta is NAME.json.
type meta struct {
	Validators
	Updated time.Time // when the copy was fetched, or its source last said that it is the present one
	Checked time.Time // when its source was last asked with success
	Sum     string    // of the text
	Format  Format
	Skipped int
	Skips   []Skip `json:",omitempty"`
	Shrunk  shrunk
	Changed lastChange
	popular
}

// lastChange is the numbers of the last Change; a zero time when there was none.
type lastChange struct {
	Time           time.Time
	Added, Removed int
}

// shrunk is content that is held back.
type shrunk struct {
	Sum     string `json:",omitempty"`
	Entries int    `json:",omitempty"`
	Times   int    `json:",omitempty"` // how often it has come
}

// note takes over how the text was understood.
func (m *meta) note(r ParseResult, skips []Skip) {
	m.Format, m.Skipped, m.Skips = r.Format, r.Skipped, skips
}

// parserVersion changes when the same text is understood differently, so that
// compiled lists of an older program are not used.
const parserVersion = 2

// openDisk makes the directory and the installation's seed. With an error, the
// disk keeps nothing, and the seed lives as long as the program.
func openDisk(dir string, readOnly bool) (disk, Seed, error) {
	if dir == "" {
		return disk{}, NewSeed(), nil
	}
	d := disk{dir, readOnly}
	if !readOnly {
		if err := os.MkdirAll(d.path(""), 0o700); err != nil {
			return disk{}, NewSeed(), err
		}
	}
	path := filepath.Join(dir, "seed")
	b, err := os.ReadFile(path)
	if err == nil && len(b) == len(Seed{}) {
		return d, Seed(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return disk{}, NewSeed(), err
	}
	seed := NewSeed()
	if readOnly {
		return d, seed, nil // compiled copies are of no use without theirs, the texts are
	}
	if err := ReplaceFile(path, seed[:]); err != nil {
		return disk{}, seed, err
	}
	return d, seed, nil
}

func (d disk) path(file string) string { return filepath.Join(d.dir, "lists", file) }

// name is the beginning of all file names of a list.
func name(c Config) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, c.Name)
	sum := sha256.Sum256([]byte(c.Name + "\x00" + c.Source))
	return safe[:min(len(safe), 40)] + "-" + hex.EncodeToString(sum[:4])
}

// hasRaw says whether the text of the copy is there.
func (d disk) hasRaw(c Config, m *meta) bool {
	_, err := os.Stat(d.rawFile(c, m))
	return err == nil && d.dir != ""
}

func (d disk) rawFile(c Config, m *meta) string { return d.path(name(c) + "-" + m.Sum + ".raw") }

func (d disk) listFile(c Config, m *meta) string {
	text := fmt.Appendf(nil, "%d %d %d %d", parserVersion, c.Kind, c.Format, c.Match)
	for i := range m.Held {
		text = fmt.Appendf(text, " %s", m.Held[i].Rule.text(c.Kind))
	}
	how := sha256.Sum256(text)
	return d.path(name(c) + "-" + m.Sum + "-" + hex.EncodeToString(how[:4]) + ".list")
}

// readMeta returns nil without error when there is no copy.
func (d disk) readMeta(c Config) (*meta, error) {
	if d.dir == "" {
		return nil, nil
	}
	b, err := os.ReadFile(d.path(name(c) + ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	m := new(meta)
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err == nil && (len(m.Sum) != sumSize || strings.Trim(m.Sum, "0123456789abcdef") != "" || m.Format > RPZ) {
		err = errors.New("damaged")
	}
	return m, err
}

func (d disk) writeMeta(c Config, m *meta) error {
	if !d.writes() || m.Sum == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return ReplaceFile(d.path(name(c)+".json"), b)
}

func (d disk) readList(c Config, m *meta, seed Seed, gentle bool) (*List, error) {
	if d.dir == "" {
		return nil, fs.ErrNotExist
	}
	b, err := mapFile(d.listFile(c, m))
	if err != nil {
		return nil, err
	}
	l, err := ReadList(b, seed, gentle)
	if err != nil {
		unmap(b)
		return nil, err
	}
	l.memory, l.mapped = ownedBy(l, b), true
	return l, nil
}

// writeList stores l and returns it as it is read from there, so that it takes
// no memory of its own; l is then of no more use. Without a place to write, and
// with an error, it returns l itself.
func (d disk) writeList(c Config, m *meta, l *List, seed Seed, gentle bool) (*List, error) {
	if !d.writes() {
		return l, nil
	}
	path := d.listFile(c, m)
	f, err := createTemp(path)
	if err != nil {
		return l, err
	}
	if err := l.Write(f, seed, gentle); err != nil {
		f.Close()
		os.Remove(f.Name())
		return l, err
	}
	if err := publish(f, path); err != nil {
		return l, err
	}
	stored, err := d.readList(c, m, seed, gentle)
	if err != nil {
		return l, err
	}
	l.release()
	return stored, nil
}

// openRaw reads the text of the copy.
func (d disk) openRaw(c Config, m *meta) (io.ReadCloser, error) {
	if d.dir == "" || m.Sum == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(d.rawFile(c, m))
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// Ages after which files that nothing names are removed.
const (
	// staleAge spares what another store on the same directory is about to name.
	staleAge      = time.Minute
	unfinishedAge = time.Hour           // what was being written when the program was killed
	orphanAge     = 30 * 24 * time.Hour // files of lists that are no longer configured
)

// clean removes the older files of c that m does not name.
func (d disk) clean(c Config, m *meta) error {
	prefix := name(c) + "-"
	return d.remove(func(file string) time.Duration {
		switch path := d.path(file); {
		case !strings.HasPrefix(file, prefix), path == d.rawFile(c, m), path == d.listFile(c, m), path == d.changesFile(c):
			return keep
		case strings.HasSuffix(file, damaged):
			return orphanAge
		case strings.HasSuffix(file, temporary):
			return unfinishedAge
		}
		return staleAge
	})
}

// sweep removes what no list of the configuration needs.
func (d disk) sweep(configured []*kept) error {
	return d.remove(func(file string) time.Duration {
		if strings.HasSuffix(file, temporary) {
			return unfinishedAge
		}
		for _, k := range configured {
			if strings.HasPrefix(file, name(k.Config)) {
				return keep
			}
		}
		return orphanAge
	})
}

// keep is no age at which a file is removed.
const keep = -1

// remove removes the files that are older than age says.
func (d disk) remove(age func(file string) time.Duration) error {
	if !d.writes() {
		return nil
	}
	return removeOld(d.path(""), age)
}

// removeOld removes the files of a directory that are older than age says.
func removeOld(dir string, age func(file string) time.Duration) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		limit := age(f.Name())
		if limit == keep || f.IsDir() {
			continue
		}
		if info, gone := f.Info(); gone == nil && time.Since(info.ModTime()) >= limit {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	return err
}

// temporary is the end of the names of files that are being written.
const temporary = ".tmp"

// RemoveUnfinished removes what ReplaceFile has left in a directory because the
// program was killed meanwhile: temporary files that are an hour old.
func RemoveUnfinished(dir string) error {
	return removeOld(dir, func(file string) time.Duration {
		if strings.HasSuffix(file, temporary) {
			return unfinishedAge
		}
		return keep
	})
}

// Unfinished are the files that ReplaceFile has left, or is writing, of one at path.
func Unfinished(path string) []string {
	dir, name := filepath.Split(path)
	files, _ := os.ReadDir(filepath.Clean(dir)) // without the directory there are none
	var all []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), name+".") && strings.HasSuffix(f.Name(), temporary) {
			all = append(all, dir+f.Name())
		}
	}
	return all
}

// createTemp makes a file to be renamed to path.
func createTemp(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+temporary)
}

// ReplaceFile puts b in place of a file, whole or not at all, also when the power
// fails. Its directory has to be there.
func ReplaceFile(path string, b []byte) error {
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		return publish(f, path)
	}
	f.Close()
	os.Remove(f.Name())
	return err
}

// publish syncs f, closes it and gives it its name.
func publish(f *os.File, path string) error {
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		dir.Sync() // not every file system can; the rename is then as durable as it gets
		dir.Close()
	}
	return nil
}
