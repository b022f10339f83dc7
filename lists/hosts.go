package lists

import "strings"

// ownNames are the names of a machine itself that hosts files carry; blocking
// them would break the machine that reads the list as its own.
var ownNames = map[string]bool{
	"localhost": true, "localhost.localdomain": true, "local": true, "broadcasthost": true,
	"localhost4": true, "localhost4.localdomain4": true, "localhost6": true, "localhost6.localdomain6": true,
	"ip6-localhost": true, "ip6-loopback": true, "ip6-localnet": true, "ip6-mcastprefix": true,
	"ip6-allnodes": true, "ip6-allrouters": true, "ip6-allhosts": true, "loopback": true,
}

// hosts reads a line of hosts(5): every name on it, exactly.
func (p *parser) hosts(line string) {
	if sink, name, ok := strings.Cut(line, " "); ok && (sink == "0.0.0.0" || sink == "127.0.0.1") && name != "" && onlyName(name) { // nearly every line
		p.hostName(name)
		return
	}
	fields := strings.Fields(cutComment(line, '#'))
	if len(fields) == 0 || fields[0][0] == '!' {
		return
	}
	if len(fields) == 1 || !isAddress(fields[0]) {
		p.hostsName(line, fields)
		return
	}
	if ip, _ := address(fields[0]); !isSink(ip) {
		p.reject("%s is a real address, so this is no block", fields[0])
		return
	}
	for _, name := range fields[1:] {
		if i := strings.IndexByte(name, '#'); i >= 0 { // a comment without space before it
			if name[:i] != "" {
				p.hostName(name[:i])
			}
			return
		}
		p.hostName(name)
	}
}

// hostsName reads a line of a hosts file that has no address: plain names occur.
func (p *parser) hostsName(line string, fields []string) {
	if len(fields) == 1 && !isAddress(fields[0]) {
		p.domains(line)
		return
	}
	p.reject("%s: an address and names are expected", excerpt(line))
}

// hostName emits one name of a hosts line.
func (p *parser) hostName(name string) {
	switch lower := strings.ToLower(strings.TrimSuffix(name, ".")); {
	case ownNames[lower] || lower == p.machine:
		p.reject("%s: a name of the machine itself is never blocked", excerpt(name))
	default:
		p.name(name, p.plain(), None)
	}
}
