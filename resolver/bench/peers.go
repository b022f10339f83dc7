//go:build linux

package main

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Every peer is told the same: so many threads, all of the list with what is
// below, the rest to one upstream, a cache that holds everything asked for, no
// log of queries, no validation, and nothing that asks the Internet.

// kinds are the servers in the order of the table.
func kinds(deadpixelPath string) ([]*kind, error) {
	single, err := own("floor", modeFloor)
	if err != nil {
		return nil, err
	}
	batched, err := own("floor-batch", modeFloorBatch)
	if err != nil {
		return nil, err
	}
	all := []*kind{single, batched, deadpixel(deadpixelPath), unbound(), dnsmasq(), recursor(), dnsdist(), knot()}
	for _, k := range all[3:] {
		k.path = find(k.path)
	}
	return all, nil
}

// hup is how most are told to read again.
func hup(_ *site, p *process) error {
	p.signal(syscall.SIGHUP)
	return nil
}

func deadpixel(path string) *kind {
	return &kind{name: "deadpixel", path: path, version: []string{"version"}, blocks: true, reload: hup,
		configure: func(s *site) ([]string, error) {
			file, err := s.configFile("config.toml", fmt.Sprintf(`[log]
level = "warn"
[dns]
listen = [%q]
[upstream]
servers = [%q]
[[lists]]
name = "bench"
source = %q
format = "domains"
match = "subtree"
[cache]
size = "128MB"
[web]
listen = ""
`, s.address, s.upstream, s.listFile()))
			return []string{s.path, "--config", file, "--data", s.file("data")}, err
		}}
}

func unbound() *kind {
	return &kind{name: "unbound", path: "unbound", version: []string{"-V"}, blocks: true, reload: hup,
		list: func(w io.Writer, domains []string) {
			io.WriteString(w, "server:\n")
			each("local-zone: \"%s\" always_nxdomain\n")(w, domains)
		},
		configure: func(s *site) ([]string, error) {
			file, err := s.configFile("unbound.conf", fmt.Sprintf(`server:
  interface: 127.0.0.1@%d
  num-threads: %d
  so-reuseport: yes
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  verbosity: 1
  module-config: "iterator"
  do-not-query-localhost: no
  msg-cache-size: 64m
  rrset-cache-size: 128m
  msg-cache-slabs: 4
  rrset-cache-slabs: 4
  outgoing-range: 4096
  num-queries-per-thread: 2048
  include: %q
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@%d
`, s.address.Port(), s.threads, s.dir, s.listFile(), s.upstream.Port()))
			return []string{s.path, "-d", "-p", "-c", file}, err
		}}
}

// dnsmasq reads its servers file again when told to, and no other; "server"
// without an address is its word for a domain that is not forwarded.
func dnsmasq() *kind {
	return &kind{name: "dnsmasq", path: "dnsmasq", version: []string{"--version"}, blocks: true, reload: hup,
		list: each("server=/%s/\n"),
		configure: func(s *site) ([]string, error) {
			file, err := s.configFile("dnsmasq.conf", fmt.Sprintf(`port=%d
listen-address=127.0.0.1
bind-interfaces
user=
no-resolv
no-hosts
pid-file=
log-facility=-
server=127.0.0.1#%d
servers-file=%s
cache-size=50000
dns-forward-max=4096
`, s.address.Port(), s.upstream.Port(), s.listFile()))
			return []string{s.path, "--keep-in-foreground", "--conf-file=" + file}, err
		}}
}

func recursor() *kind {
	return &kind{name: "pdns-recursor", path: "pdns_recursor", version: []string{"--version"}, blocks: true,
		list: rpz,
		reload: func(s *site, _ *process) error {
			out, err := exec.Command(find("rec_control"), "--config-dir="+s.dir, "--socket-dir="+s.dir,
				"--timeout=180", "reload-lua-config").CombinedOutput()
			if err != nil {
				return fmt.Errorf("rec_control: %w: %s", err, out)
			}
			return nil
		},
		configure: func(s *site) ([]string, error) {
			lua, err := s.configFile("policy.lua", fmt.Sprintf("rpzFile(%q, {defpol=Policy.NXDOMAIN})\n", s.listFile()))
			if err != nil {
				return nil, err
			}
			_, err = s.configFile("recursor.conf", fmt.Sprintf(`local-address=%s
threads=%d
daemon=no
socket-dir=%s
lua-config-file=%s
forward-zones-recurse=.=%s
dont-query=
dnssec=off
security-poll-suffix=
quiet=yes
loglevel=4
`, s.address, s.threads, s.dir, lua, s.upstream))
			return []string{s.path, "--config-dir=" + s.dir}, err
		}}
}

// rpz is a response policy zone: each domain, and what is below it.
func rpz(w io.Writer, domains []string) {
	io.WriteString(w, "$TTL 60\n@ SOA localhost. root.localhost. 1 3600 600 86400 60\n@ NS localhost.\n")
	for _, d := range domains {
		fmt.Fprintf(w, "%s CNAME .\n*.%s CNAME .\n", d, d)
	}
}

// dnsdist does not resolve, and is a peer only for its own work: rules and the
// cache of packets.
func dnsdist() *kind {
	return &kind{name: "dnsdist", path: "dnsdist", version: []string{"--version"}, blocks: true,
		configure: func(s *site) ([]string, error) {
			file, err := s.configFile("dnsdist.conf", fmt.Sprintf(`setSecurityPollSuffix("")
for _ = 1, %d do addLocal(%q, {reusePort=true}) end
newServer({address=%q, sockets=2, checkInterval=1})
getPool(""):setCache(newPacketCache(200000))
local blocked = newSuffixMatchNode()
for line in io.lines(%q) do blocked:add(newDNSName(line)) end
addAction(SuffixMatchNodeRule(blocked, true), RCodeAction(DNSRCode.NXDOMAIN))
`, s.threads, s.address, s.upstream, s.listFile()))
			return []string{s.path, "--supervised", "--disable-syslog", "-C", file}, err
		}}
}

// knot runs as one process: its way to a second is a second process, whose
// processor time would have to be added. It watches its list by itself.
func knot() *kind {
	return &kind{name: "knot-resolver", path: "kresd", version: []string{"--version"}, blocks: true,
		list: rpz, reload: func(*site, *process) error { return nil },
		configure: func(s *site) ([]string, error) {
			file, err := s.configFile("kresd.conf", fmt.Sprintf(`net.listen('127.0.0.1', %d, {kind='dns'})
trust_anchors.remove('.')
for _, m in ipairs({'priming', 'detect_time_skew', 'ta_update', 'ta_signal_query'}) do modules.unload(m) end
cache.open(256 * MB, 'lmdb://%s')
policy.add(policy.rpz(policy.DENY, %q, true))
policy.add(policy.all(policy.STUB({'127.0.0.1@%d'})))
`, s.address.Port(), s.file("cache"), s.listFile(), s.upstream.Port()))
			return []string{s.path, "-n", "-c", file, s.dir}, err
		}}
}

// another makes a kind of "name=command with {port} {upstream} {list} {dir} {hosts}".
// 0.0.0.0 is right for a blocked name: some programs have no other way.
func another(text string) (*kind, error) {
	name, command, _ := strings.Cut(text, "=")
	words := strings.Fields(command)
	if name == "" || len(words) == 0 || strings.ContainsAny(name, "/|") {
		return nil, fmt.Errorf("--peer %q: want 'name=command with {port} {upstream} {list} {dir} {hosts}'", text)
	}
	withHosts := strings.Contains(command, "{hosts}")
	return &kind{name: name, path: find(words[0]), blocks: true, standard: standard{zero: true},
		list: func(w io.Writer, domains []string) {
			if withHosts {
				each("0.0.0.0 %s\n")(w, domains)
			} else {
				each("%s\n")(w, domains)
			}
		},
		configure: func(s *site) ([]string, error) {
			fill := strings.NewReplacer("{port}", strconv.Itoa(int(s.address.Port())), "{upstream}", s.upstream.String(),
				"{list}", s.listFile(), "{hosts}", s.listFile(), "{dir}", s.dir)
			argv := []string{s.path}
			for _, word := range words[1:] {
				argv = append(argv, fill.Replace(word))
			}
			return argv, nil
		}}, nil
}
