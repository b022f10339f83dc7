package history

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errDamaged says that a file is none of ours, or damaged.
var errDamaged = errors.New("the file is damaged")

func damage(err error) error { return fmt.Errorf("%w: %w", errDamaged, err) }

// isDamage says whether a new file would help.
func isDamage(err error) bool { return errors.Is(err, errDamaged) || errors.Is(err, errRow) }

// guard makes an error of a fault in a damaged file: in its mapped memory, or one that
// bbolt finds and panics about.
func (s *store) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			s.faulted = true
			err = damage(fmt.Errorf("%v", fault))
		}
	}()
	return f()
}

// close closes the file, in whatever state it is. A fault may have left bbolt's
// locks as they were, so that it cannot close any more; its lock on the file is ended
// for it, so that the file can be opened again.
func (s *store) close() {
	switch {
	case s.db != nil && !s.faulted && s.guard(s.db.Close) == nil:
	case s.file != nil:
		unlock(s.file)
		s.file.Close()
	}
	s.db, s.file = nil, nil
}
