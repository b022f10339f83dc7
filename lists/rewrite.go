package lists

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rewriting is what $dnsrewrite makes of an answer (AdGuard, "DNS filtering rules
// syntax"): a response code without records, another name, or one address.
type Rewriting struct {
	Rcode   uint8      // RFC 1035, section 4.1.1
	Name    string     // CNAME: normalised
	Address netip.Addr // A or AAAA
	All     bool       // of an exception: it undoes every rewriting
}

// Codes of RFC 1035, section 4.1.1, that a rule can answer with.
var rcodes = map[string]uint8{"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}

// Empty says whether the answer has no record.
func (r *Rewriting) Empty() bool { return r.Name == "" && !r.Address.IsValid() }

// Blocks says whether the answer keeps a client from getting anywhere.
func (r *Rewriting) Blocks() bool {
	return r.Name == "" && (!r.Address.IsValid() || r.Address.IsUnspecified())
}

// String writes it as it is written in a rule, in the long form.
func (r *Rewriting) String() string {
	switch {
	case r.All:
		return ""
	case r.Name != "":
		return "NOERROR;CNAME;" + r.Name
	case r.Address.Is4():
		return "NOERROR;A;" + r.Address.String()
	case r.Address.IsValid():
		return "NOERROR;AAAA;" + r.Address.String()
	}
	for name, code := range rcodes {
		if code == r.Rcode {
			return name + ";;"
		}
	}
	return ""
}

// parseRewriting reads the value of $dnsrewrite, in the short form (an address, a
// name, or a response code in capitals) or the long one (RCODE;TYPE;VALUE).
func parseRewriting(value string) (*Rewriting, error) {
	parts := strings.Split(value, ";")
	switch len(parts) {
	case 1:
		return shortRewriting(value)
	case 3:
		return longRewriting(parts[0], parts[1], parts[2])
	}
	return nil, errors.New("$dnsrewrite is written as an address, a name, a response code, or RCODE;TYPE;VALUE")
}

func shortRewriting(value string) (*Rewriting, error) {
	if value == "" {
		return &Rewriting{All: true}, nil
	}
	if code, ok := rcodes[value]; ok {
		return &Rewriting{Rcode: code}, nil
	}
	if ip, err := netip.ParseAddr(value); err == nil {
		return rewritingTo(ip)
	}
	if _, known := rcodes[strings.ToUpper(value)]; known || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return nil, noCode(value) // it was not meant as a name
	}
	return rewritingName(value)
}

func longRewriting(rcode, kind, value string) (*Rewriting, error) {
	code, ok := rcodes[rcode]
	switch {
	case !ok:
		return nil, noCode(rcode)
	case kind == "" && value == "", code != 0:
		return &Rewriting{Rcode: code}, nil
	}
	switch kind = strings.ToUpper(kind); kind {
	case "A", "AAAA":
		ip, err := netip.ParseAddr(value)
		if err != nil || ip.Is4() != (kind == "A") || ip.Is4In6() {
			return nil, fmt.Errorf("$dnsrewrite: %q is no address for %s", excerpt(value), kind)
		}
		return rewritingTo(ip)
	case "CNAME":
		return rewritingName(value)
	}
	return nil, fmt.Errorf("$dnsrewrite: records of type %s cannot be made; A, AAAA, CNAME and response codes can", excerpt(kind))
}

func noCode(value string) error {
	return fmt.Errorf("$dnsrewrite: %q is no response code; they are written in capitals", excerpt(value))
}

func rewritingTo(ip netip.Addr) (*Rewriting, error) {
	if ip.Zone() != "" {
		return nil, fmt.Errorf("$dnsrewrite: %q has a zone, which no answer can carry", ip)
	}
	return &Rewriting{Address: ip.Unmap()}, nil
}

func rewritingName(value string) (*Rewriting, error) {
	name, err := Normalize(value)
	if err != nil || name == "" {
		return nil, fmt.Errorf("$dnsrewrite: %q is neither an address, a name nor a response code", excerpt(value))
	}
	return &Rewriting{Name: strings.Clone(name)}, nil
}

// undoes says whether an exception takes r back.
func (exception *Rewriting) undoes(r *Rewriting) bool { return exception.All || *exception == *r }

// rewritten is the verdict where a rewriting may decide, of the candidates that
// stand, the strongest first. Of the rewritings on the highest level, a response
// code comes before another name, and a name before addresses, which are all given
// (AdGuard, "DNS filtering rules syntax", dnsrewrite).
func (s *Set) rewritten(standing []candidate) Verdict {
	if len(standing) == 0 {
		return Verdict{}
	}
	first := &standing[0]
	if first.action != Rewrite {
		return s.verdict(first)
	}
	var equals []candidate
	for _, c := range standing {
		if c.strength == first.strength {
			equals = append(equals, c)
		}
	}
	for _, kind := range []func(*Rewriting) bool{(*Rewriting).Empty, func(r *Rewriting) bool { return r.Name != "" }} {
		if at := slices.IndexFunc(equals, func(c candidate) bool { return kind(s.rewriting(&c)) }); at >= 0 {
			return s.told(&equals[at])
		}
	}
	v := s.told(first)
	for _, c := range equals[1:] { // a record is not given twice (RFC 2181, section 5)
		more := s.rewriting(&c)
		if !slices.ContainsFunc(*v.rewrites, func(r *Rewriting) bool { return *r == *more }) {
			*v.rewrites = append(*v.rewrites, more)
		}
	}
	return v
}

// standing leaves out the rewritings that exceptions of the same or a higher level
// undo, and those exceptions.
func (s *Set) standing(all []candidate) []candidate {
	return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
		return c.undoing() || c.action == Rewrite && slices.ContainsFunc(all, func(e candidate) bool { return s.undoes(&e, &c) })
	})
}

// undoes says whether e is an exception that takes back what c does.
func (s *Set) undoes(e, c *candidate) bool {
	return e.undoing() && e.level() >= c.level() && s.rewriting(e).undoes(s.rewriting(c))
}
