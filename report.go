package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"deadpixel/lists"
	"deadpixel/metrics/history"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// reportOptions are the flags of `report`.
type reportOptions struct{ month, format, output, web string }

func reportCommand(f *flags) *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report",
		Short: "Write a sheet of evidence: which companies tried to follow the household in a month",
		Long: "Write a sheet of evidence: which companies tried to follow the household in a month, how often, and how hidden.\n" +
			"It tells nothing of who lives here or what they looked at. It comes from the running server, or from the\n" +
			"history on disk where none runs.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return report(c, f, o) },
	}
	c.Flags().StringVar(&o.month, "month", "", "`MONTH` like 2026-11, instead of the present one")
	c.Flags().StringVar(&o.format, "format", "html", "html or json")
	c.Flags().StringVar(&o.output, "output", "", "`FILE` to write, instead of the standard output")
	c.Flags().StringVar(&o.web, "web", "", "`ADDR` of the running server's page, instead of [web] listen")
	return c
}

func report(c *cobra.Command, f *flags, o reportOptions) error {
	if err := ui.CheckEvidenceFormat(o.format); err != nil {
		return errUsage{fmt.Errorf("--format: %w", err)}
	}
	if _, _, err := ui.ParseMonth(o.month, time.Now()); err != nil {
		return errUsage{fmt.Errorf("--month: %w", err)}
	}
	e, from, err := findEvidence(c.Context(), f, o)
	if err != nil {
		return err
	}
	sheet, err := e.Write(o.format)
	if err != nil {
		return err
	}
	if o.output == "" {
		_, err = c.OutOrStdout().Write(sheet)
		return err
	}
	if err := os.WriteFile(o.output, sheet, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s: %s, from %s\n", o.output, e.Month, from)
	return nil
}

// findEvidence asks the running server, or reads the file where none runs, and says from
// where it is.
func findEvidence(ctx context.Context, f *flags, o reportOptions) (e ui.Evidence, from string, err error) {
	to, err := f.running(o.web)
	if err == nil {
		if e, err = to.evidence(ctx, o.month); err == nil {
			return e, "the server at " + to.url, nil
		}
	}
	if o.web != "" || errors.Is(err, errRefused) || errors.As(err, new(errUsage)) {
		return e, "", err
	}
	c, broken := f.loadConfig()
	if broken != nil {
		return e, "", broken
	}
	dir, unknown := c.dataDir(f.data)
	if unknown != nil {
		return e, "", unknown
	}
	e, fault := readEvidence(ctx, c, dir, o.month)
	switch {
	case fault == nil:
		return e, dir, nil
	case errors.Is(fault, ui.ErrNotFound):
		return e, "", fault
	case errors.Is(fault, fs.ErrNotExist):
		return e, "", fmt.Errorf("%w; and there is no history in %s (--data)", err, dir)
	case errors.Is(fault, history.ErrInUse):
		return e, "", fmt.Errorf("a server runs, but cannot be asked: %w", err)
	}
	return e, "", fmt.Errorf("%w; and the history cannot be read: %w", err, fault)
}

func (to *running) evidence(ctx context.Context, month string) (e ui.Evidence, err error) {
	answer, err := to.ask(ctx, http.MethodGet, "/api/v1/report?"+url.Values{"month": {month}, "format": {"json"}}.Encode(), nil)
	if err == nil {
		if err = json.Unmarshal(answer, &e); err != nil || e.Month == "" {
			err = fmt.Errorf("what answers at %s is not deadpixel", to.url)
		}
	}
	return e, err
}

// readEvidence reads the file in a directory, which no server may have open.
func readEvidence(ctx context.Context, c *Config, dir, written string) (e ui.Evidence, err error) {
	g, err := newGeneration(c, nil, parts{dataDir: dir, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return e, err
	}
	defer g.pools.closeExcept(nil)
	known, err := newOwnership(ctx, c, newFetcher(g.pools.bootstrap, lists.Builtins{}), parts{dataDir: dir, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return e, err
	}
	now := time.Now().In(g.zone)
	year, month, err := ui.ParseMonth(written, now)
	if err != nil {
		return e, err
	}
	days, err := history.ReadMonthOf(history.Settings{Dir: dir, Keep: c.Privacy.Keep, Zone: g.zone}, year, month)
	return newEvidence(days, err, year, month, now, c, known)
}

// evidence is the sheet of a month.
func (s *server) evidence(year int, month time.Month) (ui.Evidence, error) {
	g := s.current.Load()
	days, err := s.history.ReadMonth(year, month)
	return newEvidence(days, err, year, month, time.Now().In(g.zone), g.config, g.owners)
}

// missing is an error about something that is not there.
type missing struct{ error }

// Is says so to errors.Is.
func (missing) Is(target error) bool { return target == ui.ErrNotFound }

// Unwrap is what is missing.
func (m missing) Unwrap() error { return m.error }

// newEvidence makes the sheet of what was read, by the clock of now.
func newEvidence(days []history.DayReport, err error, year int, month time.Month, now time.Time, c *Config, known *ownership) (e ui.Evidence, _ error) {
	if errors.As(err, new(history.NoMonth)) {
		err = missing{err}
	}
	if err != nil {
		return e, err
	}
	data := known.data.Load()
	e = ui.Evidence{Month: time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Format("2006-01"), Zone: zoneName(now), Made: now.Truncate(time.Second), Version: version, Keep: written(c.Privacy.Keep),
		Method: ui.EvidenceMethod(written(c.Privacy.Keep), known.written != ""), Missing: []string{}, Days: []ui.EvidenceDay{}, Companies: []ui.EvidenceCompany{}}
	all, byDay := history.Sums{Companies: map[string]*history.Company{}}, map[string][]ui.EvidenceDay{}
	there := map[string]bool{}
	for _, day := range days {
		date := day.Begin.Format(time.DateOnly)
		there[date] = true
		sum := ui.EvidenceDay{Day: date}
		for name, c := range day.Companies {
			if all.Companies[name] == nil {
				all.Companies[name] = new(history.Company)
			}
			all.Companies[name].Add(c)
			if one := (ui.EvidenceDay{Day: date, Attempts: c.Attempts(), Hidden: c.Hidden(), Names: c.Names}); name != "" && one.Attempts > 0 {
				byDay[name] = append(byDay[name], one)
				sum.Attempts += one.Attempts
				sum.Hidden += one.Hidden
			}
		}
		e.Days = append(e.Days, sum)
		e.Queries += day.Queries()
		e.Blocked += day.Outcomes[resolver.Blocked]
		e.Attempts += sum.Attempts
		e.Hidden += sum.Hidden
	}
	e.From, e.Until, e.Unknown = e.Days[0].Day, e.Days[len(e.Days)-1].Day, all.Companies[""].Attempts()
	for _, t := range tracked(all.Companies, data) {
		e.Companies = append(e.Companies, ui.EvidenceCompany{Tracked: t, Days: byDay[t.Name]})
	}
	today := now.Format(time.DateOnly)
	for day := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC); day.Month() == month; day = day.AddDate(0, 0, 1) {
		if date := day.Format(time.DateOnly); !there[date] && date <= today {
			e.Missing = append(e.Missing, date)
		}
	}
	return e, nil
}

// zoneName names the time zone of t; that of the system, which has no name here, by its
// distance from UTC.
func zoneName(t time.Time) string {
	if name := t.Location().String(); name != time.Local.String() {
		return name
	}
	return t.Format("UTC-07:00")
}
