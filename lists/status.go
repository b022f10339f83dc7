package lists

import "time"

// Status is how a list stands.
type Status struct {
	Name, Source string
	Kind         Action
	Format       Format // as found out; Auto before the first copy
	Entries      int
	Skipped      int           // lines that make no rule
	Updated      time.Time     // when the copy in use was fetched, or last found to be the present one; zero when there is none
	Next         time.Time     // when it is refreshed next; zero before Run
	Refresh      time.Duration // how often it is refreshed
	LastError    string        // why the last refresh failed; "" when it did not
	Skips        []Skip        // the first 100 of the skipped lines; not to be changed

	Added, Removed int           // by the last refresh that changed rules; see Store.Changes
	Changed        time.Time     // when that was; zero when there was none
	Popular        []PopularRule // rules that a refresh brought and that deny popular names, those held back first
}

// Status is how every list stands, in order of the configuration.
func (s *Store) Status() []Status {
	all := make([]Status, len(s.lists))
	for i, k := range s.lists {
		all[i] = k.status()
	}
	return all
}

func (k *kept) status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	st := Status{Name: k.Name, Source: k.Source, Kind: k.Kind, Format: k.meta.Format, Skipped: k.meta.Skipped,
		Updated: k.meta.Updated, Next: k.next, Refresh: k.Refresh, Skips: k.meta.Skips,
		Added: k.meta.Changed.Added, Removed: k.meta.Changed.Removed, Changed: k.meta.Changed.Time, Popular: k.meta.rules(k.Kind)}
	if k.list != nil {
		st.Entries = k.list.Entries()
	}
	if k.err != nil {
		st.LastError = k.err.Error()
	}
	return st
}
