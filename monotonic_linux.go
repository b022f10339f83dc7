package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the kernel's CLOCK_MONOTONIC, which Go's time keeps to itself.
func monotonic() (time.Duration, bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano()), err == nil
}
