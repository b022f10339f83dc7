package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// houseVariable names to a test that runs inside of a house its network namespaces,
// with a space between them.
const houseVariable = "DEADPIXEL_TEST_HOUSE"

// The devices of a house, by their network cards: one is behind the router, the
// other is the same device on the network that deadpixel is on.
const (
	cardBehind = "02:00:00:00:00:40"
	cardBeside = "02:00:00:00:00:41"
)

// house is a network with deadpixel, a router that forwards to it, and a device on
// either side. The test runs in deadpixel's namespace.
type house struct {
	t              *testing.T
	router, device string // namespaces
}

// inHouse runs the calling test once more inside of a house, and returns that house
// there; outside it returns nil, when the test is over.
func inHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t}
	if inside := os.Getenv(houseVariable); inside != "" {
		h.router, h.device, _ = strings.Cut(inside, " ")
		h.ip("link set lo up")
		return h
	}
	external(t, "ip")
	if os.Geteuid() != 0 {
		t.Skip("needs root, to use the program ip")
	}
	var names []string
	for _, role := range []string{"deadpixel", "router", "device"} {
		name := fmt.Sprintf("%s-%d", role, os.Getpid())
		if out, err := exec.Command(external(t, "ip"), "netns", "add", name).CombinedOutput(); err != nil {
			t.Skipf("needs the program ip with the right to make a network namespace: %s", out)
		}
		t.Cleanup(func() { h.ip("netns delete " + name) })
		names = append(names, name)
	}
	here := names[0]
	h.router, h.device = names[1], names[2]
	h.ip("-n " + here + " link add router type veth peer name deadpixel netns " + h.router)
	h.ip("-n " + here + " link add lan type veth peer name eth1 address " + cardBeside + " netns " + h.device)
	h.ip("-n " + h.router + " link add lan type veth peer name eth0 address " + cardBehind + " netns " + h.device)
	for _, where := range []string{
		here + " router 192.0.2.53/24", here + " lan 2001:db8:78::1/64",
		h.router + " deadpixel 192.0.2.1/24", h.router + " lan 198.51.100.1/24", h.router + " lan 2001:db8:77::1/64",
		h.device + " eth0 198.51.100.40/24", h.device + " eth0 198.51.100.41/24", h.device + " eth0 2001:db8:77::40/64", h.device + " eth1 2001:db8:78::40/64",
	} {
		f := strings.Fields(where)
		h.address("add", f[0], f[1], f[2])
		h.ip("-n " + f[0] + " link set " + f[1] + " up")
	}
	again := exec.Command(external(t, "ip"), "netns", "exec", here, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), houseVariable+"="+h.router+" "+h.device)
	out, err := again.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skip(string(out))
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("%v\n%s", err, out)
	}
	return nil
}

func (h *house) ip(words string) {
	h.t.Helper()
	if out, err := exec.Command(external(h.t, "ip"), strings.Fields(words)...).CombinedOutput(); err != nil {
		h.t.Errorf("ip %s: %v: %s", words, err, out)
	}
}

// address adds or deletes an address. IPv6 ones are of use at once.
func (h *house) address(what, namespace, link, address string) {
	h.t.Helper()
	if strings.Contains(address, ":") && what == "add" {
		address += " nodad"
	}
	h.ip("-n " + namespace + " address " + what + " dev " + link + " " + address)
}

// dig asks from the device and returns the status of the answer, "" for none.
func (h *house) dig(from, server, name string) string {
	h.t.Helper()
	host, port, _ := strings.Cut(server, "#")
	args := []string{"netns", "exec", h.device, external(h.t, "dig"), "+time=1", "+tries=1", "-b", from, "@" + host, name}
	if port != "" {
		args = append(args, "-p", port)
	}
	out, _ := exec.Command(external(h.t, "ip"), args...).CombinedOutput() // without an answer it fails
	_, after, _ := strings.Cut(string(out), "status: ")
	status, _, _ := strings.Cut(after, ",")
	return status
}

// become waits until a name gets a status, and returns how long that took.
func (h *house) become(from, server, name, want string) time.Duration {
	h.t.Helper()
	begin := time.Now()
	for {
		got := h.dig(from, server, name)
		took := time.Since(begin)
		if got == want {
			return took
		}
		if took > patience {
			h.t.Fatalf("%s for %s at %s: %q, want %q", name, from, server, got, want)
		}
	}
}

// forward runs a forwarder in the router's namespace until the test ends.
func (h *house) forward(t *testing.T, command ...string) {
	t.Helper()
	c := exec.Command(external(t, "ip"), append([]string{"netns", "exec", h.router}, command...)...)
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
}

// houseConfig has a group for each address of the device, one for its card behind the
// router, and one for its card beside deadpixel.
const houseConfig = `
[groups.four]
deny = ["by-four.example"]
[groups.six]
deny = ["by-six.example"]
[groups.card]
deny = ["by-card.example"]
[groups.beside]
deny = ["beside.example"]
[[clients]]
name = "four"
match = ["198.51.100.40"]
groups = ["four"]
[[clients]]
name = "six"
match = ["2001:db8:77::40"]
groups = ["six"]
[[clients]]
name = "card"
match = ["` + cardBehind + `"]
groups = ["card"]
[[clients]]
name = "beside"
match = ["` + cardBeside + `"]
groups = ["beside"]
`

// start runs deadpixel for the house, as systemd does.
func (h *house) start() (p *program, config string) {
	h.t.Helper()
	up := newInternet(h.t)
	config = strings.Replace("lists = []\n"+basics(up.address), `listen = ["127.0.0.1:0"]`,
		`listen = ["192.0.2.53:5300", "[2001:db8:78::1]:5300"]`+"\ntrust_ecs_from = [\"192.0.2.1\"]\nallow_from = [\"192.0.2.0/24\", \"2001:db8:78::/64\", \"local\"]", 1) + houseConfig
	p = prepare(h.t, config)
	h.unprivileged(p)
	return p.start(), config
}

// unprivileged takes from the program what systemd/deadpixel.service does not give
// it: root, capabilities, and the user namespace that the network belongs to.
func (h *house) unprivileged(p *program) {
	h.t.Helper()
	const nobody = 65534
	p.cmd.Path = "/proc/self/exe" // its real path may be for root alone
	own := []syscall.SysProcIDMap{{ContainerID: nobody, HostID: nobody, Size: 1}}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true},
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: own, GidMappings: own}
	data := filepath.Join(p.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(p.dir), 0o711); err != nil { // of all directories of the test
		h.t.Fatal(err)
	}
	for _, path := range []string{data, p.config} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			h.t.Fatal(err)
		}
	}
}

// A router that runs dnsmasq or Unbound tells deadpixel who asks, and everybody
// behind it has rules of their own: nobody gets the answer that another got.
func TestRouters(t *testing.T) {
	dnsmasq, unbound := external(t, "dnsmasq"), external(t, "unbound")
	external(t, "dig")
	h := inHouse(t)
	if h == nil {
		return
	}
	p, _ := h.start()
	dir := t.TempDir()
	config := filepath.Join(dir, "unbound.conf")
	text := fmt.Sprintf(`server:
  interface: 198.51.100.1
  interface: 2001:db8:77::1
  access-control: 198.51.100.0/24 allow
  access-control: 2001:db8:77::/64 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  module-config: "subnetcache iterator"
  send-client-subnet: 192.0.2.53
  client-subnet-always-forward: yes
  max-client-subnet-ipv4: 32
  max-client-subnet-ipv6: 128
forward-zone:
  name: "."
  forward-addr: 192.0.2.53@5300
`, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	masq := []string{dnsmasq, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file",
		"--bind-interfaces", "--interface=lan", "--except-interface=lo", "--server=192.0.2.53#5300", "--add-subnet=32,128"}
	masq = masq[:len(masq):len(masq)]
	tests := []struct {
		name             string
		command          []string
		four, six, other string // what each of the addresses does not get
	}{
		{"dnsmasq tells addresses", masq, "by-four.example", "by-six.example", ""},
		{"dnsmasq tells cards", append(masq, "--add-mac"), "by-card.example", "by-card.example", "by-card.example"},
		{"dnsmasq tells cards in text", append(masq, "--add-mac=text"), "by-card.example", "by-card.example", "by-card.example"},
		{"dnsmasq tells cards in base64", append(masq, "--add-mac=base64"), "by-card.example", "by-card.example", "by-card.example"},
		{"Unbound tells addresses", []string{unbound, "-d", "-c", config}, "by-four.example", "by-six.example", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.forward(t, tt.command...)
			h.become("198.51.100.40", "198.51.100.1", "www.example.org", "NOERROR")
			for _, name := range []string{"by-four.example", "by-six.example", "by-card.example", "beside.example"} {
				for _, x := range []struct{ from, server, blocked string }{{"198.51.100.40", "198.51.100.1", tt.four}, {"2001:db8:77::40", "2001:db8:77::1", tt.six},
					{"198.51.100.41", "198.51.100.1", tt.other}} {
					want := "NOERROR"
					if name == x.blocked {
						want = blocked
					}
					if got := h.dig(x.from, x.server, name); got != want {
						t.Errorf("%s for %s: %s, want %s", name, x.from, got, want)
					}
				}
			}
		})
	}
	h.t = t
	p.stop()
}

// A device that takes a new address keeps its rules, within a second, and the
// command knows whose address it is.
func TestMovingDevice(t *testing.T) {
	external(t, "dig")
	h := inHouse(t)
	if h == nil {
		return
	}
	p, config := h.start()
	const server = "2001:db8:78::1#5300"
	before := "2001:db8:78::40"
	h.become(before, server, "beside.example", blocked)
	for _, addr := range []string{"2001:db8:78::1234", "2001:db8:78::5678"} {
		h.address("del", h.device, "eth1", before+"/64")
		h.address("add", h.device, "eth1", addr+"/64")
		before = addr
		// That it takes less than a second is what TestPrivacyAddress holds; here
		// the machine may be busy.
		t.Logf("%s has its rules after %v", addr, h.become(addr, server, "beside.example", blocked))
		if got := h.dig(addr, server, "by-card.example"); got != "NOERROR" {
			t.Errorf("the rules of another: %s", got)
		}
	}
	if status, out := p.command("explain", "--client", before, "beside.example"); status != 0 {
		t.Errorf("explain: %d %s", status, out)
	} else {
		wantIn(t, out, "beside.example: blocked by list config", "for beside, in group beside")
	}
	p.reload(config + "[groups.more]\n")
	if got := h.dig(before, server, "beside.example"); got != blocked {
		t.Errorf("after a reload: %s", got)
	}
	p.stop()
}
