//go:build unix

package serve

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"deadpixel/resolver"
)

// reads is a Handler that reads a mapped file to answer.
type reads struct{ mapped []byte }

func (h reads) Resolve(_ context.Context, q *resolver.Query, a *resolver.Answer) error {
	if h.mapped[0] != 0 {
		return resolver.ErrDrop
	}
	a.Begin(q, dns.RcodeNameError, resolver.Blocked)
	return nil
}

// A mapped list whose disk fails costs answers, not the server.
func TestFaultIsServfail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, 1<<16, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	r := run(t, Options{Handler: reads{mapped}})
	ask := func(want int) {
		for _, network := range []string{"udp", "tcp"} {
			if m := r.ask(t, network, "x.example."); m.Rcode != want {
				t.Errorf("%s: %v", network, m)
			}
		}
	}
	ask(dns.RcodeNameError)
	if err := f.Truncate(0); err != nil { // reading beyond the end is what a broken disk is: SIGBUS
		t.Fatal(err)
	}
	ask(dns.RcodeServerFailure)
	if err := f.Truncate(1 << 16); err != nil {
		t.Fatal(err)
	}
	ask(dns.RcodeNameError)
}
