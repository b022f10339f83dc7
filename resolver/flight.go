package resolver

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// Flight lets identical questions that are under way share one exchange. It is
// safe for concurrent use.
type Flight struct {
	mu    sync.Mutex
	calls map[string]*call
}

// call is one exchange that several queries wait for.
type call struct {
	done    chan struct{}
	waiting int    // guarded by Flight.mu: who wants a copy of the answer
	answer  Answer // once done, when somebody waits
	err     error
}

// NewFlight makes one.
func NewFlight() *Flight { return &Flight{calls: map[string]*call{}} }

// Stage puts the flight in front of next, which is asked once for all who wait:
// by the first of them, but not on its context, since the others still wait when
// it gives up. So next has to end by itself, as a Forward does at its timeout.
func (f *Flight) Stage(next Handler) Handler {
	return HandlerFunc(func(ctx context.Context, q *Query, a *Answer) error {
		if !q.MayWait {
			return ErrWait
		}
		key := q.key()
		f.mu.Lock()
		if c := f.calls[string(key)]; c != nil {
			c.waiting++
			f.mu.Unlock()
			return c.wait(ctx, q, a)
		}
		c, name := &call{done: make(chan struct{})}, string(key)
		f.calls[name] = c
		f.mu.Unlock()
		return f.run(ctx, c, name, next, q, a)
	})
}

// wait takes over the answer that another query brings.
func (c *call) wait(ctx context.Context, q *Query, a *Answer) error {
	select {
	case <-c.done:
	case <-ctx.Done():
		a.Fail(q, edeNetwork, "no upstream answered in time")
		return nil
	}
	if c.err != nil {
		return c.err
	}
	wire := append(a.Wire[:0], c.answer.Wire...)
	*a = c.answer
	a.Wire = wire
	return nil
}

// errStumbled is for those who wait for a query that did not come back.
var errStumbled = errors.New("the query that asked has failed")

// run asks for all who wait.
func (f *Flight) run(ctx context.Context, c *call, key string, next Handler, q *Query, a *Answer) error {
	c.err = errStumbled
	defer func() {
		f.mu.Lock()
		delete(f.calls, key)
		waiting := c.waiting
		f.mu.Unlock()
		if waiting > 0 {
			c.answer = *a
			c.answer.Wire = bytes.Clone(a.Wire)
		}
		close(c.done)
	}()
	c.err = next.Resolve(context.WithoutCancel(ctx), q, a)
	return c.err
}
