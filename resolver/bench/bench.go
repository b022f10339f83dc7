//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	options
	dir      string
	kinds    []*kind // those that are here
	upstream *site
	stub     *process
	results
	plot plot

	list *work // what most measures use
	long *work // the long list, made when first needed
}

// measures in the order in which they run. Those that are not usual run only when named.
var measures = []struct {
	name  string
	usual bool
	run   func(*bench, context.Context) error
}{
	{"throughput", true, (*bench).throughput},
	{"steady", true, (*bench).steady},
	{"memory", true, (*bench).memory},
	{"start", true, (*bench).start},
	{"reload", true, (*bench).reload},
	{"outage", true, (*bench).outage},
	{"cores", false, (*bench).cores},
	{"growth", false, (*bench).growth},
	{"clients", false, (*bench).clients},
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// turns runs do for every server in every round. Each round begins with another
// server and every other one goes backwards, so that what drifts on the machine
// hits all alike. A server that fails is left out of what remains of the measure.
func (b *bench) turns(ctx context.Context, measure string, rounds int, servers []*kind, do func(*kind) error) error {
	var out []*kind
	for round := range rounds {
		order := slices.Concat(servers[round%len(servers):], servers[:round%len(servers)])
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, k := range order {
			if slices.Contains(out, k) {
				continue
			}
			runtime.GC() // it does not run by itself, see run
			b.say("%s, round %d of %d: %s", measure, round+1, rounds, k.name)
			err := do(k)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				out = append(out, k)
				b.bad = true
				b.note("**FAILED**: %s, %s: %v", measure, k.name, err)
				b.say("failed: %v", err)
			}
		}
	}
	return nil
}

// only are the servers that pass.
func (b *bench) only(pass func(*kind) bool) (some []*kind) {
	for _, k := range b.kinds {
		if pass(k) {
			some = append(some, k)
		}
	}
	return some
}

// blockers are the servers that tell blocked names from others.
func (b *bench) blockers() []*kind { return b.only(func(k *kind) bool { return k.blocks }) }

// site prepares a server with a list.
func (b *bench) site(k *kind, domains []string) (*site, error) {
	return newSite(k, b.dir, b.upstream.address, b.threads, domains)
}

// with runs do with a server that is up and has the cached names in its cache,
// and tidies up.
func (b *bench) with(ctx context.Context, k *kind, w *work, threads int, do func(*site, *process) error) error {
	s, err := newSite(k, b.dir, b.upstream.address, threads, w.list)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	p, err := s.up(ctx, w)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := do(s, p); err != nil {
		if gone := p.alive(); gone != nil {
			return gone
		}
		return err
	}
	return nil
}

// longList is the work with the long list.
func (b *bench) longList() (*work, error) {
	if b.long == nil {
		names, err := generate(b.million)
		if err != nil {
			return nil, err
		}
		b.long = newWork(names, nil, b.names, b.exact)
	}
	return b.long, nil
}

// spent runs a closed loop and tells how much processor time the server needed
// for an answer, in microseconds.
func spent(ctx context.Context, p *process, l load, count int, next func(int) questions) (float64, tally, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, tally{}, err
	}
	t, err := l.closed(ctx, count, next)
	if err != nil {
		return 0, t, err
	}
	after, err := p.cpu()
	if err == nil && t.answered() == 0 {
		err = fmt.Errorf("%s answers nothing", p.name)
	}
	return micros(after-before) / float64(max(1, t.answered())), t, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// startStub starts the upstream of everybody.
func (b *bench) startStub(ctx context.Context) error {
	k, err := own("stub", modeStub)
	if err != nil {
		return err
	}
	if b.upstream, err = newSite(k, b.dir, netip.AddrPort{}, b.threads, nil); err != nil {
		return err
	}
	if b.stub, err = b.upstream.start(ctx); err != nil {
		return err
	}
	if _, err = b.upstream.await(ctx, b.stub, time.Millisecond, b.list.inTurn()); err != nil {
		b.stub.stop()
	}
	return err
}

// silence stops the upstream from answering, or lets it answer again.
func (b *bench) silence(on bool) {
	if on {
		b.stub.signal(syscall.SIGUSR1)
	} else {
		b.stub.signal(syscall.SIGUSR2)
	}
}

// pause waits, unless the run is ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
