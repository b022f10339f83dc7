package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/owners"
	"deadpixel/metrics"
	"deadpixel/metrics/history"
	"deadpixel/resolver"
	"deadpixel/resolver/serve"
)

// Limits of the server: how long a drain may last (the interface promises 5 s in
// all), and how long the first query to itself may take before it gives up.
const (
	drainLimit = 4 * time.Second
	probeLimit = 10 * time.Second
)

// server is what outlives a reload.
type server struct {
	flags   flags
	level   slog.LevelVar
	log     *slog.Logger
	notify  notifier
	started time.Time

	inherited   inherited
	sockets     *serve.Sockets
	dns         *serve.Server
	web         *website
	certificate certificate
	metrics     *metrics.Metrics
	history     *history.History
	pause       resolver.Pause
	storing     sync.Mutex // of the pauses
	allowed     *resolver.Allowances
	ruling      sync.Mutex // of what the page allows and denies
	recent      *recentNames
	requests    requests
	refused     atomic.Pointer[refusal] // the last configuration, if it was
	tail        tail
	queries     keptQueries
	felt        felt
	probe       string // the secret name of the query to itself

	current atomic.Pointer[generation]
}

// serveCommand runs the server until ctx ends.
func serveCommand(ctx context.Context, f flags, out, errOut io.Writer) error {
	c, err := f.loadConfig()
	if err != nil {
		return err
	}
	s := &server{flags: f, started: time.Now(), allowed: resolver.NewAllowances(), queries: keptQueries{stdout: out}}
	level, err := c.threshold()
	if err != nil {
		return err
	}
	s.level.Set(level)
	s.log = newLog(errOut, &s.level, c.Log.Format)
	s.notify = notifier{s.log}
	s.probe = probeName()
	b := buildInfo()
	s.metrics = metrics.New(metrics.Options{Version: b.version, Commit: b.commit, Owner: s.ownerOf, Escape: resolver.PublicExits().Escape, NoAccount: s.noAccount})
	return s.run(ctx, c)
}

// probeName is a name that nobody else knows: the query for it passes every
// check, is answered here and is not counted. It lies under "invalid" (RFC 6761,
// section 6.4), so that it could not even leak.
func probeName() string {
	var secret [16]byte
	rand.Read(secret[:])
	return hex.EncodeToString(secret[:]) + ".deadpixel.invalid"
}

// ownerOf names the company behind a blocked name, for the metric.
func (s *server) ownerOf(name []byte) string {
	o, _ := owners.Lookup(s.current.Load().owners.data.Load(), name)
	return o.Company
}

// noAccount says whether one of the groups does without a company.
func (s *server) noAccount(groups []string, company string) bool {
	return s.current.Load().without.Load().of(groups, company)
}

// run: bind -> load -> answer -> tell systemd -> wait -> drain. Sockets come
// first, so that a taken port is told at once; what arrives meanwhile waits in
// their buffers until the lists are loaded.
func (s *server) run(ctx context.Context, c *Config) (err error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	if s.flags.debug != "" {
		if err := serveDebug(ctx, s.flags.debug, s.log); err != nil {
			return err
		}
	}
	if s.inherited, err = inherit(); err != nil {
		return err
	}
	if s.sockets, err = s.listen(c, nil); err != nil {
		return err
	}
	pair, err := c.keyPair()
	if err != nil {
		return err
	}
	s.certificate.log = s.log
	s.certificate.use([2]string{c.DNS.Certificate, c.DNS.PrivateKey}, pair)
	if s.web, err = s.openWebsite(c); err != nil {
		return err
	}
	if err := lists.RemoveUnfinished(s.dataDir(c)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("files of before that were never finished are not removed", "err", err)
	}
	s.restorePauses(s.dataDir(c))
	s.restoreAllowances(s.dataDir(c))
	s.recent = newRecentNames(s.recentFor)
	g, err := s.first(ctx, c)
	if err != nil {
		return err
	}
	recorded, err := s.record(c)
	if err != nil {
		return err
	}
	defer recorded() // after the last answer
	noted, err := s.queries.record(s, c)
	if err != nil {
		return err
	}
	defer noted()
	s.dns = serve.New(serve.Options{Handler: g.resolver, Observer: observers{s.metrics, s.history, s.recent, &s.tail, &s.queries}, Log: s.log})
	s.dns.Use(s.sockets)
	s.join()
	for _, w := range c.warnings() {
		s.log.Warn(w.Error())
	}

	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.dns.Run(running) }()
	g.start()
	g.pools.start()
	if s.web, err = s.web.serve(s, c); err != nil {
		return err
	}
	if err := s.answersItself(ctx); err != nil {
		if ctx.Err() != nil { // asked to stop so soon
			return s.drain(stop, ended)
		}
		return err
	}
	s.log.Info("deadpixel answers", "version", version, "dns", s.dns.Addrs(), "web", s.web.address(), "rules", g.rules(), "data", s.dataDir(c))
	s.notify.ready(s.status())
	s.metrics.Reloaded(true, time.Now())
	// Small machines need elsewhere what starting has used. Nobody asks yet.
	go debug.FreeOSMemory()
	go s.notify.watch(running, s.ask)
	go s.recent.run(running)
	go s.certificate.run(running)
	go s.felt.run(running, s.metrics)

	for {
		select {
		case <-hangup:
			s.reload(ctx)
		case err := <-ended:
			return fmt.Errorf("the DNS sockets have failed: %w", err)
		case <-ctx.Done():
			s.log.Info("deadpixel stops")
			s.notify.stopping()
			return s.drain(stop, ended)
		}
	}
}

// first builds the generation that the server starts with.
func (s *server) first(ctx context.Context, c *Config) (*generation, error) {
	g, err := newGeneration(c, nil, s.parts(c))
	if err != nil {
		return nil, err
	}
	if err := g.load(ctx, nil, s.parts(c)); err != nil {
		g.pools.closeExcept(nil)
		return nil, err
	}
	s.current.Store(g)
	return g, nil
}

// drain lets what is being answered finish, then closes everything.
func (s *server) drain(stop context.CancelFunc, ended <-chan error) error {
	limit, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	s.web.close(limit)
	stop()
	var err error
	select {
	case err = <-ended:
	case <-limit.Done():
		s.log.Warn("some queries were still waiting for an upstream")
	}
	g := s.current.Load()
	g.halt()
	g.pools.closeExcept(nil)
	return err
}

// listen opens the DNS sockets of c, or adopts those of socket activation. Those
// in keep that are wanted again stay open.
func (s *server) listen(c *Config, keep *serve.Sockets) (*serve.Sockets, error) {
	if len(s.inherited.dns) > 0 {
		if keep != nil {
			return keep, nil
		}
		return serve.Listen(nil, s.inherited.dns, nil)
	}
	sockets, err := serve.Listen(c.DNS.Listen, nil, keep)
	return sockets, adviseListen(err, c.at("dns.listen"), "deadpixel --listen 127.0.0.1:5300")
}

// ask puts a query to every own address and waits for the answer.
func (s *server) ask(ctx context.Context) error { return s.dns.Probe(ctx, s.probe) }

// answersItself returns once the server has answered its own query.
func (s *server) answersItself(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, time.Second)
		err := s.ask(attempt)
		done()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("deadpixel does not answer its own query: %w", err)
		}
	}
}

func (s *server) parts(c *Config) parts {
	return parts{dataDir: s.dataDir(c), pause: &s.pause, allowed: s.allowed, metrics: s.metrics, probe: s.probe, log: s.log,
		serving: s.current.Load() != nil, asked: s.asked}
}

// dataDir was found to exist when the flags were read.
func (s *server) dataDir(c *Config) string {
	dir, _ := c.dataDir(s.flags.data)
	return dir
}

// status is one line for `systemctl status`.
func (s *server) status() string {
	g := s.current.Load()
	return fmt.Sprintf("%d rules in %d lists, on %s", g.rules(), len(g.config.Lists), strings.Trim(fmt.Sprint(s.dns.Addrs()), "[]"))
}

// rules is how many there are in all lists.
func (g *generation) rules() int {
	n := 0
	for _, l := range g.store.Status() {
		n += l.Entries
	}
	return n
}
