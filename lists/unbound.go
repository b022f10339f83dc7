package lists

import (
	"maps"
	"slices"
	"strings"
)

// zones are the local-zones of type redirect: whether they block is known only
// when all local-data has been read. The line of each; 0 once it leads somewhere.
type zones map[string]uint32

// blockingZones are the types of local-zone that keep a name from being resolved
// (unbound.conf(5), "local-zone").
var blockingZones = map[string]bool{
	"deny": true, "refuse": true, "static": true,
	"always_deny": true, "always_refuse": true, "always_nxdomain": true, "always_nodata": true, "always_null": true,
	"inform_deny": true,
}

// unbound reads a line of unbound.conf: `local-zone: "x" type`, x and everything
// below; `local-data: "x A 0.0.0.0"`, x alone.
func (p *parser) unbound(line string) {
	line = strings.TrimSpace(cutComment(line, '#'))
	option, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case line == "", line == "server:":
	case option == "local-zone":
		p.localZone(line, value)
	case option == "local-data":
		p.localData(line, strings.Trim(value, `"'`))
	default:
		p.reject("%s: not a line that blocks", excerpt(line))
	}
}

func (p *parser) localZone(line, value string) {
	fields := strings.Fields(strings.NewReplacer(`"`, " ", `'`, " ").Replace(value))
	if len(fields) != 2 {
		p.reject("%s: a name and a type are expected", excerpt(line))
		return
	}
	switch kind := strings.ToLower(fields[1]); {
	case blockingZones[kind]:
		p.name(fields[0], Subtree, None)
	case kind == "redirect" || kind == "inform_redirect":
		name, err := Normalize(fields[0])
		if err != nil || name == "" {
			p.reject("%s: no name to block", excerpt(line))
			return
		}
		if p.zones == nil {
			p.zones = zones{}
		}
		if _, known := p.zones[name]; !known {
			p.zones[strings.Clone(name)] = p.line
		}
	default:
		p.reject("%s: a zone of type %s is no block", excerpt(line), excerpt(kind))
	}
}

func (p *parser) localData(line, record string) {
	fields := strings.Fields(record)
	if len(fields) < 3 {
		p.reject("%s: a record is expected", excerpt(line))
		return
	}
	name, err := Normalize(fields[0])
	if err != nil || name == "" {
		p.reject("%s: no name", excerpt(line))
		return
	}
	_, redirected := p.zones[name]
	ip, isIP := address(fields[len(fields)-1])
	switch {
	case !isIP || !isSink(ip):
		if redirected {
			p.zones[name] = 0
		}
		p.reject("%s: leads somewhere, so it is no block", excerpt(line))
	case !redirected: // a redirect zone says it already, and for more names
		p.add(Rule{Shape: Exact, Name: name})
	}
}

// closeZones emits the redirect zones that lead nowhere.
func (p *parser) closeZones() {
	for _, name := range slices.Sorted(maps.Keys(p.zones)) {
		if line := p.zones[name]; line > 0 {
			p.add(Rule{Shape: Subtree, Name: name, Line: line})
		}
	}
}
