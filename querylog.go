package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// question is what somebody asked, as a query log tells it.
type question struct {
	name   string // normalised
	qtype  uint16 // 0 when the log does not tell which
	client netip.Addr
}

// outcome is what a log says became of a query.
type outcome uint8

const (
	outcomeUnknown outcome = iota // the log does not say
	outcomePassed
	outcomeBlocked
)

// asked is a question and how often it was put, by what became of it.
type asked struct {
	question
	times [outcomeBlocked + 1]int
}

// queryLog is what a query log says, added up.
type queryLog struct {
	format  string   // for people
	asked   []*asked // every different question, in order of the log
	queries int      // how many there are in asked
	left    int      // queries for which there was no more room in asked

	strange int            // lines that were not understood
	faults  []strangeEntry // the first of them

	only  netip.Addr // the one client of interest, when valid
	index map[question]*asked
}

// strangeEntry is a line (of a JSON document, an entry) that was not understood.
type strangeEntry struct {
	number int // from 1
	reason string
}

// Limits of what is kept of a log, so that one of any size can be read.
const (
	maxAsked  = 500_000   // different questions; some 250 MB with what is made of them
	maxFaults = 5         // lines not understood that are told one by one
	maxLogged = 256 << 10 // bytes of a line; AdGuard Home writes two whole messages of up to 64 KB in base64
	sniffSize = 64 << 10  // how much is looked at to find out the format
)

// logFormat reads a log to its end into l.
type logFormat func(ctx context.Context, in *bufio.Reader, l *queryLog) error

// readQueryLog reads a log, plain or gzip, in whichever format it is. Where only
// is valid, other clients' queries are passed over, and those of no named client
// are taken for its. An error of reading, or that this is no query log, has no
// file name.
func readQueryLog(ctx context.Context, r io.Reader, only netip.Addr) (*queryLog, error) {
	in := bufio.NewReaderSize(r, maxLogged)
	if start, _ := in.Peek(2); bytes.Equal(start, []byte("\x1f\x8b")) { // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		in = bufio.NewReaderSize(z, maxLogged)
	}
	if start, _ := in.Peek(3); string(start) == "\ufeff" {
		if _, err := in.Discard(3); err != nil {
			return nil, err
		}
	}
	start, err := in.Peek(sniffSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	l := &queryLog{only: only, index: map[question]*asked{}}
	read, err := l.detect(start)
	if err != nil {
		return nil, err
	}
	if err := read(ctx, in, l); err != nil {
		return nil, err
	}
	if l.queries == 0 {
		return nil, l.nothing()
	}
	return l, nil
}

// jsonDocument is the format whose entries are no lines.
const jsonDocument = "JSON"

// errDatabase says what to do with a file that is not text.
var errDatabase = errors.New("an SQLite database; write its queries out and replay that: " +
	"sqlite3 -csv -header /etc/pihole/pihole-FTL.db 'SELECT domain, type, client, status FROM queries' > queries.csv")

// detect finds out the format by the beginning of a log.
func (l *queryLog) detect(start []byte) (logFormat, error) {
	if bytes.HasPrefix(start, []byte("SQLite format 3\x00")) { // "Database File Format", section 1.3.1
		return nil, errDatabase
	}
	if bytes.IndexByte(start, 0) >= 0 {
		return nil, errors.New("no text, so no query log")
	}
	first := ""
	for line := range strings.Lines(string(start)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if _, ok := dnsmasqMessage(line); ok && line[0] != '{' {
			l.format = "dnsmasq"
			return readDnsmasq, nil
		}
		if first == "" {
			first = line
		}
	}
	switch {
	case strings.HasPrefix(first, "{") && strings.Contains(first, `"QH"`):
		l.format = "AdGuard Home"
		return readJSONLines, nil
	case strings.HasPrefix(first, "{"), strings.HasPrefix(first, "["):
		l.format = jsonDocument
		return readJSON, nil
	}
	if columns, ok := csvColumns(first); ok {
		l.format = "CSV"
		return columns.read, nil
	}
	l.format = "names"
	return readNames, nil
}

// nothing says why a log has no query.
func (l *queryLog) nothing() error {
	switch {
	case l.strange > 0:
		f := l.faults[0]
		return fmt.Errorf("no query log: of %d lines none is understood; number %d: %s", l.strange, f.number, f.reason)
	case l.only.IsValid():
		return fmt.Errorf("there is no query of %v in it", l.only)
	case l.format == "dnsmasq":
		return errors.New("there is no query in it; dnsmasq writes them with log-queries, Pi-hole with query logging on")
	}
	return errors.New("there is no query in it")
}

// add counts one query and returns where, nil when it is not counted. The error
// says that name is none.
func (l *queryLog) add(name string, qtype uint16, client netip.Addr, o outcome) (*asked, error) {
	name, err := lists.Normalize(name)
	if err != nil {
		return nil, err
	}
	q := question{name, qtype, client.Unmap().WithZone("")}
	if l.only.IsValid() {
		if q.client.IsValid() && q.client != l.only {
			return nil, nil
		}
		q.client = l.only
	}
	a := l.index[q]
	if a == nil {
		if len(l.asked) == maxAsked {
			l.left++
			return nil, nil
		}
		q.name = strings.Clone(name)
		a = &asked{question: q}
		l.index[q] = a
		l.asked = append(l.asked, a)
	}
	a.times[o]++
	l.queries++
	return a, nil
}

// fault notes a line that was not understood.
func (l *queryLog) fault(number int, err error) {
	l.strange++
	if len(l.faults) < maxFaults {
		l.faults = append(l.faults, strangeEntry{number, err.Error()})
	}
}

// tells says whether the log tells what became of its queries.
func (l *queryLog) tells() bool {
	for _, a := range l.asked {
		if a.times[outcomePassed] > 0 || a.times[outcomeBlocked] > 0 {
			return true
		}
	}
	return false
}

// eachLine calls take with the lines of a log that are neither empty nor
// comments. An error of take is a fault of the line.
func (l *queryLog) eachLine(ctx context.Context, in *bufio.Reader, take func(line string) error) error {
	for number := 1; ; number++ {
		if number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			l.fault(number, fmt.Errorf("longer than %d bytes", maxLogged))
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			b = nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if line := strings.TrimSpace(string(b)); line != "" && line[0] != '#' {
			if fault := take(line); fault != nil {
				l.fault(number, fault)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readNames reads one name a line, perhaps with a type and a client's address,
// in any order, and a comment after it.
func readNames(ctx context.Context, in *bufio.Reader, l *queryLog) error {
	return l.eachLine(ctx, in, func(line string) error {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) > 3 {
			return fmt.Errorf("%d words; a line is a name, perhaps with a type and a client's address", len(words))
		}
		qtype, client := dns.TypeA, netip.Addr{}
		for _, word := range words[1:] {
			if ip, err := netip.ParseAddr(word); err == nil {
				client = ip
				continue
			}
			var err error
			if qtype, err = parseType(word); err != nil {
				return fmt.Errorf("%q is neither a record type nor a client's address", word)
			}
		}
		_, err := l.add(words[0], qtype, client, outcomeUnknown)
		return err
	})
}

// loggedType is a record type as logs write it; 0 when it is none.
func loggedType(s string) uint16 {
	if number, ok := strings.CutPrefix(s, "type="); ok { // dnsmasq's word for what it has no name for
		s = "TYPE" + number
	}
	qtype, err := parseType(s)
	if err != nil {
		return 0
	}
	return qtype
}

// loggedClient is the address of a client, invalid when s is none.
func loggedClient(s string) netip.Addr {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return ip
}
