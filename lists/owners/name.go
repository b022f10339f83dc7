package owners

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// legalForms end the names of companies and are left out by people who write
// them.
var legalForms = map[string]bool{"inc": true, "incorporated": true, "corp": true, "corporation": true, "co": true, "company": true,
	"ltd": true, "limited": true, "llc": true, "llp": true, "plc": true, "gmbh": true, "ag": true, "sa": true, "sas": true,
	"srl": true, "spa": true, "ab": true, "oy": true, "bv": true, "nv": true, "kg": true, "pty": true, "kk": true}

// key is what the spellings of one name have in common: its letters and digits in
// lower case, without a legal form at the end. "+" is a part of names.
func key(name string) string {
	words := strings.FieldsFunc(strings.ReplaceAll(strings.ToLower(name), "+", "plus"), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for len(words) > 1 && legalForms[words[len(words)-1]] {
		words = words[:len(words)-1]
	}
	return strings.Join(words, "")
}

// names are by other names what is meant by them; the first are keys.
type names map[string]string

// of is the key that counts in place of k.
func (n names) of(k string) string {
	if meant, ok := n[k]; ok {
		return key(meant)
	}
	return k
}

// add takes in another name for what is meant.
func (n names) add(other string, meant []string) error {
	k := key(other)
	if k == "" || len(meant) != 1 || key(meant[0]) == "" {
		return errors.New("want another name, a tab, and the name that is meant")
	}
	if _, had := n[k]; !had && k != key(meant[0]) {
		n[k] = meant[0]
	}
	return nil
}

// also are the other names that data knows.
type also struct {
	companies, services names
}

func newAlso() also { return also{companies: names{}, services: names{}} }

// join takes in the other names of b, where a does not have them.
func (a also) join(b also) {
	for _, both := range [...]struct{ to, from names }{{a.companies, b.companies}, {a.services, b.services}} {
		for k, meant := range both.from {
			if _, had := both.to[k]; !had {
				both.to[k] = meant
			}
		}
	}
}

// maxSuggestions is how many names an error can show without being a wall of text.
const maxSuggestions = 3

// nearest are the names in the indexes that are nearest to a written one, the
// nearest first.
func nearest(written string, all ...index) []string {
	k := key(written)
	if k == "" {
		return nil
	}
	distances := map[string]int{}
	for _, x := range all {
		for other, e := range x {
			n := distance(k, other)
			if len(k) > 2 && strings.HasPrefix(other, k) {
				n = min(n, 1)
			}
			if had, ok := distances[e.name]; n <= 1+len(k)/4 && (!ok || n < had) {
				distances[e.name] = n
			}
		}
	}
	found := slices.SortedFunc(maps.Keys(distances), func(a, b string) int {
		return cmp.Or(cmp.Compare(distances[a], distances[b]), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return found[:min(len(found), maxSuggestions)]
}

// distance is how many letters have to be put in, taken out or replaced to turn a
// into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := left
			if a[i] != b[j] {
				change++
			}
			left = row[j+1]
			row[j+1] = min(change, left+1, row[j]+1)
		}
	}
	return row[len(b)]
}
