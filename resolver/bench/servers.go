//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// kind is a program to measure.
type kind struct {
	name string
	path string // of the program
	standard

	// version is how the program tells it; nil for what is built from here.
	version []string
	// configure writes what the program needs into the site's directory and
	// returns its command line.
	configure func(*site) ([]string, error)
	// list writes domains as the program reads them; nil writes one a line.
	list func(w io.Writer, domains []string)
	// reload makes the program read its changed list; nil if it cannot.
	reload func(*site, *process) error
	// blocks is false for those that only send packets back.
	blocks bool
}

// site is a place where a server runs: its directory, address and upstream.
type site struct {
	*kind
	dir      string
	address  netip.AddrPort
	upstream netip.AddrPort
	threads  int
	argv     []string
}

// newSite chooses a port and writes list and configuration.
func newSite(k *kind, dir string, upstream netip.AddrPort, threads int, domains []string) (*site, error) {
	dir, err := os.MkdirTemp(dir, k.name+"-")
	if err != nil {
		return nil, err
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &site{kind: k, dir: dir, address: address, upstream: upstream, threads: threads}
	if k.blocks {
		if err := errors.Join(s.stageList(domains), s.useList()); err != nil {
			return nil, err
		}
	}
	s.argv, err = k.configure(s)
	return s, err
}

// freePort finds one that is free for UDP and TCP.
func freePort() (netip.AddrPort, error) {
	for range 20 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return netip.AddrPort{}, err
		}
		address := l.Addr().(*net.TCPAddr).AddrPort()
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(address))
		l.Close()
		if err == nil {
			c.Close()
			return address, nil
		}
	}
	return netip.AddrPort{}, errors.New("no free port on 127.0.0.1")
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) listFile() string   { return s.file("list") }
func (s *site) stagedList() string { return s.file("list.new") }

// stageList writes the list beside the one in use.
func (s *site) stageList(domains []string) error {
	f, err := os.Create(s.stagedList())
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if s.list != nil {
		s.list(w, domains)
	} else {
		each("%s\n")(w, domains)
	}
	return errors.Join(w.Flush(), f.Close())
}

// useList puts the staged list in place in one step, so that nobody reads half of it.
func (s *site) useList() error { return os.Rename(s.stagedList(), s.listFile()) }

// each writes a line for every domain.
func each(line string) func(io.Writer, []string) {
	return func(w io.Writer, domains []string) {
		for _, d := range domains {
			fmt.Fprintf(w, line, d)
		}
	}
}

// configFile writes a configuration.
func (s *site) configFile(name, text string) (string, error) {
	file := s.file(name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// start runs the server, and waits for nothing.
func (s *site) start(ctx context.Context) (*process, error) {
	// Go programs get as many threads as the others are told to use.
	return launch(ctx, s.name, s.dir, []string{"GOMAXPROCS=" + strconv.Itoa(s.threads)}, s.argv)
}

func (s *site) load() load {
	return load{server: s.address, rule: s.standard, sockets: 4, window: 25}
}

// startPatience is how long a server may take to read a list.
const startPatience = 3 * time.Minute

// await asks at an interval until an answer is right, and returns when that came.
func (s *site) await(ctx context.Context, p *process, every time.Duration, next questions) (time.Time, error) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.address))
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	book, buf := new(ledger), make([]byte, 1500)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(startPatience); time.Now().Before(end); {
		select {
		case <-ticker.C:
			if err := errors.Join(ctx.Err(), p.alive()); err != nil {
				return time.Time{}, err
			}
		default:
		}
		q, want := next()
		packet, _ := book.put(buf, q, want, 0)
		deadline := time.Now().Add(every)
		conn.Write(packet)
		conn.SetReadDeadline(deadline)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			if e, ok := book.take(buf[:n]); ok && s.judge(e.want, e.packet, buf[:n]) == right {
				return time.Now(), nil
			}
		}
		time.Sleep(time.Until(deadline)) // an error may come at once
	}
	return time.Time{}, fmt.Errorf("%s does not answer as it should: %s", s.name, p.tail())
}

// up starts the server and waits until it blocks, forwards, and has the cached
// names in its cache.
func (s *site) up(ctx context.Context, w *work) (*process, error) {
	p, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.ready(ctx, p, w); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (s *site) ready(ctx context.Context, p *process, w *work) error {
	for _, m := range []mix{{100, 0}, {0, 0}} {
		if _, err := s.await(ctx, p, time.Millisecond, w.questions(m, 1)); err != nil {
			return err
		}
	}
	if s.echo {
		return nil
	}
	// Gently: what is lost on the way into the cache is asked again.
	gentle := load{server: s.address, rule: s.standard, sockets: 1, window: 20}
	for pass := 1; ; pass++ {
		t, err := gentle.closed(ctx, len(w.cached), func(int) questions { return w.inTurn() })
		switch {
		case err != nil:
			return errors.Join(err, p.alive())
		case t.right == t.asked && pass >= 2:
			return nil
		case pass == 6:
			return fmt.Errorf("%s does not fill its cache: %d of %d right; %s", s.name, t.right, t.asked, t.example)
		}
	}
}

// find looks the program of a kind up where administrators' programs are, too.
func find(program string) string {
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
