package history

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"deadpixel/resolver"
)

// house is a household whose counters a test moves.
type house struct {
	mu     sync.Mutex
	counts Counts
	log    bytes.Buffer
}

// now reads a copy of the counters.
func (h *house) now() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts.since(Counts{})
}

// block counts what a list has blocked of Meta's.
func (c *Counts) block(list string, r resolver.Reason) {
	if c.Blocked == nil {
		c.Blocked, c.Owners = map[string][resolver.Reasons]uint64{}, map[string]map[string][resolver.Reasons]uint64{"Meta": {}}
	}
	for _, lists := range []map[string][resolver.Reasons]uint64{c.Blocked, c.Owners["Meta"]} {
		reasons := lists[list]
		reasons[r]++
		lists[list] = reasons
	}
}

var (
	phone  = netip.MustParseAddr("192.0.2.40")
	laptop = netip.MustParseAddr("2001:db8::7")
)

// ask counts queries of a client, of which one in three is blocked.
func (h *house) ask(o resolver.Observer, ip netip.Addr, queries int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range queries {
		e := resolver.Event{Time: time.Now(), Client: ip, Outcome: resolver.Cached}
		if i%3 == 0 {
			e.Outcome, e.List, e.Reason = resolver.Blocked, "starter", resolver.ByCNAME
			e.Name, e.Hidden = []byte("www.shop.example"), []byte("pixel.facebook.com")
			h.counts.block(e.List, e.Reason)
		}
		h.counts.Outcomes[e.Outcome]++
		o.Observe(e)
	}
}

// open opens a history with counters of its own.
func (h *house) open(s Settings) *History {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	if s.Keep == 0 {
		s.Keep = 30 * 24 * time.Hour
	}
	return Open(Options{Settings: s, Counts: h.now, Log: slog.New(slog.NewTextHandler(&h.log, nil)),
		Client: func(ip netip.Addr) string {
			if ip == laptop {
				return "ann's laptop"
			}
			return ""
		}, Owner: func(name []byte) string {
			if bytes.HasSuffix(name, []byte("facebook.com")) {
				return "Meta"
			}
			return ""
		}})
}

// until sleeps until a time of the virtual clock.
func until(t time.Time) { time.Sleep(time.Until(t)) }

// run runs h until the returned function is called.
func run(t *testing.T, h *History) (stop func()) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// wantReport compares a range's sums.
func wantReport(t *testing.T, when string, h *History, r Range, queries, blocked uint64) Report {
	t.Helper()
	rep := h.Read(r)
	if rep.Queries() != queries || rep.blocked() != blocked {
		t.Errorf("%s: %d queries, %d blocked, want %d, %d", when, rep.Queries(), rep.blocked(), queries, blocked)
	}
	var q, b uint64
	for i, c := range rep.Columns {
		q, b = q+c.Queries, b+c.Blocked
		if i > 0 && !c.From.Equal(rep.Columns[i-1].Until) {
			t.Errorf("%s: a hole before %v", when, c.From)
		}
	}
	if q != queries || b != blocked {
		t.Errorf("%s: the columns have %d queries, %d blocked", when, q, b)
	}
	if now := time.Now(); rep.Columns[0].From.After(now) || !rep.Columns[len(rep.Columns)-1].Until.After(now) || rep.Columns[len(rep.Columns)-1].From.After(now) {
		t.Errorf("%s: the last column is not the present one: %+v", when, rep.Columns[len(rep.Columns)-1])
	}
	return rep
}

// Minutes become hours and days; everything is counted once in every range, also
// across restarts, and is gone when its time is over.
func TestLife(t *testing.T) {
	for _, c := range []struct {
		name string
		zone *time.Location
	}{{"UTC", time.UTC}, {"half an hour off", time.FixedZone("x", 5*3600+1800)}, {"the west", time.FixedZone("x", -11*3600)}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Date(2026, 11, 24, 10, 7, 30, 0, c.zone)
				until(begin)
				var ours house
				h := ours.open(Settings{Dir: dir, Clients: Anonymous, Zone: c.zone})
				stop := run(t, h)
				ours.ask(h.Fork(), phone, 9)
				wantReport(t, "at once", h, Day, 9, 3)
				until(begin.Add(3 * time.Hour))
				ours.ask(h.Fork(), laptop, 6)
				for _, r := range []Range{Day, Week, Month} {
					rep := wantReport(t, "after three hours", h, r, 15, 5)
					if ways, _ := rep.Companies["Meta"].Ways(); rep.Blocked["starter"][resolver.ByCNAME] != 5 || ways[resolver.ByCNAME] != 5 || rep.Companies["Meta"].Names != 1 {
						t.Errorf("%+v, Meta %+v", rep.Sums, rep.Companies["Meta"])
					}
				}
				stop()
				h = ours.open(Settings{Dir: dir, Clients: Anonymous, Zone: c.zone})
				stop = run(t, h)
				wantReport(t, "after a restart", h, Day, 15, 5)
				until(begin.Add(25 * time.Hour))
				ours.ask(h, phone, 3)
				wantReport(t, "the day after", h, Day, 9, 3)
				wantReport(t, "the day after", h, Week, 18, 6)
				rep := wantReport(t, "the day after", h, Month, 18, 6)
				if n := len(rep.Columns); rep.Columns[n-1].Queries != 3 || rep.Columns[n-2].Queries != 15 {
					t.Errorf("days %+v", rep.Columns[n-2:])
				}
				until(begin.Add(10 * 24 * time.Hour))
				wantReport(t, "ten days later", h, Week, 0, 0)
				wantReport(t, "ten days later", h, Month, 18, 6)
				if held := h.Held(); held.Minutes != 0 || held.Oldest.IsZero() || held.Clients != 0 || held.Key {
					t.Errorf("%+v", held)
				}
				until(begin.Add(29*24*time.Hour + 14*time.Hour))
				wantReport(t, "after thirty days", h, Month, 3, 1)
				until(begin.Add(33 * 24 * time.Hour))
				if held := h.Held(); held.Minutes+held.Hours+held.Days+held.Waiting != 0 {
					t.Errorf("not deleted: %+v", held)
				}
				stop()
				if ours.log.Len() > 0 {
					t.Errorf("the log: %s", &ours.log)
				}
			})
		})
	}
}

// What is kept for less than the ranges is kept for no more than that anywhere.
func TestShortKeep(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Full, Keep: 2 * time.Hour})
		stop := run(t, h)
		defer stop()
		ours.ask(h, phone, 3)
		time.Sleep(2*time.Hour + time.Minute)
		for _, r := range []Range{Day, Week, Month} {
			wantReport(t, "after its time", h, r, 0, 0)
		}
		if clients := h.Today(); len(clients) != 0 {
			t.Errorf("clients %v", clients)
		}
		ours.ask(h, laptop, 3)
		time.Sleep(2 * time.Minute)
		if held := h.Held(); held.Minutes != 1 || held.Hours+held.Days != 0 || held.Until.Sub(held.Oldest) != 2*time.Hour {
			t.Errorf("%+v", held)
		}
	})
}

// There is at most one transaction a minute, and none while nobody asks.
func TestWritesSeldom(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Anonymous})
		defer run(t, h)()
		transaction := func() (n int) {
			h.mu.Lock()
			defer h.mu.Unlock()
			_ = h.store.view(func(tx *bolt.Tx) error { n = tx.ID(); return nil })
			return n
		}
		first := transaction()
		for range 10 {
			ours.ask(h, phone, 5)
			time.Sleep(30 * time.Second)
			h.Read(Day)
		}
		if n := transaction() - first; n != 5 {
			t.Errorf("%d transactions in five minutes", n)
		}
		time.Sleep(time.Minute)
		first = transaction()
		time.Sleep(time.Hour)
		if n := transaction() - first; n != 0 {
			t.Errorf("%d transactions while nobody asked", n)
		}
	})
}

// Clients appear in the permitted form, and a stricter one erases what it forbids.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
		var ours house
		set := Settings{Dir: dir, Clients: Full, Zone: time.UTC, Keep: 720 * time.Hour}
		h := ours.open(set)
		defer run(t, h)()
		names := func() string {
			var all []string
			for _, c := range h.Today() {
				if len(c.Name) == 16 && c.Name == hex.EncodeToString(must(hex.DecodeString(c.Name))) {
					c.Name = "hash"
				}
				all = append(all, fmt.Sprint(c.Name, c.Use))
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		want := func(when, want string) {
			t.Helper()
			if got := names(); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		ask := func() {
			ours.ask(h, phone, 3)
			ours.ask(h, laptop, 6)
			h.Observe(resolver.Event{Client: netip.MustParseAddr("203.0.113.1"), Outcome: resolver.Refused})
			time.Sleep(time.Minute)
		}
		ask()
		want("full", "192.0.2.40{3 1} ann's laptop{6 2}")
		set.Clients = Anonymous
		h.Use(set)
		want("from full to anonymous", "{9 3}")
		ask()
		want("anonymous", "hash{3 1} hash{6 2} {9 3}")
		h.Use(set)
		ask()
		want("after a reload", "hash{12 4} hash{6 2} {9 3}")
		if b := must(os.ReadFile(filepath.Join(dir, fileName))); bytes.Contains(b, []byte("laptop")) || bytes.Contains(b, []byte("192.0.2")) {
			t.Error("a name is still on disk")
		}
		set.Clients = None
		h.Use(set)
		ask()
		want("none", "{27 9}")
		if _, err := os.Stat(filepath.Join(dir, keyName)); err == nil {
			t.Error("there still is a key")
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whoever has today everything that is on disk and in the process cannot say whose
// yesterday's hash was: the key is nowhere. The same key and address did make it.
func TestYesterdaysHash(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		zone := time.FixedZone("x", 3600)
		until(time.Date(2026, 11, 24, 22, 0, 30, 0, zone))
		var ours house
		set := Settings{Dir: dir, Clients: Anonymous, Zone: zone}
		h := ours.open(set)
		stop := run(t, h)
		ours.ask(h, phone, 3)
		time.Sleep(time.Minute)
		yesterday := h.Today()[0].Name
		file := filepath.Join(dir, keyName)
		info, secret := must(os.Stat(file)), must(os.ReadFile(file))[8:]
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("the key has mode %v", info.Mode())
		}
		stop()
		// What a kill leaves of the file while it is written.
		if err := os.WriteFile(file+".123.tmp", must(os.ReadFile(file)), 0o600); err != nil {
			t.Fatal(err)
		}
		h = ours.open(set)
		stop = run(t, h)
		ours.ask(h, phone, 3)
		if again := h.Today(); len(again) != 1 || again[0].Name != yesterday || again[0].Queries != 6 {
			t.Errorf("a restart counts the client anew: %v", again)
		}
		until(time.Date(2026, 11, 25, 0, 0, 0, 1, zone))
		synctest.Wait()
		gone := func(when string) {
			t.Helper()
			if h.key.exists() {
				t.Errorf("%s: there is a key in memory", when)
			}
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("%s: there is a key on disk", when)
			}
			for _, f := range must(os.ReadDir(dir)) {
				b := must(os.ReadFile(filepath.Join(dir, f.Name())))
				if bytes.Contains(b, secret) {
					t.Errorf("%s: the key is in %s", when, f.Name())
				}
			}
			if held := fmt.Sprintf("%x %+v %+v", h.key.secret, h.Held(), h.Read(Week)); strings.Contains(held, hex.EncodeToString(secret)) {
				t.Errorf("%s: the key is told: %s", when, held)
			}
		}
		gone("at midnight")
		ours.ask(h, phone, 3)
		if today := h.Today(); len(today) != 1 || today[0].Name == yesterday {
			t.Errorf("today %v, yesterday %s", today, yesterday)
		}
		secret = must(os.ReadFile(file))[8:]
		old := key{day: h.key.day}
		copy(old.secret[:], secret)
		stop()
		// The server is off over the next midnight.
		until(time.Date(2026, 11, 27, 9, 0, 0, 0, zone))
		h = ours.open(set)
		stop = run(t, h)
		defer stop()
		gone("after a day without")
		// The minute that a machine slept in is nobody's when its key is gone.
		if c, _ := h.key.hash(phone, days.number(time.Now(), zone)); c == others {
			t.Error("no hash of today")
		}
		if c, _ := h.key.hash(phone, days.number(time.Now(), zone)-1); c != others {
			t.Errorf("a hash of yesterday: %v", c)
		}
		if c, _ := old.hash(phone, old.day); c == others {
			t.Error("the key of then made no hash")
		}
	})
}

func TestErase(t *testing.T) {
	for _, dir := range []string{t.TempDir(), ""} {
		synctest.Test(t, func(t *testing.T) {
			until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
			var ours house
			h := ours.open(Settings{Dir: dir, Clients: Full})
			defer run(t, h)()
			ours.ask(h, phone, 3)
			time.Sleep(26 * time.Hour) // it is in a minute, an hour and a day
			ours.ask(h, phone, 3)
			ours.ask(h, laptop, 3)
			time.Sleep(time.Minute)
			ours.ask(h, phone, 3)
			if n, err := h.EraseClient(phone); n < 2 || err != nil {
				t.Errorf("%q: found in %d sums, %v", dir, n, err)
			}
			if n, err := h.EraseClient(phone); n != 0 || err != nil {
				t.Errorf("%q: still found in %d sums, %v", dir, n, err)
			}
			if c := h.Today(); len(c) != 1 || c[0].Name != "ann's laptop" {
				t.Errorf("%q: clients %v", dir, c)
			}
			wantReport(t, "without a client", h, Day, 9, 3)
			if dir != "" {
				if b := must(os.ReadFile(filepath.Join(dir, fileName))); bytes.Contains(b, []byte(phone.String())) || !bytes.Contains(b, []byte("laptop")) {
					t.Error("the client is still in the file, or the others are not")
				}
				if err := os.WriteFile(filepath.Join(dir, fileName+asideEnd+"20260101T000000Z"), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.Erase(); err != nil {
				t.Errorf("%q: %v", dir, err)
			}
			held := h.Held()
			if held.Minutes+held.Hours+held.Days+held.Waiting+held.Clients+len(held.Aside) != 0 || !held.Oldest.IsZero() {
				t.Errorf("%q: left: %+v", dir, held)
			}
			if dir != "" {
				if b := must(os.ReadFile(filepath.Join(dir, fileName))); bytes.Contains(b, []byte("laptop")) || bytes.Contains(b, []byte("Meta")) {
					t.Error("something is still in the file")
				}
			}
			wantReport(t, "erased", h, Month, 0, 0)
			ours.ask(h, phone, 3)
			wantReport(t, "and on", h, Month, 3, 1)
		})
	}
}

// A disk that takes no more is told once; what is counted waits, and is written when
// there is room again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC))
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Full})
		defer run(t, h)()
		crowd := func() {
			for i := range 1100 {
				ours.ask(h, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 1)
			}
		}
		room := func(max int) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.store.db.MaxSize = max
		}
		room(1)                             // the file may not grow
		const full = maxWaitingClients + 30 // minutes
		for range full {
			crowd()
			time.Sleep(time.Minute)
		}
		held := h.Held()
		if held.Waiting < full || held.Trouble == "" {
			t.Errorf("%+v", held)
		}
		clients := 0
		h.mu.Lock()
		for _, row := range h.waiting {
			if clients += len(row.clients); len(row.clients) > maxClients+1 {
				t.Errorf("%d clients in a minute", len(row.clients))
			}
		}
		h.mu.Unlock()
		if clients > (maxWaitingClients+1)*(maxClients+1)+held.Waiting {
			t.Errorf("%d clients wait", clients)
		}
		if n := strings.Count(ours.log.String(), "cannot be written"); n != 1 {
			t.Errorf("told %d times: %s", n, &ours.log)
		}
		queries := uint64(full * 1100)
		wantReport(t, "full", h, Day, queries, queries)
		room(0)
		time.Sleep(time.Minute)
		crowd()
		time.Sleep(time.Minute)
		wantReport(t, "with room again", h, Day, queries+1100, queries+1100)
		if held := h.Held(); held.Waiting > 0 || held.Trouble != "" || !strings.Contains(ours.log.String(), "written again") {
			t.Errorf("%+v; %s", held, &ours.log)
		}
	})
}

// What was deleted is in the file no more within a day, also on a machine that is off
// every night, and where a reload comes between midnight and the next minute. A restart
// alone is no reason to write the file again.
func TestDeletedIsGone(t *testing.T) {
	const word = "ann's laptop" // as which a client appears
	for _, c := range []struct {
		name  string
		night func(h *History, set Settings, stop func(), again func())
	}{
		{"off at midnight", func(_ *History, _ Settings, stop, again func()) {
			stop()
			time.Sleep(16 * time.Hour)
			again()
		}},
		{"a reload at midnight", func(h *History, set Settings, _, _ func()) {
			until(time.Date(2026, 11, 25, 0, 0, 10, 0, time.UTC))
			h.Use(set)
			until(time.Date(2026, 11, 25, 10, 30, 0, 0, time.UTC))
		}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		synctest.Test(t, func(t *testing.T) {
			until(time.Date(2026, 11, 24, 18, 0, 30, 0, time.UTC))
			var ours house
			set := Settings{Dir: dir, Clients: Full, Zone: time.UTC, Keep: 2 * time.Hour}
			h := ours.open(set)
			stop := run(t, h)
			again := func() {
				h = ours.open(set)
				stop = run(t, h)
			}
			ours.ask(h, laptop, 3)
			time.Sleep(2 * time.Minute)
			if b := must(os.ReadFile(path)); !bytes.Contains(b, []byte(word)) {
				t.Fatalf("%s: it was never in the file", c.name)
			}
			before := must(os.Stat(path))
			for range 3 {
				stop()
				again()
				time.Sleep(2 * time.Minute)
			}
			if !os.SameFile(before, must(os.Stat(path))) {
				t.Errorf("%s: a restart has written the file again", c.name)
			}
			c.night(h, set, func() { stop() }, again)
			time.Sleep(2 * time.Minute)
			if b := must(os.ReadFile(path)); bytes.Contains(b, []byte(word)) {
				t.Errorf("%s: what was deleted is still in the file", c.name)
			}
			stop()
			if ours.log.Len() > 0 {
				t.Errorf("%s: the log: %s", c.name, &ours.log)
			}
		})
	}
}

// A renewal that failed is made up for within the day, and not tried every minute.
func TestRenewalFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	synctest.Test(t, func(t *testing.T) {
		until(time.Date(2026, 11, 24, 23, 58, 20, 0, time.UTC))
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Anonymous})
		defer run(t, h)()
		for range 2 {
			ours.ask(h, phone, 3)
			time.Sleep(45 * time.Second) // so that there is something new since the first renewal
		}
		before := must(os.Stat(path))
		// What is in the way of the copy.
		if err := os.MkdirAll(filepath.Join(path+newEnd, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		until(time.Date(2026, 11, 25, 0, 30, 30, 0, time.UTC))
		held := h.Held()
		if n := strings.Count(ours.log.String(), "cannot be written"); n != 1 || held.Trouble == "" || !os.SameFile(before, must(os.Stat(path))) {
			t.Errorf("told %d times: %s", n, &ours.log)
		}
		ours.ask(h, phone, 3)
		time.Sleep(time.Minute)
		if held = h.Held(); held.Waiting > 0 || held.Trouble != "" {
			t.Errorf("what comes in between is not written: %+v", held)
		}
		if err := os.RemoveAll(path + newEnd); err != nil {
			t.Fatal(err)
		}
		until(time.Date(2026, 11, 25, 1, 30, 30, 0, time.UTC))
		if os.SameFile(before, must(os.Stat(path))) {
			t.Error("not renewed an hour after")
		}
	})
}

// A directory that cannot be used, and one that another program uses, leave everything
// in memory.
func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	var theirs house
	other := theirs.open(Settings{Dir: taken})
	defer other.shut()
	for name, dir := range map[string]string{"no directory": filepath.Join(file, "x"), "taken": taken} {
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Anonymous})
		ours.ask(h, phone, 3)
		h.turn(time.Now())
		wantReport(t, name, h, Day, 3, 1)
		if held := h.Held(); held.File != "" || held.Trouble == "" || len(held.Aside) > 0 {
			t.Errorf("%s: %+v", name, held)
		}
		// Nobody can say what is in a file that is not open.
		n, err := h.EraseClient(phone)
		if all := h.Erase(); n != 1 || (err == nil) != (name == "no directory") || all == nil {
			t.Errorf("%s: found in %d sums, %v; all: %v", name, n, err, all)
		}
	}
}

// A file that is refused is let go, so that the next attempt, or another program, can
// open it.
func TestRefusedFileIsLetGo(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"somebody's": func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("users")); return err })
			return errors.Join(err, db.Close())
		},
		"damaged": flip,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, filled(t, 10), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := harm(path); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s := &store{path: path, max: maxFile}
			err := s.open()
			if err == nil {
				if err = s.inspect(); err != nil {
					s.close()
				}
			}
			if !isDamage(err) || s.db != nil || s.file != nil {
				t.Errorf("%s: %v; %+v", name, err, s)
			}
		}
		s, aside, err := openStore(dir, time.Now())
		if err != nil || aside == "" {
			t.Fatalf("%s: %v, set aside as %q", name, err, aside)
		}
		defer s.close()
		for _, path := range []string{aside, path + ".other"} {
			db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTime})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			db.Close()
		}
	}
}

// A file that is damaged or something else is set aside, at the start and while in use.
func TestDamage(t *testing.T) {
	good := filled(t, 200)
	cases := map[string]func() []byte{
		"text":        func() []byte { return []byte("this is a letter to my grandmother") },
		"zeros":       func() []byte { return make([]byte, 1<<20) },
		"cut off":     func() []byte { return good[:len(good)/2] },
		"cut to head": func() []byte { return good[:100] },
		"shuffled":    func() []byte { b := slices.Clone(good); copy(b[8192:], b[16384:]); return b },
		"a bit":       func() []byte { b := slices.Clone(good); b[bytes.LastIndex(b, []byte("starter"))] ^= 1; return b },
		"someone's": func() []byte {
			path := filepath.Join(t.TempDir(), "x.db")
			db := must(bolt.Open(path, 0o600, nil))
			if err := db.Update(func(tx *bolt.Tx) error { return must(tx.CreateBucket([]byte("users"))).Put([]byte("a"), []byte("b")) }); err != nil {
				t.Fatal(err)
			}
			db.Close()
			return must(os.ReadFile(path))
		},
	}
	for name, b := range cases {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), b(), 0o600); err != nil {
			t.Fatal(err)
		}
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: Anonymous})
		ours.ask(h, phone, 3)
		h.turn(time.Now())
		held := h.Held()
		if held.Minutes != 1 || len(held.Aside) != 1 || !strings.Contains(ours.log.String(), "set aside") {
			t.Errorf("%s: %+v; %s", name, held, &ours.log)
		} else if kept := must(os.ReadFile(held.Aside[0])); !bytes.Equal(kept, b()) {
			t.Errorf("%s: it was changed", name)
		}
		h.shut()
	}

	for name, harm := range map[string]func(path string) error{
		"cut off, while in use":        func(path string) error { return os.Truncate(path, 4096) },
		"a bit in a row, while in use": flip,
	} {
		dir := t.TempDir()
		var ours house
		h := ours.open(Settings{Dir: dir})
		ours.ask(h, phone, 3)
		h.turn(time.Now())
		if err := harm(filepath.Join(dir, fileName)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ours.ask(h, phone, 3)
			h.Read(Day)
			h.turn(time.Now())
		}
		if held := h.Held(); len(held.Aside) != 1 || held.Minutes == 0 || held.Trouble != "" {
			t.Errorf("%s: %+v; %s", name, held, &ours.log)
		}
		h.shut()
	}
}

// flip changes a bit in each row of a file that somebody has open.
func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.ReplaceAll(b, []byte("starter"), []byte("starteR")))
	return errors.Join(err, f.Close())
}

// filled is a file with sums of minutes.
func filled(t testing.TB, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	s, _, err := openStore(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	rows := map[int64]*sum{}
	for i := range n {
		rows[minutes.number(now, nil)-int64(i)] = busy(20)
	}
	if err := s.write(rows, now, Settings{Keep: 720 * time.Hour, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	s.close()
	return must(os.ReadFile(filepath.Join(dir, fileName)))
}

// busy is a minute of a household.
func busy(clients int) *sum {
	s := &sum{}
	s.Outcomes[resolver.Cached], s.Outcomes[resolver.Blocked], s.Escapes[resolver.ByCanary] = 300, 50, 2
	for i := range 6 {
		s.block([]string{"starter", "stevenblack", "config", "canary", "doh", "service:tiktok"}[i], [resolver.Reasons]uint64{7, 1, 0, 2})
	}
	for i := range 15 {
		c := s.company(fmt.Sprint("Company ", i))
		c.block("starter", [resolver.Reasons]uint64{uint64(i + 1)})
		c.Names = 3
	}
	for i := range clients {
		s.use(client(fmt.Sprintf("#%08d", i)), Use{20, 3})
	}
	return s
}

// Too much loses the oldest, and nothing else.
func TestSize(t *testing.T) {
	s, _, err := openStore(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.max = 1 << 20
	begin := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	s.db.NoSync = true // for the test to be quick
	for i := range 600 {
		now := begin.Add(time.Duration(i) * time.Minute)
		if err := s.write(map[int64]*sum{minutes.number(now, nil): busy(maxClients)}, now, Settings{Keep: 720 * time.Hour, Zone: time.UTC}); err != nil {
			t.Fatal(err)
		}
	}
	size := must(os.Stat(s.path)).Size()
	var first, count, last int64
	err = s.view(func(tx *bolt.Tx) error {
		return from(tx, minutes, 0, func(n int64, _ []byte) error {
			if count++; count == 1 {
				first = n
			}
			last = n
			return nil
		})
	})
	if err != nil || size > 3*s.max || last != minutes.number(begin.Add(599*time.Minute), nil) || count != last-first+1 || count < 20 {
		t.Errorf("%v; %d bytes, minutes %d to %d, %d of them", err, size, first, last, count)
	}
}

// What the clock did wrong does no lasting harm.
func TestClockSet(t *testing.T) {
	s, _, err := openStore(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	set := Settings{Keep: 720 * time.Hour, Zone: time.UTC}
	at := func(now time.Time, minute time.Time) {
		t.Helper()
		if err := s.write(map[int64]*sum{minutes.number(minute, nil): busy(2)}, now, set); err != nil {
			t.Fatal(err)
		}
	}
	count := func() map[period]int {
		n := map[period]int{}
		if err := s.view(func(tx *bolt.Tx) error {
			return eachRow(tx, func(p period, _ int64, _ []byte) error { n[p]++; return nil })
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at(time.Unix(60, 0), time.Unix(0, 0)) // a machine without a clock
	at(noon, noon)
	if got, want := count(), map[period]int{minutes: 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("after 1970: %v, want %v", got, want)
	}
	at(noon.AddDate(10, 0, 0), noon.AddDate(10, 0, 0))
	at(noon.Add(time.Hour), noon.Add(time.Hour))
	if got := count(); got[minutes] != 1 || got[hours] != 0 {
		t.Errorf("after 2036: %v", got) // what was true is over ten years old then, and gone
	}
	at(noon.Add(2*time.Hour), noon.Add(2*time.Hour))
	at(noon.Add(2*time.Hour), noon.Add(time.Hour)) // late, in an hour that is added up
	var hour sum
	if err := s.view(func(tx *bolt.Tx) error {
		return from(tx, hours, 0, func(_ int64, v []byte) error { return hour.addRow(v, true) })
	}); err != nil || hour.Queries() != 2*busy(0).Queries() {
		t.Errorf("%v: the hour has %d queries", err, hour.Queries())
	}
}

func TestRow(t *testing.T) {
	for name, want := range map[string]*sum{"nothing": {}, "a minute": busy(3), "clients": {clients: map[client]Use{named("kids tablet"): {1 << 60, 2}, others: {3, 4}}}} {
		var got sum
		if err := got.addRow(want.encode(), true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again := sum{}
		again.add(want)
		if !bytes.Equal(got.encode(), again.encode()) || got.Queries() != want.Queries() || len(got.clients) != len(want.clients) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	good := busy(3).encode()
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if err := new(sum).addRow(bad, true); !errors.Is(err, errRow) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// Each core counts for itself, and nothing is lost or counted twice while somebody reads.
func TestObserversCountExactly(t *testing.T) {
	var ours house
	h := ours.open(Settings{Clients: Full})
	const cores, each = 8, 20000
	var counting sync.WaitGroup
	for i := range cores {
		o := h.Fork()
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 2)})
		counting.Go(func() {
			for range each {
				o.Observe(resolver.Event{Client: ip, Outcome: resolver.Blocked})
			}
		})
	}
	for range 20 {
		h.Today()
	}
	counting.Wait()
	for _, c := range h.Today() {
		if c.Use != (Use{2 * each, 2 * each}) {
			t.Errorf("%+v", c)
		}
	}
	if n := len(h.Today()); n != cores/2 {
		t.Errorf("%d clients", n)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var ours house
	h := ours.open(Settings{Clients: Anonymous})
	o := h.Fork()
	i := 0
	if n := testing.AllocsPerRun(5000, func() {
		i++
		o.Observe(resolver.Event{Client: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Outcome: resolver.Cached})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Beside BenchmarkObserve of package metrics.
func BenchmarkObserve(b *testing.B) {
	for _, form := range []Form{None, Anonymous} {
		for _, outcome := range []resolver.Outcome{resolver.Cached, resolver.Blocked} {
			b.Run(form.String()+"/"+outcome.String(), func(b *testing.B) {
				var ours house
				h := ours.open(Settings{Clients: form})
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					o := h.Fork()
					e := resolver.Event{Time: time.Now(), Client: phone, Outcome: outcome, List: "starter", Name: []byte("pixel.facebook.com")}
					for pb.Next() {
						o.Observe(e)
					}
				})
			})
		}
	}
}

// Thirty days of a household of twenty clients, whole.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	s, _, err := openStore(dir, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	s.db.NoSync = true
	set := Settings{Dir: dir, Clients: Anonymous, Keep: 720 * time.Hour, Zone: time.UTC}
	now := time.Now()
	for day := 30; day >= 0; day-- {
		rows := map[int64]*sum{}
		end := now.AddDate(0, 0, -day)
		for i := range int64(24 * 60) {
			rows[minutes.number(end, nil)-i] = busy(20)
		}
		if err := s.write(rows, end, set); err != nil {
			b.Fatal(err)
		}
	}
	s.close()
	var ours house
	h := ours.open(set)
	defer h.shut()
	for name, r := range map[string]Range{"24h": Day, "7d": Week, "30d": Month} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if h.Read(r).Queries() == 0 {
					b.Fatal("nothing")
				}
			}
			b.ReportMetric(float64(h.Held().Bytes), "bytes")
		})
	}
}
