package querylog

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
)

// Stdout writes each record as a Line of JSON, one a line. It implements Sink.
type Stdout struct{ w *bufio.Writer }

// NewStdout makes one that writes to w.
func NewStdout(w io.Writer) *Stdout { return &Stdout{bufio.NewWriter(w)} }

// Write implements Sink.
func (s *Stdout) Write(_ context.Context, records []Record) error {
	e := json.NewEncoder(s.w)
	e.SetEscapeHTML(false)
	for i := range records {
		if err := e.Encode(records[i].Line()); err != nil {
			return err
		}
	}
	return s.w.Flush()
}

// Close implements Sink.
func (s *Stdout) Close() error { return s.w.Flush() }
