//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: only on Linux, whose /proc and processor clocks it reads")
	os.Exit(1)
}
