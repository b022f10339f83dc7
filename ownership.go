package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/fetch"
	"deadpixel/lists/owners"
)

// ownershipFile is where data by [owners] source is kept as it came, in the data
// directory.
const ownershipFile = "owners.raw"

// maxOwnership bounds what is read of [owners] source, in bytes.
const maxOwnership = 32 << 20

// ownershipRetry is how long to wait after a download that failed.
const ownershipRetry = time.Hour

// ownership is who stands behind names: what the program brings along, under what
// the user has.
type ownership struct {
	source  lists.Source // nil when the user has none
	remote  bool
	written string // as configured
	stored  string // the copy of a remote one
	refresh time.Duration
	keep    bool // the copy may be written
	log     *slog.Logger
	data    atomic.Pointer[owners.Data]
}

// newOwnership reads what is there without network. A file of the user's that
// cannot be read is an error; a copy of a remote one that cannot be is told.
func newOwnership(ctx context.Context, c *Config, f *fetch.Fetcher, p parts) (*ownership, error) {
	o := &ownership{written: c.Owners.Source, refresh: c.Owners.Refresh, keep: p.metrics != nil, log: p.log}
	o.data.Store(owners.Embedded())
	if o.written == "" {
		return o, nil
	}
	var err error
	if o.source, o.remote, err = f.Source(c.path(o.written)); err != nil {
		return nil, Problem{c.file, c.lines.of("owners.source"), fmt.Sprintf("owners.source: %v", err)}
	}
	if !o.remote {
		text, err := o.fetch(ctx)
		if err == nil {
			err = o.use(text)
		}
		if err != nil {
			return nil, Problem{c.file, c.lines.of("owners.source"), fmt.Sprintf("owners.source: %v", err)}
		}
		return o, nil
	}
	o.stored = filepath.Join(p.dataDir, ownershipFile)
	text, err := os.ReadFile(o.stored)
	if err == nil {
		err = o.use(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.log.Warn("the stored ownership data is of no use; it is fetched again", "err", err)
	}
	return o, nil
}

// lookup says who stands behind a normalised name.
func (o *ownership) lookup(name string) (company, category string) {
	found, _ := owners.Lookup(o.data.Load(), name)
	return found.Company, found.Category
}

// use takes over what the user has.
func (o *ownership) use(text []byte) error {
	data, err := owners.Read(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.written, err)
	}
	o.data.Store(owners.Merge(data, owners.Embedded()))
	return nil
}

func (o *ownership) fetch(ctx context.Context) ([]byte, error) {
	found, err := o.source.Fetch(ctx, lists.Validators{})
	if err != nil {
		return nil, err
	}
	defer found.Body.Close()
	text, err := io.ReadAll(io.LimitReader(found.Body, maxOwnership+1))
	if err == nil && len(text) > maxOwnership {
		err = fmt.Errorf("larger than %d bytes", maxOwnership)
	}
	return text, err
}

// run keeps a remote source fresh until ctx ends, and calls changed when there is
// new data.
func (o *ownership) run(ctx context.Context, changed func()) {
	if !o.remote {
		return
	}
	wait := time.Duration(0)
	if info, err := os.Stat(o.stored); err == nil {
		wait = max(0, time.Until(info.ModTime().Add(o.refresh)))
	}
	for {
		timer := time.NewTimer(min(wait, o.refresh))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = o.refresh
		if err := o.renew(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			o.log.Warn("the ownership data is not refreshed; the last good copy stays in use", "err", err)
			wait = ownershipRetry
			continue
		}
		changed()
	}
}

// renew fetches the data, takes it over and stores it.
func (o *ownership) renew(ctx context.Context) error {
	text, err := o.fetch(ctx)
	if err == nil {
		err = o.use(text)
	}
	if err == nil && o.keep {
		err = lists.ReplaceFile(o.stored, text)
	}
	return err
}
