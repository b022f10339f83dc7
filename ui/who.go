package ui

import (
	"fmt"
	"slices"
)

// who is the section about groups and clients.
type who struct {
	Groups, Clients []standing
	Paused          int // how many clients are, by themselves
}

// standing is how blocking stands for a group or a client, in words.
type standing struct {
	Switch
	Kind     string // group or client, as a change names it
	ID       string // of its part of the page
	Says     string
	Pausable bool
}

// Shown says whether there is more than what holds for everybody.
func (w who) Shown() bool { return len(w.Groups) > 1 || len(w.Clients) > 0 }

// fewClients is how many clients are shown without being asked for.
const fewClients = 4

// Open says whether the clients are: when they are few, or some are paused.
func (w who) Open() bool { return len(w.Clients) <= fewClients || w.Paused > 0 }

func (p *Page) who(b Blocking) who {
	var w who
	for i, g := range b.Groups {
		w.Groups = append(w.Groups, standing{g, "group", fmt.Sprint("group-", i), p.says(b, g), b.Enabled && !g.Own && !g.Never})
	}
	for i, c := range b.Clients {
		groups := slices.DeleteFunc(slices.Clone(b.Groups), func(g Switch) bool { return !slices.Contains(c.Groups, g.Name) })
		c.Never = !slices.ContainsFunc(groups, func(g Switch) bool { return !g.Never })
		one := standing{c, "client", fmt.Sprint("client-", i), p.says(b, c), b.Enabled && !c.Own && !c.Never}
		switch {
		case c.Own:
			w.Paused++
		case b.Enabled && !c.Never && !slices.ContainsFunc(groups, func(g Switch) bool { return g.Enabled }):
			one.Says = "paused with its group"
		}
		w.Clients = append(w.Clients, one)
	}
	return w
}
