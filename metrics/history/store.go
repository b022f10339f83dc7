package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Names in the data directory.
const (
	fileName = "history.db"
	asideEnd = ".damaged-" // and when
	newEnd   = ".new"
)

// maxFile bounds the sums on disk, in bytes. A household's take one to three million;
// a thousand clients in every minute would take more, and lose the oldest sums.
const maxFile = 64 << 20

// lockTime is how long another program may hold the file while it is opened; the next
// minute tries again.
const lockTime = 100 * time.Millisecond

// errDamaged says that a file is none of ours, or damaged.
var errDamaged = errors.New("the file is damaged")

func damage(err error) error { return fmt.Errorf("%w: %w", errDamaged, err) }

// isDamage says whether a new file would help.
func isDamage(err error) bool { return errors.Is(err, errDamaged) || errors.Is(err, errRow) }

// store is the file: a bucket for each period, in it the sums by number, as eight
// bytes in the order of time. Present hours and days are not in it, only their minutes.
type store struct {
	db   *bolt.DB
	file *os.File // what bbolt has open
	path string
	max  int64 // of the sums, in bytes

	written bool // since the file was renewed, as far as this program knows
}

// openStore opens the file in a directory, which is made if need be. A damaged one is
// set aside, under the returned name.
func openStore(dir string, now time.Time) (s *store, aside string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	s = &store{path: filepath.Join(dir, fileName), max: maxFile, written: true}
	os.Remove(s.path + newEnd) // of a copy that was interrupted
	if err = s.open(); err == nil {
		err = s.inspect()
	}
	if err != nil {
		s.abandon()
	}
	if isDamage(err) {
		aside = s.path + asideEnd + now.UTC().Format("20060102T150405Z")
		if err = os.Rename(s.path, aside); err == nil {
			err = s.open()
		}
	}
	if err != nil {
		return nil, aside, err
	}
	return s, aside, nil
}

// open opens a file that is sound, or makes one.
func (s *store) open() error {
	if err := checkPages(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{Timeout: lockTime, OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			s.file, err = os.OpenFile(path, flag, mode)
			return s.file, err
		}})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("another program has %s open", s.path)
	}
	if err != nil {
		return err
	}
	made := false
	err = s.view(func(tx *bolt.Tx) error {
		made = tx.Bucket([]byte(days)) != nil // the last of them
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if !slices.Contains(periods, period(name)) {
				return damage(fmt.Errorf("it has a bucket %q", name))
			}
			return nil
		})
	})
	if err != nil || made {
		return err
	}
	return guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			for _, p := range periods {
				if _, err := tx.CreateBucketIfNotExists([]byte(p)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (s *store) close() {
	_ = guard(s.db.Close) // what is written is written
}

// abandon gives a damaged file up. A fault may have left bbolt's locks as they were, so
// that it cannot close any more; its lock on the file is ended for it, so that the file
// can be opened again.
func (s *store) abandon() {
	if s.file != nil {
		unlock(s.file)
		s.file.Close()
	}
}

// guard makes an error of a fault in a damaged file: in its mapped memory, or one that
// bbolt finds and panics about.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = damage(fmt.Errorf("%v", fault))
		}
	}()
	return f()
}

func (s *store) view(look func(*bolt.Tx) error) error {
	return guard(func() error { return s.db.View(look) })
}

// inspect reads everything once.
func (s *store) inspect() error {
	return s.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(_ period, _ int64, v []byte) error { return new(sum).addRow(v, true) })
	})
}

// eachRow visits every sum.
func eachRow(tx *bolt.Tx, visit func(p period, n int64, v []byte) error) error {
	for _, p := range periods {
		if err := from(tx, p, 0, func(n int64, v []byte) error { return visit(p, n, v) }); err != nil {
			return err
		}
	}
	return nil
}

// from visits the sums of a period from a number on, in the order of time.
func from(tx *bolt.Tx, p period, first int64, visit func(n int64, v []byte) error) error {
	c := tx.Bucket([]byte(p)).Cursor()
	for k, v := c.Seek(place(first)); k != nil; k, v = c.Next() {
		if len(k) != 8 || v == nil {
			return errRow
		}
		if err := visit(int64(binary.BigEndian.Uint64(k)), v); err != nil {
			return err
		}
	}
	return nil
}

// place is the key of a sum. Nothing is older than 1970.
func place(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(max(n, 0))) }

// last is the number of the newest sum of a period, -1 when there is none.
func last(tx *bolt.Tx, p period) int64 {
	k, _ := tx.Bucket([]byte(p)).Cursor().Last()
	if len(k) != 8 {
		return -1
	}
	return int64(binary.BigEndian.Uint64(k))
}

// write adds sums of minutes, adds up hours and days that are over, and deletes what is
// too old or, when there is too much, the oldest.
func (s *store) write(rows map[int64]*sum, now time.Time, set Settings) error {
	s.written = true
	return guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			done := map[period]int64{hours: last(tx, hours), days: last(tx, days)}
			for at, row := range rows {
				if err := addTo(tx, minutes, at, row); err != nil {
					return err
				}
				for p, last := range done { // one that comes late, or after the clock was set back
					if n := p.number(minutes.begin(at, nil), set.Zone); n <= last {
						if err := addTo(tx, p, n, row); err != nil {
							return err
						}
					}
				}
			}
			for p, last := range done {
				if err := addUp(tx, p, last, now, set.Zone); err != nil {
					return err
				}
			}
			if err := prune(tx, now, set); err != nil {
				return err
			}
			return s.shrink(tx, set.Zone)
		})
	})
}

func addTo(tx *bolt.Tx, p period, n int64, row *sum) error {
	b := tx.Bucket([]byte(p))
	all := sum{}
	if old := b.Get(place(n)); old != nil {
		if err := all.addRow(old, true); err != nil {
			return err
		}
	}
	all.add(row)
	return b.Put(place(n), all.encode())
}

// addUp makes the sums of hours or days that are over, after the last that is there.
func addUp(tx *bolt.Tx, p period, last int64, now time.Time, zone *time.Location) error {
	present := p.number(now, zone)
	if last >= present {
		return nil
	}
	begin := int64(0)
	if last >= 0 {
		begin = minutes.number(p.begin(last+1, zone), nil)
	}
	sums := map[int64]*sum{}
	err := from(tx, minutes, begin, func(at int64, v []byte) error {
		n := p.number(minutes.begin(at, nil), zone)
		switch {
		case n >= present:
			return errStop
		case n <= last:
			return nil
		}
		if sums[n] == nil {
			sums[n] = new(sum)
		}
		return sums[n].addRow(v, true)
	})
	if err != nil && !errors.Is(err, errStop) {
		return err
	}
	for n, one := range sums {
		if err := tx.Bucket([]byte(p)).Put(place(n), one.encode()); err != nil {
			return err
		}
	}
	return nil
}

// errStop ends a visit.
var errStop = errors.New("enough")

// wrong is how far ahead a sum may lie: the clock was, and has been set right.
const wrong = 24 * time.Hour

// prune deletes what is too old, and what lies in the future.
func prune(tx *bolt.Tx, now time.Time, set Settings) error {
	for _, p := range periods {
		first, latest := p.first(now, set.Keep, set.Zone), p.number(now.Add(wrong), set.Zone)
		c := tx.Bucket([]byte(p)).Cursor()
		for k, _ := c.First(); k != nil && int64(binary.BigEndian.Uint64(k)) < first; k, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		for k, _ := c.Last(); k != nil && int64(binary.BigEndian.Uint64(k)) > latest; k, _ = c.Last() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// shrink deletes the oldest sums, of whatever period, when the file is too large: a
// sixteenth at once, so that it has to be done seldom.
func (s *store) shrink(tx *bolt.Tx, zone *time.Location) error {
	used := tx.Size() - int64(s.db.Stats().FreePageN)*int64(s.db.Info().PageSize)
	if used <= s.max {
		return nil
	}
	for excess := used - s.max + s.max/16; excess > 0; {
		var oldest *bolt.Cursor
		var begin time.Time
		size := 0
		for _, p := range periods {
			c := tx.Bucket([]byte(p)).Cursor()
			k, v := c.First()
			if k == nil {
				continue
			}
			if at := p.begin(int64(binary.BigEndian.Uint64(k)), zone); oldest == nil || at.Before(begin) {
				oldest, begin, size = c, at, len(k)+len(v)
			}
		}
		if oldest == nil {
			return nil
		}
		if err := oldest.Delete(); err != nil {
			return err
		}
		excess -= int64(size)
	}
	return nil
}

// daily replaces the file by a copy without what is too old, so that what was deleted
// since is in it no more, and deletes files that were set aside. Nothing is written
// when nothing was, and nothing is too old.
func (s *store) daily(now time.Time, set Settings) error {
	var err error
	for _, file := range asideIn(filepath.Dir(s.path)) {
		if info, gone := os.Stat(file); gone == nil && now.Sub(info.ModTime()) > set.Keep {
			err = errors.Join(err, os.Remove(file))
		}
	}
	old := func(p period, n int64) bool { return n < p.first(now, set.Keep, set.Zone) }
	needed := s.written
	err = errors.Join(err, s.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(p period, n int64, _ []byte) error {
			needed = needed || old(p, n)
			return nil
		})
	}))
	if err != nil || !needed {
		return err
	}
	if err := s.write(nil, now, set); err != nil {
		return err
	}
	return s.renew(func(_ period, _ int64, v []byte) ([]byte, error) { return v, nil })
}

// revise changes the sums in which change finds something to change, and returns how
// many those are. Without one, the file stays.
func (s *store) revise(change func(*sum) bool) (int, error) {
	revised := func(_ period, _ int64, v []byte) ([]byte, error) {
		var one sum
		if err := one.addRow(v, true); err != nil {
			return nil, err
		}
		if change(&one) {
			return one.encode(), nil
		}
		return v, nil
	}
	found := 0
	err := s.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(p period, n int64, v []byte) error {
			now, err := revised(p, n, v)
			if !bytes.Equal(now, v) {
				found++
			}
			return err
		})
	})
	if err != nil || found == 0 {
		return 0, err
	}
	return found, s.renew(revised)
}

// renew replaces the file by a new one with what change makes of each sum, nil for
// nothing. After a kill at any moment, there is the file before or the one after.
func (s *store) renew(change func(p period, n int64, v []byte) ([]byte, error)) error {
	next := &store{path: s.path + newEnd, max: s.max}
	os.Remove(next.path)
	if err := next.open(); err != nil {
		return err
	}
	err := s.view(func(tx *bolt.Tx) error {
		return next.db.Update(func(into *bolt.Tx) error {
			return eachRow(tx, func(p period, n int64, v []byte) error {
				v, err := change(p, n, v)
				if err != nil || v == nil {
					return err
				}
				b := into.Bucket([]byte(p))
				b.FillPercent = 1 // they come in order
				return b.Put(place(n), v)
			})
		})
	})
	next.close()
	if err != nil {
		os.Remove(next.path)
		return err
	}
	s.close()
	if err = os.Rename(next.path, s.path); err == nil {
		s.written = false
	}
	if dir, gone := os.Open(filepath.Dir(s.path)); gone == nil {
		dir.Sync() // not every file system can; the rename is then as durable as it gets
		dir.Close()
	}
	if again := s.open(); again != nil {
		err = errors.Join(err, damage(again)) // the next minute looks what can be done
	}
	return err
}

// asideIn are the damaged files that were set aside in a directory.
func asideIn(dir string) []string {
	var found []string
	files, _ := os.ReadDir(dir) // a directory that cannot be read is told when it is written to
	for _, f := range files {
		if strings.HasPrefix(f.Name(), fileName+asideEnd) {
			found = append(found, filepath.Join(dir, f.Name()))
		}
	}
	return found
}
