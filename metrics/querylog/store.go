package querylog

import (
	"context"
	"encoding/json"
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
	"deadpixel/resolver"
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
	fineBelow = 48 * time.Hour // of keep: then files are of an hour
)

// Bounds of the store.
const (
	maxStore   = 256 << 20 // bytes on disk; then the oldest file goes
	maxWaiting = 50_000    // lines in memory; then they are lost
	flushEvery = time.Minute
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

// Store keeps records as JSON lines in the data directory. It writes once a minute at
// most, and when somebody reads. A file is deleted as a whole when what is oldest in it
// has had its time, so that nothing of it stays behind. It implements Sink, and is safe
// for concurrent use.
type Store struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex // of what follows and of the files
	set     StoreSettings
	waiting []Line
	trouble string

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
	s.set = set
	if err := s.expire(time.Now()); err != nil {
		return err
	}
	now := permitted{set.Scope.String(), set.Clients, set.Address}
	before := s.permitted()
	if before.within(now) {
		return s.permit(now)
	}
	if _, err := s.revise(now.apply); err != nil {
		return err
	}
	return s.permit(now)
}

// permitted is what the files may hold, as permits.json has it.
type permitted struct {
	Queries string `json:"queries"`
	Clients bool   `json:"clients"`
	Address bool   `json:"address"`
}

// within says whether files of p hold nothing that o does not permit.
func (p permitted) within(o permitted) bool {
	mine, err := ParseScope(p.Queries)
	theirs, _ := ParseScope(o.Queries)
	return err == nil && mine <= theirs && (!p.Clients || o.Clients) && (!p.Address || o.Address)
}

// apply takes out of a line what is not permitted, and says whether something is left.
func (p permitted) apply(l *Line) bool {
	if p.Queries != All.String() && l.Outcome != resolver.Blocked.String() {
		return false
	}
	if !p.Address && l.Address != "" || !p.Clients { // only a line with an address has a name for a client
		l.Client, l.Address = "", ""
	}
	return p.Queries != None.String()
}

// permitted reads it; a file that is missing or damaged may stand for anything.
func (s *Store) permitted() permitted {
	p := permitted{All.String(), true, true}
	if b, err := os.ReadFile(filepath.Join(s.dir, permits)); err == nil {
		var read permitted
		if json.Unmarshal(b, &read) == nil {
			p = read
		}
	}
	return p
}

func (s *Store) permit(p permitted) error {
	if p == s.permitted() {
		if _, err := os.Stat(filepath.Join(s.dir, permits)); err == nil {
			return nil
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return lists.ReplaceFile(filepath.Join(s.dir, permits), b)
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
	if lost > 0 {
		return fmt.Errorf("%d lines wait to be written already", maxWaiting)
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
		if bytes += info.Size(); now.Sub(from) >= s.set.Keep || bytes > maxStore {
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

// aside are files that were damaged.
func (s *Store) aside() ([]string, error) {
	return filepath.Glob(filepath.Join(s.dir, "*"+asideEnd+"*"))
}

// mend looks through all files: cuts an unfinished end off, and sets a damaged file
// aside, after what is whole of it has been copied.
func (s *Store) mend(now time.Time) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := s.mendFile(filepath.Join(s.dir, name), now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) mendFile(path string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, end, err := members(f)
	switch {
	case err == nil && end < info.Size():
		s.log.Warn("the last minute of the query log was not finished; it is cut off", "file", path)
		return f.Truncate(end)
	case !errors.Is(err, errMember):
		return err
	}
	whole := make([]byte, end)
	if _, err := f.ReadAt(whole, 0); err != nil && end > 0 {
		return err
	}
	aside := path + asideEnd + now.UTC().Format("20060102T150405Z")
	s.log.Error("the query log was damaged; it is set aside, and what is whole of it goes on", "file", aside, "err", err)
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	if end == 0 {
		return nil
	}
	return lists.ReplaceFile(path, whole)
}

// revise rewrites all lines by f, which says whether one stays, and returns how many were
// changed or taken out. The lock is held.
func (s *Store) revise(f func(*Line) bool) (changed int, err error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	files, err := s.files()
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		n, err := s.reviseFile(filepath.Join(s.dir, name), f)
		if changed += n; err != nil {
			return changed, err
		}
	}
	return changed, nil
}

func (s *Store) reviseFile(path string, keep func(*Line) bool) (changed int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	all, _, err := members(f)
	if err != nil && !errors.Is(err, errMember) {
		return 0, err
	}
	var whole []byte
	for _, m := range all {
		var left []Line
		err := m.read(f, nil, func(line []byte) error {
			var l Line
			if err := json.Unmarshal(line, &l); err != nil {
				changed++ // what cannot be read cannot be judged
				return nil
			}
			before := l
			stays := keep(&l)
			if !stays || l != before {
				changed++
			}
			if stays {
				left = append(left, l)
			}
			return nil
		})
		if err != nil {
			changed++
		}
		if len(left) == 0 {
			continue
		}
		b, err := pack(left)
		if err != nil {
			return 0, err
		}
		whole = append(whole, b...)
	}
	switch {
	case changed == 0:
		return 0, nil
	case len(whole) == 0:
		return changed, os.Remove(path)
	}
	return changed, lists.ReplaceFile(path, whole)
}

// Erase deletes everything, and reads back whether it is gone.
func (s *Store) Erase(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
	files, err := s.files()
	aside, err2 := s.aside()
	faults := []error{err, err2}
	for _, name := range files {
		aside = append(aside, filepath.Join(s.dir, name))
	}
	for _, path := range aside {
		faults = append(faults, os.Remove(path))
	}
	if left, err := s.files(); err != nil || len(left) > 0 {
		faults = append(faults, err, fmt.Errorf("something is still in %s: %v", s.dir, left))
	}
	return errors.Join(faults...)
}

// EraseClient deletes the lines of a client, by its names and addresses, and returns how
// many they were.
func (s *Store) EraseClient(_ context.Context, who ...string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revise(func(l *Line) bool { return !l.of(who) })
}

// of says whether a line is of a client with one of these names or addresses.
func (l *Line) of(who []string) bool {
	return l.Client != "" && slices.Contains(who, l.Client) || l.Address != "" && slices.Contains(who, l.Address)
}

// Remove deletes the store of a data directory, where nothing may be kept. What is not its
// own it leaves alone.
func Remove(dir string) error {
	s := &Store{dir: filepath.Join(dir, storeDir)}
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := errors.Join(lists.RemoveUnfinished(s.dir), s.Erase(context.Background()))
	if gone := os.Remove(filepath.Join(s.dir, permits)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err == nil {
		_ = os.Remove(s.dir) // where somebody else has put something into it, it stays
	}
	return err
}
