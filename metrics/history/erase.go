package history

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Erase deletes everything, in memory and on disk, with files that were set aside and
// today's key, and reads back whether it is gone.
func (h *History) Erase() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fold(time.Now())
	clear(h.waiting)
	h.names.clear()
	err := h.key.destroy()
	if h.set.Dir != "" {
		for _, file := range asideIn(h.set.Dir) {
			err = errors.Join(err, os.Remove(file))
		}
	}
	if h.store == nil {
		return errors.Join(err, h.unopened())
	}
	gone := h.store.renew(func(period, int64, []byte) ([]byte, error) { return nil, nil })
	if !h.check(gone) {
		return errors.Join(err, gone)
	}
	return errors.Join(err, h.store.view(func(tx *bolt.Tx) error {
		return eachRow(tx, func(period, int64, []byte) error { return errors.New("something is still in " + h.store.path) })
	}))
}

// EraseClient deletes what is kept of the client at an address: today's rows of its
// hash, or with Full all rows of its name and address. It returns how many sums it was
// in. Sums of queries stay, as nobody's.
func (h *History) EraseClient(ip netip.Addr) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fold(time.Now())
	is := h.guises(ip)
	drop := func(s *sum) bool {
		before := len(s.clients)
		for c := range is {
			delete(s.clients, c)
		}
		return len(s.clients) < before
	}
	found := 0
	for _, row := range h.waiting {
		if drop(row) {
			found++
		}
	}
	if h.store == nil {
		return found, h.unopened()
	}
	on, err := h.store.revise(drop)
	h.check(err)
	return found + on, err
}

// unopened is an error when there is a file, of which nothing can be said since it is
// not open.
func (h *History) unopened() error {
	path := h.file(fileName)
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return errors.New("the file cannot be opened; remove it: " + path)
}
