package querylog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadpixel/resolver"
)

// Query asks for lines of the store, the newest first.
type Query struct {
	Name    string // a part of it; "" is any
	Client  string // its name, hash or address; "" is any
	Outcome string // "" is any
	From    string // where the page before has ended, as Page.Next; "" is the newest
	Limit   int
}

// Page is what was found.
type Page struct {
	Lines []Line
	Next  string // where the next page begins; "" where there is nothing older
}

// readTime bounds how long one page is searched for; the next one goes on there.
const readTime = 2 * time.Second

// place is where a line is: the file, the place of its member in it, and how many lines
// of that member come before.
type place struct {
	file   string
	member int64
	line   int
}

func (p place) String() string { return fmt.Sprintf("%s/%d/%d", p.file, p.member, p.line) }

func parsePlace(s string) (p place, err error) {
	parts := strings.Split(s, "/")
	if len(parts) == 3 {
		if _, _, ok := begins(parts[0]); ok {
			at, err1 := strconv.ParseInt(parts[1], 10, 64)
			line, err2 := strconv.Atoi(parts[2])
			if err1 == nil && err2 == nil {
				return place{parts[0], at, line}, nil
			}
		}
	}
	return p, fmt.Errorf("%q is no place in the query log", s)
}

// errEnough ends a search.
var errEnough = errors.New("enough")

// Read finds lines. Damaged parts are passed over.
func (s *Store) Read(ctx context.Context, q Query) (Page, error) {
	var from place
	if q.From != "" {
		var err error
		if from, err = parsePlace(q.From); err != nil {
			return Page{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flush(); err != nil {
		s.check(err)
	}
	files, err := s.files()
	if err != nil {
		return Page{}, err
	}
	var page Page
	begun := time.Now()
	for _, name := range slices.Backward(files) {
		if from.file != "" && name > from.file {
			continue
		}
		err := s.readFile(ctx, name, q.texts(), func(m member, lines []Line) error {
			at := len(lines)
			if name == from.file {
				switch {
				case m.at > from.member:
					return nil
				case m.at == from.member:
					at = min(from.line, at)
				}
			}
			for at--; at >= 0; at-- {
				if !q.matches(&lines[at]) {
					continue
				}
				page.Lines = append(page.Lines, lines[at])
				if len(page.Lines) == q.Limit {
					page.Next = place{name, m.at, at}.String()
					return errEnough
				}
			}
			if time.Since(begun) > readTime {
				page.Next = place{name, m.at, 0}.String()
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return page, err
		}
	}
	return page, nil
}

// matches says whether a line is asked for.
func (q Query) matches(l *Line) bool {
	return (q.Name == "" || strings.Contains(l.Name, q.Name) || strings.Contains(l.Hidden, q.Name)) &&
		(q.Client == "" || l.Client == q.Client || l.Address == q.Client) && (q.Outcome == "" || l.Outcome == q.Outcome)
}

// texts are what every line that is asked for contains as it is written, so that the
// others need not be understood.
func (q Query) texts() [][]byte {
	var all [][]byte
	for _, text := range []string{q.Name, q.Client, q.Outcome} {
		if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
			all = append(all, []byte(text))
		}
	}
	return all
}

// readFile visits the members of a file, the last first, with those of their lines that
// contain all texts. The lock is held.
func (s *Store) readFile(ctx context.Context, name string, texts [][]byte, visit func(member, []Line) error) error {
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	all, _, err := members(f)
	if err != nil && !errors.Is(err, errMember) {
		return err
	}
	for _, m := range slices.Backward(all) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var lines []Line
		err := m.read(f, texts, func(text []byte) error {
			var l Line
			if json.Unmarshal(text, &l) == nil {
				lines = append(lines, l)
			}
			return nil
		})
		if err != nil {
			s.check(fmt.Errorf("%s: %w", name, err))
		}
		if err := visit(m, lines); err != nil {
			return err
		}
	}
	return nil
}

// Held is what there is in the store.
type Held struct {
	Lines  int // waiting ones included
	Files  int
	Bytes  int64
	Oldest time.Time // zero when there is nothing
	Until  time.Time // when that will be deleted
	Aside  []string  // files that were set aside
}

// Held counts what there is, in the files.
func (s *Store) Held(ctx context.Context) (h Held, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files, err := s.files()
	if err != nil {
		return h, err
	}
	h.Lines = len(s.waiting)
	if len(s.waiting) > 0 {
		h.Oldest = s.waiting[0].Time
	}
	for i, name := range files {
		f, err := os.Open(filepath.Join(s.dir, name))
		if err != nil {
			return h, err
		}
		all, end, err := members(f)
		if err != nil && !errors.Is(err, errMember) {
			f.Close()
			return h, err
		}
		for _, m := range all {
			h.Lines += m.lines
		}
		if i == 0 && len(all) > 0 {
			_ = all[0].read(f, nil, func(text []byte) error {
				var l Line
				if json.Unmarshal(text, &l) == nil {
					h.Oldest = l.Time
				}
				return errEnough
			})
		}
		h.Files++
		h.Bytes += end
		f.Close()
	}
	if len(files) > 0 {
		from, _, _ := begins(files[0])
		h.Until = from.Add(s.set.Keep)
	} else if !h.Oldest.IsZero() {
		h.Until = h.Oldest.Add(s.set.Keep)
	}
	h.Aside, err = s.aside()
	return h, err
}

// Count is how many lines there are of a client, by its names and addresses. With an
// error, such as that ctx has ended, it is how many were found.
func (s *Store) Count(ctx context.Context, who ...string) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.waiting {
		if s.waiting[i].of(who) {
			n++
		}
	}
	files, err := s.files()
	if err != nil {
		return n, err
	}
	marks := marksOf(who)
	for _, name := range slices.Backward(files) {
		if _, until, _ := begins(name); !s.set.Address && time.Since(until) > hashLife {
			break
		}
		found, err := s.countIn(ctx, name, marks)
		if n += found; err != nil {
			return n, err
		}
	}
	return n, nil
}

// hashLife is how long a hash is anybody's: a day, which may have 25 hours.
const hashLife = 25 * time.Hour

// marksOf are what a line of a client has in it, as it is written.
func marksOf(who []string) (marks [][]byte) {
	for _, name := range who {
		for _, field := range []string{"client", "address"} {
			if text, err := json.Marshal(map[string]string{field: name}); err == nil {
				marks = append(marks, text[1:len(text)-1])
			}
		}
	}
	return marks
}

// countIn counts the lines of a file that have one of some marks. The lock is held.
func (s *Store) countIn(ctx context.Context, name string, marks [][]byte) (n int, err error) {
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	all, _, err := members(f)
	if err != nil && !errors.Is(err, errMember) {
		return 0, err
	}
	for _, m := range all {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		if err := m.read(f, nil, func(line []byte) error {
			if slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(line, mark) }) {
				n++
			}
			return nil
		}); err != nil {
			s.check(fmt.Errorf("%s: %w", name, err))
		}
	}
	return n, nil
}

// Names are the names that were asked for since a time and not blocked, each once.
func (s *Store) Names(ctx context.Context, since time.Time) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := map[string]int{}
	note := func(all []Line) {
		for i := range all {
			if l := &all[i]; l.Outcome != resolver.Blocked.String() && !l.Time.Before(since) && len(used) < maxNames {
				used[l.Name]++
			}
		}
	}
	note(s.waiting)
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Backward(files) {
		if _, until, _ := begins(name); until.Before(since) {
			break
		}
		if err := s.readFile(ctx, name, nil, func(_ member, lines []Line) error { note(lines); return nil }); err != nil {
			return used, err
		}
	}
	return used, nil
}

// maxNames bounds the names of a household.
const maxNames = 50_000
