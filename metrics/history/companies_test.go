package history

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"deadpixel/resolver"
)

// meet has names of Meta's be blocked, each once.
func (h *house) meet(o resolver.Observer, r resolver.Reason, names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		e := resolver.Event{Time: time.Now(), Client: phone, Outcome: resolver.Blocked, List: "starter", Reason: r, Name: []byte(name)}
		if r == resolver.ByCNAME {
			e.Name, e.Hidden = []byte("www.shop.example"), []byte(name)
		}
		h.counts.block(e.List, r)
		h.counts.Outcomes[resolver.Blocked]++
		o.Observe(e)
	}
}

// How many different names of a company were blocked is counted by the day, whoever asks
// on whichever core, and a range says the most of one day. No name is on disk.
func TestDifferentNames(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
		var ours house
		set := Settings{Dir: dir, Clients: None}
		h := ours.open(set)
		stop := run(t, h)
		want := func(when string, r Range, names, attempts, hidden uint64) {
			t.Helper()
			c := h.ReadCompany(r, "Meta")
			if c.Names != names || c.Attempts() != attempts || c.Hidden() != hidden {
				t.Errorf("%s: %d names, %d attempts, %d hidden, want %d, %d, %d", when, c.Names, c.Attempts(), c.Hidden(), names, attempts, hidden)
			}
			if same := h.Read(r).Companies["Meta"]; attempts > 0 && !reflect.DeepEqual(*same, c.Company) {
				t.Errorf("%s: %+v of all, %+v alone", when, same, c.Company)
			}
			var a, b uint64
			for _, column := range c.Columns {
				a, b = a+column.Attempts, b+column.Hidden
			}
			if a != attempts || b != hidden {
				t.Errorf("%s: the columns have %d and %d", when, a, b)
			}
		}
		one, other := h.Fork(), h.Fork()
		ours.meet(one, resolver.ByName, "a.facebook.com", "b.facebook.com", "a.facebook.com")
		want("at once", Day, 2, 3, 0)
		ours.meet(other, resolver.ByCNAME, "b.facebook.com", "c.facebook.com")
		want("on two cores", Day, 3, 5, 2)
		time.Sleep(3 * time.Hour)
		ours.meet(one, resolver.ByHTTPS, "a.facebook.com", "d.facebook.com")
		ours.meet(one, resolver.ByAddress, "e.facebook.com")
		want("three hours later", Day, 5, 8, 5)
		stop()
		h = ours.open(set)
		stop = run(t, h)
		ours.meet(h.Fork(), resolver.ByName, "z.facebook.com")
		want("after a restart", Day, 5, 9, 5)
		until(time.Date(2026, 11, 25, 0, 30, 30, 0, time.UTC))
		ours.meet(h.Fork(), resolver.ByName, "a.facebook.com", "y.facebook.com", "x.facebook.com")
		want("the day after", Day, 5, 12, 5)
		until(time.Date(2026, 11, 26, 12, 0, 30, 0, time.UTC))
		want("two days after", Day, 0, 0, 0)
		want("two days after", Week, 5, 12, 5)
		want("two days after", Month, 5, 12, 5)
		if h.Read(Month).Companies[""] != nil {
			t.Error("names of nobody are counted")
		}
		stop()
		for _, file := range must(os.ReadDir(dir)) {
			if b := must(os.ReadFile(filepath.Join(dir, file.Name()))); strings.Contains(string(b), "facebook") {
				t.Errorf("a name is in %s", file.Name())
			}
		}
	})
}

// Erasing forgets which names there were.
func TestNamesErased(t *testing.T) {
	var ours house
	h := ours.open(Settings{})
	ours.meet(h, resolver.ByName, "a.facebook.com", "b.facebook.com")
	if held := h.Held(); held.Names != 2 {
		t.Errorf("%d names are held", held.Names)
	}
	if err := h.Erase(); err != nil {
		t.Fatal(err)
	}
	if held := h.Held(); held.Names != 0 {
		t.Errorf("%d names are held", held.Names)
	}
	ours.meet(h, resolver.ByName, "a.facebook.com")
	if c := h.ReadCompany(Day, "Meta"); c.Names != 1 || c.Attempts() != 1 {
		t.Errorf("%+v", c.Company)
	}
}

// However many names there are, memory is bounded, and what is counted is true.
func TestNamesBounded(t *testing.T) {
	var n names
	n.begin(1)
	for c := range 100 {
		for i := range uint64(maxNames + 50) {
			n.note(fmt.Sprint("Company ", c), i)
		}
	}
	if n.held != maxAllNames || n.of("Company 0") != maxNames || n.of("Company 99") != 0 {
		t.Errorf("%d names are held, %d and %d", n.held, n.of("Company 0"), n.of("Company 99"))
	}
	n.begin(1)
	if n.of("Company 0") != maxNames {
		t.Error("forgotten on the same day")
	}
	if n.begin(2); n.of("Company 0") != 0 || n.held != 0 {
		t.Error("not forgotten the day after")
	}

	var ours house
	h := ours.open(Settings{})
	for range 2 {
		for i := range 5 * nameSlots {
			h.Observe(resolver.Event{Outcome: resolver.Blocked, List: "starter", Name: fmt.Appendf(nil, "x%d.facebook.com", i)})
		}
	}
	if got := h.ReadCompany(Day, "Meta").Names; got != maxNames {
		t.Errorf("%d names", got)
	}
}

// oldRow is a sum as the program of before wrote it, version 1.
const oldRow = "01090032ac020000000000000400020000060663616e617279040701000206636f6e666967040701000203646f6804070100020e736572766963653a74696b746f6b0407010002077374617274657204070100020b73746576656e626c61636b04070100020f09436f6d70616e792030010109436f6d70616e79203101020a436f6d70616e79203130010b0a436f6d70616e79203131010c0a436f6d70616e79203132010d0a436f6d70616e79203133010e0a436f6d70616e79203134010f09436f6d70616e792032010309436f6d70616e792033010409436f6d70616e792034010509436f6d70616e792035010609436f6d70616e792036010709436f6d70616e792037010809436f6d70616e792038010909436f6d70616e792039010a00020923303030303030303002140309233030303030303031021403ff39a704"

// What was kept before lists and ways of companies were is still there, with what is not
// known of it, and is added to.
func TestOldRow(t *testing.T) {
	old := must(hex.DecodeString(oldRow))
	var got sum
	if err := got.addRow(old, true); err != nil {
		t.Fatal(err)
	}
	if got.Queries() != 350 || got.Escapes[resolver.ByCanary] != 2 || got.Blocked["starter"] != [resolver.Reasons]uint64{7, 1, 0, 2} || len(got.Companies) != 15 || len(got.clients) != 2 {
		t.Errorf("%+v", got)
	}
	c := got.Companies["Company 9"]
	if ways, untold := c.Ways(); c.Attempts() != 10 || untold != 10 || ways != [resolver.Reasons]uint64{} || c.Hidden() != 0 || c.Names != 0 {
		t.Errorf("%+v", c)
	}
	got.add(busy(2))
	var again sum
	if err := again.addRow(got.encode(), true); err != nil {
		t.Fatal(err)
	}
	c = again.Companies["Company 9"]
	if ways, untold := c.Ways(); c.Attempts() != 20 || untold != 10 || ways[resolver.ByName] != 10 || c.Names != 3 {
		t.Errorf("%+v", c)
	}

	dir := t.TempDir()
	s, _, err := openStore(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := s.update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(minutes)).Put(place(minutes.number(now, nil)), old) }); err != nil {
		t.Fatal(err)
	}
	s.close()
	var ours house
	h := ours.open(Settings{Dir: dir})
	defer h.shut()
	if rep := h.Read(Day); rep.Queries() != 350 || len(ours.log.String()) > 0 {
		t.Errorf("%d queries; %s", rep.Queries(), &ours.log)
	}
	for i := range old {
		bad := append([]byte(nil), old...)
		bad[i] ^= 0x10
		if err := new(sum).addRow(bad, true); !errors.Is(err, errRow) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// A month is told by its days, from the running program and from the file alone.
func TestMonth(t *testing.T) {
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("x", -11*3600)} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			until(time.Date(2026, 10, 30, 10, 0, 30, 0, zone))
			var ours house
			set := Settings{Dir: dir, Clients: Anonymous, Zone: zone, Keep: 60 * 24 * time.Hour}
			h := ours.open(set)
			stop := run(t, h)
			if _, err := h.ReadMonth(2026, time.October); err == nil || err.Error() != "nothing is kept of 2026-10, nor of any other month" {
				t.Errorf("%v", err)
			}
			ours.meet(h, resolver.ByName, "a.facebook.com")
			until(time.Date(2026, 10, 31, 23, 59, 30, 0, zone))
			ours.meet(h, resolver.ByName, "a.facebook.com", "b.facebook.com")
			until(time.Date(2026, 11, 1, 0, 0, 30, 0, zone))
			ours.meet(h, resolver.ByCNAME, "a.facebook.com")
			until(time.Date(2026, 11, 20, 12, 0, 30, 0, zone))
			ours.meet(h, resolver.ByCNAME, "a.facebook.com", "b.facebook.com", "c.facebook.com")
			tell := func(all []DayReport, err error) string {
				if err != nil {
					return err.Error()
				}
				var said []string
				for _, d := range all {
					c := d.Companies["Meta"]
					said = append(said, fmt.Sprintf("%s: %d/%d/%d", d.Begin.Format("2 Jan 15:04"), c.Attempts(), c.Hidden(), c.Names))
				}
				return strings.Join(said, ", ")
			}
			want := map[time.Month]string{
				time.September: "nothing is kept of 2026-09, but of 2026-10-30 to 2026-11-20",
				time.October:   "30 Oct 00:00: 1/0/1, 31 Oct 00:00: 2/0/2",
				time.November:  "1 Nov 00:00: 1/1/1, 20 Nov 00:00: 3/3/3",
				time.December:  "nothing is kept of 2026-12, but of 2026-10-30 to 2026-11-20",
			}
			for month, want := range want {
				if got := tell(h.ReadMonth(2026, month)); got != want {
					t.Errorf("%v: %s, want %s", month, got, want)
				}
			}
			if _, err := ReadMonthOf(set, 2026, time.November); !errors.Is(err, ErrInUse) {
				t.Errorf("in use: %v", err)
			}
			stop()
			files := func() map[string]string {
				all := map[string]string{}
				for _, f := range must(os.ReadDir(dir)) {
					all[f.Name()] = string(must(os.ReadFile(filepath.Join(dir, f.Name()))))
				}
				return all
			}
			before := files()
			for month, want := range want {
				if got := tell(ReadMonthOf(set, 2026, month)); got != want {
					t.Errorf("%v of the file: %s, want %s", month, got, want)
				}
			}
			if !maps.Equal(before, files()) {
				t.Error("reading has changed something")
			}
			until(time.Date(2026, 12, 30, 13, 0, 30, 0, zone))
			set.Keep = 50 * 24 * time.Hour
			if got, want := tell(ReadMonthOf(set, 2026, time.November)), "20 Nov 00:00: 3/3/3"; got != want {
				t.Errorf("after the time of some: %s, want %s", got, want)
			}
			if _, err := ReadMonthOf(Settings{Dir: filepath.Join(dir, "none"), Zone: zone}, 2026, time.November); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no file: %v", err)
			}
			if err := os.WriteFile(filepath.Join(dir, fileName), []byte("a letter to my grandmother"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadMonthOf(set, 2026, time.November); !isDamage(err) {
				t.Errorf("damaged: %v", err)
			}
		})
	}
}

// The counter is on the way of every blocked answer.
func TestBlockedAllocatesNothing(t *testing.T) {
	var ours house
	h := ours.open(Settings{Clients: Anonymous})
	o := h.Fork()
	names := make([][]byte, 3000)
	for i := range names {
		names[i] = fmt.Appendf(nil, "x%d.facebook.com", i)
	}
	i := 0
	if n := testing.AllocsPerRun(5000, func() {
		i++
		o.Observe(resolver.Event{Client: phone, Outcome: resolver.Blocked, List: "starter", Name: names[i%len(names)]})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
