package querylog

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// Stdout writes each record as a Line of JSON, one a line. It implements Sink.
type Stdout struct{ w io.Writer }

// NewStdout makes one that writes to w.
func NewStdout(w io.Writer) *Stdout { return &Stdout{w} }

// Write implements Sink.
func (s *Stdout) Write(_ context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range records {
		if err := e.Encode(records[i].Line()); err != nil {
			return err
		}
	}
	_, err := s.w.Write(b.Bytes())
	return err
}

// Close implements Sink.
func (s *Stdout) Close() error { return nil }
