//go:build unix

package lists

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile returns the content of a file where the kernel keeps it: it takes no
// memory that the kernel could not take back, and outlives the removal of the
// file.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 || info.Size() != int64(int(info.Size())) {
		return nil, fmt.Errorf("%w: %s has a size of %d bytes", ErrFormat, path, info.Size())
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
}

// anonymous returns so many bytes, all zero, straight from the kernel.
func anonymous(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmap gives back what mapFile or anonymous returned.
func unmap(b []byte) { unix.Munmap(b) }

// letGo tells the kernel that what mapFile returned will not be read soon.
// Memory that is no file would be erased by it.
func letGo(b []byte) { unix.Madvise(b, unix.MADV_DONTNEED) }
