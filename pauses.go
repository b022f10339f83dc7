package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// pauseFile is where pauses outlive the program, in the data directory.
const pauseFile = "pauses.json"

// storedPause is one pause in that file.
type storedPause struct {
	Group  string    `json:"group,omitempty"`
	Client string    `json:"client,omitempty"`
	Until  time.Time `json:"until,omitzero"` // zero: until resumed
}

// restorePauses takes over the pauses that were on when the program ended. A file
// that cannot be read is told and counts as none.
func (s *server) restorePauses(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, pauseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var stored []storedPause
	if err == nil {
		err = json.Unmarshal(b, &stored)
	}
	if err != nil {
		s.log.Error("the pauses of before cannot be read; everything is blocked as configured", "err", err)
		return
	}
	until := map[resolver.Target]time.Time{}
	for _, p := range stored {
		until[resolver.Target{Group: p.Group, Client: p.Client}] = p.Until
	}
	s.pause.Restore(until)
	if on := s.pause.All(time.Now()); len(on) > 0 {
		s.log.Info("a pause of before goes on; `deadpixel resume` ends it", "pauses", len(on))
	}
}

// storePauses writes down what is paused.
func (s *server) storePauses(dir string) error {
	stored := []storedPause{}
	for target, until := range s.pause.All(time.Now()) {
		stored = append(stored, storedPause{target.Group, target.Client, until})
	}
	b, err := json.Marshal(stored)
	if err == nil {
		err = lists.ReplaceFile(filepath.Join(dir, pauseFile), b)
	}
	if err != nil {
		return fmt.Errorf("the pause will not outlive a restart: %w", err)
	}
	return nil
}

// pauser is the ui.Blocker.
type pauser struct{ s *server }

// Blocking implements ui.Blocker.
func (p pauser) Blocking() ui.Blocking {
	now, g := time.Now(), p.s.current.Load()
	everybody, until := p.s.pause.Paused(resolver.Target{}, now)
	b := ui.Blocking{Enabled: !everybody, Until: moment(until), Groups: []ui.Switch{}, Clients: []ui.Switch{}}
	one := func(name string, t resolver.Target) ui.Switch {
		w := ui.Switch{Name: name, Enabled: b.Enabled, Until: b.Until}
		if paused, until := p.s.pause.Paused(t, now); paused {
			w.Enabled, w.Own = false, true
			if !everybody {
				w.Until = moment(until)
			}
		}
		return w
	}
	for _, name := range g.config.groupNames() {
		w := one(name, resolver.Target{Group: name})
		w.Never = !g.config.Groups[name].Block
		w.Enabled = w.Enabled && !w.Never
		w.Lists = g.listsOf(name, now)
		b.Groups = append(b.Groups, w)
	}
	for _, c := range g.config.Clients {
		w := one(c.Name, resolver.Target{Client: c.Name})
		w.Groups = c.Groups
		g.asGroupsDo(&w, b.Groups)
		b.Clients = append(b.Clients, w)
	}
	return b
}

// asGroupsDo makes a client's state that of its groups where none of them blocks.
func (g *generation) asGroupsDo(client *ui.Switch, groups []ui.Switch) {
	never := true
	for _, group := range groups {
		if slices.Contains(client.Groups, group.Name) {
			if group.Enabled {
				return
			}
			never = never && group.Never
			if client.Enabled && group.Until != nil && (client.Until == nil || group.Until.Before(*client.Until)) {
				client.Until = group.Until
			}
		}
	}
	client.Enabled, client.Never = false, never
}

// Pause implements ui.Blocker.
func (p pauser) Pause(t ui.Target, d time.Duration) error {
	if err := p.known(t); err != nil {
		return err
	}
	p.s.pause.For(resolver.Target(t), d)
	p.s.log.Info("blocking is paused", "for", d, "group", t.Group, "client", t.Client)
	return p.stored()
}

// Resume implements ui.Blocker.
func (p pauser) Resume(t ui.Target) error {
	if err := p.known(t); err != nil {
		return err
	}
	p.s.pause.Resume(resolver.Target(t))
	p.s.log.Info("blocking is on again", "group", t.Group, "client", t.Client)
	return p.stored()
}

// stored writes the pauses down. They hold also when that fails, which is told.
func (p pauser) stored() error {
	if err := p.s.storePauses(p.s.dataDir(p.s.current.Load().config)); err != nil {
		p.s.log.Error("a pause cannot be stored", "err", err)
	}
	return nil
}

// known says whether there is such a group or client.
func (p pauser) known(t ui.Target) error {
	c := p.s.current.Load().config
	if _, ok := c.Groups[t.Group]; t.Group != "" && !ok {
		return fmt.Errorf("there is no group %q%s: %w", t.Group, didYouMean(t.Group, c.groupNames()), ui.ErrNotFound)
	}
	var names []string
	for _, one := range c.Clients {
		names = append(names, one.Name)
	}
	if t.Client != "" && !slices.Contains(names, t.Client) {
		return fmt.Errorf("there is no client %q in [[clients]]%s: %w", t.Client, didYouMean(t.Client, names), ui.ErrNotFound)
	}
	return nil
}

// listsOf are the names of the lists that serve a group and are on at t.
func (g *generation) listsOf(group string, t time.Time) []string {
	var names []string
	zone, err := g.config.zone()
	if err != nil {
		return nil
	}
	for i, l := range g.config.allLists() {
		a := g.applies[g.own+i]
		if on, _ := a.Schedule.Active(t, zone); on && (a.Groups == nil || slices.Contains(a.Groups, group)) {
			names = append(names, l.Name)
		}
	}
	return names
}
