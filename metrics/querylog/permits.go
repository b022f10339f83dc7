package querylog

import (
	"encoding/json"
	"os"
	"path/filepath"

	"deadpixel/lists"
	"deadpixel/resolver"
)

// permitted is what the files may hold, as permits.json has it.
type permitted struct {
	Queries string `json:"queries"`
	Clients bool   `json:"clients"`
	Address bool   `json:"address"`
}

// within says whether files of p hold nothing that o does not permit.
func (p permitted) within(o permitted) bool {
	mine, err := ParseScope(p.Queries)
	theirs, _ := ParseScope(o.Queries)
	return err == nil && mine <= theirs && (!p.Clients || o.Clients) && (!p.Address || o.Address)
}

// apply takes out of a line what is not permitted, and says whether something is left.
func (p permitted) apply(l *Line) bool {
	if p.Queries != All.String() && l.Outcome != resolver.Blocked.String() {
		return false
	}
	if !p.Address && l.Address != "" || !p.Clients { // only a line with an address has a name for a client
		l.Client, l.Address = "", ""
	}
	return p.Queries != None.String()
}

// permitted reads it; a file that is missing or damaged may stand for anything.
func (s *Store) permitted() permitted {
	p := permitted{All.String(), true, true}
	if b, err := os.ReadFile(filepath.Join(s.dir, permits)); err == nil {
		var read permitted
		if json.Unmarshal(b, &read) == nil {
			p = read
		}
	}
	return p
}

func (s *Store) permit(p permitted) error {
	if p == s.permitted() {
		if _, err := os.Stat(filepath.Join(s.dir, permits)); err == nil {
			return nil
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return lists.ReplaceFile(filepath.Join(s.dir, permits), b)
}
