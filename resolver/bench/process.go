//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that this one has started, and ends.
type process struct {
	name  string
	pid   int
	begun time.Time
	log   string // the file that it writes to
	ended chan struct{}
}

// launch starts a program whose output goes to a file in dir. When ctx ends, or
// this program does, so does it.
func launch(ctx context.Context, name, dir string, env, argv []string) (*process, error) {
	log := filepath.Join(dir, "log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), env...)
	// A group of its own: ctrl-C is for this program, which ends the others.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, pid: cmd.Process.Pid, begun: begun, log: log, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the program, gently at first.
func (p *process) stop() {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p.signal(signal)
		select {
		case <-p.ended:
			return
		case <-time.After(3 * time.Second):
		}
	}
	<-p.ended
}

// signal does nothing once the program has ended: its id may be another's then.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		syscall.Kill(p.pid, s)
	}
}

// alive is an error with the end of the log once the program has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended: %s", p.name, p.tail())
	default:
		return nil
	}
}

// tail is the end of what the program wrote.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	text = bytes.TrimSpace(text)
	return string(text[max(0, len(text)-600):])
}

// cpu is the time that all threads of the program have had, past ones too, from
// its processor clock (clock_getcpuclockid(3) tells how its number is made).
func (p *process) cpu() (time.Duration, error) {
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid)<<3|scheduler, &t); err != nil {
		return 0, fmt.Errorf("the processor clock of %s: %w", p.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// memory is what /proc tells of a program, in bytes.
type memory struct{ resident, anonymous, peak float64 }

func (p *process) memory() (memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		to := map[string]*float64{"VmRSS": &m.resident, "RssAnon": &m.anonymous, "VmHWM": &m.peak}[key]
		if to == nil {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return memory{}, err
		}
		*to = kib * 1024
	}
	if m.resident == 0 {
		return memory{}, errors.New(p.name + " has no memory: it has ended")
	}
	return m, nil
}

// forgetPeak lets the peak of memory begin anew (proc(5), clear_refs).
func (p *process) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0)
}

// output is the first line that a program prints; empty if it fails.
func output(name string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	text, _ := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
