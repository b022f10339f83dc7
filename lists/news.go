package lists

import (
	"fmt"
	"slices"
	"time"
)

// news is what a text brings beyond the copy in use, seen while it is read. Of its
// rules only those are held that are shown or judged.
type news struct {
	kept   *kept
	before *inventory // of the copy in use; nil when there is none
	known  popular    // of the copy in use
	force  bool       // whoever refreshes accepts what is known

	fresh  []Rule          // new rules, the first ones
	names  *popularNames   // nil when nothing is judged
	judged []Rule          // what decides about them: new rules that deny, and all that allow or cancel
	once   map[string]bool // the texts of judged

	found popular // after judge

	work worker
	seen int // rules
}

// newNews begins before a text is read. old, of which m is known, may be nil.
func (k *kept) newNews(old *List, m *meta, force bool) *news {
	n := &news{kept: k, known: m.popular, force: force, once: map[string]bool{}}
	if old == nil {
		return n // a first copy is the user's choice
	}
	n.before = takeInventory(old, k.store.seed)
	n.work.gentle = k.store.gentle.Load()
	if k.popularSetting() != PopularOff {
		var asked []string
		if k.store.asked != nil {
			asked = k.store.asked()
		}
		n.names = readPopular(asked)
	}
	return n
}

// storedNews is for the text of m: what was held back still is.
func storedNews(m *meta) *news { return &news{found: m.popular} }

// maxFresh is how many new rules are looked at for a sample: of those that are
// taken out again, most are held back.
const maxFresh = maxSample + maxPopular

// stepRules is how many rules are seen between two steps of a worker.
const stepRules = 256

// see takes in a rule of the text.
func (n *news) see(r Rule) {
	if n.before == nil {
		return
	}
	if n.seen++; n.seen%stepRules == 0 {
		n.work.step()
	}
	fresh := !r.Cancel && !n.before.has(&r)
	if fresh && len(n.fresh) < maxFresh {
		n.fresh = append(n.fresh, r.clone())
	}
	if n.names == nil || r.Action == Deny && !r.Cancel && !fresh || !n.names.near(&r) {
		return
	}
	r = r.clone()
	text := r.text(Deny)
	if r.Cancel {
		text += "$badfilter"
	}
	if !n.once[text] {
		n.once[text] = true
		n.judged = append(n.judged, r)
	}
}

// judge decides, when all of the text has been seen, which new rules that deny
// popular names are held back, and which are told of.
func (n *news) judge() error {
	if n.names == nil {
		return nil
	}
	hits := n.names.denied(n.judged, n.before.list, n.kept.store.seed, n.kept.store.gentle.Load())
	switch {
	case n.force:
		n.found.Flagged = n.unknown(hits)
	case n.kept.Popular == PopularFlag:
		n.found.Flagged = hits
	case len(hits) > maxPopular:
		return fmt.Errorf("%d of its new rules deny popular names, and no more than %d can be held back: nothing of it is used; a forced refresh takes all of it, and so does popular = \"flag\"",
			len(hits), maxPopular)
	default:
		n.found.Held = hits
	}
	return nil
}

// takeOut takes out a rule that was added, however often it is written. It looks at
// one part of the names.
func (b *Builder) takeOut(r *Rule) {
	if !r.simple() {
		b.complex = slices.DeleteFunc(b.complex, r.sameAs)
		return
	}
	hash, v := b.seed.hashOf(r), newValue(r, 0, 0)
	part := b.simple[hash>>(64-partBits)]
	for i := range part {
		part[i] = slices.DeleteFunc(part[i], func(e entry) bool { return e.hash == hash && e.sameRule(v) })
	}
}

// unknown are the hits that nobody was told of yet.
func (n *news) unknown(hits []hit) []hit {
	return slices.DeleteFunc(slices.Clone(hits), func(h hit) bool { return n.known.has(&h.Rule) })
}

// popular is what is to be remembered with l, which the text became: what was
// found, and what was told of before and neither accepted nor gone.
func (n *news) popular(l *List) popular {
	p := n.found
	if n.names != nil && !n.force {
		after := takeInventory(l, n.kept.store.seed)
		still := slices.DeleteFunc(slices.Clone(n.known.Flagged), func(h hit) bool { return !after.has(&h.Rule) })
		p.Flagged = append(still, p.Flagged...)
	}
	p.Flagged = atMost(p.Flagged)
	return p
}

// change is what becomes different with l, which the text became; nil when the
// rules are the same ones. m is what is known of the copy in use.
func (n *news) change(m *meta, l *List, now time.Time) *Change {
	if n.before == nil {
		return nil
	}
	k, after := n.kept, takeInventory(l, n.kept.store.seed)
	gentle := k.store.gentle.Load()
	c := &Change{Time: now, Added: n.before.lacks(l, gentle), Removed: after.lacks(n.before.list, gentle)}
	if c.Added == 0 && c.Removed == 0 {
		return nil
	}
	added := sampled{n: min(c.Added, maxSample)}
	for i := range n.fresh {
		if r := &n.fresh[i]; after.has(r) { // it was not taken out again
			added.add(r.written(k.Kind))
		}
	}
	c.New = added.rules
	if c.Removed > 0 {
		var err error
		if c.Gone, err = k.gone(m, n.before, after, min(c.Removed, maxSample)); err != nil {
			c.Note = "not every rule that is gone can be named: the text before cannot be read: " + err.Error()
		}
	}
	return c
}

// tell warns of rules that deny popular names, once.
func (n *news) tell() {
	warn := func(what string, hits []hit) {
		if hits = n.unknown(hits); len(hits) > 0 {
			attrs := []any{"list", n.kept.Name, "rules", len(hits)}
			// A rule that is only about what was asked for here says what that was.
			if at := slices.IndexFunc(hits, func(h hit) bool { return h.Count > 0 }); at >= 0 {
				first := &hits[at]
				attrs = append(attrs, "first", first.Rule.written(Deny), "line", first.Rule.Line, "names", first.Names)
			}
			n.kept.store.log.Warn(what, attrs...)
		}
	}
	warn("new rules of a list deny popular names, or what this household asks for, and are held back until a forced refresh", n.found.Held)
	warn("new rules of a list deny popular names, or what this household asks for", n.found.Flagged)
}
