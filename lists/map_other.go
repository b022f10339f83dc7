//go:build !unix

package lists

import "os"

// mapFile returns the content of a file, read into memory.
func mapFile(path string) ([]byte, error) { return os.ReadFile(path) }

// anonymous returns so many bytes, all zero.
func anonymous(size int) ([]byte, error) { return make([]byte, size), nil }

// unmap has nothing to give back: this is the garbage collector's memory.
func unmap([]byte) {}

// letGo has no kernel to tell.
func letGo([]byte) {}
