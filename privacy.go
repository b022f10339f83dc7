package main

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"path/filepath"
	"strings"
	"time"

	"deadpixel/metrics/history"
	"deadpixel/ui"
)

// ownFiles are the files of the data directory, by the pattern of their names below it:
// the first that fits says what one is.
var ownFiles = []struct{ pattern, what string }{
	{"history.db", "the history: sums without any name"},
	{"history.db.damaged-*", "a damaged history, set aside"},
	{"queries/*.jsonl.gz", "queries, by the day or the hour"},
	{"queries/*.damaged-*", "queries of a damaged file, set aside"},
	{"queries/permits.json", "what the files of queries may hold"},
	{"queries/*.tmp", "a file that was never finished; the next start removes it"},
	{"history.key", "the key of today's hashes of clients"},
	{"seed", "the key of the hashes of rules"},
	{"pauses.json", "what is paused"},
	{"allowed.json", "what is allowed for a while"},
	{"rules.txt", "rules made on the page"},
	{"owners-*.raw", "a copy of the data on who owns what"},
	{"lists/*.json", "what is known of a list"},
	{"lists/*.raw", "the text of a list"},
	{"lists/*.list", "a list, compiled"},
	{"*.tmp", "a file that was never finished; the next start removes it"},
	{"lists/*.tmp", "a file that was never finished; the next start removes it"},
}

// whatIs says what a file of the data directory is; "" when it is none of ours.
func whatIs(name string) string {
	for _, own := range ownFiles {
		if fits, _ := path.Match(own.pattern, name); fits {
			return own.what
		}
	}
	return ""
}

// files are what is really in the data directory. Directories of others are not looked
// into.
func (s *server) files() ([]ui.File, error) {
	var all []ui.File
	root := s.dataDir(s.current.Load().config)
	if root == "" {
		return nil, nil
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
			return nil
		case err != nil:
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(strings.TrimPrefix(file, root)), "/")
		if d.IsDir() {
			if name != "" && !ownDir(name) {
				all = append(all, ui.File{Name: name + "/"})
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		all = append(all, ui.File{Name: name, What: whatIs(name), Bytes: info.Size(), Changed: info.ModTime()})
		return nil
	})
	return all, err
}

// ownDir says whether some of our files lie in a directory.
func ownDir(name string) bool {
	for _, own := range ownFiles {
		if strings.HasPrefix(own.pattern, name+"/") {
			return true
		}
	}
	return false
}

// privacySettings are how [privacy] stands.
func (s *server) privacySettings() ui.Privacy {
	c := s.current.Load().config.Privacy
	return ui.Privacy{Clients: c.Clients, Queries: c.Queries, Keep: written(c.Keep), Recent: written(c.Recent)}
}

// written is a duration as a person writes it.
func written(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// about is what is kept and remembered of one address, read where it is.
func (s *server) about(ip netip.Addr) (a ui.About, err error) {
	sums, use, err := s.history.About(ip)
	a = ui.About{Sums: sums, Queries: use.Queries, Blocked: use.Blocked, Names: len(s.recent.of(ip, time.Now()))}
	logged, more, fault := s.queriesOf(ip)
	a.Logged, a.More, err = logged, more, errors.Join(err, fault)
	for _, r := range s.requests.open() {
		if from(ip)(r) {
			a.Names++
		}
	}
	for _, allowed := range s.allowed.All(time.Now()) {
		if allowed.Address == ip {
			a.Names++
		}
	}
	switch s.current.Load().config.Privacy.Clients {
	case history.Anonymous.String():
		a.Appears = "by today's hash of it"
	case history.Full.String():
		a.Appears = "by its name or address"
	}
	return a, err
}
