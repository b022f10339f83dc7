package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// inherited are the sockets of socket activation (sd_listen_fds(3)).
type inherited struct {
	dns []*os.File
	web net.Listener
}

// inherit takes over what systemd has opened. Sockets named dns, or not at all,
// replace [dns] listen; one named web replaces [web] listen.
func inherit() (inherited, error) {
	var in inherited
	for _, f := range activation.Files(true) {
		switch f.Name() {
		case "web":
			l, err := net.FileListener(f)
			f.Close()
			if err != nil {
				return in, fmt.Errorf("the socket \"web\" of the socket unit: %w", err)
			}
			if in.web != nil {
				l.Close()
				return in, fmt.Errorf("the socket unit hands over two sockets named \"web\"; only one is possible")
			}
			in.web = l
		case "tls", "https", "quic":
			return in, fmt.Errorf("the socket unit hands over a socket named %q: encrypted DNS for clients is not part of this version", f.Name())
		default:
			in.dns = append(in.dns, f)
		}
	}
	return in, nil
}

// notifier tells systemd how it goes (sd_notify(3)). Without systemd it says
// nothing.
type notifier struct{ log *slog.Logger }

func (n notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("systemd does not listen", "err", err)
	}
}

func (n notifier) ready(status string) { n.tell(daemon.SdNotifyReady + "\nSTATUS=" + status) }
func (n notifier) stopping()           { n.tell(daemon.SdNotifyStopping) }

// reloading carries the monotonic time, which Type=notify-reload compares.
func (n notifier) reloading() {
	state := daemon.SdNotifyReloading
	if now, ok := monotonic(); ok {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Microseconds())
	}
	n.tell(state)
}

// watch feeds systemd's watchdog as long as probe succeeds, until ctx ends.
func (n notifier) watch(ctx context.Context, probe func(context.Context) error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit == 0 {
		return
	}
	tick := time.NewTicker(limit / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, limit/3)
		err := probe(within)
		cancel()
		if err != nil {
			n.log.Error("deadpixel does not answer its own query; systemd will restart it if this goes on", "err", err)
			continue
		}
		n.tell(daemon.SdNotifyWatchdog)
	}
}
