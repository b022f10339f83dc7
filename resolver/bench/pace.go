//go:build linux

package main

import (
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what became of one query of a steady load.
type sample struct {
	sent, took time.Duration // took is 0 for what was lost
	want       class
	verdict    verdict
}

// paced is a load that asks by the clock, whether answers come or not. The time
// of an answer counts from when its query left: a sender that wakes late would
// otherwise be told as a slow server. What is late leaves at once, so that the
// rate holds.
type paced struct {
	next     questions
	interval time.Duration
	lanes    []*pacedLane
	halt     atomic.Bool // no more queries
	deaf     atomic.Bool // no more answers
	all      sync.WaitGroup
	ears     sync.WaitGroup
}

// pacedLane is one socket of a paced load. It is blocking, so that a reply wakes
// its reader without going through Go's poller.
type pacedLane struct {
	fd   int
	rule standard

	mu sync.Mutex // held for nanoseconds
	ledger
	samples []sample
	example string
	waiting int
}

// pacedSockets is over how many sockets a paced load is spread, so that a server
// with several readers can use them.
const pacedSockets = 4

// pace begins to ask rate queries a second.
func (l load) pace(rate int, next questions) (*paced, error) {
	p := &paced{next: next, interval: time.Second / time.Duration(rate)}
	for range pacedSockets {
		fd, err := dialRaw(l.server)
		if err != nil {
			for _, a := range p.lanes {
				unix.Close(a.fd)
			}
			return nil, err
		}
		p.lanes = append(p.lanes, &pacedLane{fd: fd, rule: l.rule})
	}
	for _, a := range p.lanes {
		p.ears.Go(func() { a.hear(&p.deaf) })
	}
	p.all.Go(p.ask)
	return p, nil
}

// dialRaw opens a blocking UDP socket that is connected to the server. Reads end
// every now and then, to see whether they should go on.
func dialRaw(server netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	patience := unix.NsecToTimeval(int64(20 * time.Millisecond))
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}))
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// ask sends one query in each slot, from a thread of its own.
func (p *paced) ask() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // nanoseconds; 50,000 by default
	buf := make([]byte, 0, 512)
	var start unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &start)
	for i := 0; !p.halt.Load(); i++ {
		sleepUntil(unix.NsecToTimespec(start.Nano() + int64(i)*int64(p.interval)))
		a := p.lanes[i%len(p.lanes)]
		a.ask(buf, p.next)
	}
}

func sleepUntil(t unix.Timespec) {
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
		// Go's scheduler interrupts; the time is absolute.
	}
}

func (a *pacedLane) ask(buf []byte, next questions) {
	q, want := next()
	a.mu.Lock()
	at := now()
	packet, given := a.put(buf, q, want, at)
	a.waiting++
	if given != nil {
		a.settle(given, lost, 0)
	}
	a.mu.Unlock()
	if _, err := unix.Write(a.fd, packet); err == unix.ECONNREFUSED {
		unix.Write(a.fd, packet) // that was about an earlier packet, and this one was not sent
	}
}

// settle notes what became of a query. The lock is held.
func (a *pacedLane) settle(e *entry, v verdict, took time.Duration) {
	a.waiting--
	a.samples = append(a.samples, sample{e.sent, took, e.want, v})
}

func (a *pacedLane) hear(deaf *atomic.Bool) {
	buf := make([]byte, 1500)
	for !deaf.Load() {
		n, err := unix.Read(a.fd, buf)
		at := now()
		if err != nil || n <= 0 {
			continue // a timeout, or nobody listens while the server starts again
		}
		a.mu.Lock()
		if e, ok := a.take(buf[:n]); ok {
			v := a.rule.judge(e.want, e.packet, buf[:n])
			a.settle(&e, v, at-e.sent)
			if v == wrong && a.example == "" {
				var t tally
				t.count(v, &e, buf[:n])
				a.example = t.example
			}
		}
		a.mu.Unlock()
	}
}

// stop ends the load, waits a moment for what is under way, and tells of each query.
func (p *paced) stop() (samples []sample, example string) {
	p.halt.Store(true)
	p.all.Wait()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && p.underWay() > 0; {
		time.Sleep(10 * time.Millisecond)
	}
	p.deaf.Store(true)
	p.ears.Wait()
	for _, a := range p.lanes {
		unix.Close(a.fd)
		for _, e := range a.giveUp() {
			a.settle(&e, lost, 0)
		}
		samples = append(samples, a.samples...)
		if example == "" {
			example = a.example
		}
	}
	return samples, example
}

func (p *paced) underWay() (n int) {
	for _, a := range p.lanes {
		a.mu.Lock()
		n += a.waiting
		a.mu.Unlock()
	}
	return n
}

// sum counts samples.
func sum(samples []sample, example string) tally {
	t := tally{example: example}
	for _, s := range samples {
		t.count(s.verdict, &entry{}, nil)
	}
	t.example = example
	return t
}
