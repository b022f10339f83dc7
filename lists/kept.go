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

	working sync.Mutex // held while the list is fetched or loaded

	mu   sync.Mutex // guards what follows
	list *List      // nil before the first good copy
	meta meta
	next time.Time
	err  error
}

func newKept(s *Store, c Config) *kept { return &kept{Config: c, store: s} }

func (k *kept) compiled() *List {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.list
}

func (k *kept) status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	st := Status{Name: k.Name, Source: k.Source, Kind: k.Kind, Format: k.meta.Format, Skipped: k.meta.Skipped,
		Updated: k.meta.Updated, Next: k.next, Skips: k.meta.Skips}
	if k.list != nil {
		st.Entries = k.list.Entries()
	}
	if k.err != nil {
		st.LastError = k.err.Error()
	}
	return st
}

// load reads the list without network.
func (k *kept) load(ctx context.Context) {
	k.working.Lock()
	defer k.working.Unlock()
	if err := k.loadStored(); err != nil {
		k.store.log.Warn("the stored copy of a list is of no use", "list", k.Name, "err", err)
	}
	if k.Remote {
		return
	}
	if _, err := k.fetch(ctx, false); err != nil {
		k.failed(err)
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
	if l, err := d.readList(k.Config, m, k.store.seed); err == nil {
		k.accept(l, *m)
		return nil
	}
	raw, err := d.openRaw(k.Config, m)
	if err != nil {
		return err
	}
	defer raw.Close()
	l, result, skips, err := k.compile(raw)
	if err != nil {
		return err
	}
	m.note(result, skips)
	if err := d.writeList(k.Config, m, l, k.store.seed); err == nil {
		err = d.writeMeta(k.Config, m)
	}
	if err != nil {
		k.store.log.Warn("a compiled list cannot be stored", "list", k.Name, "err", err)
	}
	k.accept(l, *m)
	return nil
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

// compile reads a text.
func (k *kept) compile(r io.Reader) (*List, ParseResult, []Skip, error) {
	b := NewBuilder(k.Name, k.Kind, k.store.seed)
	var skips []Skip
	result, err := Parse(r, ParseOptions{List: k.Name, Format: k.Format, Match: k.Match, Kind: k.Kind}, b.Add, func(s Skip) {
		if len(skips) < maxSkips {
			skips = append(skips, s)
		}
	})
	if err != nil {
		return nil, result, nil, err
	}
	return b.Build(), result, skips, nil
}

// shrinkConfirm is how many fetches in a row have to bring the same content
// before a list that lost more than half of its entries is believed.
const shrinkConfirm = 3

// errEmpty says that a text has no rule.
var errEmpty = errors.New("there is no rule in it")

// fetch brings the list up to date, and says whether there is a new copy in
// use. The caller holds k.working.
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
		m.Checked, m.Shrunk = now, shrunk{}
		k.accept(old, m)
		return false, k.store.disk.writeMeta(k.Config, &m)
	}
	defer f.Body.Close()
	text, err := k.store.disk.newRaw(k.Config, f.Body)
	if err != nil {
		return false, err
	}
	defer text.discard()
	l, result, skips, err := k.compile(text)
	if err == nil {
		err = text.finish() // what a parser leaves unread counts as well, such as a cut end
	}
	switch {
	case err != nil:
		return false, err
	case l.Entries() == 0:
		return false, fmt.Errorf("%w (%d lines, %d skipped)", errEmpty, result.Lines, result.Skipped)
	case k.Remote && !force && old != nil && l.Entries()*2 < old.Entries():
		if err := k.holdBack(&m, text.sum, l.Entries(), old.Entries()); err != nil {
			return false, err
		}
	}
	m = meta{Validators: f.Validators, Updated: now, Checked: now, Sum: text.sum}
	m.note(result, skips)
	if err := k.save(text, &m, l); err != nil {
		// It is good, so it is used; but not after a restart.
		k.store.log.Error("a list cannot be stored", "list", k.Name, "err", err)
	}
	k.accept(l, m)
	k.store.log.Info("list in use", "list", k.Name, "format", m.Format, "entries", l.Entries(), "skipped", m.Skipped)
	return true, nil
}

// holdBack counts how often the same shrunken content has come, and returns an
// error until that is often enough.
func (k *kept) holdBack(m *meta, sum string, entries, before int) error {
	if m.Shrunk.Sum != sum {
		m.Shrunk = shrunk{Sum: sum}
	}
	m.Shrunk.Times++
	k.mu.Lock()
	k.meta.Shrunk = m.Shrunk
	k.mu.Unlock()
	if m.Shrunk.Times >= shrinkConfirm {
		return nil
	}
	if err := k.store.disk.writeMeta(k.Config, m); err != nil {
		k.store.log.Error("a list cannot be stored", "list", k.Name, "err", err)
	}
	return fmt.Errorf("it shrank from %d to %d entries; held back until it has come %d times unchanged (now %d), or a forced refresh",
		before, entries, shrinkConfirm, m.Shrunk.Times)
}

// save stores text, compiled list and, last, what makes both count.
func (k *kept) save(text *rawText, m *meta, l *List) error {
	d := k.store.disk
	if err := text.commit(); err != nil {
		return err
	}
	if err := d.writeList(k.Config, m, l, k.store.seed); err != nil {
		return err
	}
	if err := d.writeMeta(k.Config, m); err != nil {
		return err
	}
	return d.clean(k.Config, m)
}
