//go:build linux

package main

import (
	"context"
	"fmt"
)

// growth asks deadpixel with longer and longer lists.
func (b *bench) growth(ctx context.Context) error {
	panel := b.plot.panel("Processor time per answer by length of the list", "rules")
	for _, rules := range b.growthSteps {
		names, err := generate(rules)
		if err != nil {
			return err
		}
		w := newWork(names, nil, b.names, b.exact)
		heading := fmt.Sprintf("growth, %s rules", figure(float64(rules)))
		err = b.turns(ctx, heading, b.fewRounds(), b.ourselves(), func(k *kind) error {
			return b.with(ctx, k, w, b.threads, func(s *site, p *process) error {
				return b.costs(ctx, s, p, w, heading, func(server, what string, cost float64) {
					panel.add(server, what, float64(rules), cost)
				})
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clients asks from more and more addresses.
func (b *bench) clients(ctx context.Context) error {
	panel := b.plot.panel("Processor time per answer by number of clients", "client addresses")
	return b.turns(ctx, "clients", b.fewRounds(), b.ourselves(), func(k *kind) error {
		return b.with(ctx, k, b.list, b.threads, func(s *site, p *process) error {
			for _, count := range b.clientSteps {
				l := s.load()
				l.sources = count
				cost, t, err := spent(ctx, p, l, b.queries, b.askers(b.list, household))
				if err != nil {
					return err
				}
				row := fmt.Sprintf("%s clients, mix", figure(float64(count)))
				b.add(row+": processor time per answer", "µs", k.name, cost)
				b.check(row, k.name, t, false)
				panel.add(k.name, "mix", float64(count), cost)
			}
			return nil
		})
	})
}
