package resolver

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Everything is run, at once however long others take, and nobody stays.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrew()
		for range 3 {
			var ran atomic.Int32
			var done sync.WaitGroup
			open := make(chan struct{})
			const many = 1000 // more than may be idle
			done.Add(many)
			for range many {
				c.Go(func() {
					defer done.Done()
					ran.Add(1)
					<-open
				})
			}
			synctest.Wait()
			if ran.Load() != many {
				t.Errorf("%d of %d run at once", ran.Load(), many)
			}
			close(open)
			done.Wait()
			synctest.Wait()
			if n := c.idle.Load(); n > crewIdle || n == 0 {
				t.Errorf("%d are idle", n)
			}
		}
		time.Sleep(2 * crewRest)
		synctest.Wait()
		if n := c.idle.Load(); n > 0 { // the test does not end, either, while somebody stays
			t.Errorf("%d have stayed", n)
		}
	})
}
