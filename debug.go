package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// debugHeader bounds how long a client of the debug listener may take to ask.
const debugHeader = 5 * time.Second

// serveDebug serves profiles of the running program (see net/http/pprof) on a
// loopback address until ctx ends. Profiles hold no names and no clients, but
// they slow the program down, and so nobody else may ask for them.
func serveDebug(ctx context.Context, address string, log *slog.Logger) error {
	bound, err := netip.ParseAddrPort(address)
	if err != nil || !bound.Addr().IsLoopback() {
		return errUsage{fmt.Errorf("--debug %q: write a loopback address with its port, such as 127.0.0.1:6060", address)}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--debug: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: debugHeader}
	context.AfterFunc(ctx, func() { s.Close() })
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the debug listener has failed", "err", err)
		}
	}()
	log.Warn("profiles are served", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	return nil
}
