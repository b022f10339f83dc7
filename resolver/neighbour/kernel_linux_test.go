package neighbour

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"deadpixel/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deviceMAC = "02:00:00:00:00:40"

// The test of the kernel runs in a network namespace of its own, and the device in
// another, which this variable names to it.
const deviceVariable = "DEADPIXEL_TEST_DEVICE"

const patience = 5 * time.Second

// house makes both namespaces with a virtual cable between them, and runs the
// calling test again inside; or it skips the test where it cannot.
func house(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root and the program ip")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip")
	}
	here, device := fmt.Sprintf("deadpixel-%d", os.Getpid()), fmt.Sprintf("device-%d", os.Getpid())
	for _, namespace := range []string{here, device} {
		if out, err := exec.Command("ip", "netns", "add", namespace).CombinedOutput(); err != nil {
			t.Skipf("needs the program ip with the right to make a network namespace: %s", out)
		}
		t.Cleanup(func() { ip(t, "netns delete "+namespace) })
	}
	ip(t, "-n "+here+" link add lan type veth peer name eth0 address "+deviceMAC+" netns "+device)
	ip(t, "-n "+here+" address add 192.0.2.1/24 dev lan")
	ip(t, "-n "+here+" address add 2001:db8:77::1/64 dev lan nodad")
	ip(t, "-n "+here+" link set lan up")
	ip(t, "-n "+device+" link set eth0 up")
	again := exec.Command("ip", "netns", "exec", here, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), deviceVariable+"="+device)
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func ip(t *testing.T, words string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v: %s", words, err, out)
	}
}

// answer sends something to the device, as the answer to a query would be.
func answer(t *testing.T, ip string) {
	t.Helper()
	conn, err := net.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(ip), 5353).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
}

// A device that takes a new address keeps its rules, by the real kernel's table.
func TestKernel(t *testing.T) {
	device := os.Getenv(deviceVariable)
	if device == "" {
		house(t)
		return
	}
	c, err := resolver.NewClients(resolver.ClientsOptions{Neighbours: Kernel{}, Entries: []resolver.ClientEntry{{Name: "tablet", Match: []string{deviceMAC}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for i, addr := range []string{"192.0.2.40", "2001:db8:77::40", "2001:db8:77::1234"} {
		bits := "/24"
		if strings.Contains(addr, ":") {
			bits = "/64 nodad"
		}
		ip(t, "-n "+device+" address add dev eth0 "+addr+bits)
		q := &resolver.Query{Client: netip.MustParseAddr(addr)}
		if got := c.Of(q); got != nil {
			t.Errorf("%s is known before it asks", addr)
		}
		answer(t, addr)
		start := time.Now()
		for c.Of(q) == nil && time.Since(start) < patience {
			time.Sleep(5 * time.Millisecond)
		}
		if c.Of(q) == nil {
			t.Fatalf("%s belongs to nobody after %v", addr, patience)
		}
		t.Logf("%s is known after %v", addr, time.Since(start))
		if c.Known() != i+1 {
			t.Errorf("%d addresses are known, want %d", c.Known(), i+1)
		}
	}
	table, err := Kernel{}.Read()
	mac, _ := resolver.ParseMAC(deviceMAC)
	if err != nil || !slices.Contains(table, resolver.Neighbour{Addr: netip.MustParseAddr("192.0.2.40"), MAC: mac}) {
		t.Errorf("the table is %v, %v", table, err)
	}
	ip(t, "neighbour flush dev lan")
	if err := c.Read(t.Context(), netip.Addr{}); err != nil || c.Known() != 3 {
		t.Errorf("after the kernel forgot, %d addresses are known, %v", c.Known(), err)
	}
}

// A watch ends when it shall.
func TestWatchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended := make(chan struct{}, 1), make(chan error)
	go func() { ended <- Kernel{}.Watch(ctx, changed) }()
	<-changed
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
