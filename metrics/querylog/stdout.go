package querylog

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// Stdout writes each record as a Line of JSON, one a line, and a batch at once. It
// implements Sink.
//
// A line has time (RFC 3339, UTC, to the millisecond), transport, name, type, outcome (as
// in the metrics) and duration_ms; and, where there is something to say, client, address,
// group, rcode, upstream, list, reason, hidden (the blocked name behind the asked one) and
// owner. These names stay. What a name has that is not UTF-8 is U+FFFD.
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
