package ui

import (
	"net/http"
	"slices"
	"time"
)

// Household is the groups and clients as configured.
type Household struct {
	Groups  []Group  `json:"groups"`
	Clients []Client `json:"clients"`
}

// Group is a group as configured, and which lists serve it.
type Group struct {
	Name       string      `json:"name"`
	Block      bool        `json:"block"`
	Deny       []string    `json:"deny"`
	Allow      []string    `json:"allow"`
	Response   string      `json:"response"` // "" as [blocking] says
	Upstream   []string    `json:"upstream"` // scheme and host; empty: those of all
	SafeSearch bool        `json:"safe_search"`
	Services   []string    `json:"services"`
	NoAccount  []string    `json:"no_account"`
	SelfAllow  string      `json:"self_allow"` // a duration; "0s": never
	Lists      []GroupList `json:"lists"`
}

// GroupList is a list that serves a group, and whether it is on.
type GroupList struct {
	Name     string     `json:"name"`
	Schedule []string   `json:"schedule"` // empty: always
	On       bool       `json:"on"`
	Next     *time.Time `json:"next"` // when that changes; null where it does not
}

// Client is a client as configured.
type Client struct {
	Name   string   `json:"name"`
	Match  []string `json:"match"`
	Groups []string `json:"groups"`
}

// clients is the page about groups and clients.
type clients struct {
	frame
	Form    string // how who asked is kept
	Groups  []groupCard
	Clients []clientCard
	Paused  bool  // blocking is, for everybody
	Today   []Use // those that are no client of the configuration, the first of them
	More    int   // how many are not among these
}

// groupCard is a group with how it stands and who is in it.
type groupCard struct {
	standing
	Group
	Members []string
}

// clientCard is a client with how it stands, and what it asked today where that is known.
type clientCard struct {
	standing
	Client
	Today *Use
}

// shownToday is how many that asked today are shown.
const shownToday = 50

func (p *Page) clients(w http.ResponseWriter, r *http.Request) {
	v := clients{frame: p.frame(r, clientsTitle, "/clients"), Form: p.Settings().Clients}
	if v.MayChange {
		b, house := p.Blocker.Blocking(), p.Household()
		stand := p.who(b)
		v.Paused = !b.Enabled
		for _, g := range house.Groups {
			card := groupCard{standing: named(stand.Groups, g.Name), Group: g}
			for _, c := range house.Clients {
				if slices.Contains(c.Groups, g.Name) {
					card.Members = append(card.Members, c.Name)
				}
			}
			v.Groups = append(v.Groups, card)
		}
		today := p.Today()
		for _, c := range house.Clients {
			card := clientCard{standing: named(stand.Clients, c.Name), Client: c}
			if at := slices.IndexFunc(today, func(u Use) bool { return u.Client == c.Name }); at >= 0 && v.Form == byName {
				card.Today = &today[at]
			}
			v.Clients = append(v.Clients, card)
		}
		for _, u := range today {
			known := v.Form == byName && slices.ContainsFunc(house.Clients, func(c Client) bool { return c.Name == u.Client })
			switch {
			case known:
			case len(v.Today) < shownToday:
				v.Today = append(v.Today, u)
			default:
				v.More++
			}
		}
	}
	p.show(w, r, http.StatusOK, "clients.html", v)
}

// byName is the form of clients in which they appear by their names.
const byName = "full"

// named is how the one of a name stands.
func named(all []standing, name string) standing {
	if at := slices.IndexFunc(all, func(s standing) bool { return s.Name == name }); at >= 0 {
		return all[at]
	}
	return standing{Switch: Switch{Name: name}}
}

// household answers with what the page shows.
func (p *Page) household(w http.ResponseWriter, _ *http.Request) {
	house := p.Household()
	reply(w, http.StatusOK, householdAnswer{house.Groups, house.Clients, p.Settings().Clients, p.Today()})
}
