package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"deadpixel/resolver"
	"deadpixel/ui"
)

// Limits of one connection to the page, so that a slow or idle one cannot hold
// resources for long.
const (
	webHeaderTimeout = 5 * time.Second
	webReadTimeout   = 10 * time.Second
	webWriteTimeout  = 30 * time.Second
	webIdleTimeout   = 2 * time.Minute
	webHeaderBytes   = 16 << 10
)

// website is the page on its socket; a nil one is turned off. The page is
// exchanged when only what the page says has changed.
type website struct {
	listener *webListener
	listen   string // as written
	page     *atomic.Pointer[ui.Page]
	server   *http.Server
}

// openWebsite opens the socket that c wants, or adopts the one of socket
// activation. It is not served yet.
func (s *server) openWebsite(c *Config) (*website, error) {
	l := s.inherited.web
	if l == nil {
		if c.Web.Listen == "" {
			return nil, nil
		}
		var err error
		if l, err = net.Listen("tcp", c.Web.Listen); err != nil {
			return nil, adviseListen(err, c.at("web.listen"), "deadpixel --web 127.0.0.1:8081")
		}
	}
	return &website{listen: c.Web.Listen, listener: &webListener{Listener: l, config: s.certificate.config("h2", "http/1.1")}, page: new(atomic.Pointer[ui.Page])}, nil
}

// webListener speaks TLS while that is turned on, on the same socket.
type webListener struct {
	net.Listener
	config *tls.Config
	tls    atomic.Bool
}

// Accept implements net.Listener.
func (l *webListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.tls.Load() {
		conn = tls.Server(conn, l.config)
	}
	return conn, err
}

// serve begins to answer with the page of c.
func (w *website) serve(s *server, c *Config) (*website, error) {
	if w == nil {
		return nil, nil
	}
	if err := w.show(s, c); err != nil {
		return nil, err
	}
	w.server = &http.Server{
		Handler:           http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.page.Load().ServeHTTP(rw, r) }),
		ReadHeaderTimeout: webHeaderTimeout,
		ReadTimeout:       webReadTimeout,
		WriteTimeout:      webWriteTimeout,
		IdleTimeout:       webIdleTimeout,
		MaxHeaderBytes:    webHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), resolver.LevelNames),
	}
	w.server.RegisterOnShutdown(func() { w.page.Load().Close() })
	go func() {
		if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the page has stopped", "err", err)
		}
	}()
	return w, nil
}

// show puts the page of c in place.
func (w *website) show(s *server, c *Config) error {
	p, err := s.page(c)
	if err != nil {
		return err
	}
	w.listener.tls.Store(c.Web.TLS)
	if old := w.page.Swap(p); old != nil {
		old.Close() // what it streams was permitted by other rules
	}
	return nil
}

// next is the website of the configuration c: the same one, where the address
// stays, else a new one on a socket that is already open.
func (w *website) next(s *server, c *Config) (*website, error) {
	if w != nil && (s.inherited.web != nil || w.listen == c.Web.Listen) {
		return w, nil
	}
	return s.openWebsite(c)
}

// abandon gives a website up that never served, unless it is the current one.
func (w *website) abandon(current *website) {
	if w != nil && w != current {
		w.listener.Close()
	}
}

// replace takes over from old, with the page of c; before is what old showed.
func (w *website) replace(s *server, old *website, before, c *Config) error {
	var err error
	switch {
	case w != old:
		_, err = w.serve(s, c)
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		old.close(limit)
	case w != nil && (before.TimeZone != c.TimeZone || !reflect.DeepEqual(before.Web, c.Web)):
		err = w.show(s, c) // with new sessions: the password may be another
	}
	return err
}

// close lets requests finish until ctx ends.
func (w *website) close(ctx context.Context) {
	if w == nil || w.server == nil {
		return
	}
	if w.server.Shutdown(ctx) != nil {
		w.server.Close()
	}
}

// address is where the page is, for the log.
func (w *website) address() string {
	if w == nil {
		return "off"
	}
	scheme := "http://"
	if w.listener.tls.Load() {
		scheme = "https://"
	}
	return scheme + w.listener.Addr().String()
}
