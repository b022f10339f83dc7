package fetch

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"deadpixel/lists"
)

// Limits of one download.
const (
	maxRedirects  = 5
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
	idleTimeout   = 10 * time.Second // of a connection, between lists of one server
)

// web is the client for all pages.
type web struct {
	client  *http.Client
	timeout time.Duration
	stall   time.Duration
	max     int64
	agent   string
}

// errDowngrade says that a secure address led to an insecure one.
var errDowngrade = errors.New("redirected from https:// to http://, which anybody on the way can forge")

func newWeb(o Options) *web {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dial(ctx, o.Resolve, network, addr)
		},
		TLSClientConfig:       &tls.Config{Time: o.Clock},
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		ForceAttemptHTTP2:     true,
	}
	return &web{timeout: o.Timeout, stall: o.Stall, max: o.MaxSize, agent: o.UserAgent, client: &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errDowngrade
			}
			return nil
		},
	}}
}

// dial connects to the first address of the host that accepts.
func dial(ctx context.Context, resolve func(context.Context, string) ([]netip.Addr, error), network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ips, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	var failed []error
	for _, ip := range ips {
		d := net.Dialer{Timeout: dialTimeout / time.Duration(min(len(ips), 3))}
		conn, err := d.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// page is a list on a web server.
type page struct {
	web *web
	url string
}

// Fetch asks for the list, unless the server still has the version of v (RFC
// 9110, section 13.1). Anything but a whole list is an error, also while the
// body is read.
func (p *page) Fetch(ctx context.Context, v lists.Validators) (lists.Fetched, error) {
	late := fmt.Errorf("not finished within %v: %w", p.web.timeout, context.DeadlineExceeded)
	ctx, end := context.WithTimeoutCause(ctx, p.web.timeout, late)
	ctx, cancel := context.WithCancelCause(ctx)
	b := &body{ctx: ctx, stall: p.web.stall, end: func() {
		cancel(nil)
		end()
	}}
	f, err := p.fetch(ctx, v)
	if err != nil || f.Body == nil {
		err = b.why(err)
		b.end()
		return f, err
	}
	b.ReadCloser = limited(f.Body, p.web.max)
	b.watch = time.AfterFunc(b.stall, func() { cancel(fmt.Errorf("nothing came for %v: %w", b.stall, context.DeadlineExceeded)) })
	b.watch.Stop()
	f.Body = b
	return f, nil
}

func (p *page) fetch(ctx context.Context, v lists.Validators) (lists.Fetched, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return lists.Fetched{}, err
	}
	request.Header.Set("User-Agent", p.web.agent)
	// Unpacked here and not by the transport, so that it is known how much has come of
	// how much.
	request.Header.Set("Accept-Encoding", "gzip")
	if v.ETag != "" {
		request.Header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		request.Header.Set("If-Modified-Since", v.LastModified)
	}
	response, err := p.web.client.Do(request)
	if err != nil {
		var where *url.Error // whoever reads the error knows the source
		if errors.As(err, &where) {
			err = where.Err
		}
		return lists.Fetched{}, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		if response.ContentLength > p.web.max {
			response.Body.Close()
			return lists.Fetched{}, errTooLarge
		}
		now := lists.Validators{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}
		sent := &counted{ReadCloser: response.Body}
		f := lists.Fetched{Body: sent, Validators: now, Size: max(response.ContentLength, 0), Came: sent.n.Load}
		if encoding := response.Header.Get("Content-Encoding"); strings.EqualFold(encoding, "gzip") || strings.EqualFold(encoding, "x-gzip") {
			f.Body = &unpacked{ReadCloser: sent}
		}
		return f, nil
	case http.StatusNotModified:
		response.Body.Close()
		if v == (lists.Validators{}) {
			return lists.Fetched{}, errors.New("the server says that nothing has changed, without having been asked")
		}
		return lists.Fetched{Validators: v, NotModified: true}, nil
	}
	response.Body.Close()
	return lists.Fetched{}, fmt.Errorf("the server says %s", response.Status)
}

// counted is what a server sends, as it does.
type counted struct {
	io.ReadCloser
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// unpacked is a body that was sent in gzip, of which x-gzip is another name (RFC 9110,
// section 8.4.1.3).
type unpacked struct {
	io.ReadCloser
	zip *gzip.Reader // nil before the first Read, which alone may wait for the server
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.zip == nil {
		var err error
		if u.zip, err = gzip.NewReader(u.ReadCloser); err != nil {
			if errors.Is(err, io.EOF) { // there has to be something, if only that there is nothing
				err = io.ErrUnexpectedEOF
			}
			return 0, fmt.Errorf("gzip: %w", err)
		}
	}
	return u.zip.Read(p)
}

// body is what a server sends. It may take its time, but not stand still.
type body struct {
	io.ReadCloser
	ctx   context.Context // of the download
	stall time.Duration
	watch *time.Timer // ends the download when it stands still; runs during Read
	end   func()
}

func (b *body) Read(p []byte) (int, error) {
	b.watch.Reset(b.stall)
	defer b.watch.Stop()
	n, err := b.ReadCloser.Read(p)
	return n, b.why(err)
}

// why is err, or the reason for which the download was ended.
func (b *body) why(err error) error {
	if err == nil || errors.Is(err, io.EOF) || b.ctx.Err() == nil {
		return err
	}
	return context.Cause(b.ctx)
}

func (b *body) Close() error {
	b.watch.Stop()
	defer b.end()
	return b.ReadCloser.Close()
}
