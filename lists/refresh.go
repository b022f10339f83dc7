package lists

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Times of refreshing.
const (
	retryFirst  = 3 * time.Second // after the first failure, at most; then doubled, up to the refresh interval
	catchUp     = 5 * time.Second // a copy that became too old while nothing ran is renewed within
	jitterShare = 10              // a refresh comes up to a tenth of its interval early
)

// Run refreshes every list in time until ctx ends.
func (s *Store) Run(ctx context.Context) {
	s.gentle.Store(true)
	defer s.stopCounting()
	if err := s.disk.sweep(s.lists); err != nil {
		s.log.Warn("old copies of lists stay on disk", "err", err)
	}
	var all sync.WaitGroup
	for _, k := range s.lists {
		all.Go(func() { k.run(ctx) })
	}
	all.Wait()
}

// run refreshes one list.
func (k *kept) run(ctx context.Context) {
	wait, retry := k.first(), retryFirst
	for {
		k.mu.Lock()
		k.next = time.Now().Add(wait)
		k.mu.Unlock()
		timer := time.NewTimer(wait)
		var err error
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			select {
			case <-k.wake: // the same refresh is asked for
				err = k.answer(ctx)
			default:
				err = k.refresh(ctx, false)
			}
		case <-k.wake:
			timer.Stop()
			err = k.answer(ctx)
		}
		var held heldBack
		if err != nil && !errors.As(err, &held) {
			wait, retry = jitter(min(retry, k.Refresh)), min(2*retry, k.Refresh)
			continue
		}
		// What is held back is asked for in due time as well: within seconds, a
		// server that is out of order for a moment would confirm itself.
		wait, retry = jitter(k.Refresh), retryFirst
	}
}

// first is how long the first refresh has time.
func (k *kept) first() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	var held heldBack
	if k.err != nil && !errors.As(k.err, &held) {
		return jitter(min(retryFirst, k.Refresh))
	}
	if k.list == nil {
		return 0
	}
	due := time.Until(k.meta.Checked.Add(jitter(k.Refresh)))
	if due <= 0 {
		return rand.N(min(catchUp, k.Refresh))
	}
	return min(due, k.Refresh) // the clock may have been wrong
}

// jitter spreads the refreshes of many machines.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/jitterShare+1) }

// refresh fetches the list and puts it to use.
func (k *kept) refresh(ctx context.Context, force bool) error {
	k.progress.wait(1)
	return k.await(ctx, force)
}

// await is refresh for one that is known to wait.
func (k *kept) await(ctx context.Context, force bool) error {
	// In this order, so that those who wait for one slow list take no place from
	// the others.
	if err := take(ctx, k.working); err != nil {
		k.progress.wait(-1)
		return err
	}
	defer func() { <-k.working }()
	if err := take(ctx, k.store.fetching); err != nil {
		k.progress.wait(-1)
		return err
	}
	defer func() { <-k.store.fetching }()
	k.progress.begin()
	changed, err := k.fetch(ctx, force)
	if changed {
		k.store.rebuild()
		k.tell()
	}
	k.progress.end(changed, err)
	if ctx.Err() != nil && err != nil {
		return err // stopped, not failed
	}
	if err != nil {
		k.failed(err)
		return fmt.Errorf("list %s: %w", k.Name, err)
	}
	return nil
}

// ErrNoList says that there is no list of a name.
var ErrNoList = errors.New("there is no such list")

// Refresh fetches the list of a name now, or all when it is "". With force, one
// that shrank is accepted, and so are rules that are held back. It returns what failed.
func (s *Store) Refresh(ctx context.Context, name string, force bool) error {
	var failed []error
	found := false
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, k := range s.lists {
		if name != "" && k.Name != name {
			continue
		}
		found = true
		all.Go(func() {
			err := k.refresh(ctx, force)
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, err)
		})
	}
	all.Wait()
	if !found && name != "" {
		return fmt.Errorf("%q: %w", name, ErrNoList)
	}
	return errors.Join(failed...)
}
