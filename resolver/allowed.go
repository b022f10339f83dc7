package resolver

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadpixel/lists"
)

// Allowance allows a name and everything below it for a while: for a group, a
// client, an address, or with none of them, everybody.
type Allowance struct {
	Name    string // normalised
	Group   string
	Client  string     // of a [[clients]] entry
	Address netip.Addr // unmapped, without zone
	Until   time.Time
}

// same says whether two are about the same, whatever their ends.
func (a *Allowance) same(o *Allowance) bool {
	return a.Name == o.Name && a.Group == o.Group && a.Client == o.Client && a.Address == o.Address
}

// For says whether the allowance is for who, for whom p holds.
func (a *Allowance) For(p *Policy, who *lists.Who) bool {
	switch {
	case a.Group != "":
		return slices.Contains(p.Groups, a.Group)
	case a.Client != "":
		return a.Client == who.Name
	case a.Address.IsValid():
		return a.Address == who.Address
	}
	return true
}

// maxAllowances bounds how many there are at a time: each is looked at by every
// query.
const maxAllowances = 256

// errAllowances says that there are too many.
var errAllowances = errors.New("too many names are allowed for a while; wait until some of that is over, or end one")

// Allowances are what is allowed for a while. Each ends by itself: a query after its
// end does not see it. They are as strong as the allow rules of a group, whoever
// they are for. The zero value has none. They outlive reloads, and are safe for
// concurrent use; while there are none, a query pays one atomic load.
type Allowances struct {
	now  atomic.Pointer[[]Allowance] // nil when there are none; what it points to never changes
	list lists.List                  // what a verdict says in place of a list

	mu sync.Mutex // guards the making of now
}

// NewAllowances makes them.
func NewAllowances() *Allowances {
	a := new(Allowances)
	a.list.Name, a.list.Kind, a.list.Level = lists.OwnList, lists.Allow, lists.OfGroup
	return a
}

// Add allows something until its end, in place of what is the same with another
// end. The error says that there are too many.
func (a *Allowances) Add(one Allowance) error {
	if one.Address.IsValid() {
		one.Address = one.Address.Unmap().WithZone("")
	}
	return a.change(func(all []Allowance) ([]Allowance, error) {
		all = slices.DeleteFunc(all, func(o Allowance) bool { return o.same(&one) })
		if len(all) >= maxAllowances {
			return nil, errAllowances
		}
		return append(all, one), nil
	})
}

// Remove ends what is the same as one, and says whether there was such a thing.
func (a *Allowances) Remove(one Allowance) bool {
	found := false
	_ = a.change(func(all []Allowance) ([]Allowance, error) { // to have fewer cannot fail
		before := len(all)
		all = slices.DeleteFunc(all, func(o Allowance) bool { return o.same(&one) })
		found = len(all) < before
		return all, nil
	})
	return found
}

// All are those that have not ended at t, in the order of their making.
func (a *Allowances) All(t time.Time) []Allowance {
	now := a.now.Load()
	if now == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(*now), func(one Allowance) bool { return !t.Before(one.Until) })
}

// change makes others of those that have not ended.
func (a *Allowances) change(f func([]Allowance) ([]Allowance, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, err := f(a.All(time.Now()))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		a.now.Store(nil)
		return nil
	}
	a.now.Store(&all)
	return nil
}

// Find returns what allows a normalised name at t to who, for whom p holds: of
// several, what lasts longest.
func (a *Allowances) Find(name []byte, p *Policy, who *lists.Who, t time.Time) (found Allowance, ok bool) {
	if a == nil {
		return found, false
	}
	now := a.now.Load()
	if now == nil {
		return found, false
	}
	for i := range *now {
		one := &(*now)[i]
		if t.Before(one.Until) && one.Until.After(found.Until) && lists.Within(name, one.Name) && one.For(p, who) {
			found, ok = *one, true
		}
	}
	return found, ok
}

// over is the verdict v on a name, unless an allowance is stronger.
func (a *Allowances) over(v lists.Verdict, name []byte, p *Policy, who *lists.Who, t time.Time) lists.Verdict {
	if a == nil || a.now.Load() == nil || v.Level == lists.OfGroup && v.Action != lists.Deny {
		return v
	}
	one, ok := a.Find(name, p, who, t)
	if !ok {
		return v
	}
	return lists.Verdict{List: &a.list, Action: lists.Allow, Shape: lists.Subtree, Level: lists.OfGroup, Labels: labelsAbove(name, one.Name)}
}

// labelsAbove is how many labels of name stand above a name that covers it.
func labelsAbove(name []byte, above string) (labels uint8) {
	for _, c := range name[:len(name)-len(above)] {
		if c == '.' {
			labels++
		}
	}
	return labels
}

// Decided says whether it was an allowance that made a verdict.
func (a *Allowances) Decided(v lists.Verdict) bool { return a != nil && v.List == &a.list }
