package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Stage is how far a refresh has come.
type Stage uint8

// The stages. A refresh ends with one of the last three, which stays until the next.
const (
	Idle      Stage = iota // there was none since the start
	Waiting                // for its turn
	Fetching               // asked for, or on its way
	Compiling              // all of it has come, and is made ready and put to use
	Unchanged              // what is in use is the present copy
	Done                   // there is a new copy in use
	Failed
)

func (s Stage) String() string {
	return [...]string{"idle", "waiting", "fetching", "compiling", "unchanged", "done", "failed"}[s]
}

// Running says whether the refresh has not ended yet.
func (s Stage) Running() bool { return s == Waiting || s == Fetching || s == Compiling }

// Progress is how far the refresh of a list has come, or how the last one ended.
type Progress struct {
	Name   string
	Stage  Stage
	Bytes  int64     // that have come; as sent, where the source tells
	Size   int64     // of how many; 0 when that is not known
	Began  time.Time // when it was its turn; zero when it was not yet
	Ended  time.Time // zero while it runs
	Reason string    // why it failed
}

// Progress says of each list, in order of the configuration, how far its refresh has
// come.
func (s *Store) Progress() []Progress {
	all := make([]Progress, len(s.lists))
	for i, k := range s.lists {
		all[i] = k.progress.now()
		all[i].Name = k.Name
	}
	return all
}

// progress is the Progress of a list, as it becomes.
type progress struct {
	mu      sync.Mutex
	p       Progress
	waiting int          // refreshes for which it is not their turn
	came    func() int64 // how much has come; nil when nothing is on its way
}

func (p *progress) now() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.came != nil {
		p.p.Bytes = p.came()
	}
	now := p.p
	if p.waiting > 0 && !now.Stage.Running() {
		now = Progress{Stage: Waiting}
	}
	return now
}

// wait notes one more refresh that waits, or one less.
func (p *progress) wait(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting += n
}

// begin notes that it is the turn of one that has waited.
func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	p.p, p.came = Progress{Stage: Fetching, Began: time.Now()}, nil
}

// body is what has been fetched, whose reading is noted.
func (p *progress) body(f *Fetched) io.Reader {
	b := &watched{Reader: f.Body, progress: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p.Stage != Fetching { // a file that is loaded at the start
		return f.Body
	}
	p.p.Size, p.came = f.Size, f.Came
	if f.Came == nil {
		p.came = func() int64 { return b.read }
	}
	return b
}

// all notes that everything has come.
func (p *progress) all() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p.Stage == Fetching {
		p.p.Stage = Compiling
	}
}

// end notes how a refresh has ended.
func (p *progress) end(changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.came != nil {
		p.p.Bytes, p.came = p.came(), nil
	}
	p.p.Ended = time.Now()
	switch {
	case err != nil:
		p.p.Stage, p.p.Reason = Failed, err.Error()
	case changed:
		p.p.Stage = Done
	default:
		p.p.Stage = Unchanged
	}
}

// watched is a text on its way.
type watched struct {
	io.Reader
	progress *progress
	read     int64 // guarded by progress.mu
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.progress.mu.Lock()
	w.read += int64(n)
	w.progress.mu.Unlock()
	if errors.Is(err, io.EOF) {
		w.progress.all()
	}
	return n, err
}

// asked is a refresh that somebody asked for and did not wait for.
type asked struct {
	pending, force bool
}

// Begin has the list of a name refreshed, or all when it is "", and does not wait for
// it: Progress tells what becomes of it. It is done by Run, once for all who ask before
// it is its turn. force is as for Refresh. The error is ErrNoList.
func (s *Store) Begin(name string, force bool) error {
	if name != "" && s.find(name) == nil {
		return fmt.Errorf("%q: %w", name, ErrNoList)
	}
	for _, k := range s.lists {
		if name == "" || k.Name == name {
			k.ask(force)
		}
	}
	return nil
}

func (k *kept) ask(force bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked.pending {
		k.progress.wait(1)
		k.wake <- struct{}{} // there is room: what was pending has taken it away
	}
	k.asked = asked{true, k.asked.force || force}
}

// answer refreshes the list as somebody has asked.
func (k *kept) answer(ctx context.Context) error {
	k.mu.Lock()
	force := k.asked.force
	k.asked = asked{}
	k.mu.Unlock()
	return k.await(ctx, force)
}
