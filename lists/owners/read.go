package owners

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// maxSize is the size of the largest text that is read, unpacked, in bytes. The
// largest known is 2 MiB.
const maxSize = 32 << 20

// errTooLarge says that a text is larger than ownership data is.
var errTooLarge = fmt.Errorf("larger than ownership data may be (%d MiB unpacked)", maxSize>>20)

// Read reads data that a user has, plain or gzip. What it is written as is found
// out from the content: lines as in owners.tsv; services.json or entities.json of
// Disconnect; trackers.csv, trackers.json or companies.json of AdGuard's
// companiesdb. An error names the line, or the place in the JSON.
func Read(r io.Reader) (*Data, error) {
	text, err := whole(r)
	if err != nil {
		return nil, err
	}
	t := newTable()
	switch start := strings.TrimLeft(text, " \t\r\n"); {
	case start == "":
		err = errors.New("there is nothing in it")
	case start[0] == '{':
		err = t.json(text)
	case start[0] == '<':
		err = errors.New("a web page, not ownership data; give the address of the bare file")
	case strings.HasPrefix(start, "domain;"):
		err = t.csv(text)
	default:
		err = t.tsv(text)
	}
	if err == nil && len(t.owners) == 0 {
		err = errors.New("there is no domain in it")
	}
	if err != nil {
		return nil, err
	}
	return t.data(), nil
}

// whole reads all of a text, unpacks it, and takes off a byte order mark.
func whole(r io.Reader) (string, error) {
	in := bufio.NewReader(r)
	var unpacked io.Reader = in
	if start, _ := in.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) { // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(in)
		if err != nil {
			return "", fmt.Errorf("gzip: %w", err)
		}
		unpacked = z
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, maxSize+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxSize {
		return "", errTooLarge
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil
}

// tsv reads lines of domain, company, category, tracker and country, separated by
// tabs; the last three may be left out, and "#" begins a comment. "company:" or
// "service:" before another name, then a tab and the name that is meant, makes
// the one stand for the other.
func (t *table) tsv(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		if err := t.line(strings.Split(line, "\t")); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

func (t *table) line(f []string) error {
	if len(f) < 2 || len(f) > 5 {
		return errors.New("want domain, company, category, tracker and country, with a tab between them")
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	if other, ok := strings.CutPrefix(f[0], "company:"); ok {
		return t.also.companies.add(other, f[1:])
	}
	if other, ok := strings.CutPrefix(f[0], "service:"); ok {
		return t.also.services.add(other, f[1:])
	}
	name, err := domain(f[0])
	if err != nil {
		return err
	}
	f = append(f, "", "", "")
	o := Owner{Company: f[1], Category: f[2], Tracker: f[3], Country: f[4]}
	if key(o.Company) == "" && key(o.Tracker) == "" {
		return fmt.Errorf("%s has neither a company nor a tracker", name)
	}
	t.row(name, o)
	return nil
}

// csv reads trackers.csv of AdGuard's companiesdb: domain, name of the tracker,
// number of the category.
func (t *table) csv(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		if n++; n == 1 || strings.TrimSpace(line) == "" {
			continue // the heading
		}
		f := strings.Split(strings.TrimSpace(line), ";")
		if len(f) != 3 || key(f[1]) == "" {
			return fmt.Errorf("line %d: want domain;tracker;category", n)
		}
		name, err := domain(f[0])
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		t.row(name, Owner{Category: adguardCategories[f[2]], Tracker: f[1]})
	}
	return nil
}

// domain is a written domain in the form in which names are looked up.
func domain(written string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(written), ".")
	if strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) >= 0 {
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", fmt.Errorf("%q is no domain: %w", excerpt(written), err)
		}
	}
	if len(name) > 253 || !strings.Contains(name, ".") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", fmt.Errorf("%q is no domain", excerpt(written))
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", fmt.Errorf("%q is an address, not a domain", written)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("%q is no domain", excerpt(written))
		}
	}
	return name, nil
}

// excerpt shortens what a message quotes.
func excerpt(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
