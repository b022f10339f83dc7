package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/fetch"
	"deadpixel/lists/owners"
)

// ownershipFiles are where data by [owners] source is kept as it came, in the data
// directory; a hash of the source takes the place of the star.
const ownershipFiles = "owners-*.raw"

// maxOwnership bounds what is read of [owners] source, in bytes.
const maxOwnership = 32 << 20

// ownershipRetry is how long to wait after a download that failed; it doubles with
// each, up to the refresh interval.
const ownershipRetry = time.Second

// ownership is who stands behind names: what the program brings along, under what
// the user has.
type ownership struct {
	source  lists.Source // nil when the user has none
	remote  bool
	written string // as configured
	stored  string // the copy of a remote one
	had     bool   // that copy is of use
	refresh time.Duration
	keep    bool // the copy may be written
	log     *slog.Logger
	data    atomic.Pointer[owners.Data]
}

// newOwnership reads what is there without network. A file of the user's that
// cannot be read, or that does not know what c names, is an error; a copy of a
// remote one is only told, since what is missing may come.
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
		return o, errors.Join(c.unknownTo(o.data.Load())...)
	}
	hash := sha256.Sum256([]byte(o.written))
	o.stored = filepath.Join(p.dataDir, strings.Replace(ownershipFiles, "*", hex.EncodeToString(hash[:8]), 1))
	text, err := os.ReadFile(o.stored)
	if err == nil {
		err = o.use(text)
		o.had = err == nil
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
	wait, retry := time.Duration(0), ownershipRetry
	if info, err := os.Stat(o.stored); err == nil && o.had {
		wait = max(0, time.Until(info.ModTime().Add(o.refresh)))
	}
	for {
		timer := time.NewTimer(min(wait, o.refresh)) // the clock may have been wrong
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := o.renew(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			o.log.Warn("the ownership data is not refreshed; what is known stays in use", "err", err)
			wait, retry = retry, min(2*retry, o.refresh)
			continue
		}
		wait, retry = o.refresh, ownershipRetry
		o.log.Info("ownership data in use", "source", o.written)
		changed()
	}
}

// renew fetches the data, takes it over and stores it. That it cannot be stored is
// told; it is in use nevertheless.
func (o *ownership) renew(ctx context.Context) error {
	text, err := o.fetch(ctx)
	if err == nil {
		err = o.use(text)
	}
	if err != nil {
		return err
	}
	if o.keep {
		if err := o.store(text); err != nil {
			o.log.Warn("the ownership data is not stored; the next start has to fetch it again", "err", err)
		}
	}
	return nil
}

// store keeps a copy of the data, and none of the source of before.
func (o *ownership) store(text []byte) error {
	if err := lists.ReplaceFile(o.stored, text); err != nil {
		return err
	}
	o.had = true
	copies, err := filepath.Glob(filepath.Join(filepath.Dir(o.stored), ownershipFiles))
	for _, path := range copies {
		if path != o.stored {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}
