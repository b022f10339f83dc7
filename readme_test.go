package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"deadpixel/lists"
)

// snippets are the fenced blocks of the README, by their language.
func snippets(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			language, body, _ := strings.Cut(part, "\n")
			found[language] = append(found[language], body)
		}
	}
	return found
}

func TestReadmeQuickStart(t *testing.T) {
	shell := snippets(t)["sh"]
	if len(shell) < 2 || shell[0] != "go run . --listen 127.0.0.1:5300\n" || shell[1] != "go test ./...\n" {
		t.Errorf("the quick start is not the two commands: %q", shell)
	}
}

func TestReadmeConfigurationIsValid(t *testing.T) {
	blocks := snippets(t)["toml"]
	if len(blocks) == 0 {
		t.Fatal("no toml in the README")
	}
	for _, b := range blocks {
		if _, err := parseConfig("README.md", b); err != nil {
			t.Errorf("%v\nin\n%s", err, b)
		}
	}
}

// What the README counts is what there is.
func TestReadmeCounts(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := lists.Builtins{}.Text("doh")
	if err != nil {
		t.Fatal(err)
	}
	names, addresses := 0, 0
	_, err = lists.Parse(text, lists.ParseOptions{Kind: lists.Deny}, func(r lists.Rule) {
		if r.Shape == lists.Address {
			addresses++
		} else {
			names++
		}
	}, func(s lists.Skip) { t.Error(s) })
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("`builtin:doh` blocks %d names and %d addresses", names, addresses); !strings.Contains(string(readme), want) {
		t.Errorf("the README does not say: %s", want)
	}
}

// Lines of shell are run where that needs neither root nor network nor a
// server; the syntax of all is checked.
func TestReadmeShell(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	known := map[string]bool{"go": true, "dig": true, "curl": true, "install": true, "mkdir": true, "printf": true, "systemctl": true,
		"systemd-sysusers": true, "setcap": true, "deadpixel": true, "CGO_ENABLED=0": true}
	ran := 0
	for _, block := range snippets(t)["sh"] {
		if out, err := exec.Command("sh", "-n", "-c", block).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\nin\n%s", err, out, block)
		}
		for line := range strings.Lines(block) {
			words := strings.Fields(strings.ReplaceAll(line, "/etc/deadpixel/config.toml", file))
			switch {
			case !known[words[0]]:
				t.Errorf("no check knows %q", line)
			case words[0] == "install":
				for _, source := range words[3 : len(words)-1] {
					if _, err := os.Stat(source); err != nil && source != "deadpixel" {
						t.Errorf("%q installs what is not there: %v", line, err)
					}
				}
			case words[0] == "deadpixel":
				var out bytes.Buffer
				args := words[1:]
				if n := len(args); n > 2 && args[n-2] == ">" {
					args = args[:n-2]
				}
				args = append(args, "--data", dir)
				if status := run(context.Background(), args, strings.NewReader(""), &out, &out); status != 0 {
					t.Errorf("%q ends with %d: %s", line, status, out.String())
				}
				if args[0] == "config" {
					if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				ran++
			}
		}
	}
	if ran == 0 {
		t.Error("nothing was run")
	}
}

func TestReadmePrometheusSnippet(t *testing.T) {
	tool := external(t, "promtool")
	for _, b := range snippets(t)["yaml"] {
		file := filepath.Join(t.TempDir(), "prometheus.yml")
		if err := os.WriteFile(file, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool, "check", "config", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestReadmeUnboundSnippet(t *testing.T) {
	tool := external(t, "unbound-checkconf")
	for _, b := range snippets(t)["unbound"] {
		file := filepath.Join(t.TempDir(), "unbound.conf")
		if err := os.WriteFile(file, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool, file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// external finds a program that a test needs beside Go, or skips the test.
func external(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				return filepath.Join(dir, program)
			}
		}
		t.Skipf("needs the program %s", program)
	}
	return path
}
