package lists

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
)

// Explanation is one rule that matches, as a person wrote it.
type Explanation struct {
	Verdict
	List   string
	Rule   string // the text of its line, "" when that cannot be read any more
	Source string // of the list, as configured
	Line   int
	Group  string // whose own rule it is; "" for all others
	Place  int    // of its list in the Set
}

// maxExplanations bounds how many rules of a name are looked up.
const maxExplanations = 20

// Explain returns every rule that matches a normalised name asked for by who, the
// one that decides first. It reads the stored texts and may take a moment.
func (s *Store) Explain(name string, qtype uint16, who *Who) []Explanation {
	verdicts := s.Set().Explain([]byte(name), qtype, who)
	return s.Describe(verdicts[:min(len(verdicts), maxExplanations)])
}

// ExplainAddress is Explain for an address.
func (s *Store) ExplainAddress(ip netip.Addr, qtype uint16, who *Who) []Explanation {
	verdicts := s.Set().ExplainAddress(ip, qtype, who)
	return s.Describe(verdicts[:min(len(verdicts), maxExplanations)])
}

// Describe tells of verdicts that the present set's Explain has found where they
// come from. Every text is read once, however many there are.
func (s *Store) Describe(verdicts []Verdict) []Explanation {
	lines := map[*List][]uint32{}
	for _, v := range verdicts {
		if v.List.Level == Listed {
			lines[v.List] = append(lines[v.List], v.Line)
		}
	}
	texts := map[*List]map[uint32]string{}
	for l, wanted := range lines {
		if k := s.find(l.Name); k != nil {
			texts[l] = k.texts(l, wanted)
		}
	}
	own := *s.own.Load()
	var all []Explanation
	for _, v := range verdicts {
		e := Explanation{Verdict: v, List: v.List.Name, Line: int(v.Line)}
		if at := slices.IndexFunc(own, func(o ownList) bool { return o.list == v.List }); at >= 0 {
			written := own[at].Rules[v.Line-1]
			e.Rule, e.Source, e.Line, e.Group, e.Place = written.Text, own[at].Source, written.Line, own[at].Group, at
		} else if at := slices.IndexFunc(s.lists, func(k *kept) bool { return k.Name == v.List.Name }); at >= 0 {
			e.Source, e.Rule, e.Place = s.lists[at].Source, texts[v.List][v.Line], len(own)+at
		}
		all = append(all, e)
	}
	return all
}

func (s *Store) find(name string) *kept {
	for _, k := range s.lists {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// texts are lines of the text that l was compiled from, by their numbers, which it
// puts in order; none when that is no longer the copy in use, or cannot be read.
func (k *kept) texts(l *List, lines []uint32) map[uint32]string {
	k.mu.Lock()
	m, now := k.meta, k.list
	k.mu.Unlock()
	if now != l {
		return nil
	}
	raw, err := k.openText(&m)
	if err != nil {
		return nil
	}
	defer raw.Close()
	in := bufio.NewReader(raw)
	if start, _ := in.Peek(2); string(start) == "\x1f\x8b" { // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil
		}
		in = bufio.NewReader(z)
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	found := map[uint32]string{}
	for n := uint32(1); len(lines) > 0; n++ {
		text, err := readLine(in)
		if lines[0] == n {
			found[n] = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
			lines = lines[1:]
		}
		if err != nil {
			break
		}
	}
	return found
}

// openText opens the stored text of m, or else its source on this machine,
// provided that it has not changed.
func (k *kept) openText(m *meta) (io.ReadCloser, error) {
	raw, err := k.store.disk.openRaw(k.Config, m)
	if err == nil || k.Remote {
		return raw, err
	}
	f, err := k.Fetcher.Fetch(context.Background(), Validators{})
	if err != nil {
		return nil, err
	}
	if f.Validators != m.Validators {
		f.Body.Close()
		return nil, fs.ErrNotExist
	}
	return f.Body, nil
}

// readLine reads a line; of a very long one the beginning.
func readLine(in *bufio.Reader) (string, error) {
	b, err := in.ReadSlice('\n')
	text := string(b)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return text, err
}
