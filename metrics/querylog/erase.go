package querylog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"deadpixel/lists"
)

// revise removes damaged files and rewrites the lines that may be concerned, nil for all,
// by f, which says whether one stays, and returns how many were
// changed or taken out. The lock is held.
func (s *Store) revise(may func(line []byte) bool, f func(*Line) bool) (changed int, err error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	files, err := s.files()
	if err != nil {
		return 0, err
	}
	damaged, err := s.aside()
	if err != nil {
		return 0, err
	}
	for _, path := range damaged { // what cannot be read cannot be judged
		if err := os.Remove(path); err != nil {
			return 0, err
		}
	}
	for _, name := range files {
		if may != nil && !s.mayHave(name, s.set.Address) {
			continue
		}
		n, err := s.reviseFile(filepath.Join(s.dir, name), may, f)
		if changed += n; err != nil {
			return changed, err
		}
	}
	return changed, nil
}

func (s *Store) reviseFile(path string, may func(line []byte) bool, keep func(*Line) bool) (changed int, err error) {
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
		if may != nil && !m.has(f, may) { // as it is: packing is what takes long
			b := make([]byte, m.size)
			if _, err := f.ReadAt(b, m.at); err != nil {
				return 0, err
			}
			whole = append(whole, b...)
			continue
		}
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
	return s.revise(anyOf(who), func(l *Line) bool { return !l.of(who) })
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
