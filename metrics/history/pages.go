package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// checkPages says whether bbolt can open a file without going astray: bbolt trusts the
// numbers of pages in it and follows them through mapped memory, in circles if need
// be, where no recover helps. It reads the file whole. The layout is that of bbolt's
// internal/common/page.go and meta.go; numbers are in the order of this machine.
func checkPages(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > 2*maxFile {
		return damage(errors.New("it is larger than this program makes it"))
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 { // an empty file is one that was not begun
		return err
	}
	p, err := newPages(b)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return damage(err)
	}
	return nil
}

// Sizes and kinds of bbolt's pages.
const (
	pageHeader   = 16 // number, kind, count of elements, count of further pages
	pageElement  = 16
	bucketHeader = 16 // number of the root page, sequence
	metaSize     = 64 // of which the last eight bytes are the checksum

	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	boltMagic   = 0xED0CDAED
	boltVersion = 2
)

// pages is a file as pages.
type pages struct {
	bytes          []byte
	size           uint64 // of a page
	end            uint64 // the number of pages that were ever used
	root, freelist uint64
	seen           map[uint64]bool
}

// newPages reads the head of the last transaction: the first two pages are that of the
// last and of the one before, by turns.
func newPages(b []byte) (*pages, error) {
	first, older := readMeta(b, 0)
	second, newer := readMeta(b, first.pageSize())
	switch {
	case first == nil && second == nil:
		return nil, errors.New("it is no database")
	case first == nil || second != nil && newer > older:
		return second, nil
	}
	return first, nil
}

// pageSize is the size of a page: the machine's where the file does not say.
func (p *pages) pageSize() int {
	if p == nil {
		return os.Getpagesize()
	}
	return int(p.size)
}

// readMeta reads the head in the page at an offset, nil when it is damaged, and the
// number of its transaction.
func readMeta(b []byte, at int) (*pages, uint64) {
	if len(b)-pageHeader-metaSize < at {
		return nil, 0
	}
	m := b[at+pageHeader:][:metaSize]
	number := func(at int) uint64 { return binary.NativeEndian.Uint64(m[at:]) }
	sum := fnv.New64a()
	sum.Write(m[:metaSize-8])
	if binary.NativeEndian.Uint32(m) != boltMagic || binary.NativeEndian.Uint32(m[4:]) != boltVersion || number(56) != sum.Sum64() {
		return nil, 0
	}
	size := uint64(binary.NativeEndian.Uint32(m[8:]))
	if size < 512 || size > 64<<10 {
		return nil, 0
	}
	return &pages{bytes: b, size: size, root: number(16), freelist: number(32), end: number(40), seen: map[uint64]bool{}}, number(48)
}

// check follows every page from the root and the list of free ones.
func (p *pages) check() error {
	if p.end > uint64(len(p.bytes))/p.size {
		return fmt.Errorf("it has been cut off: %d pages of %d", uint64(len(p.bytes))/p.size, p.end)
	}
	if err := p.tree(p.root, true); err != nil {
		return err
	}
	page, err := p.page(p.freelist)
	if err != nil {
		return err
	}
	count, free := uint64(page.count), page.bytes[pageHeader:]
	if page.kind != freePage {
		return fmt.Errorf("page %d is no list of free pages", p.freelist)
	}
	if count == 0xFFFF && len(free) >= 8 { // more than a page's count can say
		count, free = binary.NativeEndian.Uint64(free), free[8:]
	}
	if count > uint64(len(free))/8 {
		return errors.New("the list of free pages is too long")
	}
	for i := range count {
		id := binary.NativeEndian.Uint64(free[8*i:])
		if id < 2 || id >= p.end || p.seen[id] {
			return fmt.Errorf("page %d cannot be free", id)
		}
		p.seen[id] = true
	}
	return nil
}

// page is one page with those that belong to it.
type page struct {
	bytes       []byte
	kind, count uint16
}

// page reads a page, which may be met once.
func (p *pages) page(id uint64) (page, error) {
	if id < 2 || id >= p.end {
		return page{}, fmt.Errorf("there is no page %d", id)
	}
	b := p.bytes[id*p.size:]
	one := newPage(b)
	more := uint64(binary.NativeEndian.Uint32(b[12:]))
	if binary.NativeEndian.Uint64(b) != id || more >= p.end-id {
		return page{}, fmt.Errorf("page %d is not itself", id)
	}
	for n := id; n <= id+more; n++ {
		if p.seen[n] {
			return page{}, fmt.Errorf("page %d is met twice", n)
		}
		p.seen[n] = true
	}
	one.bytes = b[:(more+1)*p.size]
	return one, nil
}

func newPage(b []byte) page {
	return page{b, binary.NativeEndian.Uint16(b[8:]), binary.NativeEndian.Uint16(b[10:])}
}

// tree follows the pages below one. Only the elements of the root, top, are buckets.
func (p *pages) tree(id uint64, top bool) error {
	one, err := p.page(id)
	if err != nil {
		return err
	}
	return p.elements(one, top)
}

// elements checks the elements of a page.
func (p *pages) elements(one page, top bool) error {
	if one.kind != leafPage && (one.kind != branchPage || one.count == 0) {
		return fmt.Errorf("a page of kind %#x and %d elements in the tree", one.kind, one.count)
	}
	if pageHeader+pageElement*int(one.count) > len(one.bytes) {
		return errors.New("a page has more elements than room")
	}
	for i := range int(one.count) {
		from := one.bytes[pageHeader+pageElement*i:]
		word := func(n int) uint64 { return uint64(binary.NativeEndian.Uint32(from[4*n:])) }
		if one.kind == branchPage {
			if word(0)+word(1) > uint64(len(from)) {
				return errors.New("a key lies outside of its page")
			}
			if err := p.tree(binary.NativeEndian.Uint64(from[8:]), top); err != nil {
				return err
			}
			continue
		}
		flags, value, end := word(0), word(1)+word(2), word(1)+word(2)+word(3)
		if end > uint64(len(from)) {
			return errors.New("a value lies outside of its page")
		}
		if (flags == 1) != top {
			return errors.New("it is somebody else's database")
		}
		if top {
			if err := p.bucket(from[value:end]); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket checks a bucket: it has a tree of its own, or a single page within its value.
func (p *pages) bucket(value []byte) error {
	if len(value) < bucketHeader {
		return errors.New("a bucket is cut off")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return p.tree(root, false)
	}
	if len(value) < bucketHeader+pageHeader {
		return errors.New("a bucket is cut off")
	}
	one := newPage(value[bucketHeader:])
	if one.kind != leafPage {
		return fmt.Errorf("a page of kind %#x in a bucket", one.kind)
	}
	return p.elements(one, false)
}
