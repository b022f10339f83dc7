package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"deadpixel/lists"
)

// Limits of one download.
const (
	maxRedirects  = 5
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
)

// web is the client for all pages.
type web struct {
	client  *http.Client
	timeout time.Duration
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
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       headerTimeout,
		ForceAttemptHTTP2:     true,
	}
	return &web{timeout: o.Timeout, max: o.MaxSize, agent: o.UserAgent, client: &http.Client{
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
	ctx, cancel := context.WithTimeout(ctx, p.web.timeout)
	f, err := p.fetch(ctx, v)
	if err != nil || f.Body == nil {
		cancel()
		return f, err
	}
	f.Body = &closing{limited(f.Body, p.web.max), cancel}
	return f, nil
}

func (p *page) fetch(ctx context.Context, v lists.Validators) (lists.Fetched, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return lists.Fetched{}, err
	}
	request.Header.Set("User-Agent", p.web.agent)
	if v.ETag != "" {
		request.Header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		request.Header.Set("If-Modified-Since", v.LastModified)
	}
	response, err := p.web.client.Do(request)
	if err != nil {
		return lists.Fetched{}, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		now := lists.Validators{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}
		return lists.Fetched{Body: response.Body, Validators: now}, nil
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

// closing ends the download's context with its body.
type closing struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *closing) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
