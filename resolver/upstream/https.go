package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// mediaType of RFC 8484, section 6.
const mediaType = "application/dns-message"

// Times of the HTTP/2 connection: a silent one is asked whether it lives.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 3 * time.Second
)

// https is DNS over HTTPS (RFC 8484), over HTTP/2.
type https struct {
	url    string
	dialer *dialer
	config *tls.Config

	mu        sync.Mutex
	transport *http.Transport
	answered  time.Time
}

func newHTTPS(a address, d *dialer, config *tls.Config) *https {
	config.NextProtos = []string{"h2", "http/1.1"}
	h := &https{url: (&url.URL{Scheme: "https", Host: a.hostPort()}).String() + a.path, dialer: d, config: config}
	h.transport = h.newTransport()
	return h
}

func (h *https) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return h.dialer.dialTCP(ctx) },
		TLSClientConfig:     h.config,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     time.Minute,
		MaxIdleConnsPerHost: 2,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// exchange posts the query with id 0 (RFC 8484, section 4.1) and nothing that
// tells clients apart: no cookies, no user agent.
func (h *https) exchange(ctx context.Context, query []byte) ([]byte, error) {
	h.mu.Lock()
	transport := h.transport
	h.mu.Unlock()
	start := time.Now()
	padded := pad(query)
	padded[0], padded[1] = 0, 0
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(padded))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("Accept", mediaType)
	request.Header.Set("User-Agent", "")
	response, err := transport.RoundTrip(request)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			h.replace(transport, start)
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server says %s", response.Status)
	}
	if t := response.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(t), mediaType) {
		return nil, fmt.Errorf("the server sends %q instead of %s", t, mediaType)
	}
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxMessage+1))
	if err != nil {
		return nil, err
	}
	if len(reply) > maxMessage || !isReply(padded, reply) {
		return nil, errMismatch
	}
	h.mu.Lock()
	h.answered = time.Now()
	h.mu.Unlock()
	copy(reply[:2], query[:2])
	return reply, nil
}

// replace gives up a transport on which nothing has been answered since start:
// its connection may lead nowhere without anyone having said so.
func (h *https) replace(old *http.Transport, start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.transport != old || h.answered.After(start) {
		return
	}
	h.transport = h.newTransport()
	old.CloseIdleConnections()
}

func (h *https) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transport.CloseIdleConnections()
}
