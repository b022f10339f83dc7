package querylog

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"deadpixel/lists"
)

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

// aside are files that were damaged.
func (s *Store) aside() ([]string, error) {
	return filepath.Glob(filepath.Join(s.dir, "*"+asideEnd+"*"))
}
