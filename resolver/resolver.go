package resolver

import (
	"context"
	"errors"
)

// Handler answers a query into a. A DNS failure is an Answer; an error means
// that there is none: ErrWait, ErrDrop, or a reason for SERVFAIL. Handlers are
// safe for concurrent use.
type Handler interface {
	Resolve(ctx context.Context, q *Query, a *Answer) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, q *Query, a *Answer) error

// Resolve calls f.
func (f HandlerFunc) Resolve(ctx context.Context, q *Query, a *Answer) error { return f(ctx, q, a) }

// Stage puts something in front of a Handler.
type Stage func(Handler) Handler

// ErrWait says that the answer needs waiting and q.MayWait is false: ask again
// from a goroutine that may block.
var ErrWait = errors.New("the answer has to be waited for")

// ErrDrop says that no reply is due.
var ErrDrop = errors.New("no reply is due")
