package resolver

import (
	"context"
	"time"
)

// CachePolicy says how a Cache is used.
type CachePolicy struct {
	MinTTL, MaxTTL time.Duration
	Stale          time.Duration     // how long past its time an answer may be served; 0 means never
	StaleAfter     time.Duration     // how long a client waits for upstreams before it gets a stale answer
	Prefetch       bool              // renew popular answers before they expire
	Healthy        func(*Query) bool // whether an upstream for the query answers; nil means that one does
}

// How popular answers are renewed: from this share of their lifetime on, when
// they were asked for so often, and not when they live too shortly to gain.
const (
	prefetchShare = 10 // the last tenth
	prefetchHits  = 3
	prefetchMin   = 10 * time.Second
	maxRenewals   = 64 // at once
)

// caching is the stage of one Resolver on a Cache.
type caching struct {
	*Cache
	CachePolicy
	next     Handler
	renewals chan struct{}
}

// Stage puts the cache in front of next.
func (c *Cache) Stage(p CachePolicy) Stage {
	return func(next Handler) Handler {
		return &caching{Cache: c, CachePolicy: p, next: next, renewals: make(chan struct{}, maxRenewals)}
	}
}

// Resolve answers from the cache, or asks and stores.
func (s *caching) Resolve(ctx context.Context, q *Query, a *Answer) error {
	key := q.key()
	e := s.get(key)
	now := q.Start
	switch {
	case e == nil:
	case now.Before(e.expires):
		e.fresh(a, now)
		s.prefetch(e, q, now)
		return nil
	case !e.failed && now.Before(e.expires.Add(s.Stale)):
		return s.expired(ctx, e, key, q, a)
	}
	if !q.MayWait {
		return ErrWait
	}
	if err := s.next.Resolve(ctx, q, a); err != nil {
		return err
	}
	s.store(key, a, now)
	return nil
}

// store keeps an answer from below, and gives it the TTLs that it is kept with.
func (s *caching) store(key []byte, a *Answer, now time.Time) {
	if a.Outcome != Forwarded && a.Outcome != Failed {
		return
	}
	if e := newEntry(key, a, s.CachePolicy, now); e != nil {
		copy(a.Wire, e.wire)
		s.put(e)
	}
}

// expired answers when there is a stale answer: by the upstreams if they are
// quick, else by what is there.
func (s *caching) expired(ctx context.Context, e *entry, key []byte, q *Query, a *Answer) error {
	if q.Start.UnixNano() < e.retryAt.Load() {
		e.stale(a)
		return nil
	}
	if s.Healthy != nil && !s.Healthy(q) {
		e.stale(a)
		s.renew(e, q)
		return nil
	}
	if !q.MayWait {
		return ErrWait
	}
	k := string(key)
	done := make(chan Answer, 1)
	go func(q *Query) {
		var renewed Answer
		// The client may have its stale answer by then; the new one is for the next.
		if err := s.next.Resolve(context.WithoutCancel(ctx), q, &renewed); err != nil || renewed.Outcome != Forwarded {
			e.retryAt.Store(q.Start.Add(staleRetry).UnixNano())
			renewed = Answer{}
		} else {
			s.store([]byte(k), &renewed, q.Start)
		}
		done <- renewed
	}(q.Clone())
	wait := time.NewTimer(s.StaleAfter)
	defer wait.Stop()
	select {
	case renewed := <-done:
		if renewed.Wire != nil {
			wire := append(a.Wire[:0], renewed.Wire...)
			*a = renewed
			a.Wire = wire
			return nil
		}
	case <-wait.C:
	case <-ctx.Done():
	}
	e.stale(a)
	return nil
}

// prefetch renews a popular answer that will soon expire.
func (s *caching) prefetch(e *entry, q *Query, now time.Time) {
	if !s.Prefetch || e.failed {
		return
	}
	// No more is counted than is needed, so that the cores that find a popular
	// answer do not contend for its counter.
	if e.hits.Load() < prefetchHits && e.hits.Add(1) < prefetchHits {
		return
	}
	lifetime := e.expires.Sub(e.stored)
	if lifetime < prefetchMin || e.expires.Sub(now) > lifetime/prefetchShare {
		return
	}
	s.renew(e, q)
}

// renew asks for e again without anybody waiting. One asks at a time; when too
// many do already, this one is left to the next client.
func (s *caching) renew(e *entry, q *Query) {
	if !e.refreshing.CompareAndSwap(false, true) {
		return
	}
	select {
	case s.renewals <- struct{}{}:
	default:
		e.refreshing.Store(false)
		return
	}
	q = q.Clone()
	q.Start = time.Now()
	go func() {
		defer func() {
			<-s.renewals
			e.refreshing.Store(false)
		}()
		var a Answer
		if err := s.next.Resolve(context.Background(), q, &a); err != nil || a.Outcome != Forwarded {
			e.retryAt.Store(q.Start.Add(staleRetry).UnixNano())
			return
		}
		s.store([]byte(e.key), &a, q.Start)
	}()
}
