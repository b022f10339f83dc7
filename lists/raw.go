package lists

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
)

// sumSize is the length of a text's sum, in hexadecimal digits.
const sumSize = 32

// rawText is a text on its way: whoever reads it has it summed and stored aside.
// That it cannot be stored does not disturb the reader.
type rawText struct {
	io.Reader
	path  func(sum string) string
	state hash.Hash
	sum   string   // after finish
	file  *os.File // nil when it is not stored, and after commit
	zip   *gzip.Writer
	fault error // of storing
}

// newRaw takes body through; nothing of it is stored where d does not write.
func (d disk) newRaw(c Config, body io.Reader) *rawText {
	t := &rawText{state: sha256.New()}
	t.Reader = io.TeeReader(body, t)
	t.path = func(sum string) string { return d.rawFile(c, &meta{Sum: sum}) }
	if d.writes() {
		if t.file, t.fault = createTemp(d.path(name(c) + "-raw")); t.fault == nil {
			t.zip, t.fault = gzip.NewWriterLevel(t.file, gzip.BestSpeed)
		}
	}
	return t
}

// Write takes in what is read. It never fails.
func (t *rawText) Write(b []byte) (int, error) {
	t.state.Write(b)
	if t.file != nil && t.fault == nil {
		_, t.fault = t.zip.Write(b)
	}
	return len(b), nil
}

// finish reads the text to its end.
func (t *rawText) finish() error {
	if _, err := io.Copy(io.Discard, t.Reader); err != nil {
		return err
	}
	t.sum = hex.EncodeToString(t.state.Sum(nil))[:sumSize]
	return nil
}

// commit gives the stored text its name.
func (t *rawText) commit() error {
	if t.file == nil || t.fault != nil {
		return t.fault
	}
	if err := t.zip.Close(); err != nil {
		return err
	}
	f := t.file
	t.file = nil
	return publish(f, t.path(t.sum))
}

// discard removes what was not committed.
func (t *rawText) discard() {
	if t.file != nil {
		t.file.Close()
		os.Remove(t.file.Name())
	}
}
