package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// loggedJSON is a query as AdGuard Home's querylog.json has it (the first four),
// its API (the next three) and that of Pi-hole 6 (the others).
type loggedJSON struct {
	QH, QT, IP string
	Result     struct {
		IsFiltered bool
		Reason     int
	}

	Question struct{ Name, Type string }
	Client   json.RawMessage // an address, or of Pi-hole an object with it
	Reason   string

	Domain, Type, Status string
}

// The reason of AdGuard Home for showing another answer in its place, which it
// counts as filtered (its package filtering, type Reason).
const (
	safeSearchNumber = 7
	safeSearchWord   = "FilteredSafeSearch"
)

// readJSONLines reads AdGuard Home's querylog.json: an object a line.
func readJSONLines(ctx context.Context, in *bufio.Reader, l *queryLog) error {
	return l.eachLine(ctx, in, func(line string) error { return l.addJSON([]byte(line)) })
}

// readJSON reads what an API answers: an object with the queries under "queries"
// (Pi-hole 6) or "data" (Pi-hole 5, AdGuard Home), several of them after another,
// or the queries alone.
func readJSON(ctx context.Context, in *bufio.Reader, l *queryLog) error {
	measured := &measuredReader{r: in}
	d := json.NewDecoder(measured)
	number := 0
	queries := func() error {
		for d.More() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var entry json.RawMessage
			measured.left = maxEntry
			if err := d.Decode(&entry); err != nil {
				return err
			}
			number++
			if err := l.addJSON(entry); err != nil {
				l.fault(number, err)
			}
		}
		_, err := d.Token()
		return err
	}
	for {
		measured.left = maxEntry
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			switch token {
			case json.Delim('['):
				err = queries()
			case json.Delim('{'):
				err = jsonObject(d, measured, queries)
			default:
				err = fmt.Errorf("%v is no query", token)
			}
		}
		if err != nil {
			return fmt.Errorf("no JSON of a query log, after %d queries: %w", number, err)
		}
	}
}

// jsonObject reads the rest of an object, and the queries in it.
func jsonObject(d *json.Decoder, measured *measuredReader, queries func() error) error {
	for d.More() {
		measured.left = maxEntry
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key != "queries" && key != "data" {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return err
			}
			continue
		}
		token, err := d.Token()
		if err != nil {
			return err
		}
		if token != json.Delim('[') {
			return fmt.Errorf("%q is no array", key)
		}
		if err := queries(); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// addJSON counts one query.
func (l *queryLog) addJSON(entry []byte) error {
	if len(entry) > 0 && entry[0] == '[' {
		return l.addPihole5(entry)
	}
	var e loggedJSON
	if err := json.Unmarshal(entry, &e); err != nil {
		return fmt.Errorf("no query in JSON: %w", err)
	}
	var err error
	switch {
	case e.QH != "":
		_, err = l.add(e.QH, loggedType(e.QT), loggedClient(e.IP), filtered(e.Result.IsFiltered && e.Result.Reason != safeSearchNumber))
	case e.Question.Name != "":
		_, err = l.add(e.Question.Name, loggedType(e.Question.Type), loggedClient(e.client()),
			filtered(strings.HasPrefix(e.Reason, "Filtered") && e.Reason != safeSearchWord))
	case e.Domain != "":
		_, err = l.add(e.Domain, loggedType(e.Type), loggedClient(e.client()), piholeStatus(e.Status))
	default:
		err = errors.New("an object without a name that was asked for (QH, question or domain)")
	}
	return err
}

// addPihole5 counts a query of Pi-hole 5's API: time, type, name, client, status
// and more.
func (l *queryLog) addPihole5(entry []byte) error {
	var row []any
	if err := json.Unmarshal(entry, &row); err != nil {
		return fmt.Errorf("no query in JSON: %w", err)
	}
	if len(row) < 5 {
		return fmt.Errorf("a row of %d values, where time, type, name, client and status are wanted", len(row))
	}
	text := func(i int) string { return fmt.Sprint(row[i]) }
	_, err := l.add(text(2), piholeType(text(1)), loggedClient(text(3)), piholeStatus(text(4)))
	return err
}

// client is the address of who asked, as either API writes it.
func (e *loggedJSON) client() string {
	var address string
	if json.Unmarshal(e.Client, &address) == nil {
		return address
	}
	var object struct{ IP string }
	if json.Unmarshal(e.Client, &object) == nil {
		return object.IP
	}
	return ""
}

func filtered(blocked bool) outcome {
	if blocked {
		return outcomeBlocked
	}
	return outcomePassed
}

// maxEntry bounds the bytes of one entry of a JSON document.
const maxEntry = 1 << 20

// measuredReader lets so many bytes through that nothing without an end fills the
// memory.
type measuredReader struct {
	r    io.Reader
	left int
}

func (m *measuredReader) Read(b []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("an entry is longer than %d bytes", maxEntry)
	}
	n, err := m.r.Read(b[:min(len(b), m.left)])
	m.left -= n
	return n, err
}
