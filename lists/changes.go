package lists

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Change is what one refresh changed in the rules of a list.
type Change struct {
	Time           time.Time
	Added, Removed int      // how many different rules
	New, Gone      []string `json:",omitempty"` // of each the first 200, as written in adblock lists
	Note           string   `json:",omitempty"` // why rules that were counted are not named
}

// Bounds of what is kept of changes: of each list so many, with so many rules
// each way.
const (
	maxChanges = 20
	maxSample  = 200
)

// Changes are the last 20 refreshes that changed the rules of the list of a name,
// the newest first. It reads from disk and may take a moment. The error is
// ErrNoList, or says why what was stored cannot be read.
func (s *Store) Changes(name string) ([]Change, error) {
	k := s.find(name)
	if k == nil {
		return nil, fmt.Errorf("%q: %w", name, ErrNoList)
	}
	all, err := s.disk.readChanges(k.Config)
	if err != nil {
		return nil, fmt.Errorf("list %s: what is kept of its changes cannot be read: %w", name, err)
	}
	k.mu.Lock()
	all = append(all, k.unwritten...)
	k.mu.Unlock()
	slices.Reverse(all)
	return all, nil
}

// gone reads the text of the copy before for the first n rules that are no more.
func (k *kept) gone(m *meta, before, after *inventory, n int) ([]string, error) {
	text, err := k.openText(m)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	found := sampled{n: n}
	o := ParseOptions{List: k.Name, Format: k.Format, Match: k.Match, Kind: k.Kind, Gentle: k.store.gentle.Load()}
	_, err = Parse(until{text, found.full}, o, func(r Rule) {
		if !r.Cancel && before.has(&r) && !after.has(&r) {
			found.add(r.written(k.Kind))
		}
	}, func(Skip) {})
	if found.full() {
		err = nil
	}
	return found.rules, err
}

// until is a text that ends with an error when enough of it has been read.
type until struct {
	io.Reader
	enough func() bool
}

var errEnough = errors.New("enough has been read")

func (u until) Read(b []byte) (int, error) {
	if u.enough() {
		return 0, errEnough
	}
	return u.Reader.Read(b)
}

// record keeps a change: on disk, and in memory where nothing is written. That it
// cannot is no reason to refuse a list.
func (k *kept) record(c Change) {
	d := k.store.disk
	if !d.writes() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.unwritten = lastChanges(append(k.unwritten, c))
		return
	}
	all, err := d.readChanges(k.Config)
	if err != nil {
		path := d.changesFile(k.Config)
		k.store.log.Warn("what is kept of a list's changes is of no use and set aside", "list", k.Name, "file", path+damaged, "err", err)
		if err := os.Rename(path, path+damaged); err != nil {
			k.store.log.Warn("what is kept of a list's changes cannot be set aside", "list", k.Name, "err", err)
		}
	}
	if err := d.writeChanges(k.Config, lastChanges(append(all, c))); err != nil {
		k.store.log.Error("a change of a list cannot be stored", "list", k.Name, "err", err)
	}
}

func lastChanges(all []Change) []Change { return all[max(len(all)-maxChanges, 0):] }

// damaged is the end of the names of files that could not be understood.
const damaged = ".damaged"

func (d disk) changesFile(c Config) string { return d.path(name(c) + "-changes.json") }

// readChanges returns the kept changes of a list, the oldest first; none without
// error when there are none.
func (d disk) readChanges(c Config) ([]Change, error) {
	if d.dir == "" {
		return nil, nil
	}
	b, err := os.ReadFile(d.changesFile(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Change
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	return lastChanges(all), nil
}

func (d disk) writeChanges(c Config, all []Change) error {
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return ReplaceFile(d.changesFile(c), b)
}
