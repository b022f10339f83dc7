// Package history keeps sums of what happened to queries, in memory and in one
// file of the data directory: how many there were and how they ended, by which list
// and rule they were blocked and whose the names were, and how many came from each
// client in the form that is permitted. It never holds a name that was asked for; how
// many different ones of a company were blocked on a day is told apart by hashes in memory.
//
// Sums are by the minute for 26 hours, by the hour for 35 days and by the day for as
// long as anything is kept. Counters are read, not counted a second time: what they
// have gained between two readings belongs to the minute of the first. So an answer
// costs nothing more, but for who asked and which names were blocked, which each core
// counts in tables of its own.
// Once a minute the sums go to disk, in one transaction, and not when nothing
// happened; hours and days are added up from minutes when they are over. Whoever
// pulls the plug loses the present minute.
//
// The file is a bbolt database (go.etcd.io/bbolt): a B+tree that is copied on write,
// so that a kill or a power cut at any moment leaves the last transaction; one file,
// no cgo, small, and kept in repair by the etcd project. SQLite in pure Go is a
// hundred times its size for queries that are not needed here. A log-structured store
// such as Badger or Pebble rewrites in the background what it has written, many files
// of it, which wears flash out.
//
// What is deleted from a bbolt file stays in pages that are free until they are used
// again. Therefore the file is replaced by a fresh copy once a day and whenever
// something is erased; what flash memory does with blocks that no file has any more
// is beyond a program.
package history

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// How long sums are kept, unless Settings.Keep is shorter: enough for the ranges that
// can be read, and for a day of 25 hours to be added up from its minutes.
const (
	minutesKept = 26 * time.Hour
	hoursKept   = 35 * 24 * time.Hour
)

// Bounds of what waits in memory while it cannot be written: minutes, and how many
// of the last of them tell clients apart.
const (
	maxWaiting        = int(minutesKept / time.Minute)
	maxWaitingClients = 60
)

// renewAgain is how long after a renewal of the file that failed the next is tried: a
// full disk is not written to every minute.
const renewAgain = time.Hour

// Settings are what a reload may change.
type Settings struct {
	Dir     string // of the file; "" keeps everything in memory
	Clients Form
	Keep    time.Duration  // after that, everything is deleted
	Zone    *time.Location // whose midnight ends the day
}

// Options are what a History is made of.
type Options struct {
	Settings
	// Counts reads counters that only grow. Several minutes may pass between two calls.
	Counts func() Counts
	// Client is the name of the client that has an address, "" when it has none. It is
	// asked once a minute for each address, and only when Settings.Clients is Full.
	Client func(netip.Addr) string
	// Owner names the company behind a blocked name, "" when nobody knows; nil knows
	// nobody. It is called from many goroutines, may not keep the name, and must be quick.
	Owner func(name []byte) string
	Log   *slog.Logger // nil logs nothing
}

// History implements resolver.Observer and resolver.Forker. It is safe for concurrent
// use. It always works: what cannot be written is told to the log once and waits in
// memory, for a day at most.
type History struct {
	options  Options
	log      *slog.Logger
	counting atomic.Bool  // who asks is counted
	seed     maphash.Seed // of the hashes of names
	shards   []shard      // one for each core
	forks    atomic.Uint32

	mu      sync.Mutex // of what follows, which Observe never touches
	set     Settings
	store   *store // nil while there is none
	key     key
	last    Counts    // as read
	read    time.Time // when that was
	waiting map[int64]*sum
	names   names     // of the day of the last reading
	day     int64     // that turn was last called on, 0 before
	again   time.Time // when the file may be renewed after a renewal that failed
	trouble string    // why nothing can be written, as it was told to the log
}

// Open reads what is there. A file that is damaged, or is something else, is set
// aside with the date in its name.
func Open(o Options) *History {
	h := &History{options: o, log: o.Log, seed: maphash.MakeSeed(), shards: make([]shard, runtime.GOMAXPROCS(0)), waiting: map[int64]*sum{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == nil {
		h.options.Owner = func([]byte) string { return "" }
	}
	for i := range h.shards {
		s := &h.shards[i]
		s.now, s.spare, s.names, s.spareNames = newAskers(), newAskers(), new(metNames), new(metNames)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read, h.last = time.Now(), o.Counts()
	h.begin(o.Settings, h.read)
	return h
}

// begin takes over settings and opens their file. The lock is held.
func (h *History) begin(s Settings, now time.Time) {
	h.set = s
	today := days.number(now, s.Zone)
	h.counting.Store(s.Clients != None)
	if file := h.file(keyName); h.key.file != file || s.Clients != Anonymous {
		h.tell(h.key.destroy())
		h.key.file = file
	}
	switch {
	case s.Clients != Anonymous:
		h.tell(h.key.destroy())
	case h.key.exists():
		h.tell(h.key.endBefore(today))
	default:
		h.tell(h.key.restore(today))
	}
	h.open(now)
	for _, row := range h.waiting {
		row.strip(s.Clients.forbids)
	}
	if h.store != nil {
		_, err := h.store.revise(func(row *sum) bool { return row.strip(s.Clients.forbids) })
		h.check(err)
	}
}

// file is a path in the data directory, "" without one.
func (h *History) file(name string) string {
	if h.set.Dir == "" {
		return ""
	}
	return filepath.Join(h.set.Dir, name)
}

// open opens the file, if it is not, and sets a damaged one aside.
func (h *History) open(now time.Time) {
	if h.store != nil || h.set.Dir == "" {
		return
	}
	s, aside, err := openStore(h.set.Dir, now)
	if aside != "" {
		h.log.Error("the history was damaged or is something else; it is set aside, and a new one begins", "file", aside)
	}
	h.store = s
	h.check(err)
}

// check tells the log when the file begins or ceases to make trouble. Damage makes the
// next minute begin with a new file.
func (h *History) check(err error) bool {
	h.giveUp(err)
	switch {
	case err == nil && h.trouble != "":
		h.log.Info("the history is written again")
		h.trouble = ""
	case err != nil && h.trouble != err.Error():
		h.trouble = err.Error()
		h.log.Error("the history cannot be written; it stays in memory for a day at most, and deadpixel goes on", "err", err)
	}
	return err == nil
}

// giveUp closes a file that is damaged.
func (h *History) giveUp(err error) {
	if isDamage(err) {
		h.shut()
	}
}

// tell tells the log of an error about the key.
func (h *History) tell(err error) {
	if err != nil {
		h.log.Error("the key of the hashes of clients", "err", err)
	}
}

// Use puts other settings to use. What a stricter form of clients does not permit is
// erased.
func (h *History) Use(s Settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	if s.Dir != h.set.Dir {
		h.flush(now)
		h.shut()
	}
	h.begin(s, now)
}

// Run writes once a minute until ctx ends, then what is left, and closes the file.
func (h *History) Run(ctx context.Context) {
	for {
		now := time.Now()
		next := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-next.C:
			h.turn(time.Now())
		case <-ctx.Done():
			next.Stop()
			h.turn(time.Now())
			h.mu.Lock()
			h.shut()
			h.mu.Unlock()
			return
		}
	}
}

// shut closes the file. The lock is held.
func (h *History) shut() {
	if h.store != nil {
		h.store.close()
		h.store = nil
	}
}

// turn is what is done once a minute.
func (h *History) turn(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fold(now)
	h.open(now)
	written := h.flush(now)
	if today := days.number(now, h.set.Zone); today != h.day {
		h.day = today
		h.tell(h.key.endBefore(today))
		h.again = now
	}
	if written && !now.Before(h.again) && !h.check(h.store.daily(now, h.set)) {
		h.again = now.Add(renewAgain)
	}
	h.bound(now)
}

// fold takes in what was counted since the last reading. The lock is held.
func (h *History) fold(now time.Time) {
	at := minutes.number(h.read, nil)
	// The machine slept, or its clock was set.
	if gone := now.Round(0).Sub(h.read.Round(0)); gone > 2*time.Minute || gone < 0 {
		at = minutes.number(now, nil)
	}
	counts := h.options.Counts()
	row := newSum(counts.since(h.last))
	h.last, h.read = counts, now
	h.names.begin(days.number(minutes.begin(at, nil), h.set.Zone))
	met := func(company string, hash uint64) {
		h.names.note(company, hash)
		row.company(company).Names = h.names.of(company)
	}
	for i := range h.shards {
		h.shards[i].drain(func(ip netip.Addr, u Use) { row.use(h.client(ip, at), u) }, met)
	}
	if row.empty() {
		return
	}
	if old := h.waiting[at]; old != nil {
		old.add(row)
	} else {
		h.waiting[at] = row
	}
}

// flush writes what waits, and says whether the file has it all. The lock is held.
func (h *History) flush(now time.Time) bool {
	if h.store == nil || len(h.waiting) > 0 && !h.check(h.store.write(h.waiting, now, h.set)) {
		return false
	}
	clear(h.waiting)
	return true
}

// bound forgets the oldest of what waits. The lock is held.
func (h *History) bound(now time.Time) {
	minute := minutes.number(now, nil)
	oldest := minutes.number(now.Add(-min(minutesKept, h.set.Keep)), nil)
	for at, row := range h.waiting {
		switch {
		case at < oldest || at > minute+int64(maxWaiting):
			delete(h.waiting, at)
		case at <= minute-int64(maxWaitingClients):
			row.strip(func(client) bool { return true })
		}
	}
}
