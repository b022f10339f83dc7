package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/term"

	"deadpixel/resolver"
)

// newLog makes the logger that every package is given. format "auto" is text on
// a terminal, journald's style under systemd, and text otherwise.
func newLog(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: sayDebug}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	if f, ok := w.(*os.File); format == "auto" && os.Getenv("JOURNAL_STREAM") != "" && ok && !term.IsTerminal(int(f.Fd())) {
		return slog.New(newJournal(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// sayDebug calls what is below debug, see resolver.LevelNames, debug as well.
func sayDebug(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey && level < slog.LevelDebug {
		a.Value = slog.AnyValue(slog.LevelDebug)
	}
	return a
}

// threshold is the level from which on the log takes what c wants in it.
func (c *Config) threshold() (slog.Level, error) {
	level, err := logLevel(c.Log.Level)
	if c.Log.Names && level == slog.LevelDebug {
		level = resolver.LevelNames
	}
	return level, err
}

// journal writes lines as journald wants them: the priority in front (sd-daemon(3)),
// no time, since journald has its own.
type journal struct {
	slog.Handler
	out *prefixed
}

func newJournal(w io.Writer, o *slog.HandlerOptions) *journal {
	out := &prefixed{w: w}
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	return &journal{slog.NewTextHandler(out, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: drop}), out}
}

// Handle writes one record. The lock joins the priority to its line.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	switch {
	case r.Level >= slog.LevelError:
		j.out.prefix = "<3>"
	case r.Level >= slog.LevelWarn:
		j.out.prefix = "<4>"
	case r.Level >= slog.LevelInfo:
		j.out.prefix = "<6>"
	default:
		j.out.prefix = "<7>"
	}
	return j.Handler.Handle(ctx, r)
}

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journal{j.Handler.WithAttrs(attrs), j.out}
}

func (j *journal) WithGroup(name string) slog.Handler {
	return &journal{j.Handler.WithGroup(name), j.out}
}

// prefixed puts a prefix before every line; slog writes a line at a time.
type prefixed struct {
	mu     sync.Mutex
	w      io.Writer
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}
