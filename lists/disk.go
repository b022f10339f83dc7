package lists

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// disk is the directory where a Store keeps its copies; "" when there is none.
// A list has
//
//	NAME.json           what is known of the copy; it names the other two by the
//	                    sum of their content, and is written last
//	NAME-SUM.raw        the text as fetched, in gzip
//	NAME-SUM-HOW.list   compiled; HOW is how it was to be understood
//
// Every file is written aside, synced and renamed, so that a start after a kill
// at any moment finds the copy before or the copy after.
type disk string

// meta is NAME.json.
type meta struct {
	Validators
	Updated time.Time // when the copy was fetched
	Checked time.Time // when its source was last asked with success
	Sum     string    // of the text
	Format  Format
	Skipped int
	Skips   []Skip `json:",omitempty"`
	Shrunk  shrunk
}

// shrunk is content that is held back.
type shrunk struct {
	Sum   string `json:",omitempty"`
	Times int    `json:",omitempty"`
}

// note takes over how the text was understood.
func (m *meta) note(r ParseResult, skips []Skip) {
	m.Format, m.Skipped, m.Skips = r.Format, r.Skipped, skips
}

// parserVersion changes when the same text is understood differently, so that
// compiled lists of an older program are not used.
const parserVersion = 1

// openDisk makes the directory and the installation's seed. With an error, the
// disk keeps nothing, and the seed lives as long as the program.
func openDisk(dir string) (disk, Seed, error) {
	d := disk(dir)
	if err := os.MkdirAll(d.path(""), 0o700); err != nil {
		return "", NewSeed(), err
	}
	path := filepath.Join(dir, "seed")
	b, err := os.ReadFile(path)
	if err == nil && len(b) == len(Seed{}) {
		return d, Seed(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", NewSeed(), err
	}
	seed := NewSeed()
	if err := replaceFile(path, seed[:]); err != nil {
		return "", seed, err
	}
	return d, seed, nil
}

func (d disk) path(file string) string { return filepath.Join(string(d), "lists", file) }

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

func (d disk) rawFile(c Config, m *meta) string { return d.path(name(c) + "-" + m.Sum + ".raw") }

func (d disk) listFile(c Config, m *meta) string {
	how := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d", parserVersion, c.Kind, c.Format, c.Match))
	return d.path(name(c) + "-" + m.Sum + "-" + hex.EncodeToString(how[:4]) + ".list")
}

// readMeta returns nil without error when there is no copy.
func (d disk) readMeta(c Config) (*meta, error) {
	if d == "" {
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
	if d == "" || m.Sum == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replaceFile(d.path(name(c)+".json"), b)
}

func (d disk) readList(c Config, m *meta, seed Seed) (*List, error) {
	b, err := os.ReadFile(d.listFile(c, m))
	if err != nil {
		return nil, err
	}
	return ReadList(b, seed)
}

func (d disk) writeList(c Config, m *meta, l *List, seed Seed) error {
	if d == "" {
		return nil
	}
	b, err := l.AppendTo(nil, seed)
	if err != nil {
		return err
	}
	return replaceFile(d.listFile(c, m), b)
}

// openRaw reads the text of the copy.
func (d disk) openRaw(c Config, m *meta) (io.ReadCloser, error) {
	if d == "" || m.Sum == "" {
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

// clean removes the files of c that m does not name.
func (d disk) clean(c Config, m *meta) error {
	if d == "" {
		return nil
	}
	files, err := filepath.Glob(d.path(name(c) + "-*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if f != d.rawFile(c, m) && f != d.listFile(c, m) {
			err = errors.Join(err, os.Remove(f))
		}
	}
	return err
}

// orphanAge is how long files of lists that are no longer configured stay.
const orphanAge = 30 * 24 * time.Hour

// sweep removes what no list of the configuration needs: what was being written
// when the program was killed, and old files of lists that are gone.
func (d disk) sweep(configured []*kept) {
	if d == "" {
		return
	}
	files, err := filepath.Glob(d.path("*"))
	if err != nil {
		return
	}
	for _, f := range files {
		known := false
		for _, k := range configured {
			known = known || strings.HasPrefix(filepath.Base(f), name(k.Config))
		}
		info, err := os.Stat(f)
		unfinished := strings.HasSuffix(f, temporary)
		if err == nil && (unfinished && time.Since(info.ModTime()) > time.Hour || !known && time.Since(info.ModTime()) > orphanAge) {
			os.Remove(f) // what cannot be removed is no worse than before
		}
	}
}

// temporary is the end of the names of files that are being written.
const temporary = ".tmp"

// createTemp makes a file to be renamed to path.
func createTemp(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+temporary)
}

// replaceFile puts b in place of a file, whole or not at all.
func replaceFile(path string, b []byte) error {
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

// sumSize is the length of a text's sum, in hexadecimal digits.
const sumSize = 32

// rawText is a text on its way: whoever reads it has it summed and stored aside.
type rawText struct {
	io.Reader
	body  io.Reader
	disk  disk
	conf  Config
	file  *os.File // nil without a disk, and after commit
	zip   *gzip.Writer
	state hash.Hash
	sum   string // after finish
}

func (d disk) newRaw(c Config, body io.Reader) (*rawText, error) {
	t := &rawText{body: body, disk: d, conf: c, state: sha256.New()}
	if d == "" {
		t.Reader = io.TeeReader(body, t.state)
		return t, nil
	}
	var err error
	if t.file, err = createTemp(d.path(name(c) + ".raw")); err != nil {
		return nil, err
	}
	if t.zip, err = gzip.NewWriterLevel(t.file, gzip.BestSpeed); err != nil {
		return nil, err
	}
	t.Reader = io.TeeReader(body, io.MultiWriter(t.state, t.zip))
	return t, nil
}

// finish reads the text to its end.
func (t *rawText) finish() error {
	if _, err := io.Copy(io.Discard, t.Reader); err != nil {
		return err
	}
	t.sum = hex.EncodeToString(t.state.Sum(nil))[:sumSize]
	return nil
}

// commit gives the file its name.
func (t *rawText) commit() error {
	if t.file == nil {
		return nil
	}
	f := t.file
	t.file = nil
	if err := t.zip.Close(); err != nil {
		f.Close()
		os.Remove(f.Name())
		return err
	}
	return publish(f, t.disk.rawFile(t.conf, &meta{Sum: t.sum}))
}

// discard removes what was not committed.
func (t *rawText) discard() {
	if t.file != nil {
		t.file.Close()
		os.Remove(t.file.Name())
	}
}
