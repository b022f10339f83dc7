package main

import (
	"context"
	"time"
)

// reload reads the configuration and the lists again. The new state is built
// aside and takes over whole, or is refused and the old one runs on.
func (s *server) reload(ctx context.Context) {
	s.notify.reloading()
	err := s.replace(ctx)
	s.metrics.Reloaded(err == nil, time.Now())
	s.refused.Store(nil)
	if err != nil {
		s.refused.Store(&refusal{time.Now(), each(err)})
		for _, problem := range each(err) {
			s.log.Error("configuration refused", "problem", problem)
		}
		s.log.Error("the previous configuration runs on")
	} else {
		s.log.Info("configuration reloaded", "dns", s.dns.Addrs(), "web", s.web.address(), "rules", s.current.Load().rules())
	}
	s.notify.ready(s.status())
}

// replace builds everything that can fail before it touches anything that runs.
func (s *server) replace(ctx context.Context) error {
	c, err := s.flags.loadConfig()
	if err != nil {
		return err
	}
	old := s.current.Load()
	settings, err := s.historySettings(c)
	if err != nil {
		return err
	}
	pair, err := c.keyPair()
	if err != nil {
		return err
	}
	next, err := newGeneration(c, old, s.parts(c))
	if err != nil {
		return err
	}
	refuse := func(err error) error {
		next.pools.closeExcept(old.pools)
		return err
	}
	sockets, err := s.listen(c, s.sockets)
	if err != nil {
		return refuse(err)
	}
	web, err := s.web.next(s, c)
	if err != nil {
		sockets.CloseExcept(s.sockets)
		return refuse(err)
	}
	// Two stores must not write into one directory. Queries go on with the set
	// that the old one has loaded.
	old.halt()
	s.ruling.Lock() // or the page could change a file that has been read already
	defer s.ruling.Unlock()
	if err := next.load(ctx, old, s.parts(c)); err != nil {
		old.start()
		web.abandon(s.web)
		sockets.CloseExcept(s.sockets)
		return refuse(err)
	}

	s.current.Store(next)
	if dir := s.dataDir(c); dir != s.dataDir(old.config) { // what is to outlive a restart goes along
		_ = pauser{s}.stored() // which tells it
		s.storeAllowances()
	}
	s.history.Use(settings)
	if err := s.queries.use(s, c); err != nil {
		s.log.Error("the query log", "err", err)
	}
	s.certificate.use([2]string{c.DNS.Certificate, c.DNS.PrivateKey}, pair)
	s.dns.Swap(next.resolver)
	s.dns.Use(sockets)
	s.sockets = sockets
	if err := web.replace(s, s.web, old.config, c); err != nil {
		s.log.Error("the page does not show", "err", err)
	}
	s.web = web
	next.start()
	next.pools.start()
	// Queries that are under way still use the old upstreams.
	left, kept := old.pools, next.pools // not old itself, which holds whole lists
	time.AfterFunc(old.config.Upstream.Timeout, func() { left.closeExcept(kept) })

	level, err := c.threshold()
	if err == nil {
		s.level.Set(level)
	}
	if c.Log.Format != old.config.Log.Format {
		s.log.Warn("log.format has changed; it takes effect when deadpixel is started again")
	}
	for _, w := range c.warnings() {
		s.log.Warn(w.Error())
	}
	return nil
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
}
