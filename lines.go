package main

import (
	"fmt"
	"regexp"
	"strings"
)

// lines knows on which line of a TOML file each key stands. The TOML library
// does not tell, and a message without a line is half a message.
type lines map[string]int

var (
	tableLine  = regexp.MustCompile(`^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$`)
	keyLine    = regexp.MustCompile(`^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=`)
	keyPart    = regexp.MustCompile(`[A-Za-z0-9_-]+|"[^"]*"|'[^']*'`)
	arrayIndex = regexp.MustCompile(`\[\d+\]`)
)

// locate finds the keys and tables of a file that is valid TOML. The entries of
// an array of tables have [n] after its name.
func locate(text string) lines {
	found := lines{}
	prefix, entries, inside := "", map[string]int{}, ""
	for i, line := range strings.Split(text, "\n") {
		if inside != "" { // of a multi-line string
			if strings.Contains(line, inside) {
				inside = ""
			}
			continue
		}
		if m := tableLine.FindStringSubmatch(line); m != nil {
			prefix = join("", m[2])
			if m[1] == "[[" {
				entry := prefix
				prefix = fmt.Sprintf("%s[%d]", entry, entries[entry])
				entries[entry]++
				found.put(entry, i+1)
			}
			found.put(prefix, i+1)
			continue
		}
		if m := keyLine.FindStringSubmatch(line); m != nil {
			found.put(join(prefix, m[1]), i+1)
		}
		for _, quotes := range []string{`"""`, `'''`} {
			if strings.Count(line, quotes) == 1 {
				inside = quotes
			}
		}
	}
	return found
}

func (l lines) put(key string, line int) {
	if _, known := l[key]; !known {
		l[key] = line
	}
}

// of is the line of key, of the first key in it, or of the nearest table around
// it; 0 when the file does not have it.
func (l lines) of(key string) int {
	if l[key] == 0 {
		first := 0
		for inner, line := range l {
			if strings.HasPrefix(inner, key+".") && (first == 0 || line < first) {
				first = line
			}
		}
		if first > 0 {
			return first
		}
	}
	for key != "" {
		if line, ok := l[key]; ok {
			return line
		}
		key = key[:max(0, strings.LastIndexByte(key, '.'))]
	}
	return 0
}

// join is the dotted key written under a table, without quotes.
func join(prefix, written string) string {
	for _, part := range keyPart.FindAllString(written, -1) {
		if prefix != "" {
			prefix += "."
		}
		prefix += strings.Trim(part, `"'`)
	}
	return prefix
}
