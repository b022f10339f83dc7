package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// maxFile bounds the sums on disk, in bytes. A household's take one to four million;
// a thousand clients in every minute would take more, and lose the oldest sums.
const maxFile = 64 << 20

// lockTime is how long another program may hold the file while it is opened; the next
// minute tries again.
const lockTime = 100 * time.Millisecond

// store is the file: a bucket for each period, in it the sums by number, as eight
// bytes in the order of time. Present hours and days are not in it, only their minutes.
type store struct {
	db   *bolt.DB
	file *os.File // what bbolt has open
	path string
	max  int64 // of the sums, in bytes

	written bool  // since the file was renewed, as far as this program knows
	renewed int64 // the day of the last renewal by daily, 0 before the first
	faulted bool  // bbolt has met a fault in the file
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
		if err = s.inspect(); err != nil {
			s.close()
		}
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

// open opens a file that is sound, or makes one. After an error, nothing is open.
func (s *store) open() (err error) {
	if err := checkPages(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.db, s.file, s.faulted = nil, nil, false
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.openFile(false); err != nil {
		return err
	}
	made := false
	err = s.view(func(tx *bolt.Tx) error {
		if last := tx.Bucket([]byte(days)); last != nil { // of the periods
			made, s.renewed = true, int64(last.Sequence())
		}
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
	return s.update(func(tx *bolt.Tx) error {
		for _, p := range periods {
			if _, err := tx.CreateBucketIfNotExists([]byte(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) openFile(readOnly bool) error {
	err := s.guard(func() (err error) {
		s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{Timeout: lockTime, ReadOnly: readOnly, OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			s.file, err = os.OpenFile(path, flag, mode)
			return s.file, err
		}})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%s: %w", s.path, ErrInUse)
	}
	return err
}

// ErrInUse says that another program has the file open.
var ErrInUse = errors.New("another program has it open")

func (s *store) view(look func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(look) })
}

func (s *store) update(change func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.Update(change) })
}

// inspect reads everything once.
func (s *store) inspect() error {
	return s.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(_ period, _ int64, v []byte) error { return new(sum).addRow(v, true) })
	})
}

// daily replaces the file by a copy without what is too old, so that what was deleted
// since is in it no more, and deletes files that were set aside. It does so on the first
// call of a day. Nothing is written when nothing was, and nothing is too old.
func (s *store) daily(now time.Time, set Settings) error {
	today := days.number(now, set.Zone)
	if s.renewed == today {
		return nil
	}
	var left error
	for _, file := range asideIn(filepath.Dir(s.path)) {
		if info, gone := os.Stat(file); gone == nil && now.Sub(info.ModTime()) > set.Keep {
			left = errors.Join(left, os.Remove(file))
		}
	}
	needed := s.written
	err := s.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(p period, n int64, _ []byte) error {
			needed = needed || n < p.first(now, set.Keep, set.Zone)
			return nil
		})
	})
	before := s.renewed
	s.renewed = today
	if err == nil && needed {
		if err = s.write(nil, now, set); err == nil {
			err = s.renew(func(_ period, _ int64, v []byte) ([]byte, error) { return v, nil })
		}
	}
	if err != nil {
		s.renewed = before
	}
	return errors.Join(left, err)
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
// nothing. In it stands on which day daily last did so, as the sequence of the bucket
// of days, so that a restart knows. After a kill at any moment, there is the file before
// or the one after.
func (s *store) renew(change func(p period, n int64, v []byte) ([]byte, error)) error {
	next := &store{path: s.path + newEnd, max: s.max}
	os.Remove(next.path)
	if err := next.open(); err != nil {
		return err
	}
	err := s.view(func(tx *bolt.Tx) error {
		return next.update(func(into *bolt.Tx) error {
			if err := into.Bucket([]byte(days)).SetSequence(uint64(s.renewed)); err != nil {
				return err
			}
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
