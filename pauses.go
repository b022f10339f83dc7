package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

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
	until, err := readPauses(dir)
	if err != nil {
		s.log.Error("the pauses of before cannot be read; everything is blocked as configured", "err", err)
	}
	s.pause.Restore(until)
	if on := s.pause.All(time.Now()); len(on) > 0 {
		s.log.Info("a pause of before goes on; `deadpixel resume` ends it", "pauses", len(on))
	}
}

// readPauses reads what is paused until when.
func readPauses(dir string) (map[resolver.Target]time.Time, error) {
	stored, err := readState[storedPause](filepath.Join(dir, pauseFile))
	until := map[resolver.Target]time.Time{}
	for _, p := range stored {
		until[resolver.Target{Group: p.Group, Client: p.Client}] = p.Until
	}
	return until, err
}

// storePauses writes down what is paused.
func (s *server) storePauses(dir string) error {
	s.storing.Lock() // or an older state could replace a newer one
	defer s.storing.Unlock()
	var stored []storedPause
	for target, until := range s.pause.All(time.Now()) {
		stored = append(stored, storedPause{target.Group, target.Client, until})
	}
	if err := writeState(filepath.Join(dir, pauseFile), stored); err != nil {
		return fmt.Errorf("the pause will not outlive a restart: %w", err)
	}
	return nil
}

// pauser is the ui.Blocker.
type pauser struct{ s *server }

// Blocking implements ui.Blocker.
func (p pauser) Blocking() ui.Blocking {
	at, g := time.Now(), p.s.current.Load()
	of := func(t resolver.Target) (l lull) {
		l.on, l.until = p.s.pause.Paused(t, at)
		return l
	}
	everybody := of(resolver.Target{})
	b := ui.Blocking{Enabled: !everybody.on, Until: moment(everybody.until), Groups: []ui.Switch{}, Clients: []ui.Switch{}}
	groups := map[string]lull{}
	for _, name := range g.config.groupNames() {
		own, never := of(resolver.Target{Group: name}), !g.config.Groups[name].Block
		if groups[name] = own; never {
			groups[name] = lull{on: true}
		}
		now := everybody.or(own)
		b.Groups = append(b.Groups, ui.Switch{Name: name, Enabled: !now.on && !never, Until: moment(now.until), Never: never, Own: own.on,
			Lists: g.listsOf(name, at)})
	}
	for _, c := range g.config.Clients {
		own, theirs := of(resolver.Target{Client: c.Name}), lull{on: true}
		never := true
		for _, name := range c.Groups {
			theirs = theirs.and(groups[name])
			never = never && !g.config.Groups[name].Block
		}
		now := everybody.or(own).or(theirs)
		b.Clients = append(b.Clients, ui.Switch{Name: c.Name, Enabled: !now.on, Until: moment(now.until), Never: never, Own: own.on, Groups: c.Groups})
	}
	return b
}

// paused says until when the groups are that a pause is on for, as a metric tells
// it: the zero time means until resumed. Groups that never block are not among
// them. Clients with a pause of their own are only counted.
func (s *server) paused(g *generation, at time.Time) (groups map[string]time.Time, clients int) {
	groups = map[string]time.Time{}
	all := s.pause.All(at)
	of := func(t resolver.Target) lull {
		until, on := all[t]
		return lull{on, until}
	}
	for _, name := range g.config.groupNames() {
		if now := of(resolver.Target{}).or(of(resolver.Target{Group: name})); now.on && g.config.Groups[name].Block {
			groups[name] = now.until
		}
	}
	for _, c := range g.config.Clients {
		if of(resolver.Target{Client: c.Name}).on {
			clients++
		}
	}
	return groups, clients
}

// lull is a time without blocking, if there is one.
type lull struct {
	on    bool
	until time.Time // zero: until resumed
}

// or lasts while one of them does.
func (l lull) or(other lull) lull {
	if !l.on || other.on && !l.until.IsZero() && (other.until.IsZero() || other.until.After(l.until)) {
		return other
	}
	return l
}

// and lasts while both do.
func (l lull) and(other lull) lull {
	if l.on && (!other.on || l.until.IsZero() || !other.until.IsZero() && other.until.Before(l.until)) {
		return other
	}
	return l
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
	names := c.clientNames()
	if t.Client != "" && !slices.Contains(names, t.Client) {
		return fmt.Errorf("there is no client %q in [[clients]]%s: %w", t.Client, didYouMean(t.Client, names), ui.ErrNotFound)
	}
	return nil
}

// listsOf are the names of the lists that serve a group and are on at t.
func (g *generation) listsOf(group string, t time.Time) []string {
	var names []string
	for i, l := range g.lists {
		a := g.applies[g.own+i]
		if on, _ := a.Schedule.Active(t, g.zone); on && (a.Groups == nil || slices.Contains(a.Groups, group)) {
			names = append(names, l.Name)
		}
	}
	return names
}
