package querylog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// view is what a store has at a moment. It is read without a lock: files grow only at
// their end, and are replaced as a whole.
type view struct {
	files   []string          // the oldest first
	sizes   map[string]int64  // of files: what is behind came later
	waiting map[string][]Line // by the file that they will be in, behind what is there
	address bool              // clients appear by address and name
}

// aDay is how long a day lasts at most, when clocks are set back.
const aDay = 25 * time.Hour

// mayHave says whether a client that is known now may be in a file: without addresses,
// only by the hash of today.
func (s *Store) mayHave(name string, address bool) bool {
	_, until, _ := begins(name)
	return address || time.Since(until) < aDay
}

func (s *Store) view() (v view, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v = view{sizes: map[string]int64{}, waiting: map[string][]Line{}, address: s.set.Address}
	for _, l := range s.waiting {
		name := s.fileOf(l.Time)
		v.waiting[name] = append(v.waiting[name], l)
	}
	if v.files, err = s.files(); err != nil {
		return v, err
	}
	for _, name := range v.files {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			v.sizes[name] = info.Size()
		}
	}
	for name := range v.waiting {
		if _, there := v.sizes[name]; !there {
			v.files = append(v.files, name)
		}
	}
	slices.Sort(v.files)
	return v, nil
}

// Read finds lines. Damaged parts are passed over.
func (s *Store) Read(ctx context.Context, q Query) (Page, error) {
	var from place
	if q.From != "" {
		var err error
		if from, err = parsePlace(q.From); err != nil {
			return Page{}, err
		}
	}
	v, err := s.view()
	if err != nil {
		return Page{}, err
	}
	var page Page
	begun := time.Now()
	for _, name := range slices.Backward(v.files) {
		if from.file != "" && name > from.file {
			continue
		}
		err := s.readFile(ctx, v, name, q.texts(), func(m member, lines []Line) error {
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

// texts is a filter for lines that contain what every line that is asked for does as it
// is written, so that the others need not be understood; nil where that says nothing. A
// place counts lines that pass it.
func (q Query) texts() func([]byte) bool {
	var all [][]byte
	for _, text := range []string{q.Name, q.Client, q.Outcome} {
		if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
			all = append(all, []byte(text))
		}
	}
	if all == nil {
		return nil
	}
	return func(line []byte) bool {
		return !slices.ContainsFunc(all, func(text []byte) bool { return !bytes.Contains(line, text) })
	}
}

// anyOf is a filter for lines that have one of some texts as they are written.
func anyOf(texts []string) func([]byte) bool {
	all := make([][]byte, len(texts))
	for i, text := range texts {
		all[i] = quoted(text)
	}
	return func(line []byte) bool {
		return slices.ContainsFunc(all, func(text []byte) bool { return bytes.Contains(line, text) })
	}
}

// quoted is a text as it stands in a line.
func quoted(text string) []byte {
	b, _ := encode(text) // of a string, it cannot fail
	return bytes.TrimSpace(b)
}

// encode writes as lines are written.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// readFile visits what waits for a file, as its last member, and the members of the file,
// the last first, with those of their lines that may be wanted; nil wants all.
func (s *Store) readFile(ctx context.Context, v view, name string, may func(line []byte) bool, visit func(member, []Line) error) error {
	if all := wanted(v.waiting[name], may); len(all) > 0 {
		if err := visit(member{at: v.sizes[name]}, all); err != nil {
			return err
		}
	}
	f, err := os.Open(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) { // it is not written yet, or gone meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	all, _, err := members(f)
	if err != nil && !errors.Is(err, errMember) {
		return err
	}
	for _, m := range slices.Backward(all) {
		if m.at >= v.sizes[name] {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var lines []Line
		err := m.read(f, may, func(text []byte) error {
			var l Line
			if json.Unmarshal(text, &l) == nil {
				lines = append(lines, l)
			}
			return nil
		})
		if err != nil {
			s.tellDamage(fmt.Errorf("%s: %w", name, err))
		}
		if err := visit(m, lines); err != nil {
			return err
		}
	}
	return nil
}

// wanted are the lines that may be wanted when they are written: the same ones as then, or
// places among them would be others.
func wanted(all []Line, may func([]byte) bool) []Line {
	if may == nil {
		return all
	}
	var some []Line
	for i := range all {
		if b, err := encode(&all[i]); err == nil && may(b) {
			some = append(some, all[i])
		}
	}
	return some
}

// tellDamage tells the log once of a part that cannot be read.
func (s *Store) tellDamage(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damage != err.Error() {
		s.damage = err.Error()
		s.log.Error("a part of the query log cannot be read, and is passed over", "err", err)
	}
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
	v, err := s.view()
	if err != nil {
		return h, err
	}
	files := v.files
	for i, name := range files {
		waiting := v.waiting[name]
		h.Lines += len(waiting)
		if i == 0 && len(waiting) > 0 { // unless there is something before, in the file
			h.Oldest = waiting[0].Time
		}
		f, err := os.Open(filepath.Join(s.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return h, err
		}
		all, end, err := members(f)
		if err != nil && !errors.Is(err, errMember) {
			f.Close()
			return h, err
		}
		for _, m := range all {
			if m.at < v.sizes[name] {
				h.Lines += m.lines
			}
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(files) > 0 {
		from, _, _ := begins(files[0])
		h.Until = from.Add(s.set.Keep)
	}
	h.Aside, err = s.aside()
	return h, err
}

// Count is how many lines there are of a client, by its names and addresses. With an
// error, such as that ctx has ended, it is how many were found.
func (s *Store) Count(ctx context.Context, who ...string) (n int, err error) {
	v, err := s.view()
	if err != nil {
		return n, err
	}
	for _, name := range slices.Backward(v.files) {
		if !s.mayHave(name, v.address) {
			continue
		}
		if err := s.readFile(ctx, v, name, anyOf(who), func(_ member, lines []Line) error {
			for i := range lines {
				if lines[i].of(who) {
					n++
				}
			}
			return nil
		}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Names are the names that were asked for since a time and not blocked, each with how
// often.
func (s *Store) Names(ctx context.Context, since time.Time) (map[string]int, error) {
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	for _, name := range slices.Backward(v.files) {
		if _, until, _ := begins(name); until.Before(since) {
			break
		}
		if err := s.readFile(ctx, v, name, nil, func(_ member, lines []Line) error {
			for i := range lines {
				l := &lines[i]
				if _, known := used[l.Name]; l.Outcome != resolver.Blocked.String() && !l.Time.Before(since) && (known || len(used) < maxNames) {
					used[l.Name]++
				}
			}
			return nil
		}); err != nil {
			return used, err
		}
	}
	return used, nil
}

// maxNames bounds the names of a household.
const maxNames = 50_000
