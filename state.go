package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"deadpixel/lists"
)

// readState reads a file of what outlives the program; nothing where there is none.
// The error says that it is there and cannot be used.
func readState[T any](path string) (all []T, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// writeState puts such a file in place, whole or not at all. Where there is nothing
// to keep, no file is made.
func writeState[T any](path string, all []T) error {
	if len(all) == 0 {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all = []T{}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return lists.ReplaceFile(path, b)
}
