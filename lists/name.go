package lists

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxWire is the longest name a DNS message can carry, in bytes on the wire
// (RFC 1035, section 3.1); maxLabel the longest label.
const (
	maxWire  = 255
	maxLabel = 63
)

// MaxName is the longest normalised name in bytes: every byte of a 255-byte
// wire name written as a four-byte escape.
const MaxName = 4 * maxWire

// Errors that Normalize wraps; their texts are the reasons shown for a skipped line.
var (
	ErrEmpty     = errors.New("empty name")
	ErrLabel     = errors.New("empty label")
	ErrLongLabel = errors.New("label longer than 63 bytes")
	ErrLongName  = errors.New("name longer than 255 bytes")
	ErrCharacter = errors.New("character that cannot be in a host name")
)

// lower maps a byte of a label to itself in lower case, and to 0 when it has to
// be escaped: control bytes, space, everything above ASCII, '.' (so that a raw
// dot is always a label boundary) and '\\'.
var lower = func() (t [256]byte) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) + 'a' - 'A'
	}
	t['.'], t['\\'] = 0, 0
	return t
}()

// AppendLabel appends one label as it stands on the wire (without its length
// byte) to dst in normalised form: lower case, with bytes that are no part of an
// ordinary host name written as \DDD (RFC 1035, section 5.1). It puts no dot
// after it. It allocates only to grow dst.
func AppendLabel(dst, label []byte) []byte {
	for _, c := range label {
		if l := lower[c]; l != 0 {
			dst = append(dst, l)
		} else {
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return dst
}

// lookup turns Unicode labels into A-labels (RFC 5891, section 5; mapping of
// UTS 46). It does not insist on letters, digits and hyphens, since underscores
// are common in DNS.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(false), idna.BidiRule())

// Normalize returns the one spelling under which a written name is stored and
// matched: lower case, internationalised labels as A-labels, no trailing dot.
// The root is "". Names of a packet take the same form label by label through
// AppendLabel. Only characters of host names are accepted, plus underscores;
// the errors say which rule a name broke. It is safe for concurrent use.
func Normalize(name string) (string, error) {
	if name == "" {
		return "", ErrEmpty
	}
	if name == "." {
		return "", nil
	}
	ascii := true
	clean := true // already in normalised form
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		case c >= 'A' && c <= 'Z':
			clean = false
		case c >= 0x80:
			ascii = false
		default:
			return "", fmt.Errorf("%w: %q", ErrCharacter, c)
		}
	}
	name = strings.TrimSuffix(name, ".")
	if !ascii {
		if !utf8.ValidString(name) {
			return "", fmt.Errorf("%w: %q", ErrCharacter, name)
		}
		a, err := lookup.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("no valid internationalised name: %w", err)
		}
		// The mapping can produce separators and symbols of its own
		// (full-width forms, the ideographic full stop).
		if a == name || a == "" {
			return "", fmt.Errorf("%w: %q", ErrCharacter, name)
		}
		return Normalize(a)
	}
	if !clean {
		name = strings.ToLower(name)
	}
	if len(name)+2 > maxWire {
		return "", ErrLongName
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			continue
		}
		switch n := i - start; {
		case n == 0:
			return "", ErrLabel
		case n > maxLabel:
			return "", ErrLongLabel
		}
		start = i + 1
	}
	return name, nil
}
