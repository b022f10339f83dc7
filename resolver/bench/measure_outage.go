//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// outageRate leaves room for what waits.
const outageRate = 1000

// outagePatience is how long a server may take to find that its upstream is back.
const outagePatience = 75 * time.Second

// outage lets the upstream fall silent, and looks at who still gets answers.
func (b *bench) outage(ctx context.Context) error {
	return b.turns(ctx, "outage", b.fewRounds(), b.blockers(), func(k *kind) error {
		return b.with(ctx, k, b.list, b.threads, func(s *site, p *process) error {
			defer b.silence(false)
			return b.outageOne(ctx, s, p)
		})
	})
}

func (b *bench) outageOne(ctx context.Context, s *site, p *process) error {
	load, err := s.load().pace(outageRate, b.list.questions(household, 13))
	if err != nil {
		return err
	}
	var silent, back time.Duration
	var works time.Time
	steps := func() error {
		if err := pause(ctx, b.lead); err != nil {
			return err
		}
		silent = now()
		b.silence(true)
		if err := pause(ctx, b.away); err != nil {
			return err
		}
		b.silence(false)
		back = now()
		limited, cancel := context.WithTimeout(ctx, outagePatience)
		defer cancel()
		if works, err = s.await(limited, p, time.Millisecond, b.list.questions(mix{0, 0}, 1)); err != nil {
			return fmt.Errorf("after the outage: %w", err)
		}
		return pause(ctx, b.lead)
	}
	err = steps()
	samples, example := load.stop()
	if err != nil {
		return err
	}
	row := "outage of the upstream"
	during := func(c class) (some []sample) {
		for _, x := range samples {
			if x.want == c && x.sent > silent && x.sent < back {
				some = append(some, x)
			}
		}
		return some
	}
	for c, name := range []string{"blocked", "cached"} {
		some := during(class(c))
		t := sum(some, example)
		b.add(row+", "+name+": answered", "%", s.name, 100*float64(t.right)/float64(max(1, t.asked)))
		b.add(row+", "+name+": latency, 99 %", "µs", s.name, percentile(latencies(some, func(sample) bool { return true }), 99))
		b.check(row+", "+name, s.name, t, false)
	}
	// What had to be forwarded may fail or be lost, but not be answered wrongly.
	t := sum(during(forwarded), example)
	b.add(row+", new names: told of the failure", "%", s.name, 100*float64(t.failed)/float64(max(1, t.asked)))
	t.lost = 0
	b.check(row+", forwarded", s.name, t, true)
	b.add(row+": forwarding works again after", "ms", s.name, works.Sub(began.Add(back)).Seconds()*1000)
	return nil
}
