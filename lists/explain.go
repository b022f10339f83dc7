package lists

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Explanation is one rule that matches a name, as a person wrote it.
type Explanation struct {
	Action Action
	List   string
	Rule   string // the text of its line, "" when that cannot be read any more
	Source string // of the list, as configured
	Line   int
}

// maxExplanations bounds how many rules of a name are looked up.
const maxExplanations = 20

// Explain returns every rule that matches a normalised name, the one that
// decides first. It reads the stored texts and may take a moment.
func (s *Store) Explain(name string, qtype uint16) ([]Explanation, error) {
	verdicts := s.Set().Explain([]byte(name), qtype)
	var all []Explanation
	for _, v := range verdicts[:min(len(verdicts), maxExplanations)] {
		e := Explanation{Action: v.Action, List: v.List.Name, Line: int(v.Line)}
		if v.List == s.own {
			own := s.ownRules[v.Line-1]
			e.Rule, e.Source, e.Line = own.Text, s.ownSource, own.Line
		} else if k := s.find(v.List.Name); k != nil {
			e.Source = k.Source
			e.Rule = k.text(v.Line)
		}
		all = append(all, e)
	}
	return all, nil
}

func (s *Store) find(name string) *kept {
	for _, k := range s.lists {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// text is a line of the list's stored copy.
func (k *kept) text(line uint32) string {
	k.mu.Lock()
	m := k.meta
	k.mu.Unlock()
	raw, err := k.store.disk.openRaw(k.Config, &m)
	if err != nil {
		return ""
	}
	defer raw.Close()
	in := bufio.NewReader(raw)
	if start, _ := in.Peek(2); len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return ""
		}
		in = bufio.NewReader(z)
	}
	for n := uint32(1); ; n++ {
		text, err := readLine(in)
		if n == line {
			return strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
		}
		if err != nil {
			return ""
		}
	}
}

// readLine reads a line; of a very long one the beginning.
func readLine(in *bufio.Reader) (string, error) {
	b, err := in.ReadSlice('\n')
	text := string(b)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return text, err
}

// Severities that Check reports.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeveritySkipped = "skipped"
)

// Check reads every list as it would be used and reports what is wrong, each
// with source, line (0 for the whole) and severity. With fetch, lists that come
// over a network are downloaded, else their stored copies are read. Nothing is
// stored.
func (s *Store) Check(ctx context.Context, fetch bool, report func(source string, line int, severity, message string)) {
	for _, k := range s.lists {
		if err := k.check(ctx, fetch, report); err != nil {
			report(k.Source, 0, SeverityError, err.Error())
		}
	}
}

func (k *kept) check(ctx context.Context, fetch bool, report func(string, int, string, string)) error {
	var in io.ReadCloser
	if k.Remote && !fetch {
		m, err := k.store.disk.readMeta(k.Config)
		if err == nil && m != nil {
			in, err = k.store.disk.openRaw(k.Config, m)
		}
		if err != nil {
			report(k.Source, 0, SeverityWarning, fmt.Sprintf("list %s: its stored copy cannot be read: %v", k.Name, err))
			return nil
		}
		if in == nil {
			report(k.Source, 0, SeverityWarning, fmt.Sprintf("list %s has not been fetched yet; `deadpixel check --fetch` tries", k.Name))
			return nil
		}
	} else {
		f, err := k.Fetcher.Fetch(ctx, Validators{})
		if err != nil {
			return fmt.Errorf("list %s: %w", k.Name, err)
		}
		in = f.Body
	}
	defer in.Close()
	result, err := Parse(in, ParseOptions{List: k.Name, Format: k.Format, Match: k.Match, Kind: k.Kind}, func(Rule) {}, func(skip Skip) {
		report(k.Source, int(skip.Line), SeveritySkipped, skip.Reason)
	})
	switch {
	case err != nil:
		return fmt.Errorf("list %s: %w", k.Name, err)
	case result.Rules == 0:
		return fmt.Errorf("list %s: %w (%d lines, %d skipped)", k.Name, errEmpty, result.Lines, result.Skipped)
	}
	return nil
}
