package lists

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	sum   string    // after finish
	file  *os.File  // nil when it is not stored, and after commit
	zip   *squeezer // nil when it is not stored
	fault error     // of storing
}

// newRaw takes body through; nothing of it is stored where d does not write.
func (d disk) newRaw(c Config, body io.Reader, gentle bool) *rawText {
	t := &rawText{state: sha256.New()}
	t.Reader = io.TeeReader(body, t)
	t.path = func(sum string) string { return d.rawFile(c, &meta{Sum: sum}) }
	if d.writes() {
		if t.file, t.fault = createTemp(d.path(name(c) + "-raw")); t.fault == nil {
			t.zip = squeeze(t.file, gentle)
		}
	}
	return t
}

// Write takes in what is read. It never fails.
func (t *rawText) Write(b []byte) (int, error) {
	t.state.Write(b)
	if t.zip != nil {
		t.zip.write(b)
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
	if err := t.close(); err != nil {
		return err
	}
	f := t.file
	t.file = nil
	return publish(f, t.path(t.sum))
}

// close waits until everything is compressed.
func (t *rawText) close() error {
	if t.zip == nil {
		return nil
	}
	z := t.zip
	t.zip = nil
	return z.close()
}

// discard removes what was not committed.
func (t *rawText) discard() {
	t.close()
	if t.file != nil {
		t.file.Close()
		os.Remove(t.file.Name())
	}
}

// squeezer compresses in a goroutine of its own, since that takes longer than
// understanding the text does; or, when the work is done gently, at once: one
// processor is left alone.
type squeezer struct {
	free, full chan []byte
	done       chan error
	now        *zipped // nil with a goroutine
	work       worker
	err        error
}

// Room for what is read but not compressed yet: so many pieces of so many bytes.
const (
	squeezePieces = 16
	squeezeBytes  = 16 << 10
)

func squeeze(w io.Writer, gentle bool) *squeezer {
	if gentle {
		return &squeezer{now: newZip(w), work: worker{gentle: true}}
	}
	s := &squeezer{free: make(chan []byte, squeezePieces), full: make(chan []byte, squeezePieces), done: make(chan error, 1)}
	for range squeezePieces {
		s.free <- make([]byte, 0, squeezeBytes)
	}
	go func() { s.done <- s.run(w) }()
	return s
}

func (s *squeezer) run(w io.Writer) error {
	zip, err := newZip(w), error(nil)
	for piece := range s.full {
		if err == nil {
			_, err = zip.Write(piece)
		}
		s.free <- piece[:0]
	}
	if err != nil {
		return err
	}
	return zip.Close()
}

func (s *squeezer) write(b []byte) {
	for len(b) > 0 {
		n := min(len(b), squeezeBytes)
		if s.now == nil {
			s.full <- append(<-s.free, b[:n]...)
		} else if s.err == nil {
			_, s.err = s.now.Write(b[:n])
			s.work.step()
		}
		b = b[n:]
	}
}

// zipped is a gzip.Writer, which writes in very small pieces, in front of a buffer.
type zipped struct {
	*gzip.Writer
	out *bufio.Writer
}

func newZip(w io.Writer) *zipped {
	out := bufio.NewWriterSize(w, squeezeBytes)
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is no such level
	}
	return &zipped{zip, out}
}

// Close writes what is left.
func (z *zipped) Close() error { return errors.Join(z.Writer.Close(), z.out.Flush()) }

func (s *squeezer) close() error {
	if s.now != nil {
		return errors.Join(s.err, s.now.Close())
	}
	close(s.full)
	return <-s.done
}
