package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"deadpixel/metrics/history"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// record opens the history and keeps it until the returned function has been called.
func (s *server) record(c *Config) (end func(), err error) {
	settings, err := s.historySettings(c)
	if err != nil {
		return nil, err
	}
	s.history = history.Open(history.Options{
		Settings: settings,
		Counts:   func() history.Counts { return history.Counts(s.metrics.Counts()) },
		Client:   s.clientName,
		Owner:    s.ownerOf,
		Log:      s.log,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.history.Run(ctx)
	}()
	return func() {
		stop()
		<-ended
	}, nil
}

func (s *server) historySettings(c *Config) (history.Settings, error) {
	zone, err := c.zone()
	if err != nil {
		return history.Settings{}, err
	}
	form, err := history.ParseForm(c.Privacy.Clients)
	return history.Settings{Dir: s.dataDir(c), Clients: form, Keep: c.Privacy.Keep, Zone: zone}, err
}

// clientName is the name of the client that has an address, "" when it has none.
func (s *server) clientName(ip netip.Addr) string {
	if client := s.current.Load().clients.Of(&resolver.Query{Client: ip}); client != nil {
		return client.Name
	}
	return ""
}

// ranges are those of the page.
var ranges = map[ui.Range]history.Range{ui.Day: history.Day, ui.Week: history.Week, ui.Month: history.Month}

// stats are the numbers of the page.
func (s *server) stats(r ui.Range) ui.Stats {
	in := s.history.Read(ranges[r])
	st := ui.Stats{Outcomes: byOutcome(in.Outcomes), Queries: in.Queries(), Blocked: in.Outcomes[resolver.Blocked],
		Lists: map[string]map[string]uint64{}, Escapes: map[string]uint64{}, OneSource: s.metrics.OneSource()}
	for _, c := range in.Columns {
		st.Columns = append(st.Columns, ui.Column(c))
	}
	for list, reasons := range in.Sums.Blocked {
		st.Lists[list] = map[string]uint64{}
		for reason, n := range reasons {
			st.Lists[list][resolver.Reason(reason).String()] = n
		}
	}
	for kind := resolver.ByCanary; kind < resolver.Escapes; kind++ {
		st.Escapes[kind.String()] = in.Escapes[kind]
	}
	attempts := map[string]uint64{}
	for name, c := range in.Companies {
		attempts[name] = c.Attempts()
	}
	st.Companies, st.NoAccount = ranked(attempts), ranked(in.NoAccount)
	for _, name := range s.current.Load().without.Load().companies() {
		if !slices.ContainsFunc(st.NoAccount, func(c ui.Company) bool { return c.Name == name }) {
			st.NoAccount = append(st.NoAccount, ui.Company{Name: name})
		}
	}
	return st
}

func byOutcome(counts [resolver.Outcomes]uint64) map[string]uint64 {
	all := map[string]uint64{}
	for outcome, n := range counts {
		all[resolver.Outcome(outcome).String()] = n
	}
	return all
}

// ranked are the companies that are known, the most counted first.
func ranked(counts map[string]uint64) []ui.Company {
	var all []ui.Company
	for name, n := range counts {
		if name != "" && n > 0 {
			all = append(all, ui.Company{Name: name, Count: n})
		}
	}
	slices.SortFunc(all, func(a, b ui.Company) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// today are the clients of today.
func (s *server) today() []ui.Use {
	all := []ui.Use{}
	for _, c := range s.history.Today() {
		all = append(all, ui.Use{Client: c.Name, Queries: c.Queries, Blocked: c.Blocked})
	}
	return all
}

// held is what the history has, counted there.
func (s *server) held() ui.Held {
	h, c := s.history.Held(), s.current.Load().config
	return ui.Held{File: h.File, Bytes: h.Bytes, Minutes: h.Minutes, Hours: h.Hours, Days: h.Days, Waiting: h.Waiting, Form: c.Privacy.Clients,
		Clients: h.Clients, Names: h.Names, Key: h.Key, Aside: h.Aside, Oldest: moment(h.Oldest), Until: moment(h.Until), Keep: written(c.Privacy.Keep), Trouble: h.Trouble}
}

// keptOfHistory says what the history has, in words.
func (s *server) keptOfHistory(h ui.Held) []ui.Kept {
	until := fmt.Sprintf("minutes: 26 hours; hours: 35 days; days, and all of them at most: %s ([privacy] keep); within a day from the file, too; or erased", h.Keep)
	if h.Until != nil {
		until = fmt.Sprintf("the first of it on %s; ", h.Until.Format(time.RFC3339)) + until
	}
	where := "memory"
	if h.File != "" {
		where = fmt.Sprintf("%s (%d bytes), the last minute in memory", h.File, h.Bytes)
	}
	all := []ui.Kept{{What: "how many queries there were and how they ended, which list blocked how many and why, whose the blocked names were and how many different ones a day, also of companies that nobody has an account with, " +
		"and how many looked for a way around; no name that was asked for", Why: "the plot of the page, and what it finds, outlive a restart",
		Where: where, Much: fmt.Sprintf("sums on disk of %d minutes, %d hours and %d days, in memory of %d minutes", h.Minutes, h.Hours, h.Days, h.Waiting), Until: until, Oldest: h.Oldest}}
	all = append(all, ui.Kept{What: "hashes of the names that were blocked today, with whose they are, by a key that is nowhere else", Why: "how many different names of a company there were can be counted",
		Where: "memory", Much: fmt.Sprintf("%d hashes, at most 65536", h.Names), Until: "midnight, deadpixel stops, or erased"})
	switch h.Form {
	case history.Anonymous.String():
		key := "none, nobody has asked today"
		if h.Key {
			key = "32 bytes"
		}
		all = append(all,
			ui.Kept{What: "in each of these sums, how many queries came from each client and how many of them were blocked, by a hash of its address", Why: "devices can be told apart within a day",
				Where: where, Much: fmt.Sprintf("%d clients today, at most 1000 in a sum", h.Clients), Until: "as above; hashes of earlier days are linked to nobody, since their key is gone"},
			ui.Kept{What: "the key of today's hashes", Why: "a restart goes on counting the same devices", Where: "history.key in " + s.dataDir(s.current.Load().config), Much: key, Until: "midnight, when it is overwritten and removed, or erased"})
	case history.Full.String():
		all = append(all, ui.Kept{What: "in each of these sums, how many queries came from each client and how many of them were blocked, by its name or address", Why: "[privacy] clients is \"full\"",
			Where: where, Much: fmt.Sprintf("%d clients today, at most 1000 in a sum", h.Clients), Until: "as above"})
	}
	if h.Form != history.None.String() {
		all = append(all, ui.Kept{What: "addresses that have asked in the present minute, and how often", Why: "they are counted before they become what is kept", Where: "memory",
			Much: "at most 1000 for each core", Until: "a minute after"})
	}
	for _, file := range h.Aside {
		all = append(all, ui.Kept{What: "a damaged history", Why: "somebody may want to know what happened to it", Where: file, Much: "one file", Until: h.Keep + " after it was last changed, or erased"})
	}
	return all
}

// forget erases the history.
func (s *server) forget() error {
	s.metrics.Forget()
	return errors.Join(s.history.Erase(), s.forgetQueries())
}

// forgetClient erases what is kept and remembered of one address, and says what that
// means.
func (s *server) forgetClient(ip netip.Addr) (erased int, note string, err error) {
	if !ip.IsValid() {
		return 0, "", errors.New("this request comes from no address")
	}
	queries, fault := s.forgetQueriesOf(ip) // before the key of its hash may go
	erased, err = s.history.EraseClient(ip)
	erased, err = erased+queries+s.forgetDevice(ip), errors.Join(err, fault)
	switch s.current.Load().config.Privacy.Clients {
	case history.Anonymous.String():
		note = "today's sums tell no more of your address; those of earlier days are linked to nobody, since their key is gone"
	case history.Full.String():
		note = "no sum tells of your address or its name any more"
	default:
		note = "no sum tells of any client"
	}
	if beyond := s.queries.beyond(); beyond != "" {
		note += "; " + beyond
	}
	return erased, note + "; nor are its blocked names and requests remembered; GET /api/v1/privacy says what is held in memory for a while", err
}
