package main

import (
	"slices"

	"deadpixel/resolver"
)

// observers is an Observer that tells all of them.
type observers []resolver.Observer

// Fork implements resolver.Forker.
func (o observers) Fork() resolver.Observer {
	o = slices.Clone(o)
	for i := range o {
		if f, ok := o[i].(resolver.Forker); ok {
			o[i] = f.Fork()
		}
	}
	return o
}

// Observe implements resolver.Observer.
func (o observers) Observe(e resolver.Event) {
	for _, one := range o {
		one.Observe(e)
	}
}

// ObserveExchange implements resolver.Observer.
func (o observers) ObserveExchange(e resolver.Exchange) {
	for _, one := range o {
		one.ObserveExchange(e)
	}
}
