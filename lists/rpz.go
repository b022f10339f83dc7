package lists

import (
	"slices"
	"strings"
)

// zoneFile is what a line of a zone file inherits from those before it (RFC
// 1035, section 5.1).
type zoneFile struct {
	origin string // normalised; "" when unknown
	owner  []byte
	inside bool // a record in parentheses
}

// rpz reads a line of a response policy zone (draft-vixie-dnsop-dns-rpz-00,
// section 4): `x CNAME .` is x alone, `*.x CNAME .` everything below x.
func (p *parser) rpz(line string) {
	line = cutQuoted(line)
	if p.zone.inside {
		p.zone.inside = !strings.Contains(line, ")")
		return
	}
	if strings.Contains(line, "(") && !strings.Contains(line, ")") {
		p.zone.inside = true
	}
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return
	}
	switch strings.ToUpper(fields[0]) {
	case "$TTL":
		return
	case "$ORIGIN":
		if len(fields) == 2 {
			p.zone.setOrigin(fields[1])
		}
		return
	}
	if line[0] == ' ' || line[0] == '\t' {
		fields = append([]string{string(p.zone.owner)}, fields...)
	}
	p.zone.owner = append(p.zone.owner[:0], fields[0]...)
	kind, data := record(fields[1:])
	switch kind {
	case "SOA":
		if p.zone.origin == "" && strings.HasSuffix(fields[0], ".") {
			p.zone.setOrigin(fields[0])
		}
	case "NS":
	case "CNAME", "A", "AAAA":
		p.policy(fields[0], kind, data)
	default:
		p.reject("%s: not a line that blocks", excerpt(line))
	}
}

// setOrigin keeps a copy, since lines do not last.
func (z *zoneFile) setOrigin(name string) {
	normal, _ := Normalize(name)
	z.origin = strings.Clone(normal)
}

// record finds type and data behind TTL and class.
func record(fields []string) (kind, data string) {
	for i, f := range fields {
		switch f = strings.ToUpper(f); {
		case f == "IN" || f[0] >= '0' && f[0] <= '9':
		case i+1 < len(fields):
			return f, fields[i+1]
		default:
			return f, ""
		}
	}
	return "", ""
}

// policy reads one trigger and its action.
func (p *parser) policy(owner, kind, data string) {
	action := None
	switch ip, isIP := address(data); {
	case kind != "CNAME" && isIP && isSink(ip):
	case kind != "CNAME":
		p.reject("%s: leads to an address, so it is no block", excerpt(owner))
		return
	case data == "." || data == "*." || strings.EqualFold(data, "rpz-drop."):
	case strings.EqualFold(data, "rpz-passthru."):
		action = Allow
	default:
		p.reject("%s: %s is no block", excerpt(owner), excerpt(data))
		return
	}
	lower := strings.ToLower(strings.TrimSuffix(owner, "."))
	if strings.HasSuffix(owner, ".") && p.zone.origin != "" {
		lower = strings.TrimSuffix(lower, "."+p.zone.origin)
	}
	switch {
	case lower == "@" || lower == p.zone.origin && lower != "":
		p.reject("%s: the zone itself is no trigger", excerpt(owner))
	case strings.HasSuffix(lower, ".rpz-ip"):
		network, ok := triggerNetwork(strings.TrimSuffix(lower, ".rpz-ip"))
		if !ok {
			p.reject("%s: no network, written like 24.0.2.0.192.rpz-ip", excerpt(owner))
			return
		}
		p.network(Rule{Action: action}, network)
	case strings.HasSuffix(lower, ".rpz-client-ip"), strings.HasSuffix(lower, ".rpz-nsip"), strings.HasSuffix(lower, ".rpz-nsdname"):
		p.reject("%s: a trigger that is about neither names nor addresses of answers", excerpt(owner))
	case strings.HasPrefix(lower, "*."):
		p.name(lower[2:], Below, action)
	default:
		p.name(lower, p.plain(), action)
	}
}

// triggerNetwork is the usual spelling of an rpz-ip trigger: the length, then the
// address from its end, with "zz" for "::" (draft-vixie-dnsop-dns-rpz-00, section
// 4.1.1).
func triggerNetwork(trigger string) (network string, ok bool) {
	labels := strings.Split(trigger, ".")
	bits := labels[0]
	labels = labels[1:]
	slices.Reverse(labels)
	address := strings.Join(labels, ".")
	if len(labels) != 4 || slices.Contains(labels, "zz") {
		address = strings.Replace(strings.Join(labels, ":"), "zz", "", 1)
		if len(labels) > 0 && labels[0] == "zz" {
			address = ":" + address
		}
		if len(labels) > 0 && labels[len(labels)-1] == "zz" {
			address += ":"
		}
	}
	network = address + "/" + bits
	_, ok = parseNetwork(network)
	return network, ok
}

// cutQuoted removes a comment of a zone file, which may begin anywhere outside
// of quotes.
func cutQuoted(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case line[i] == ';' && !quoted:
			return line[:i]
		}
	}
	return line
}
