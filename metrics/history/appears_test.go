package history

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A device can see what is kept of it, in memory and in the file, and that it is gone.
func TestAbout(t *testing.T) {
	for _, form := range []Form{None, Anonymous, Full} {
		dir := t.TempDir()
		var ours house
		h := ours.open(Settings{Dir: dir, Clients: form})
		want := func(when string, ip netip.Addr, sums int, use Use) {
			t.Helper()
			if form == None {
				sums, use = 0, Use{}
			}
			if gotSums, got, err := h.About(ip); gotSums != sums || got != use || err != nil {
				t.Errorf("%s, %s: %d sums with %v, %v, want %d with %v", form, when, gotSums, got, err, sums, use)
			}
		}
		want("before the first query", phone, 0, Use{})
		if _, err := os.Stat(filepath.Join(dir, keyName)); err == nil {
			t.Errorf("%s: who only looks makes a key", form)
		}
		ours.ask(h, phone, 3)
		ours.ask(h, laptop, 6)
		want("in memory", phone, 1, Use{3, 1})
		h.turn(time.Now())
		want("in the file", laptop, 1, Use{6, 2})
		want("of somebody else", netip.MustParseAddr("192.0.2.99"), 0, Use{})
		if _, err := h.EraseClient(phone); err != nil {
			t.Fatal(err)
		}
		want("erased", phone, 0, Use{})
		want("beside who was erased", laptop, 1, Use{6, 2})
		named := map[Form]bool{None: false, Anonymous: true, Full: true}[form]
		if got := h.Appears(laptop, time.Now()); (got != "") != named {
			t.Errorf("%s: appears as %q", form, got)
		}
		h.shut()
	}
}
