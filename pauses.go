package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"deadpixel/lists"
	"deadpixel/resolver"
)

// pauseFile is where pauses outlive the program, in the data directory.
const pauseFile = "pauses.json"

// storedPause is one pause in that file.
type storedPause struct {
	Group  string    `json:"group,omitempty"`
	Client string    `json:"client,omitempty"`
	Until  time.Time `json:"until,omitzero"` // zero: until resumed
}

// restorePauses takes over the pauses that were on when the program ended. A file
// that cannot be read is told and counts as none.
func (s *server) restorePauses(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, pauseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var stored []storedPause
	if err == nil {
		err = json.Unmarshal(b, &stored)
	}
	if err != nil {
		s.log.Error("the pauses of before cannot be read; everything is blocked as configured", "err", err)
		return
	}
	until := map[resolver.Target]time.Time{}
	for _, p := range stored {
		until[resolver.Target{Group: p.Group, Client: p.Client}] = p.Until
	}
	s.pause.Restore(until)
	if on := s.pause.All(time.Now()); len(on) > 0 {
		s.log.Info("a pause of before goes on; `deadpixel resume` ends it", "pauses", len(on))
	}
}

// storePauses writes down what is paused.
func (s *server) storePauses(dir string) error {
	stored := []storedPause{}
	for target, until := range s.pause.All(time.Now()) {
		stored = append(stored, storedPause{target.Group, target.Client, until})
	}
	b, err := json.Marshal(stored)
	if err == nil {
		err = lists.ReplaceFile(filepath.Join(dir, pauseFile), b)
	}
	if err != nil {
		return fmt.Errorf("the pause will not outlive a restart: %w", err)
	}
	return nil
}
