package querylog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"deadpixel/lists"
)

// Where the store lies in the data directory, and how its files are named: by the day or,
// where days would be too coarse for how long they are kept, by the hour, in UTC.
const (
	storeDir  = "queries"
	fileEnd   = ".jsonl.gz"
	asideEnd  = ".damaged-" // and when
	permits   = "permits.json"
	dayName   = "2006-01-02"
	hourName  = "2006-01-02T15"
	fineBelow = 15 * 24 * time.Hour // of keep: then files are of an hour
)

// Bounds of the store.
const (
	maxStore   = 256 << 20 // bytes on disk; then the oldest file goes
	maxWaiting = 50_000    // lines in memory, while they cannot be written; then they are lost
	flushLines = 20_000    // in memory, from which on they are not waited with
	flushEvery = time.Minute
	tooFar     = 48 * time.Hour // ahead: the clock was, and has been set right
)

// StoreSettings are what a store is made of.
type StoreSettings struct {
	Dir     string // the data directory
	Keep    time.Duration
	Scope   Scope // what is permitted now; what was kept beyond that is deleted
	Clients bool  // clients may be told apart
	Address bool  // by name and address
	Log     *slog.Logger
}

// Store keeps records as JSON lines in the data directory. It writes once a minute, unless
// there is more than a household asks for, or settings change. A file is deleted as a whole when what is oldest in it
// has had its time, so that nothing of it stays behind. It implements Sink, and is safe
// for concurrent use.
type Store struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex // of what follows and of the files
	set     StoreSettings
	waiting []Line
	trouble string // why nothing can be written, as it was told to the log
	damage  string // likewise, why something cannot be read

	stop  context.CancelFunc
	ended chan struct{}
}

// OpenStore opens the store, deletes what is no longer permitted, and sets files aside
// that are damaged.
func OpenStore(set StoreSettings) (*Store, error) {
	s := &Store{dir: filepath.Join(set.Dir, storeDir), log: set.Log, ended: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	if err := lists.RemoveUnfinished(s.dir); err != nil {
		return nil, err
	}
	if err := s.mend(time.Now()); err != nil {
		return nil, err
	}
	if err := s.Use(set); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.run(ctx)
	return s, nil
}

func (s *Store) run(ctx context.Context) {
	defer close(s.ended)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.mu.Lock()
			s.check(s.flush())
			s.check(s.expire(now))
			s.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// check tells the log when the files begin to make trouble. The lock is held.
func (s *Store) check(err error) {
	switch {
	case err == nil:
		s.trouble = ""
	case s.trouble != err.Error():
		s.trouble = err.Error()
		s.log.Error("the query log cannot be written; it stays in memory for a while, and deadpixel goes on", "err", err)
	}
}

// Use puts settings to use, and deletes what they do not permit any more.
func (s *Store) Use(set StoreSettings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check(s.flush()) // into the files of before
	s.set = set
	if err := s.expire(time.Now()); err != nil {
		return err
	}
	now := permitted{set.Scope.String(), set.Clients, set.Address}
	before := s.permitted()
	if before.within(now) {
		return s.permit(now)
	}
	if _, err := s.revise(nil, now.apply); err != nil {
		return err
	}
	return s.permit(now)
}

// Write implements Sink.
func (s *Store) Write(_ context.Context, records []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := maxWaiting - len(s.waiting)
	lost := len(records) - min(len(records), room)
	may := permitted{s.set.Scope.String(), s.set.Clients, s.set.Address}
	for i := range records[:len(records)-lost] {
		if l := records[i].Line(); may.apply(&l) { // a reload may have come between
			s.waiting = append(s.waiting, l)
		}
	}
	if len(s.waiting) >= flushLines {
		s.check(s.flush())
	}
	if lost > 0 {
		return &lostError{lost, fmt.Errorf("%d lines wait to be written already", maxWaiting)}
	}
	return nil
}

// Close implements Sink.
func (s *Store) Close() error {
	s.stop()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush()
}

// fileOf is the name of the file for what happened at a time.
func (s *Store) fileOf(t time.Time) string {
	if s.set.Keep < fineBelow {
		return t.UTC().Format(hourName) + fileEnd
	}
	return t.UTC().Format(dayName) + fileEnd
}

// begins is when the time of a file begins and ends; ok is false for what is no file of
// the store.
func begins(name string) (from, until time.Time, ok bool) {
	text, is := strings.CutSuffix(name, fileEnd)
	if !is {
		return from, until, false
	}
	if from, err := time.Parse(dayName, text); err == nil {
		return from, from.AddDate(0, 0, 1), true
	}
	from, err := time.Parse(hourName, text)
	return from, from.Add(time.Hour), err == nil
}

// flush writes what waits. The lock is held.
func (s *Store) flush() error {
	if len(s.waiting) == 0 {
		return nil
	}
	of := map[string][]Line{}
	for _, l := range s.waiting {
		name := s.fileOf(l.Time)
		of[name] = append(of[name], l)
	}
	for name, all := range of {
		b, err := pack(all)
		if err != nil {
			return err
		}
		if err := appendTo(filepath.Join(s.dir, name), b); err != nil {
			return err
		}
		s.waiting = slices.DeleteFunc(s.waiting, func(l Line) bool { return s.fileOf(l.Time) == name })
	}
	return nil
}

// appendTo writes b behind a file, whole or not at all.
func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	end, err := f.Seek(0, 2)
	if err == nil {
		if _, err = f.Write(b); err == nil {
			err = f.Sync()
		}
		if err != nil { // a full disk must not leave half a member, behind which more would come
			err = errors.Join(err, f.Truncate(end))
		}
	}
	return errors.Join(err, f.Close())
}

// files are those of the store, the oldest first. The lock is held.
func (s *Store) files() ([]string, error) {
	found, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []string
	for _, f := range found {
		if _, _, ok := begins(f.Name()); ok {
			all = append(all, f.Name())
		}
	}
	slices.Sort(all) // 2026-11-25.jsonl.gz comes before 2026-11-25T00.jsonl.gz
	return all, err
}

// expire removes files of which something has had its time, damaged ones as well, and
// the oldest where there are too many bytes. The lock is held.
func (s *Store) expire(now time.Time) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	var faults []error
	var bytes int64
	for _, name := range slices.Backward(files) {
		from, _, _ := begins(name)
		path := filepath.Join(s.dir, name)
		info, err := os.Stat(path)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if bytes += info.Size(); now.Sub(from) >= s.set.Keep || bytes > maxStore || from.Sub(now) > tooFar {
			faults = append(faults, os.Remove(path))
		}
	}
	aside, err := s.aside()
	faults = append(faults, err)
	for _, path := range aside {
		if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) >= s.set.Keep {
			faults = append(faults, os.Remove(path))
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(l Line) bool { return now.Sub(l.Time) >= s.set.Keep })
	return errors.Join(faults...)
}
