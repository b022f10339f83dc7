package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// localTTL is how long a client may keep what [local] says; short, since the
// answer is close by and changes with a reload.
const localTTL = time.Minute

// LocalNames are the names of [local], and which zones stay here.
type LocalNames struct {
	names     map[string]localName // exact, and "*.x" without its "*." in wildcards
	wildcards map[string]localName
	pointers  map[string]string // reverse name -> name
	zones     map[string]zone
	tails     tails
}

// tails is a set of the last labels of all that is answered here, by a hash: a name
// whose last label is not in it needs no closer look. Few other labels are in it.
type tails [16]uint64

// place is where a label's bit is.
func (*tails) place(label []byte) (word, bit int) {
	if len(label) == 0 {
		return 0, 0
	}
	n := 31*int(label[0]) + 7*int(label[len(label)-1]) + 131*len(label)
	return n / 64 % len(tails{}), n % 64
}

func (t *tails) add(label string) {
	word, bit := t.place([]byte(label))
	t[word] |= 1 << bit
}

func (t *tails) has(label []byte) bool {
	word, bit := t.place(label)
	return t[word]>>bit&1 != 0
}

type localName struct {
	v4, v6 []netip.Addr
	alias  string // CNAME; "" for addresses
}

// NewLocal reads the entries of [local] (a name, or "*.name", to addresses or
// one other name) and the suffixes of [upstream.routes], true meaning that the
// suffix has servers. The error names the faulty entry.
func NewLocal(entries map[string][]string, routes map[string]bool) (*LocalNames, error) {
	l := &LocalNames{
		names:     map[string]localName{},
		wildcards: map[string]localName{},
		pointers:  map[string]string{"1.0.0.127.in-addr.arpa": "localhost", reverse(netip.IPv6Loopback()): "localhost"},
		zones:     specialZones(),
	}
	for suffix, served := range routes {
		name, err := lists.Normalize(suffix)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", suffix, err)
		}
		l.zones[name] = zoneEmpty
		if served {
			l.zones[name] = zoneRouted
		}
	}
	for written, values := range entries {
		if err := l.add(written, values); err != nil {
			return nil, fmt.Errorf("%q: %w", written, err)
		}
	}
	for name := range l.zones {
		l.tails.add(lastLabel(name))
	}
	for _, entries := range []map[string]localName{l.names, l.wildcards} {
		for name := range entries {
			l.tails.add(lastLabel(name))
		}
	}
	return l, nil
}

func (l *LocalNames) add(written string, values []string) error {
	rest, wild := strings.CutPrefix(written, "*.")
	name, err := lists.Normalize(rest)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("no value: write an address, or one other name")
	}
	var n localName
	for _, v := range values {
		if ip, err := netip.ParseAddr(v); err == nil {
			ip = ip.Unmap().WithZone("")
			if ip.Is4() {
				n.v4 = append(n.v4, ip)
			} else {
				n.v6 = append(n.v6, ip)
			}
			if r := reverse(ip); !wild && (l.pointers[r] == "" || name < l.pointers[r]) {
				l.pointers[r] = name
			}
			continue
		}
		// A name that ends in digits is an address with a mistake in it.
		if n.alias, err = lists.Normalize(v); err != nil || strings.Trim(lastLabel(n.alias), "0123456789") == "" {
			return fmt.Errorf("%q is neither an address nor a name", v)
		}
	}
	if n.alias != "" && len(values) > 1 {
		return fmt.Errorf("a name has either addresses or one other name")
	}
	if wild {
		l.wildcards[name] = n
	} else {
		l.names[name] = n
	}
	return nil
}

// lookup finds the entry for a normalised name; the nearest wildcard above it
// when it has none of its own.
func (l *LocalNames) lookup(name []byte) (localName, bool) {
	if n, ok := l.names[string(name)]; ok {
		return n, true
	}
	return above(l.wildcards, parent(name))
}

// each calls f with every name that has addresses, also those that lead to one
// that has; not with wildcards. Names come in order.
func (l *LocalNames) each(f func(name string, addresses []netip.Addr)) {
	for _, name := range slices.Sorted(maps.Keys(l.names)) {
		n := l.names[name]
		for range maxAliases {
			if n.alias == "" {
				break
			}
			n = l.names[n.alias]
		}
		f(name, slices.Concat(n.v4, n.v6))
	}
}

// zoneOf returns the longest zone that name lies in and how many labels of name
// stand above it.
func (l *LocalNames) zoneOf(name []byte) (zone, uint8, bool) {
	labels := uint8(0)
	for rest := name; len(rest) > 0; rest = parent(rest) {
		if z, ok := l.zones[string(rest)]; ok {
			return z, labels, true
		}
		labels++
	}
	return 0, 0, false
}

// Owns says, for a normalised name, whether deadpixel itself answers for it
// whatever the lists say, and why; "" when it does not.
func (l *LocalNames) Owns(name string) (why string) {
	if _, ok := l.lookup([]byte(name)); ok {
		return "[local] answers for it"
	}
	if z, _, ok := l.zoneOf([]byte(name)); ok && z != zoneRouted {
		return "a name of this house or of a standard: it is answered here and never leaves"
	}
	if name != "" && !strings.Contains(name, ".") {
		return "a name of one label: its addresses are never asked outside"
	}
	return ""
}

// above is what m has for the longest suffix of name, which may be name itself.
func above[V any](m map[string]V, name []byte) (v V, ok bool) {
	if len(m) == 0 {
		return v, false
	}
	for rest := name; len(rest) > 0; rest = parent(rest) {
		if v, ok = m[string(rest)]; ok {
			break
		}
	}
	return v, ok
}

// parent is name without its first label, nil for the last one.
func parent(name []byte) []byte {
	for i, c := range name {
		if c == '.' {
			return name[i+1:]
		}
	}
	return nil
}

func lastLabel(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// reverse is the name of ip's PTR record (RFC 1035, section 3.5; RFC 3596, section 2.5).
func reverse(ip netip.Addr) string {
	name, _ := dns.ReverseAddr(ip.String()) // fails only for what is no address
	return strings.TrimSuffix(name, ".")
}

type local struct {
	*LocalNames
	next   Handler
	beyond Handler // past blocking: [local] is stronger than every list
}

// Resolve answers the names that belong to this house or to nobody, and hands on
// the rest.
func (s *local) Resolve(ctx context.Context, q *Query, a *Answer) error {
	tail := q.Name[bytes.LastIndexByte(q.Name, '.')+1:]
	single := len(tail) == len(q.Name)
	if s.tails.has(tail) {
		if n, ok := s.lookup(q.Name); ok {
			return s.answer(ctx, q, a, n)
		}
		if q.Type == dns.TypePTR {
			if name, ok := s.pointers[string(q.Name)]; ok {
				s.answerPTR(q, a, name)
				return nil
			}
		}
		if z, labels, ok := s.zoneOf(q.Name); ok {
			if z == zoneRouted || z == zoneDelegated && labels == 0 && q.Type == dns.TypeDS {
				return s.next.Resolve(ctx, q, a)
			}
			answerZone(q, a, z, labels)
			return nil
		}
	}
	if single && len(q.Name) > 0 && (q.Type == dns.TypeA || q.Type == dns.TypeAAAA || q.Type == dns.TypeHTTPS) {
		a.Begin(q, dns.RcodeNameError, Local)
		a.soa(q, 0, localTTL)
		return nil
	}
	return s.next.Resolve(ctx, q, a)
}

// answer makes the answer for an entry of [local].
func (s *local) answer(ctx context.Context, q *Query, a *Answer, n localName) error {
	if n.alias != "" && q.Type != dns.TypeCNAME && q.Type != dns.TypeANY {
		return s.answerAlias(ctx, q, a, n.alias)
	}
	a.Begin(q, dns.RcodeSuccess, Local)
	before := len(a.Wire)
	switch q.Type {
	case dns.TypeCNAME:
		if n.alias != "" {
			a.record(AnswerSection, questionName, dns.TypeCNAME, localTTL, appendName(nil, n.alias)...)
		}
	case dns.TypeA:
		for _, ip := range n.v4 {
			a.record(AnswerSection, questionName, dns.TypeA, localTTL, ip.AsSlice()...)
		}
	case dns.TypeAAAA:
		for _, ip := range n.v6 {
			a.record(AnswerSection, questionName, dns.TypeAAAA, localTTL, ip.AsSlice()...)
		}
	case dns.TypeANY:
		a.hinfo()
	}
	if len(a.Wire) == before {
		a.soa(q, 0, localTTL)
	}
	return nil
}

func (s *local) answerPTR(q *Query, a *Answer, name string) {
	a.Begin(q, dns.RcodeSuccess, Local)
	a.record(AnswerSection, questionName, dns.TypePTR, localTTL, appendName(nil, name)...)
}

// maxAliases is how many names of [local] may point to one another in a row.
const maxAliases = 8

// answerAlias follows a CNAME of [local]: inside [local], or by asking on.
func (s *local) answerAlias(ctx context.Context, q *Query, a *Answer, target string) error {
	reply := new(dns.Msg)
	owner := string(q.Name)
	for range maxAliases {
		reply.Answer = append(reply.Answer, cname(owner, target, localTTL))
		n, ok := s.lookup([]byte(target))
		if ok && n.alias != "" {
			owner, target = target, n.alias
			continue
		}
		next := s.beyond
		if ok {
			next = HandlerFunc(func(ctx context.Context, q *Query, a *Answer) error { return s.answer(ctx, q, a, n) })
		}
		return a.follow(ctx, q, reply, target, next)
	}
	return errCircle
}

// errCircle and what follow says name nobody's question: errors reach the log.
var errCircle = errors.New("the names of [local] point to one another in a circle")

// cname is a record that leads from one normalised name to another.
func cname(owner, target string, ttl time.Duration) *dns.CNAME {
	return &dns.CNAME{
		Hdr:    dns.RR_Header{Name: dns.Fqdn(owner), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: seconds(ttl)},
		Target: dns.Fqdn(target),
	}
}

// follow makes a of reply, which ends in a CNAME to target, and of what next has
// for target.
func (a *Answer) follow(ctx context.Context, q *Query, reply *dns.Msg, target string, next Handler) error {
	tail := new(Answer)
	if err := next.Resolve(ctx, q.retarget(target), tail); err != nil {
		return err
	}
	found := new(dns.Msg)
	if err := found.Unpack(tail.Wire); err != nil {
		return fmt.Errorf("following what [local] or a rule answers instead: %w", err)
	}
	reply.Rcode, reply.Ns = found.Rcode, found.Ns
	reply.Answer = append(reply.Answer, found.Answer...)
	a.EDE = tail.EDE
	if err := a.pack(q, reply); err != nil {
		return err
	}
	if tail.Outcome == Failed {
		a.Outcome = Failed
	}
	return nil
}

// pack puts the sections of m behind q's header and question.
func (a *Answer) pack(q *Query, m *dns.Msg) error {
	ede := a.EDE
	a.Begin(q, m.Rcode, Local)
	a.EDE = ede
	head := append([]byte(nil), a.Wire...)
	var qm dns.Msg
	if err := qm.Unpack(head); err != nil {
		return err
	}
	m.Question, m.Compress = qm.Question, true
	wire, err := m.Pack()
	if err != nil {
		return err
	}
	a.Wire = append(a.Wire[:0], wire...)
	copy(a.Wire, head[:4])
	copy(a.Wire[HeaderSize:], q.Question)
	return nil
}

// retarget is q's question put for another name.
func (q *Query) retarget(name string) *Query {
	packet := append([]byte(nil), q.Packet[:HeaderSize]...)
	packet[5], packet[7], packet[9], packet[11] = 1, 0, 0, 0
	packet = appendName(packet, name)
	packet = append(packet, byte(q.Type>>8), byte(q.Type), byte(q.Class>>8), byte(q.Class))
	sub := new(Query)
	sub.Parse(packet)
	sub.EDNS, sub.Transport, sub.Start = q.EDNS, q.Transport, q.Start
	sub.Client, sub.MAC, sub.Identity, sub.Who = q.Client, q.MAC, q.Identity, q.Who
	sub.MayWait, sub.Admitted = q.MayWait, q.Admitted
	sub.policy, sub.who = q.policy, q.who
	return sub
}

// appendName appends a normalised name of host characters in wire form.
func appendName(dst []byte, name string) []byte {
	for label := range strings.SplitSeq(name, ".") {
		if label != "" {
			dst = append(dst, byte(len(label)))
			dst = append(dst, label...)
		}
	}
	return append(dst, 0)
}

// hinfo appends the answer to ANY (RFC 8482, section 4.2).
func (a *Answer) hinfo() {
	a.record(AnswerSection, questionName, dns.TypeHINFO, time.Hour, append([]byte{7}, "RFC8482\x00"...)...)
}
