package lists

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"
)

// Format is how a list is written.
type Format uint8

const (
	Auto    Format = iota // found out from the content
	Hosts                 // hosts(5): an address, then names
	Domains               // a name a line
	Adblock               // adblock rules that speak about names (AdGuard, "DNS filtering rules syntax")
	DNSMasq               // dnsmasq.conf: address=, server=, local=
	Unbound               // unbound.conf: local-zone, local-data
	RPZ                   // response policy zone (draft-vixie-dnsop-dns-rpz-00)
)

var formats = [...]string{"auto", "hosts", "domains", "adblock", "dnsmasq", "unbound", "rpz"}

func (f Format) String() string { return formats[f] }

// ParseFormat reads the value of a list's format.
func ParseFormat(s string) (Format, error) {
	for i, name := range formats {
		if s == name {
			return Format(i), nil
		}
	}
	return Auto, fmt.Errorf("%q is no format: write one of %s", s, strings.Join(formats[:], ", "))
}

// MatchMode is how far the plain names of a list reach.
type MatchMode uint8

const (
	MatchAuto    MatchMode = iota // as the format means it
	MatchExact                    // the name alone
	MatchSubtree                  // the name and everything below
)

// ParseMatch reads the value of a list's match.
func ParseMatch(s string) (MatchMode, error) {
	switch s {
	case "auto":
		return MatchAuto, nil
	case "exact":
		return MatchExact, nil
	case "subtree":
		return MatchSubtree, nil
	}
	return MatchAuto, fmt.Errorf("%q is no match: write \"auto\", \"exact\" or \"subtree\"", s)
}

// ParseOptions say how a list is to be read.
type ParseOptions struct {
	List   string // its name, for skipped lines
	Format Format
	Match  MatchMode
	Kind   Action // Deny or Allow: what a plain rule does

	// Gentle: the work is done in short stretches, since there are queries to
	// answer meanwhile. It takes up to three times as long.
	Gentle bool
}

// ParseResult is what a list turned out to be.
type ParseResult struct {
	Format  Format // never Auto
	Rules   int    // given to emit, but for those with Cancel
	Skipped int    // given to skip
	Lines   int
}

// Errors of a text that is no list at all.
var (
	ErrHTML   = errors.New("a web page, not a list")
	ErrBinary = errors.New("no text")

	ErrTooLarge = errors.New("larger than a list may be when unpacked")
)

// Limits of a list's text. A rule is short; what is longer is no rule.
const (
	maxLine    = 64 << 10
	detectSize = 64 << 10 // how much is looked at to find out the format
	maxText    = 1 << 30  // unpacked
)

// Parse reads a list, plain or gzip, and calls emit for every rule and skip for
// every line, or part of one, that makes none, with the reason. Comments and
// empty lines are neither. Names given to emit are normalised; the texts of a
// rule are valid only during the call. The error is ErrHTML, ErrBinary or one of
// reading; rules emitted before it are of no use.
func Parse(r io.Reader, o ParseOptions, emit func(Rule), skip func(Skip)) (ParseResult, error) {
	in := bufio.NewReaderSize(r, detectSize)
	if start, _ := in.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) { // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(in)
		if err != nil {
			return ParseResult{}, fmt.Errorf("gzip: %w", err)
		}
		in = bufio.NewReaderSize(&bounded{z, maxText}, detectSize)
	}
	if start, _ := in.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		if _, err := in.Discard(3); err != nil {
			return ParseResult{}, err
		}
	}
	start, err := in.Peek(detectSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return ParseResult{}, err
	}
	switch {
	case isHTML(start):
		return ParseResult{}, ErrHTML
	case isBinary(start):
		return ParseResult{}, ErrBinary
	}
	if o.Format == Auto {
		o.Format = detect(start)
	}
	p := newParser(o, emit, skip)
	if err := p.read(in); err != nil {
		return ParseResult{}, err
	}
	return ParseResult{Format: o.Format, Rules: p.rules, Skipped: p.skipped, Lines: int(p.line)}, nil
}

// bounded ends an unpacked text that is larger than any list with an error.
type bounded struct {
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// isHTML recognises what a server sends instead of a list.
func isHTML(start []byte) bool {
	start = bytes.ToLower(bytes.TrimLeft(start[:min(len(start), 1024)], " \t\r\n"))
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<?xml", "<!--"} {
		if bytes.HasPrefix(start, []byte(tag)) {
			return true
		}
	}
	return false
}

// isBinary says whether too many of the first bytes cannot be text. A few NULs
// occur in real lists.
func isBinary(start []byte) bool {
	start = start[:min(len(start), 4096)]
	bad := 0
	for _, c := range start {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			bad++
		}
	}
	return bad*10 > len(start)
}

// parser reads one list.
type parser struct {
	ParseOptions
	emit func(Rule)
	skip func(Skip)
	work worker
	own  bool // a rule of the configuration, by somebody who means it

	machine string // what this machine calls itself
	line    uint32
	rules   int
	skipped int
	zones   zones // Unbound
	zone    zoneFile
}

func newParser(o ParseOptions, emit func(Rule), skip func(Skip)) *parser {
	p := &parser{ParseOptions: o, emit: emit, skip: skip, work: worker{gentle: o.Gentle}}
	if name, err := os.Hostname(); err == nil {
		p.machine = strings.ToLower(name)
	}
	return p
}

// one reads one line in a format.
func (p *parser) one(f Format, line string) {
	switch f {
	case Hosts:
		p.hosts(line)
	case Adblock:
		p.adblock(line)
	case DNSMasq:
		p.dnsmasq(line)
	case Unbound:
		p.unbound(line)
	case RPZ:
		p.rpz(line)
	default:
		p.domains(line)
	}
}

// blockSize is how much of a text is taken apart at once. The lines are strings
// that lie in it, and its memory is used again: a string for each line would cost
// more than reading it.
const blockSize = maxLine

// read takes the text apart line by line.
func (p *parser) read(in *bufio.Reader) error {
	block := make([]byte, 0, blockSize)
	for {
		n, err := in.Read(block[len(block):cap(block)])
		block = block[:len(block)+n]
		end := bytes.LastIndexByte(block, '\n') + 1
		last := errors.Is(err, io.EOF)
		switch {
		case err != nil && !last:
			return err
		case last:
			end = len(block)
		case end == 0 && len(block) < cap(block):
			continue
		case end == 0:
			if err := p.long(in); err != nil {
				return err
			}
			block = block[:0]
			continue
		}
		p.work.step()
		for text := unsafe.String(unsafe.SliceData(block), end); text != ""; {
			var line string
			line, text, _ = strings.Cut(text, "\n")
			p.lineOf(line)
		}
		if last {
			break
		}
		block = block[:copy(block, block[end:])]
	}
	p.closeZones()
	return nil
}

// long reports a line that does not fit into a block, and skips the rest of it.
func (p *parser) long(in *bufio.Reader) error {
	p.line++
	p.reject("line longer than %d bytes", maxLine)
	for {
		if _, err := in.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// lineOf reads one line of the text.
func (p *parser) lineOf(line string) {
	p.line++
	switch line = strings.TrimRight(line, "\r\n"); {
	case line == "":
	case strings.IndexByte(line, 0) >= 0:
		p.reject("NUL byte")
	default:
		p.one(p.Format, line)
	}
}

// add emits a rule of the present line.
func (p *parser) add(r Rule) {
	if r.Action == None {
		r.Action = p.Kind
	}
	if r.Line == 0 {
		r.Line = p.line
	}
	if !r.Cancel {
		p.rules++
	}
	p.emit(r)
}

// reject reports the present line, or a part of it.
func (p *parser) reject(format string, args ...any) {
	p.skipped++
	p.skip(Skip{List: p.List, Line: p.line, Reason: fmt.Sprintf(format, args...)})
}

// name emits a rule about a written name, or says why it cannot.
func (p *parser) name(written string, shape Shape, action Action) {
	name, err := Normalize(written)
	switch {
	case (err != nil || endsInDigit(written)) && isAddress(written):
		p.reject("%s: an address, where names are expected", excerpt(written))
	case err != nil:
		p.reject("%s: %v", excerpt(written), err)
	case name == "":
		p.reject("the root: this would be every name")
	default:
		p.add(Rule{Action: action, Shape: shape, Name: name})
	}
}

// nameOrAddress emits a rule about either.
func (p *parser) nameOrAddress(written string, shape Shape) {
	if (endsInDigit(written) || strings.IndexByte(written, ':') >= 0) && isAddress(written) {
		p.network(Rule{}, written)
		return
	}
	p.name(written, shape, None)
}

// network emits a rule about a written address or network; r holds its modifiers.
func (p *parser) network(r Rule, written string) {
	network, ok := parseNetwork(written)
	action := r.Action
	if action == None {
		action = p.Kind
	}
	switch {
	case !ok:
		p.reject("%s: no address that an answer can hold", excerpt(written))
	case network.Bits() == 0:
		p.reject("%s: this would be every address", excerpt(written))
	case len(r.DenyAllow) > 0 || r.Rewrite != nil:
		p.reject("%s: a rule about addresses cannot have $denyallow or $dnsrewrite", excerpt(written))
	case action == Deny && !p.own && ofNoHost(network):
		p.reject("%s: no address of the internet; blocking it would hit the household's own", excerpt(written))
	default:
		r.Shape, r.Network = Address, network
		p.add(r)
	}
}

// endsInDigit says whether a name could be an IPv4 address; everything else that
// is one has characters that no name has.
func endsInDigit(name string) bool { return name != "" && name[len(name)-1] <= '9' }

// nameBytes are those that need no second look in a line that is only a name.
var nameBytes = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_." {
		t[c] = true
	}
	return t
}()

// onlyName says whether a line is a name and nothing else.
func onlyName(line string) bool {
	for i := 0; i < len(line); i++ {
		if !nameBytes[line[i]] {
			return false
		}
	}
	return line[0] != '.'
}

// plain is the shape of a name without anything around it.
func (p *parser) plain() Shape {
	if p.Match == MatchSubtree {
		return Subtree
	}
	return Exact
}

// excerpt shortens what a message quotes.
func excerpt(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

// cutComment removes what follows a mark that stands at the start or after a
// space.
func cutComment(line string, mark byte) string {
	for i := 0; i < len(line); i++ {
		if line[i] == mark && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
