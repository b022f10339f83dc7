//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"time"
)

const mebi = 1 << 20

// memory looks at servers that have nothing to do, without a list and with the
// long one. Once is enough: it hardly differs from run to run.
func (b *bench) memory(ctx context.Context) error {
	long, err := b.longList()
	if err != nil {
		return err
	}
	none := newWork(nil, nil, b.names, b.exact)
	return b.turns(ctx, "memory", 1, b.blockers(), func(k *kind) error {
		var found [2]memory
		var running [2]*process
		for i, w := range []*work{none, long} {
			s, err := b.site(k, w.list)
			if err != nil {
				return err
			}
			defer os.RemoveAll(s.dir)
			if running[i], err = s.start(ctx); err != nil {
				return err
			}
			defer running[i].stop()
			if _, err := s.await(ctx, running[i], time.Millisecond, w.questions(mix{100, 0}, 1)); err != nil {
				return err
			}
		}
		if err := pause(ctx, b.idle); err != nil {
			return err
		}
		for i, p := range running {
			if found[i], err = p.memory(); err != nil {
				return err
			}
		}
		names := [2]string{"no list", "long list"}
		for i, m := range found {
			b.add("memory idle, "+names[i]+": resident", "MiB", k.name, m.resident/mebi)
			b.add("memory idle, "+names[i]+": of that anonymous", "MiB", k.name, m.anonymous/mebi)
		}
		b.add("memory of a domain", "bytes", k.name, (found[1].resident-found[0].resident)/float64(len(long.list)))
		return nil
	})
}

// start measures from the start of the program to the first right answer about
// a listed name: with an empty directory, and again with what the first left.
func (b *bench) start(ctx context.Context) error {
	long, err := b.longList()
	if err != nil {
		return err
	}
	return b.turns(ctx, "start", b.fewRounds(), b.blockers(), func(k *kind) error {
		s, err := b.site(k, long.list)
		if err != nil {
			return err
		}
		defer os.RemoveAll(s.dir)
		for _, name := range []string{"cold", "warm"} {
			p, err := s.start(ctx)
			if err != nil {
				return err
			}
			answered, err := s.await(ctx, p, time.Millisecond, long.questions(mix{100, 0}, 1))
			if err == nil {
				// What it writes for the next start may come after the first answer.
				err = pause(ctx, settle)
			}
			p.stop()
			if err != nil {
				return err
			}
			b.add("start, long list, "+name+": first right answer", "s", k.name, answered.Sub(p.begun).Seconds())
		}
		return nil
	})
}

// reloadRate is so low that every server can go on with it.
const reloadRate = 2000

// reload adds a domain to the long list while queries go on.
func (b *bench) reload(ctx context.Context) error {
	long, err := b.longList()
	if err != nil {
		return err
	}
	able := b.only(func(k *kind) bool { return k.reload != nil })
	return b.turns(ctx, "reload", b.fewRounds(), able, func(k *kind) error {
		return b.with(ctx, k, long, b.threads, func(s *site, p *process) error {
			return b.reloadOne(ctx, s, p, long)
		})
	})
}

func (b *bench) reloadOne(ctx context.Context, s *site, p *process, w *work) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	added := domain(2*maxRules - 1)
	calm, err := p.memory()
	if err != nil {
		return err
	}
	forgot := p.forgetPeak()
	if forgot != nil {
		b.note("The peak of memory is sampled only: %v.", forgot)
	}
	// Staged now: writing it must not slow the answers that are measured.
	if err := s.stageList(append(w.list[:len(w.list):len(w.list)], added)); err != nil {
		return err
	}
	load, err := s.load().pace(reloadRate, w.questions(mix{30, 70}, 11))
	if err != nil {
		return err
	}
	summit := watchPeak(p, forgot == nil)
	told, holds, err := b.change(ctx, s, p, added)
	samples, example := load.stop()
	peak := summit()
	if err != nil {
		return err
	}
	t := sum(samples, example)
	before := latencies(samples, func(x sample) bool { return x.sent < told.Sub(began) })
	since := latencies(samples, func(x sample) bool { return x.sent >= told.Sub(began) })
	row := "reload, long list"
	b.add(row+": until the new rule holds", "s", s.name, holds.Sub(told).Seconds())
	b.add(row+": worst answer in the second before", "ms", s.name, percentile(before, 100)/1000)
	b.add(row+": worst answer", "ms", s.name, percentile(since, 100)/1000)
	b.add(row+": latency, 99.9 %", "ms", s.name, percentile(since, 99.9)/1000)
	b.add(row+": lost", "queries", s.name, float64(t.lost))
	b.add(row+": resident before", "MiB", s.name, calm.resident/mebi)
	b.add(row+": resident at the peak", "MiB", s.name, peak/mebi)
	b.check(row, s.name, t, false)
	return nil
}

// change puts the staged list in place amid the load, tells the server, and
// waits until it blocks the added domain.
func (b *bench) change(ctx context.Context, s *site, p *process, added string) (told, holds time.Time, err error) {
	if err := errors.Join(pause(ctx, b.lead), s.useList()); err != nil {
		return told, holds, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	told = time.Now()
	done := make(chan error, 1)
	go func() {
		err := s.reload(s, p) // which may take as long as the reload itself
		if err != nil {
			cancel(err)
		}
		done <- err
	}()
	// A new name below the added one each time: no cache can have it. Rarely,
	// since this adds to the load.
	holds, err = s.await(ctx, p, 5*time.Millisecond, below(added))
	return told, holds, errors.Join(err, <-done, pause(ctx, b.lead))
}

// watchPeak samples the memory of a process until its result is called. The
// kernel's own mark counts too, where it could be reset.
func watchPeak(p *process, reset bool) func() float64 {
	stop, result := make(chan struct{}), make(chan float64)
	go func() {
		var most float64
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			m, err := p.memory()
			if err == nil {
				most = max(most, m.resident)
				if reset {
					most = max(most, m.peak)
				}
			}
			select {
			case <-stop:
				result <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 { close(stop); return <-result }
}
