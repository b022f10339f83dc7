package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"deadpixel/resolver"
	"deadpixel/resolver/upstream"
)

// pools are the upstreams of a configuration, each once, with their connections.
// A reload hands on those that the next configuration names as well.
type pools struct {
	bootstrap *upstream.Bootstrap
	servers   map[string]*pool // by what is written
	order     []string
}

// pool is one upstream that is being probed while it fails.
type pool struct {
	*upstream.Server
	stop context.CancelFunc
	done sync.WaitGroup
}

// newPools makes c's upstreams. Nothing is asked yet.
func newPools(c *Config, old *generation, log *slog.Logger) (*pools, error) {
	p := &pools{servers: map[string]*pool{}}
	keep := map[string]*pool{}
	if old != nil && slices.Equal(old.config.Upstream.Bootstrap, c.Upstream.Bootstrap) {
		p.bootstrap = old.pools.bootstrap
		if old.config.Upstream.Timeout == c.Upstream.Timeout {
			keep = old.pools.servers
		}
	} else {
		b, err := upstream.NewBootstrap(c.Upstream.Bootstrap)
		if err != nil {
			return nil, fmt.Errorf("upstream.bootstrap: %w", err)
		}
		p.bootstrap = b
	}
	wanted := slices.Clone(c.Upstream.Servers)
	for _, suffix := range slices.Sorted(maps.Keys(c.Upstream.Routes)) {
		wanted = append(wanted, c.Upstream.Routes[suffix]...)
	}
	wanted = append(wanted, slices.Concat(c.groupServers()...)...)
	for _, address := range wanted {
		if p.servers[address] != nil {
			continue
		}
		p.order = append(p.order, address)
		if kept := keep[address]; kept != nil {
			p.servers[address] = kept
			continue
		}
		s, err := upstream.New(upstream.Options{Address: address, Bootstrap: p.bootstrap, Timeout: c.Upstream.Timeout,
			Clock: time.Now, Built: buildTime(), Log: log})
		if err != nil {
			p.closeExcept(&pools{bootstrap: p.bootstrap, servers: keep})
			return nil, fmt.Errorf("upstream.servers: %w", err)
		}
		p.servers[address] = &pool{Server: s}
	}
	return p, nil
}

// start probes those that are not being probed yet.
func (p *pools) start() {
	for _, s := range p.servers {
		if s.stop == nil {
			ctx, cancel := context.WithCancel(context.Background())
			s.stop = cancel
			s.done.Go(func() { s.Run(ctx) })
		}
	}
}

// closeExcept closes every upstream that next, which may be nil, has not taken over.
func (p *pools) closeExcept(next *pools) {
	if next == nil || next.bootstrap != p.bootstrap {
		defer p.bootstrap.Close()
	}
	for address, s := range p.servers {
		if next != nil && next.servers[address] == s {
			continue
		}
		if s.stop != nil {
			s.stop()
			s.done.Wait()
		}
		s.Close()
	}
}

// forward makes the last stage of the walk.
func (p *pools) forward(c *Config, o resolver.Observer) (*resolver.Forward, error) {
	strategy, err := resolver.ParseStrategy(c.Upstream.Strategy)
	if err != nil {
		return nil, fmt.Errorf("upstream.strategy: %w", err)
	}
	routes := map[string][]resolver.Upstream{}
	for suffix, servers := range c.Upstream.Routes {
		routes[suffix] = p.pick(servers)
	}
	var groups [][]resolver.Upstream
	for _, servers := range c.groupServers() {
		groups = append(groups, p.pick(servers))
	}
	return resolver.NewForward(resolver.ForwardOptions{
		Servers:  p.pick(c.Upstream.Servers),
		Groups:   groups,
		Strategy: strategy,
		Routes:   routes,
		Timeout:  c.Upstream.Timeout,
		Observer: o,
	}), nil
}

// list is every upstream once, in the order of the configuration.
func (p *pools) list() []*upstream.Server {
	all := make([]*upstream.Server, len(p.order))
	for i, address := range p.order {
		all[i] = p.servers[address].Server
	}
	return all
}

func (p *pools) pick(addresses []string) []resolver.Upstream {
	picked := make([]resolver.Upstream, len(addresses))
	for i, a := range addresses {
		picked[i] = p.servers[a]
	}
	return picked
}
