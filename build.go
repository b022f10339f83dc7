package main

import (
	"runtime/debug"
	"time"
)

// version is the release; a build sets it with -ldflags "-X main.version=...".
var version = "0.1.0-dev"

// released is when this version was written: no clock can rightly be before it.
const released = "2026-11-24T00:00:00Z"

// build is what the program knows of its own making.
type build struct {
	version, commit string
	time            time.Time
}

// buildInfo reads what the Go tool recorded.
func buildInfo() build {
	b := build{version: version, commit: "unknown"}
	b.time, _ = time.Parse(time.RFC3339, released)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil && t.After(b.time) {
				b.time = t
			}
		}
	}
	return b
}
