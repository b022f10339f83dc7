package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxSkips is how many skipped lines are remembered of a list.
const maxSkips = 100

// kept is one list of a Store.
type kept struct {
	Config
	store *Store

	working  chan struct{} // filled while the list is fetched or loaded
	wake     chan struct{} // filled while a refresh is asked for; see Store.Begin
	progress progress

	mu    sync.Mutex // guards what follows
	list  *List      // nil before the first good copy
	meta  meta
	next  time.Time
	err   error
	asked asked

	unwritten []Change // the last ones, where nothing is stored
}

func newKept(s *Store, c Config) *kept {
	return &kept{Config: c, store: s, working: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// take fills a place of places, unless ctx ends first.
func take(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// compiled is the list in use, and what is known of it.
func (k *kept) compiled() (*List, meta) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.list, k.meta
}

// load reads the list without network.
func (k *kept) load(ctx context.Context) {
	if take(ctx, k.working) != nil {
		return
	}
	defer func() { <-k.working }()
	if err := k.loadStored(); err != nil {
		k.store.log.Warn("the stored copy of a list is of no use", "list", k.Name, "err", err)
	}
	if k.Remote {
		return
	}
	switch changed, err := k.fetch(ctx, false); {
	case err != nil:
		k.failed(err)
	case changed:
		k.tell()
	}
}

// loadStored takes over the copy on disk, if there is one: compiled when that
// fits, else compiled anew from the text.
func (k *kept) loadStored() error {
	d := k.store.disk
	m, err := d.readMeta(k.Config)
	if err != nil || m == nil {
		return err
	}
	if d.hasRaw(k.Config, m) {
		m.settle(k.popularSetting())
	}
	if l, err := d.readList(k.Config, m, k.store.seed, k.store.gentle.Load()); err == nil {
		if !d.hasRaw(k.Config, m) {
			m.Validators = Validators{} // so that the text comes again
		}
		k.restore(l, *m)
		return nil
	}
	raw, err := d.openRaw(k.Config, m)
	if err != nil {
		return err
	}
	defer raw.Close()
	l, result, skips, err := k.compile(raw, storedNews(m))
	if err != nil {
		return err
	}
	m.note(result, skips)
	if l, err = d.writeList(k.Config, m, l, k.store.seed, k.store.gentle.Load()); err == nil {
		err = d.writeMeta(k.Config, m)
	}
	if err != nil {
		k.store.log.Warn("a compiled list cannot be stored", "list", k.Name, "err", err)
	}
	k.restore(l, *m)
	return nil
}

// restore takes over a stored copy. Content that was held back still is.
func (k *kept) restore(l *List, m meta) {
	k.accept(l, m)
	if m.Shrunk.Times > 0 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.err = heldBack{m.Shrunk, l.Entries()}
	}
}

func (k *kept) accept(l *List, m meta) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list, k.meta, k.err = l, m, nil
}

// failed notes why a refresh failed. The copy in use stays.
func (k *kept) failed(err error) {
	k.mu.Lock()
	k.err = err
	has := k.list != nil
	k.mu.Unlock()
	use := "the last good copy stays in use"
	if !has {
		use = "there is no earlier copy"
	}
	k.store.log.Warn("list not refreshed; "+use, "list", k.Name, "err", err)
	if k.store.onFailure != nil {
		k.store.onFailure(k.Name)
	}
}

// compile reads a text, in which there must be a rule. Those that n holds back are
// left out.
func (k *kept) compile(r io.Reader, n *news) (*List, ParseResult, []Skip, error) {
	b := NewBuilder(k.Name, k.Kind, k.store.seed)
	b.gentle = k.store.gentle.Load()
	var skips []Skip
	take := func(r Rule) {
		b.Add(r)
		n.see(r)
	}
	result, err := Parse(r, ParseOptions{List: k.Name, Format: k.Format, Match: k.Match, Kind: k.Kind, Gentle: b.gentle}, take, func(s Skip) {
		if len(skips) < maxSkips {
			skips = append(skips, s)
		}
	})
	if err == nil {
		err = n.judge()
	}
	if err != nil {
		return nil, result, nil, err
	}
	for i := range n.found.Held {
		b.takeOut(&n.found.Held[i].Rule)
	}
	l := b.Build()
	if l.Entries() == 0 {
		return nil, result, nil, fmt.Errorf("%w (%d lines, %d skipped, %d held back)", errEmpty, result.Lines, result.Skipped, len(n.found.Held))
	}
	return l, result, skips, nil
}

// errEmpty says that a text has no rule.
var errEmpty = errors.New("there is no rule in it")

// fetch brings the list up to date, and says whether there is a new copy in
// use. The caller has taken k.working.
func (k *kept) fetch(ctx context.Context, force bool) (changed bool, err error) {
	k.mu.Lock()
	old, m := k.list, k.meta
	k.mu.Unlock()
	v := m.Validators
	if old == nil || force {
		v = Validators{}
	}
	f, err := k.Fetcher.Fetch(ctx, v)
	if err != nil {
		return false, err
	}
	now := time.Now()
	if f.NotModified {
		k.unchanged(old, m, now)
		return false, nil
	}
	defer f.Body.Close()
	text := k.store.disk.newRaw(k.Config, k.progress.body(&f), k.store.gentle.Load())
	defer text.discard()
	n := k.newNews(old, &m, force)
	l, result, skips, err := k.compile(text, n)
	if err == nil {
		err = text.finish() // what a parser leaves unread counts as well, such as a cut end
	}
	if err != nil {
		return false, err
	}
	accepting := force && len(m.Held) > 0
	if old != nil && text.sum == m.Sum && k.store.disk.hasRaw(k.Config, &m) && !accepting {
		m.Validators = f.Validators
		if force {
			m.popular = popular{}
		}
		k.unchanged(old, m, now)
		return false, nil
	}
	if k.Remote && !force && old != nil && l.Entries()*2 < old.Entries() {
		if err := k.holdBack(&m, text.sum, l.Entries(), old.Entries(), now); err != nil {
			return false, err
		}
	}
	change := n.change(&m, l, now)
	m = meta{Validators: f.Validators, Updated: now, Checked: now, Sum: text.sum, Changed: m.Changed, popular: n.popular(l)}
	m.note(result, skips)
	if change != nil {
		m.Changed = lastChange{now, change.Added, change.Removed}
	}
	l, err = k.save(text, &m, l)
	k.accept(l, m)
	n.tell()
	if change != nil {
		k.record(*change)
	}
	if err == nil {
		err = k.store.disk.clean(k.Config, &m)
	}
	if err != nil {
		k.unstored(err)
	}
	return true, nil
}

// tell says which copy is in use now.
func (k *kept) tell() {
	st := k.status()
	k.store.log.Info("list in use", "list", k.Name, "format", st.Format, "entries", st.Entries, "skipped", st.Skipped)
}

// unchanged notes that the copy in use is the present one.
func (k *kept) unchanged(l *List, m meta, now time.Time) {
	m.Updated, m.Checked, m.Shrunk = now, now, shrunk{}
	k.accept(l, m)
	if err := k.store.disk.writeMeta(k.Config, &m); err != nil {
		k.unstored(err)
	}
}

// unstored tells of a good copy, in use, that a restart will not find.
func (k *kept) unstored(err error) {
	k.store.log.Error("a list cannot be stored; it will be fetched again after a restart", "list", k.Name, "err", err)
}

// save stores text, compiled list and, last, what makes both count. It returns
// the list to be used.
func (k *kept) save(text *rawText, m *meta, l *List) (*List, error) {
	d := k.store.disk
	if err := text.commit(); err != nil {
		return l, err
	}
	l, err := d.writeList(k.Config, m, l, k.store.seed, k.store.gentle.Load())
	if err != nil {
		return l, err
	}
	return l, d.writeMeta(k.Config, m)
}

// shrinkConfirm is how many fetches in a row have to bring the same content
// before a list that lost more than half of its entries is believed.
const shrinkConfirm = 3

// heldBack is the error of a list that shrank too much to be believed at once.
type heldBack struct {
	shrunk
	before int // entries of the copy in use
}

func (h heldBack) Error() string {
	return fmt.Sprintf("it shrank from %d to %d entries; held back until it has come %d times unchanged (now %d), or a forced refresh",
		h.before, h.Entries, shrinkConfirm, h.Times)
}

// holdBack counts how often the same shrunken content has come, and returns a
// heldBack until that is often enough.
func (k *kept) holdBack(m *meta, sum string, entries, before int, now time.Time) error {
	if m.Shrunk.Sum != sum {
		m.Shrunk = shrunk{Sum: sum, Entries: entries}
	}
	m.Shrunk.Times++
	m.Checked = now
	if m.Shrunk.Times >= shrinkConfirm {
		return nil
	}
	k.mu.Lock()
	k.meta.Shrunk, k.meta.Checked = m.Shrunk, m.Checked
	k.mu.Unlock()
	if err := k.store.disk.writeMeta(k.Config, m); err != nil {
		k.unstored(err)
	}
	return heldBack{m.Shrunk, before}
}
