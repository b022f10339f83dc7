package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"deadpixel/lists"
	"deadpixel/resolver"
)

// rulesFileName is where the page writes rules, in the data directory, when
// [blocking] rules_file does not say otherwise.
const rulesFileName = "rules.txt"

// maxRulesFile bounds the size of the file in bytes: it is read by every change.
const maxRulesFile = 1 << 20

// rulesFile is the file of rules that the page writes and a person may edit: one
// rule a line, in the syntax of any list, "@@" in front of what allows. Rules below
// a heading like those of config.toml, [groups.kids], are of that group; those above
// the first heading, and below [blocking], are for everybody. What begins with "#"
// or "!" is a comment. A line that makes no sense is a problem, and the others hold.
type rulesFile struct {
	path     string
	lines    []string // as they are, without their ends
	sections []section
	problems []error // of type Problem, when it can be read

	unreadable error
}

// section is what stands below a heading, or above the first one.
type section struct {
	group   string // "" for everybody
	unknown bool   // nobody knows whose its rules are
	end     int    // the line after the last that is not empty
	rules   []writtenRule
}

// writtenRule is a rule of the file.
type writtenRule struct {
	text   string
	line   int // from 0
	rules  []lists.Rule
	allows bool
}

// rulesFileHead is what a new file begins with.
const rulesFileHead = `# Rules written by the page of deadpixel. You may edit them; then reload (systemctl reload deadpixel).
# One a line, in the syntax of any list: "tracker.example" blocks it and everything below, "@@||needed.example^"
# allows it. Rules below a heading like [groups.kids] are for that group, those above the first for everybody.
`

// rulesFile is where c's rules by the page are.
func (c *Config) rulesFile(dataDir string) string {
	if c.Blocking.RulesFile == "" {
		return filepath.Join(dataDir, rulesFileName)
	}
	return c.path(c.Blocking.RulesFile)
}

// readRulesFile reads the file; one that is not there has no rules. That it cannot be
// read at all is its only problem, see rulesFile.unreadable.
func readRulesFile(path string, c *Config) *rulesFile {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxRulesFile {
		err = fmt.Errorf("%s: more than %d bytes; put most of it into a list", path, maxRulesFile)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	f := parseRulesFile(path, string(text), c)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.unreadable = err
		f.problems = []error{fmt.Errorf("%w; none of the rules in it is used", err)}
	}
	return f
}

// parseRulesFile understands text, which is that of the file at path.
func parseRulesFile(path, text string, c *Config) *rulesFile {
	f := &rulesFile{path: path, sections: make([]section, 1)}
	if text = strings.TrimSuffix(text, "\n"); text != "" {
		f.lines = strings.Split(text, "\n")
	}
	for i, raw := range f.lines {
		line := strings.TrimSpace(strings.TrimPrefix(raw, "\ufeff"))
		if strings.HasPrefix(line, "[") {
			s, err := newSection(line, c)
			if err != nil {
				f.problems = append(f.problems, Problem{path, i + 1, err.Error() + "; the rules below it are not used"})
			}
			f.sections = append(f.sections, s)
		}
		s := &f.sections[len(f.sections)-1]
		if line != "" {
			s.end = i + 1
		}
		if line == "" || strings.ContainsAny(line[:1], "#![") || s.unknown {
			continue
		}
		rules, err := lists.ParseRule(line, lists.Deny)
		if err != nil {
			f.problems = append(f.problems, Problem{path, i + 1, err.Error()})
			continue
		}
		s.rules = append(s.rules, writtenRule{line, i, rules, rules[0].Action == lists.Allow})
	}
	return f
}

// newSection reads a heading, which is written as in config.toml.
func newSection(heading string, c *Config) (section, error) {
	var tree struct {
		Blocking *struct{}
		Groups   map[string]struct{}
	}
	meta, err := toml.Decode(heading, &tree)
	more := err == nil && len(meta.Undecoded()) > 0 // such as [groups.kids.deny]
	if tree.Blocking != nil && !more {
		return section{}, nil
	}
	for name := range tree.Groups {
		if more {
			break
		}
		if _, known := c.Groups[name]; !known {
			return section{unknown: true}, fmt.Errorf("there is no group %q%s", name, didYouMean(name, c.groupNames()))
		}
		return section{group: name}, nil
	}
	return section{unknown: true}, fmt.Errorf("%s is no heading: write [blocking], or one like [groups.%s]", heading, resolver.DefaultGroup)
}

// ruleText is what stands in the file for a rule that somebody has written, so
// that it allows or denies.
func ruleText(written string, allow bool) (string, error) {
	text, kind := strings.TrimSpace(written), lists.Deny
	if allow {
		kind = lists.Allow
	}
	want, err := lists.ParseRule(text, kind)
	if err != nil {
		return "", err
	}
	if !allow && want[0].Action == lists.Allow {
		return "", fmt.Errorf("%q allows; without \"@@\" it denies", text)
	}
	candidates := []string{text}
	if allow {
		candidates = []string{"@@||" + text + "^", "@@" + text, text}
	}
	for _, candidate := range candidates {
		// It has to mean in the file what it means here.
		f := parseRulesFile("", candidate, defaults())
		if rules := f.sections[0].rules; len(rules) == 1 && rules[0].allows == allow && sameRules(rules[0].rules, want) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%q cannot be written as one line of the file: write it like \"||name^\" or \"@@||name^\"", text)
}

// sameRules says whether rules are about the same, whether they allow it or not.
func sameRules(a, b []lists.Rule) bool {
	return slices.EqualFunc(a, b, func(x, y lists.Rule) bool {
		x.Action, y.Action = lists.None, lists.None
		return reflect.DeepEqual(x, y)
	})
}

// add puts a rule, by ruleText, behind the others of a group, or of everybody when
// group is "". What says the opposite is taken out. It returns whether anything changed.
func (f *rulesFile) add(group, text string) bool {
	rules, err := lists.ParseRule(text, lists.Deny)
	if err != nil {
		return false
	}
	allows := rules[0].Action == lists.Allow
	changed := f.drop(group, func(w writtenRule) bool { return w.allows != allows && sameRules(w.rules, rules) })
	for _, s := range f.sections {
		if s.group == group && !s.unknown && slices.ContainsFunc(s.rules, func(w writtenRule) bool { return w.allows == allows && sameRules(w.rules, rules) }) {
			return changed
		}
	}
	if len(f.lines) == 0 {
		f.lines = strings.Split(strings.TrimSuffix(rulesFileHead, "\n"), "\n")
		f.sections[0].end = len(f.lines)
	}
	for i := len(f.sections) - 1; i >= 0; i-- {
		if s := f.sections[i]; s.group == group && !s.unknown {
			f.lines = slices.Insert(f.lines, s.end, text)
			return true
		}
	}
	f.lines = append(f.lines, "", "[groups."+tomlKey(group)+"]", text)
	return true
}

// remove takes a rule out, whether it allows or denies, and says whether it was there.
func (f *rulesFile) remove(group, text string) bool {
	rules, err := lists.ParseRule(text, lists.Deny)
	return err == nil && f.drop(group, func(w writtenRule) bool { return sameRules(w.rules, rules) })
}

// drop takes out the rules of a group that gone is true for, and says whether there
// were any. The line numbers hold for what is left.
func (f *rulesFile) drop(group string, gone func(writtenRule) bool) (found bool) {
	var at []int
	for i := range f.sections {
		s := &f.sections[i]
		if s.group != group || s.unknown {
			continue
		}
		s.rules = slices.DeleteFunc(s.rules, func(w writtenRule) bool {
			if gone(w) {
				at = append(at, w.line)
				return true
			}
			return false
		})
	}
	for _, line := range slices.Backward(at) {
		f.lines = slices.Delete(f.lines, line, line+1)
		for i := range f.sections {
			s := &f.sections[i]
			if s.end > line {
				s.end--
			}
			for j := range s.rules {
				if s.rules[j].line > line {
					s.rules[j].line--
				}
			}
		}
	}
	return len(at) > 0
}

// text is what the file holds.
func (f *rulesFile) text() string {
	if len(f.lines) == 0 {
		return ""
	}
	return strings.Join(f.lines, "\n") + "\n"
}

// write puts the file in place, whole or not at all.
func (f *rulesFile) write() error {
	text := f.text()
	if len(text) > maxRulesFile {
		return fmt.Errorf("%s: more than %d bytes; put most of it into a list", f.path, maxRulesFile)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(f.path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := lists.ReplaceFile(f.path, []byte(text)); err != nil {
		return err
	}
	return os.Chmod(f.path, mode)
}

// pageRules are the rules of f, at the places that pageApplies is about.
func (c *Config) pageRules(f *rulesFile) []lists.OwnRules {
	var all []lists.OwnRules
	add := func(level lists.Level, group string) {
		allow := lists.OwnRules{Level: level, Group: group, Kind: lists.Allow, Source: f.path}
		deny := allow
		deny.Kind = lists.Deny
		for _, s := range f.sections {
			for _, w := range s.rules {
				rule := lists.OwnRule{Text: w.text, Line: w.line + 1}
				switch {
				case s.group != group:
				case w.allows:
					allow.Rules = append(allow.Rules, rule)
				default:
					deny.Rules = append(deny.Rules, rule)
				}
			}
		}
		all = append(all, allow, deny)
	}
	for _, name := range c.groupNames() {
		add(lists.OfGroup, name)
	}
	add(lists.Own, "")
	return all
}

// pageApplies is to whom the rules by the page apply. Their places are there also
// while there are none, so that a rule can come without a reload.
func (c *Config) pageApplies() []resolver.Applies {
	var all []resolver.Applies
	for _, name := range c.groupNames() {
		of := []string{name}
		all = append(all, resolver.Applies{Groups: of, Spares: true}, resolver.Applies{Groups: of})
	}
	return append(all, resolver.Applies{}, resolver.Applies{})
}
