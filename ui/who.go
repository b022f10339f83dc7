package ui

import (
	"fmt"
	"slices"
)

// who is how groups and clients stand.
type who struct{ Groups, Clients []standing }

// standing is how blocking stands for a group or a client, in words.
type standing struct {
	Switch
	Kind     string // group or client, as a change names it
	ID       string // of its part of the page
	Says     string
	Pausable bool
}

// Paused are those who are paused by themselves.
func (w who) Paused() []standing {
	return slices.DeleteFunc(slices.Concat(w.Groups, w.Clients), func(s standing) bool { return !s.Own })
}

// Shown says whether there is more than what holds for everybody.
func (w who) Shown() bool { return len(w.Groups) > 1 || len(w.Clients) > 0 }

func (p *Page) who(b Blocking) who {
	var w who
	for i, g := range b.Groups {
		w.Groups = append(w.Groups, standing{g, "group", fmt.Sprint("group-", i), p.says(b, g), b.Enabled && !g.Own && !g.Never})
	}
	for i, c := range b.Clients {
		groups := slices.DeleteFunc(slices.Clone(b.Groups), func(g Switch) bool { return !slices.Contains(c.Groups, g.Name) })
		c.Never = !slices.ContainsFunc(groups, func(g Switch) bool { return !g.Never })
		one := standing{c, "client", fmt.Sprint("client-", i), p.says(b, c), b.Enabled && !c.Own && !c.Never}
		if b.Enabled && !c.Own && !c.Never && !slices.ContainsFunc(groups, func(g Switch) bool { return g.Enabled }) {
			one.Says = "paused with its group"
		}
		w.Clients = append(w.Clients, one)
	}
	return w
}
