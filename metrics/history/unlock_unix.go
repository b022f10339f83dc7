//go:build unix && !aix && !solaris

package history

import (
	"os"
	"syscall"
)

// unlock ends bbolt's lock on a file. It belongs to the open file, which outlives its
// closing while it is mapped into memory.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
