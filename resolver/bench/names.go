//go:build linux

package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
)

// syllables is how many a digit of a name has to choose from: 16 consonants, 4 vowels.
const (
	consonants = "bcdfghklmnprstvz"
	vowels     = "aeio"
	syllables  = len(consonants) * len(vowels)
)

// maxRules is where the names that are never listed begin. Four syllables tell
// twice as many names apart.
const maxRules = syllables * syllables * syllables * syllables / 2

// endings are of existing top-level domains, since servers answer those of RFC 6761
// ("example", "test") on their own. How often each stands here is roughly how
// often it does on lists. Nothing of it ever leaves the machine.
var endings = []string{".com", ".com", ".com", ".com", ".com", ".net", ".net", ".org", ".de", ".io", ".info", ".ru", ".co.uk", ".xyz", ".top", ".online"}

// hosts stand before some listed names, as on lists of trackers.
var hosts = []string{"ads.", "track.", "metrics.", "px.", "stats.eu.", "a."}

// scramble spreads the bits of a number, and is the same in every run.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// domain is the name of a number. No two numbers below 2*maxRules share a name,
// and none is below another.
func domain(number int) string {
	var b strings.Builder
	b.Grow(24)
	// An odd factor makes neighbours different and keeps all distinct.
	unique := uint64(number) * 0x9e3779b1 % uint64(2*maxRules)
	luck := scramble(uint64(number))
	for range 4 {
		syllable(&b, unique)
		unique /= uint64(syllables)
	}
	for range luck % 4 {
		luck /= 4
		syllable(&b, luck)
		luck /= uint64(syllables)
	}
	b.WriteString(endings[luck%uint64(len(endings))])
	return b.String()
}

func syllable(b *strings.Builder, digit uint64) {
	digit %= uint64(syllables)
	b.WriteByte(consonants[digit%uint64(len(consonants))])
	b.WriteByte(vowels[digit/uint64(len(consonants))])
}

// listed is the name of a number as it stands on the list: a third are hosts.
func listed(number int) string {
	luck := scramble(^uint64(number))
	if luck%3 == 0 {
		return hosts[luck/3%uint64(len(hosts))] + domain(number)
	}
	return domain(number)
}

// generate makes a list of so many names.
func generate(count int) ([]string, error) {
	if count > maxRules {
		return nil, fmt.Errorf("%d rules: no more than %d can be made", count, maxRules)
	}
	names := make([]string, count)
	for i := range names {
		names[i] = listed(i)
	}
	return names, nil
}

// readList reads one domain a line, compressed or not. What is below another
// domain of the list is left out, since servers do not agree on it. set is the list
// again, for covered.
func readList(file string) (list []string, set map[string]bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	set = make(map[string]bool)
	var all []string
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", file, err)
			}
			break
		}
		name, _, _ := strings.Cut(lines.Text(), "#")
		name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
		if plain(name) && !set[name] {
			set[name] = true
			all = append(all, name)
		}
	}
	list = all[:0]
	for _, name := range all {
		if _, parent, _ := strings.Cut(name, "."); !covered(set, parent) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("%s: no domains", file)
	}
	return list, set, nil
}

// covered says whether a name or one above it is in the set.
func covered(set map[string]bool, name string) bool {
	for name != "" {
		if set[name] {
			return true
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return false
}

// plain says whether every server's configuration can hold the name unquoted.
func plain(name string) bool {
	if !strings.Contains(name, ".") || len(name) > 200 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
