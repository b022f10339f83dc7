//go:build !linux

package main

import "time"

// monotonic is only of use to systemd.
func monotonic() (time.Duration, bool) { return 0, false }
