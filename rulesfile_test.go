package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"deadpixel/lists"
)

// withGroups is a configuration with groups.
func withGroups(names ...string) *Config {
	c := defaults()
	for _, name := range names {
		c.Groups[name] = defaultGroup()
	}
	return c
}

func TestRulesFile(t *testing.T) {
	const written = "# mine\ntracker.example # why\n! a comment\n@@||good.example^\n\n[groups.kids]\n# theirs\ngame.example\n\n[blocking]\n192.0.2.7\n"
	cases := []struct {
		name, text string
		change     func(*rulesFile) bool
		changed    bool
		want       string // "" for the same text
	}{
		{"into nothing", "", func(f *rulesFile) bool { return f.add("", "x.example") }, true, rulesFileHead + "x.example\n"},
		{"a group into nothing", "", func(f *rulesFile) bool { return f.add("kids", "@@||x.example^") }, true, rulesFileHead + "\n[groups.kids]\n@@||x.example^\n"},
		{"behind the last for everybody", written, func(f *rulesFile) bool { return f.add("", "x.example") }, true, written + "x.example\n"},
		{"behind the last of the group", written, func(f *rulesFile) bool { return f.add("kids", "x.example") }, true, strings.Replace(written, "game.example\n", "game.example\nx.example\n", 1)},
		{"a new group", written, func(f *rulesFile) bool { return f.add("my guests", "x.example") }, true, written + "\n[groups.\"my guests\"]\nx.example\n"},
		{"what is there", written, func(f *rulesFile) bool { return f.add("", "||tracker.example^") }, false, ""},
		{"what is there of another group", written, func(f *rulesFile) bool { return f.add("kids", "tracker.example") }, true, strings.Replace(written, "game.example\n", "game.example\ntracker.example\n", 1)},
		{"the opposite", written, func(f *rulesFile) bool { return f.add("", "@@||tracker.example^") }, true,
			strings.Replace(written, "tracker.example # why\n", "", 1) + "@@||tracker.example^\n"},
		{"remove", written, func(f *rulesFile) bool { return f.remove("", "tracker.example") }, true, strings.Replace(written, "tracker.example # why\n", "", 1)},
		{"remove what allows, by its name", written, func(f *rulesFile) bool { return f.remove("", "good.example") }, true, strings.Replace(written, "@@||good.example^\n", "", 1)},
		{"remove what is not there", written, func(f *rulesFile) bool { return f.remove("kids", "tracker.example") }, false, ""},
		{"without a last newline", "a.example", func(f *rulesFile) bool { return f.add("", "x.example") }, true, "a.example\nx.example\n"},
		{"lines of another system", "a.example\r\nb.example\r\n", func(f *rulesFile) bool { return f.remove("", "a.example") }, true, "b.example\r\n"},
	}
	c := withGroups("kids", "my guests")
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			f := parseRulesFile("rules.txt", tt.text, c)
			if len(f.problems) > 0 {
				t.Fatal(f.problems)
			}
			changed := tt.change(f)
			want := tt.want
			if want == "" {
				want = tt.text
			}
			if got := f.text(); changed != tt.changed || got != want {
				t.Errorf("changed %v, want %v; got\n%s\nwant\n%s", changed, tt.changed, got, want)
			}
		})
	}
}

// A line that makes no sense is told, and the others are used.
func TestRulesFileProblems(t *testing.T) {
	const text = "a.example\n/(/\n[groups.kidz]\nb.example\n[groups.kids]\nc.example\n[kids]\nd.example\n[groups.kids] # theirs\n[blocking]\ne.example\n[blocking.deny]\nf.example\n[groups.kids.deny]\ng.example\n"
	f := parseRulesFile("rules.txt", text, withGroups("kids"))
	wants := []string{"rules.txt:2: \"/(/\" is no rule", "rules.txt:3: there is no group \"kidz\"; did you mean \"kids\"?; the rules below it are not used", "rules.txt:7: [kids] is no heading", "rules.txt:12: [blocking.deny] is no heading", "rules.txt:14: [groups.kids.deny] is no heading"}
	if len(f.problems) != len(wants) {
		t.Errorf("%d problems, want %d: %v", len(f.problems), len(wants), f.problems)
	}
	for i, p := range f.problems {
		if i < len(wants) && !strings.HasPrefix(p.Error(), wants[i]) {
			t.Errorf("%q, want %q", p, wants[i])
		}
	}
	var used []string
	for _, own := range withGroups("kids").pageRules(f) {
		for _, r := range own.Rules {
			used = append(used, own.Group+" "+r.Text)
		}
	}
	if want := []string{"kids c.example", " a.example", " e.example"}; !slices.Equal(used, want) {
		t.Errorf("used %q, want %q", used, want)
	}
}

func TestRuleText(t *testing.T) {
	cases := []struct {
		written string
		allow   bool
		want    string // "" is an error
	}{
		{"x.example", true, "@@||x.example^"},
		{" x.example ", false, "x.example"},
		{"*.x.example", true, "@@*.x.example"},
		{"||x.example^$important", true, "@@||x.example^$important"},
		{"@@||x.example^", true, "@@||x.example^"},
		{"@@||x.example^", false, ""},
		{"/^ads[0-9]/", true, "@@/^ads[0-9]/"},
		{"192.0.2.1", true, "@@||192.0.2.1^"},
		{"192.0.2.0/24", true, "@@||192.0.2.0/24^"},
		{"x.example\ny.example", true, ""},
		{"x.example\r", true, "@@||x.example^"}, // around a rule, space is none of it
		{"x.example\ry.example", false, ""},
		{"# x", false, ""},
		{"[groups.kids]", false, ""},
		{"", true, ""},
		{"/(/", true, ""},
	}
	for _, c := range cases {
		got, err := ruleText(c.written, c.allow)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q, allow %v: %q, %v, want %q", c.written, c.allow, got, err, c.want)
		}
	}
}

func TestForClient(t *testing.T) {
	for text, want := range map[string]string{"@@||x.example^": "@@||x.example^$client='Frank\\'s'", "x.example": "||x.example^$client='Frank\\'s'", "@@x.example": "@@||x.example^$client='Frank\\'s'", "||x.example^$important": "||x.example^$important,client='Frank\\'s'"} {
		if got, err := forClient(text, "Frank's"); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// The file keeps its place and its mode, and a directory is made.
func TestRulesFileIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "rules.txt")
	for _, mode := range []os.FileMode{0o600, 0o644} {
		f := readRulesFile(path, defaults())
		if len(f.problems) > 0 {
			t.Fatal(f.problems)
		}
		f.add("", mode.String()[7:]+".x.example") // another one each time
		f.add("", "x"+mode.String()[1:4]+".example")
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// What is added is read again as what it was, and what is removed leaves the file
// as it was before.
func FuzzRulesFile(f *testing.F) {
	f.Add("a.example\n[groups.kids]\n@@||b.example^\n", "c.example", "kids", true)
	f.Add("# only\n\n\n", "||x.example^$important", "", false)
	f.Add("[groups.none]\nx\n[blocking]\n", "/ads[0-9]/", "kids", true)
	f.Add("\ufeffa.example\r\n\r\n", "192.0.2.0/24", "", true)
	f.Fuzz(func(t *testing.T, text, rule, group string, allow bool) {
		if group != "" {
			group = "kids"
		}
		c := withGroups("kids")
		before := parseRulesFile("r", text, c)
		written, err := ruleText(rule, allow)
		if err != nil {
			return
		}
		if !before.add(group, written) {
			return
		}
		after := parseRulesFile("r", before.text(), c)
		rules, err := lists.ParseRule(written, lists.Deny)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, s := range after.sections {
			for _, w := range s.rules {
				if s.group == group && sameRules(w.rules, rules) {
					found++
					if w.allows != allow {
						t.Errorf("%q is the opposite in\n%s", written, after.text())
					}
				}
			}
		}
		if found == 0 {
			t.Errorf("%q is not in\n%s", written, after.text())
		}
		if after.add(group, written) {
			t.Errorf("%q is written twice:\n%s", written, after.text())
		}
		if !after.remove(group, written) || after.remove(group, written) {
			t.Errorf("%q does not go, or twice", written)
		}
		again := parseRulesFile("r", after.text(), c)
		if again.remove(group, written) {
			t.Errorf("%q is still in\n%s", written, again.text())
		}
	})
}
