package lists

import "runtime"

// region is memory that the garbage collector does not count, so that what is
// large and stays, or large and soon over, does not decide how much may pile up.
// It is given back with its owner, or before by release.
type region struct {
	bytes   []byte
	cleanup runtime.Cleanup
}

// newRegion returns so many bytes, all zero.
func newRegion[T any](owner *T, size int) region {
	b, err := anonymous(size)
	if err != nil { // the garbage collector may find room yet
		return region{bytes: make([]byte, size)}
	}
	return ownedBy(owner, b)
}

// ownedBy is b, which mapFile or anonymous returned.
func ownedBy[T any](owner *T, b []byte) region {
	return region{b, runtime.AddCleanup(owner, unmap, b)}
}

// release gives the memory back now. Nothing may refer to it any more.
func (r *region) release() {
	if r.cleanup != (runtime.Cleanup{}) {
		r.cleanup.Stop()
		unmap(r.bytes)
	}
	*r = region{}
}
