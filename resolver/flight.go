package resolver

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// Flight lets identical questions that are under way share one exchange. It is
// safe for concurrent use.
type Flight struct {
	timeout time.Duration
	mu      sync.Mutex
	calls   map[string]*call
}

// call is one exchange that several queries wait for.
type call struct {
	done   chan struct{}
	answer Answer // once done
	err    error
}

// NewFlight makes one; timeout bounds the shared exchange.
func NewFlight(timeout time.Duration) *Flight {
	return &Flight{timeout: timeout, calls: map[string]*call{}}
}

// keySize is the room for a key in a buffer of its own.
const keySize = 1024

// appendKey appends what makes two queries ask the same: name, type, class, and
// DO and CD, which change the answer.
func appendKey(b []byte, q *Query) []byte {
	flags := byte(0)
	if q.EDNS.DO {
		flags |= 1
	}
	if q.CD {
		flags |= 2
	}
	b = append(b, q.Name...)
	b = binary.BigEndian.AppendUint16(b, q.Type)
	b = binary.BigEndian.AppendUint16(b, q.Class)
	return append(b, flags)
}

// Stage puts the flight in front of next, which is asked once for all who wait,
// on a context of its own: it does not end when the first client gives up.
func (f *Flight) Stage(next Handler) Handler {
	return HandlerFunc(func(ctx context.Context, q *Query, a *Answer) error {
		if !q.MayWait {
			return ErrWait
		}
		var buffer [keySize + 64]byte
		key := string(appendKey(buffer[:0], q))
		f.mu.Lock()
		c := f.calls[key]
		if c == nil {
			c = &call{done: make(chan struct{})}
			f.calls[key] = c
			go f.run(c, key, next, q.Clone())
		}
		f.mu.Unlock()
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
	})
}

func (f *Flight) run(c *call, key string, next Handler, q *Query) {
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	c.err = next.Resolve(ctx, q, &c.answer)
	f.mu.Lock()
	delete(f.calls, key)
	f.mu.Unlock()
	close(c.done)
}
