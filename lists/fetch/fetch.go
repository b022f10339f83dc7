// Package fetch brings the texts of lists: builtin ones, files, and what web
// servers have.
package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"deadpixel/lists"
)

// Options are what a Fetcher is made of.
type Options struct {
	// Resolve finds the addresses of a host. It must not be the system's
	// resolver, which may be this very program.
	Resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
	MaxSize   int64         // of a text in bytes, unpacked; 0 means 512 MiB
	Timeout   time.Duration // of one download; 0 means 5 minutes
	Stall     time.Duration // without a byte of it; 0 means 30 seconds
	UserAgent string
	Builtins  lists.Builtins
	Clock     func() time.Time // by which certificates are verified; nil means time.Now
}

// Defaults of Options.
const (
	defaultMaxSize = 512 << 20
	defaultTimeout = 5 * time.Minute
	defaultStall   = 30 * time.Second
)

// Fetcher makes sources. It is safe for concurrent use.
type Fetcher struct {
	options Options
	web     *web
}

// New makes a Fetcher.
func New(o Options) *Fetcher {
	if o.MaxSize == 0 {
		o.MaxSize = defaultMaxSize
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Stall == 0 {
		o.Stall = defaultStall
	}
	return &Fetcher{options: o, web: newWeb(o)}
}

// Source makes the source for "builtin:NAME", a path, or an https:// or http://
// URL; remote says that it is the last. The error says what is wrong with it.
func (f *Fetcher) Source(source string) (s lists.Source, remote bool, err error) {
	if name, ok := strings.CutPrefix(source, "builtin:"); ok {
		// Ownership data may come later, and a list with it.
		if _, err := f.options.Builtins.Text(name); err != nil && !errors.Is(err, lists.ErrNoOwner) {
			return nil, false, err
		}
		return &builtin{all: f.options.Builtins, name: name}, false, nil
	}
	if scheme, _, ok := strings.Cut(source, "://"); ok {
		u, err := url.Parse(source)
		if err != nil {
			return nil, false, fmt.Errorf("%q is no URL: %w", source, err)
		}
		if scheme != "https" && scheme != "http" || u.Host == "" {
			return nil, false, fmt.Errorf("%q: lists come from https:// or http://", source)
		}
		return &page{web: f.web, url: source}, true, nil
	}
	return &file{path: source, max: f.options.MaxSize}, false, nil
}

// builtin is a list that the program brings along.
type builtin struct {
	all  lists.Builtins
	name string
}

func (b *builtin) Fetch(_ context.Context, v lists.Validators) (lists.Fetched, error) {
	in, err := b.all.Text(b.name)
	if err != nil {
		return lists.Fetched{}, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return lists.Fetched{}, err
	}
	sum := sha256.Sum256(text)
	now := lists.Validators{ETag: hex.EncodeToString(sum[:])}
	if now == v {
		return lists.Fetched{Validators: now, NotModified: true}, nil
	}
	return lists.Fetched{Body: io.NopCloser(bytes.NewReader(text)), Validators: now, Size: int64(len(text))}, nil
}

// file is a list on this machine's disk.
type file struct {
	path string
	max  int64
}

func (f *file) Fetch(_ context.Context, v lists.Validators) (lists.Fetched, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return lists.Fetched{}, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return lists.Fetched{}, fmt.Errorf("%s is no file", f.path)
	}
	in, err := os.Open(f.path)
	if err != nil {
		return lists.Fetched{}, err
	}
	if info, err = in.Stat(); err != nil { // of what is read, in case it was replaced meanwhile
		in.Close()
		return lists.Fetched{}, err
	}
	now := lists.Validators{LastModified: fmt.Sprintf("%d bytes, %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))}
	if now == v {
		in.Close()
		return lists.Fetched{Validators: now, NotModified: true}, nil
	}
	return lists.Fetched{Body: limited(in, f.max), Validators: now, Size: info.Size()}, nil
}

// errTooLarge says that a text is larger than any list.
var errTooLarge = errors.New("larger than a list may be")

// limited turns what is longer than max into an error, instead of cutting it.
func limited(in io.ReadCloser, max int64) io.ReadCloser {
	return &limit{ReadCloser: in, left: max}
}

type limit struct {
	io.ReadCloser
	left int64
}

func (l *limit) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
