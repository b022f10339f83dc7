package main

import (
	"cmp"
	"fmt"
	"slices"

	"deadpixel/lists/owners"
	"deadpixel/metrics/history"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// domainsShown is how many domains of a company the page names.
const domainsShown = 60

// ownership is the data on who owns what, as it is now.
func (s *server) ownership() *owners.Data { return s.current.Load().owners.data.Load() }

// companies are those that were blocked in a range.
func (s *server) companies(r ui.Range) ui.Companies {
	in := s.history.Read(ranges[r])
	return ui.Companies{Queries: in.Queries(), Blocked: in.Outcomes[resolver.Blocked], Unknown: in.Companies[""].Attempts(), Companies: tracked(in.Companies, s.ownership())}
}

// tracked are the companies that are known, who tried most first.
func tracked(companies map[string]*history.Company, data *owners.Data) []ui.Tracked {
	all := []ui.Tracked{}
	for name, c := range companies {
		if name != "" && c.Attempts() > 0 {
			all = append(all, newTracked(name, c, data))
		}
	}
	slices.SortFunc(all, func(a, b ui.Tracked) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func newTracked(name string, c *history.Company, data *owners.Data) ui.Tracked {
	ways, untold := c.Ways()
	one := ui.Tracked{Name: name, Category: data.Category(name), Attempts: c.Attempts(), Names: c.Names, Hidden: c.Hidden(), Ways: map[string]uint64{"unknown": untold}}
	for reason, n := range ways {
		one.Ways[resolver.Reason(reason).String()] = n
	}
	return one
}

// company tells of one company in a range: by the name in the history, or else as the
// ownership data knows it.
func (s *server) company(r ui.Range, written string) (ui.CompanyDetail, error) {
	data := s.ownership()
	name, domains, known := data.Company(written)
	in := s.history.ReadCompany(ranges[r], written)
	if in.Attempts() > 0 {
		name = written
	} else if known && name != written {
		in = s.history.ReadCompany(ranges[r], name)
	}
	if !known && in.Attempts() == 0 {
		return ui.CompanyDetail{}, missing{fmt.Errorf("nobody knows a company %q", written)}
	}
	c := ui.CompanyDetail{Tracked: newTracked(name, &in.Company, data), Columns: []ui.CompanyColumn{}, Lists: []ui.CompanyList{},
		Owned: len(domains), Domains: append([]string{}, domains[:min(len(domains), domainsShown)]...)}
	for _, column := range in.Columns {
		c.Columns = append(c.Columns, ui.CompanyColumn(column))
	}
	for _, l := range in.Lists {
		alone := history.Company{Lists: []history.List{l}}
		c.Lists = append(c.Lists, ui.CompanyList{Name: l.Name, Attempts: alone.Attempts(), Hidden: alone.Hidden()})
	}
	slices.SortFunc(c.Lists, func(a, b ui.CompanyList) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Name, b.Name))
	})
	return c, nil
}
