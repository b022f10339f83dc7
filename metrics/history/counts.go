package history

import "deadpixel/resolver"

// Counts are counters, or what they have gained in some time.
type Counts struct {
	Outcomes  [resolver.Outcomes]uint64
	Blocked   map[string][resolver.Reasons]uint64            // by the list whose rule decided
	Owners    map[string]map[string][resolver.Reasons]uint64 // the same, by whose the name is; "" when nobody knows
	NoAccount map[string]uint64                              // blocked, of companies that nobody has an account with
	Escapes   [resolver.Escapes]uint64                       // queries that looked for a way around
}

// since is what the counters have gained over an older reading of them.
func (c Counts) since(old Counts) Counts {
	gain := Counts{Outcomes: c.Outcomes, Escapes: c.Escapes, Blocked: gained(c.Blocked, old.Blocked),
		Owners: map[string]map[string][resolver.Reasons]uint64{}, NoAccount: map[string]uint64{}}
	for i, n := range old.Outcomes {
		gain.Outcomes[i] -= n
	}
	for i, n := range old.Escapes {
		gain.Escapes[i] -= n
	}
	for company, lists := range c.Owners {
		if lists := gained(lists, old.Owners[company]); len(lists) > 0 {
			gain.Owners[company] = lists
		}
	}
	for company, n := range c.NoAccount {
		if before := old.NoAccount[company]; n > before {
			gain.NoAccount[company] = n - before
		}
	}
	return gain
}

// gained is what was blocked by lists since an older reading.
func gained(now, old map[string][resolver.Reasons]uint64) map[string][resolver.Reasons]uint64 {
	gain := map[string][resolver.Reasons]uint64{}
	for list, reasons := range now {
		for i, n := range old[list] {
			reasons[i] -= n
		}
		if reasons != [resolver.Reasons]uint64{} {
			gain[list] = reasons
		}
	}
	return gain
}
