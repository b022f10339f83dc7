package querylog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A file of the store is JSON lines in gzip (RFC 1952), a member for each time that
// something was written, so that `zcat` reads it. Each member says in its header how long
// it is, in an extra field (section 2.3.1.1) of two bytes of name and eight of data: the
// length of the whole member and the number of its lines. So a file can be read from its
// end, and a member that a power cut left unfinished is found and cut off.

// Names of the extra field, and where its data begins in a member: after the header of
// ten bytes, the length of the extra, and the name and length of the field.
const (
	fieldA, fieldB = 'd', 'p'
	fieldData      = 10 + 2 + 4
	memberHead     = fieldData + 8
	maxMember      = 64 << 20 // bytes, packed
)

// member is a member of a file.
type member struct {
	at    int64 // in the file
	size  int64
	lines int
}

// errMember says that a file is damaged, or not one of ours.
var errMember = errors.New("the file is damaged")

// pack makes a member of lines.
func pack(lines []Line) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	z.Extra = append([]byte{fieldA, fieldB, 8, 0}, make([]byte, 8)...)
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	for i := range lines {
		if err := e.Encode(&lines[i]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	// The extra field is outside what the member's checksum is of.
	binary.LittleEndian.PutUint32(b.Bytes()[fieldData:], uint32(b.Len()))
	binary.LittleEndian.PutUint32(b.Bytes()[fieldData+4:], uint32(len(lines)))
	return b.Bytes(), nil
}

// members finds those of a file. A last one that is not whole is not among them; end is
// where the whole ones end.
func members(f *os.File) (all []member, end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	var head [memberHead]byte
	for end < info.Size() {
		if n, err := f.ReadAt(head[:], end); n < len(head) {
			if errors.Is(err, io.EOF) {
				return all, end, nil
			}
			return all, end, err
		}
		if head[0] != 0x1f || head[1] != 0x8b || head[3]&4 == 0 || head[12] != fieldA || head[13] != fieldB || head[14] != 8 {
			return all, end, fmt.Errorf("%w: no member at %d", errMember, end)
		}
		m := member{at: end, size: int64(binary.LittleEndian.Uint32(head[fieldData:])), lines: int(binary.LittleEndian.Uint32(head[fieldData+4:]))}
		if m.size < memberHead || m.size > maxMember {
			return all, end, fmt.Errorf("%w: a member of %d bytes at %d", errMember, m.size, end)
		}
		if end+m.size > info.Size() {
			return all, end, nil
		}
		all = append(all, m)
		end += m.size
	}
	return all, end, nil
}

// read visits the lines of a member which contain all of some texts, as they were written.
// What is found is only valid during the visit.
func (m member) read(f io.ReaderAt, texts [][]byte, visit func(line []byte) error) error {
	z, err := gzip.NewReader(io.NewSectionReader(f, m.at, m.size))
	if err != nil {
		return fmt.Errorf("%w: %w", errMember, err)
	}
	z.Multistream(false)
	scanner := bufio.NewScanner(z)
	scanner.Buffer(nil, 64<<10)
next:
	for scanner.Scan() {
		for _, text := range texts {
			if !bytes.Contains(scanner.Bytes(), text) {
				continue next
			}
		}
		if err := visit(scanner.Bytes()); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("%w: %w", errMember, err)
	}
	return nil
}
