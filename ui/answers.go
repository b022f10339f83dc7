package ui

import "time"

// The answers of the API that are not one of the types that the page has anyway. The
// description of the API is made of these types.

type statusAnswer struct {
	Version   string            `json:"version"`
	Uptime    int64             `json:"uptime_seconds"`
	Blocking  Blocking          `json:"blocking"`
	Queries   map[string]uint64 `json:"queries"` // since the start, by outcome
	NoAccount []Company         `json:"no_account"`
	Escapes   map[string]uint64 `json:"escapes"`
	OneSource bool              `json:"one_source"`
	Lists     []List            `json:"lists"`
	Upstreams []Upstream        `json:"upstreams"`
}

type historyAnswer struct {
	Range     Range                        `json:"range"`
	Columns   []Column                     `json:"columns"` // the oldest first
	Queries   uint64                       `json:"queries"`
	Blocked   uint64                       `json:"blocked"`
	ByOutcome map[string]uint64            `json:"by_outcome"`
	ByList    map[string]map[string]uint64 `json:"by_list"` // blocked, by list and reason
	ByOwner   []Company                    `json:"by_owner"`
	NoAccount []Company                    `json:"no_account"`
	Escapes   map[string]uint64            `json:"escapes"`
	Today     *[]Use                       `json:"clients_today,omitempty"` // for who may see it
}

type keepingAnswer struct {
	Settings Privacy `json:"settings"`
	Kept     []Kept  `json:"kept"`
	History  Held    `json:"history"`
	Files    []File  `json:"files"`
	Foreign  int     `json:"foreign_files"` // that are none of deadpixel's, and not named here
	About    *About  `json:"about_you,omitempty"`
	Problem  string  `json:"problem,omitempty"`
}

type blockingAnswer struct {
	Blocking Blocking `json:"blocking"`
}

type listsAnswer struct {
	Lists []List `json:"lists"`
}

type changesAnswer struct {
	Changes []Change `json:"changes"` // the newest first
}

type progressAnswer struct {
	Running bool       `json:"running"`
	Lists   []Progress `json:"lists"`
}

type overlapAnswer struct {
	Counting bool      `json:"counting"` // not done yet: ask again
	Lists    []Overlap `json:"lists"`
}

type householdAnswer struct {
	Groups  []Group  `json:"groups"`
	Clients []Client `json:"clients"`
	Form    string   `json:"form"` // how clients appear in today
	Today   []Use    `json:"today"`
}

type requestsAnswer struct {
	Requests []Request `json:"requests"`
}

// wishAnswer is what came of what a person asked for their own device.
type wishAnswer struct {
	Name  string     `json:"name"`
	Until *time.Time `json:"until,omitempty"` // it is allowed until then
	Asked bool       `json:"asked,omitempty"` // the owner has been asked
}

// companiesAnswer is of all companies, companyAnswer of one.
type companiesAnswer struct {
	Range Range `json:"range"`
	Companies
}

type companyAnswer struct {
	Range Range `json:"range"`
	CompanyDetail
}
