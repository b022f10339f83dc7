//go:build !unix || aix || solaris

package history

import "os"

// unlock has nothing to do: bbolt's lock on a file ends when that is closed.
func unlock(*os.File) {}
