//go:build linux

package main

import (
	"context"
	"time"
)

// rows of throughput.
var throughputMixes = []struct {
	name string
	mix
}{
	{"blocked", mix{100, 0}},
	{"cached", mix{0, 100}},
	{"mix", household},
}

// throughput asks as fast as the server answers.
func (b *bench) throughput(ctx context.Context) error {
	return b.turns(ctx, "throughput", b.rounds, b.kinds, func(k *kind) error {
		return b.with(ctx, k, b.list, b.threads, func(s *site, p *process) error {
			for _, m := range throughputMixes {
				cost, t, err := spent(ctx, p, s.load(), b.queries, b.askers(b.list, m.mix))
				if err != nil {
					return err
				}
				row := "throughput " + m.name
				b.add(row+": processor time per answer", "µs", k.name, cost)
				b.add(row+": answers", "/s", k.name, float64(t.answered())/t.took.Seconds())
				b.check(row, k.name, t, false)
			}
			return nil
		})
	})
}

// askers gives each socket questions of its own.
func (b *bench) askers(w *work, m mix) func(int) questions {
	return func(socket int) questions { return w.questions(m, uint64(socket)) }
}

// steadyRate is a busy household's peak, many times over.
const steadyRate = 5000

// steady asks by the clock.
func (b *bench) steady(ctx context.Context) error {
	return b.turns(ctx, "steady", b.rounds, b.kinds, func(k *kind) error {
		return b.with(ctx, k, b.list, b.threads, func(s *site, p *process) error {
			before, err := p.cpu()
			if err != nil {
				return err
			}
			load, err := s.load().pace(steadyRate, b.list.questions(household, 7))
			if err != nil {
				return err
			}
			ended := pause(ctx, b.seconds)
			samples, example := load.stop()
			after, err := p.cpu()
			if ended != nil || err != nil {
				return firstError(ended, err)
			}
			t := sum(samples, example)
			row := "steady 5,000/s"
			b.add(row+": processor time per answer", "µs", k.name, micros(after-before)/float64(max(1, t.answered())))
			times := latencies(samples, func(sample) bool { return true })
			b.add(row+": latency, median", "µs", k.name, percentile(times, 50))
			b.add(row+": latency, 99 %", "µs", k.name, percentile(times, 99))
			b.add(row+": lost", "queries", k.name, float64(t.lost))
			b.check(row, k.name, t, false)
			return nil
		})
	})
}

// latencies are those of the answers that pass, in microseconds.
func latencies(samples []sample, pass func(sample) bool) (times []float64) {
	for _, s := range samples {
		if s.verdict != lost && pass(s) {
			times = append(times, micros(s.took))
		}
	}
	return times
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// cores asks deadpixel and the floor with one reader and with two.
func (b *bench) cores(ctx context.Context) error {
	for _, threads := range []int{1, 2} {
		err := b.turns(ctx, "cores", b.rounds, b.ourselves(), func(k *kind) error {
			return b.with(ctx, k, b.list, threads, func(s *site, p *process) error {
				return b.costs(ctx, s, p, b.list, map[int]string{1: "1 reader", 2: "2 readers"}[threads], nil)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ourselves are deadpixel and the floor below it.
func (b *bench) ourselves() []*kind {
	return b.only(func(k *kind) bool { return k.name == "deadpixel" || k.echo })
}

// costs measures blocked and cached answers under a heading. plotted, if not
// nil, is given each value.
func (b *bench) costs(ctx context.Context, s *site, p *process, w *work, heading string, plotted func(server, what string, cost float64)) error {
	for _, m := range throughputMixes[:2] {
		cost, t, err := spent(ctx, p, s.load(), b.queries, b.askers(w, m.mix))
		if err != nil {
			return err
		}
		row := heading + ", " + m.name
		b.add(row+": processor time per answer", "µs", s.name, cost)
		b.check(row, s.name, t, false)
		if plotted != nil {
			plotted(s.name, m.name, cost)
		}
	}
	return nil
}

// settle lets a server finish what it began before a measure.
const settle = 500 * time.Millisecond
