package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"deadpixel/resolver"
	"deadpixel/ui"
)

// Nothing is noted while nobody watches, and of a flood as much as can be shown.
func TestTailIsBounded(t *testing.T) {
	var seen tail
	x, y, ip := []byte("x.example"), []byte("y.example"), netip.MustParseAddr("192.0.2.1")
	note := func() {
		seen.Observe(resolver.Event{Outcome: resolver.Blocked, Name: x, Client: ip})
		seen.Observe(resolver.Event{Outcome: resolver.Cached, Name: y})
	}
	note()
	w, other := seen.enter(), seen.enter()
	for range tailWaiting + 5 {
		note()
	}
	seen.leave(other)
	if got, missed := seen.take(w); len(got) != tailWaiting || missed != 5 || got[0].Name != "x.example" {
		t.Errorf("%d noted and %d missed, want %d and 5", len(got), missed, tailWaiting)
	}
	if got, missed := seen.take(w); len(got) != 0 || missed != 0 {
		t.Errorf("a second time: %d noted, %d missed", len(got), missed)
	}
	seen.leave(w)
	note()
	if len(w.waiting) > 0 || seen.watched.Load() {
		t.Error("it is still watched after all have left")
	}
	if n := testing.AllocsPerRun(100, note); n != 0 {
		t.Errorf("%v allocations while nobody watches", n)
	}
}

// What is blocked is shown as it happens, without the address of who asked; and a server
// that stops does not wait for who watches.
func TestTailShows(t *testing.T) {
	p := prepare(t, basics("127.0.0.1:9")+starterList).start()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.web+"/api/v1/blocked", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Scan() // it is watched from now on
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	var sight ui.Sight
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &sight); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if len(sight.Seen) != 1 {
		t.Fatalf("seen %+v", sight)
	}
	got := sight.Seen[0]
	if got.Name != "pixel.facebook.com" || got.List != "starter" || got.Owner != "Meta" || got.Type != "A" || got.Group != "default" || len(got.Client) != 16 {
		t.Errorf("seen %+v", got)
	}
	p.stop()
	for lines.Scan() {
	}
	if ctx.Err() != nil {
		t.Error("the stream did not end with the server")
	}
}
