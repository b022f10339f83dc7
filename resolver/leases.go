package resolver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"deadpixel/lists"
)

// leases are the names that dnsmasq has given addresses to, by its lease files.
type leases struct {
	files []leaseFile
	of    map[netip.Addr]*Client // whose name is that of an entry; of all files
}

// leaseFile is one file as it was when it was last read.
type leaseFile struct {
	path    string
	size    int64
	changed time.Time
	leases  []lease
}

// lease is one address and its name.
type lease struct {
	addr netip.Addr
	name string    // normalised
	ends time.Time // zero for never
}

// maxLeaseFile bounds what is read of a file, in bytes: some ten thousand leases.
const maxLeaseFile = 1 << 20

func newLeases(paths []string) leases {
	var l leases
	for _, path := range paths {
		l.files = append(l.files, leaseFile{path: path})
	}
	return l
}

// read looks whether files have changed, and says whether somebody's name is at
// another address than before. hosts decides which names matter: nothing else is
// kept.
func (l *leases) read(hosts *hostNames, now time.Time) (news bool, err error) {
	var failures []error
	of := map[netip.Addr]*Client{}
	for i := range l.files {
		f := &l.files[i]
		if err := f.read(hosts); err != nil {
			failures = append(failures, err)
		}
		for _, e := range f.leases {
			client := hosts.find(e.name)
			if other := of[e.addr]; !e.ends.IsZero() && !e.ends.After(now) || other != nil && other.Index <= client.Index {
				continue
			}
			of[e.addr] = client
		}
	}
	news = !maps.Equal(of, l.of)
	l.of = of
	return news, errors.Join(failures...)
}

// read reads the file when it is another than before. What cannot be read leaves
// what was known; a missing file has no leases.
func (f *leaseFile) read(hosts *hostNames) error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		*f = leaseFile{path: f.path}
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() == f.size && info.ModTime().Equal(f.changed) {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxLeaseFile))
	if err != nil {
		return err
	}
	f.size, f.changed, f.leases = info.Size(), info.ModTime(), nil
	for _, e := range parseLeases(text) {
		if hosts.find(e.name) != nil {
			f.leases = append(f.leases, e)
		}
	}
	return nil
}

// parseLeases reads dnsmasq's lease file: a line a lease, "ends MAC address name
// client-id", the name "*" when there is none; the IPv6 part begins with a line
// "duid ..." and has an IAID for the MAC. What is no lease of a name is passed
// over: the file is dnsmasq's own, and may be half written.
func parseLeases(text []byte) []lease {
	var all []lease
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 4 {
			continue
		}
		ends, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		addr, err := netip.ParseAddr(fields[2])
		if err != nil {
			continue
		}
		name, err := lists.Normalize(fields[3])
		if err != nil || name == "" {
			continue
		}
		e := lease{addr: addr.Unmap().WithZone(""), name: name}
		if ends >= leaseClock {
			e.ends = time.Unix(ends, 0)
		}
		all = append(all, e)
	}
	return all
}

// leaseClock tells times of day from durations, in seconds: a dnsmasq built for
// machines without a clock writes how long a lease is, not when it ends; and 0
// means forever.
const leaseClock = 1e9
