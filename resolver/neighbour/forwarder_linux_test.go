package neighbour

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/resolver/serve"
)

const patience = 5 * time.Second

// asked is who a query came from, as deadpixel saw it.
type asked struct {
	who    string
	client netip.Addr
	mac    resolver.MAC
}

// behind runs a deadpixel that trusts loopback, and says who asks it.
func behind(t *testing.T) (port int, queries <-chan asked) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	access, err := resolver.NewAccess([]string{"127.0.0.0/8"}, log)
	if err != nil {
		t.Fatal(err)
	}
	names, err := resolver.NewLocal(map[string][]string{"nas.example.org": {"192.0.2.7"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	forwarders, err := resolver.NewForwarders([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := resolver.NewClients(resolver.ClientsOptions{Entries: []resolver.ClientEntry{
		{Name: "four", Match: []string{"192.0.2.40"}}, {Name: "six", Match: []string{"2001:db8:77::40"}}, {Name: "mac", Match: []string{deviceMAC}}}})
	if err != nil {
		t.Fatal(err)
	}
	walk := resolver.New(resolver.Options{Access: access, Local: names, Forwarders: forwarders, Clients: clients, Flight: resolver.NewFlight(),
		Forward: resolver.NewForward(resolver.ForwardOptions{}), Log: log, Blocking: resolver.Blocking{Matcher: lists.NewSet(lists.Seed{})}})
	came := make(chan asked, 100)
	server := serve.New(serve.Options{Log: log, Handler: resolver.HandlerFunc(func(ctx context.Context, q *resolver.Query, a *resolver.Answer) error {
		err := walk.Resolve(ctx, q, a)
		if who := q.Who; who != nil && string(q.Name) == "nas.example.org" {
			came <- asked{who.Name, q.Client, q.MAC}
		}
		return err
	})})
	sockets, err := serve.Listen([]string{"127.0.0.1:0"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	server.Use(sockets)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return int(server.Addrs()[0].Port()), came
}

// askFrom puts a question from the device's namespace.
func askFrom(t *testing.T, namespace, from, server string) error {
	t.Helper()
	failure := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		failure <- func() error {
			ns, err := os.Open(filepath.Join("/run/netns", namespace))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: net.ParseIP(server), Port: 53})
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				return err
			}
			c := &dns.Conn{Conn: conn}
			if err := c.WriteMsg(new(dns.Msg).SetQuestion("nas.example.org.", dns.TypeA).SetEdns0(1232, false)); err != nil {
				return err
			}
			r, err := c.ReadMsg()
			if err == nil && len(r.Answer) != 1 {
				err = errors.New(r.String())
			}
			return err
		}()
	}()
	return <-failure
}

// Real forwarders tell who asks, and give nobody the answer that another got.
func TestRealForwarders(t *testing.T) {
	programs := map[string]string{}
	for _, program := range []string{"dnsmasq", "unbound"} {
		path, err := exec.LookPath(program)
		if err != nil {
			path = "/usr/sbin/" + program
			if _, err := os.Stat(path); err != nil {
				t.Skipf("needs the program %s", program)
			}
		}
		programs[program] = path
	}
	device := os.Getenv(deviceVariable)
	if device == "" {
		house(t)
		return
	}
	ip(t, "link set lo up")
	ip(t, "-n "+device+" address add dev eth0 192.0.2.40/24")
	ip(t, "-n "+device+" address add dev eth0 2001:db8:77::40/64 nodad")
	port, queries := behind(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "unbound.conf")
	text := fmt.Sprintf(`server:
  interface: 192.0.2.1
  interface: 2001:db8:77::1
  access-control: 192.0.2.0/24 allow
  access-control: 2001:db8:77::/64 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "subnetcache iterator"
  send-client-subnet: 127.0.0.1
  client-subnet-always-forward: yes
  max-client-subnet-ipv4: 32
  max-client-subnet-ipv6: 128
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@%d
`, dir, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dnsmasq := func(options ...string) []string {
		return append([]string{programs["dnsmasq"], "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file",
			"--bind-interfaces", "--interface=lan", "--except-interface=lo", fmt.Sprintf("--server=127.0.0.1#%d", port)}, options...)
	}
	mac, _ := resolver.ParseMAC(deviceMAC)
	four, six := netip.MustParseAddr("192.0.2.40"), netip.MustParseAddr("2001:db8:77::40")
	tests := []struct {
		name      string
		command   []string
		four, six asked
	}{
		{"dnsmasq with addresses", dnsmasq("--add-subnet=32,128"), asked{"four", four, resolver.MAC{}}, asked{"six", six, resolver.MAC{}}},
		{"dnsmasq with both", dnsmasq("--add-subnet=32,128", "--add-mac"), asked{"mac", four, mac}, asked{"mac", six, mac}},
		{"dnsmasq with MACs in text", dnsmasq("--add-subnet=32,128", "--add-mac=text"), asked{"mac", four, mac}, asked{"mac", six, mac}},
		{"dnsmasq with MACs in base64", dnsmasq("--add-subnet=32,128", "--add-mac=base64"), asked{"mac", four, mac}, asked{"mac", six, mac}},
		{"unbound", []string{programs["unbound"], "-d", "-c", config}, asked{"four", four, resolver.MAC{}}, asked{"six", six, resolver.MAC{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forwarder := exec.Command(tt.command[0], tt.command[1:]...)
			var out strings.Builder
			forwarder.Stdout, forwarder.Stderr = &out, &out
			if err := forwarder.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				forwarder.Process.Signal(syscall.SIGTERM)
				forwarder.Wait()
				if t.Failed() {
					t.Log(out.String())
				}
			}()
			for _, x := range []struct {
				from, server string
				want         asked
			}{{"192.0.2.40", "192.0.2.1", tt.four}, {"2001:db8:77::40", "2001:db8:77::1", tt.six}} {
				var err error
				for begin := time.Now(); ; {
					if err = askFrom(t, device, x.from, x.server); err == nil || time.Since(begin) > patience {
						break
					}
					time.Sleep(20 * time.Millisecond) // it starts
				}
				if err != nil {
					t.Errorf("%s gets no answer: %v", x.from, err)
					return
				}
				select {
				case got := <-queries:
					if got != x.want {
						t.Errorf("got %v, want %v", got, x.want)
					}
				default:
					t.Errorf("%s was given another's answer", x.from)
				}
			}
		})
	}
}
