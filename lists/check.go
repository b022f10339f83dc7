package lists

import (
	"context"
	"fmt"
	"io"
)

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
		if ctx.Err() != nil {
			return
		}
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
