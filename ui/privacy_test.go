package ui

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// The page says what is kept, as it is, to everybody.
func TestPrivacyPage(t *testing.T) {
	p, _ := newPage(t, "")
	says := []string{
		"deadpixel keeps no name that anybody asked for", "as a hash whose key is destroyed at midnight", `<code>keep = "720h"</code>`,
		"<dt>Counters.</dt>", "<dt>&lt;sums&gt;.</dt>", `<span class="quiet">where:</span> history.db`, "the oldest of Mon 1 Jan, 00:00",
		"<code>history.db</code>", "4.0 KiB", "there are 2 sums, by a hash, which tell of 30 queries in the last 26 hours, 3 of them blocked",
		"linked to nobody", "Erase what is kept about this device",
	}
	owner := []string{"<code>&lt;i&gt;other</code>", "none of deadpixel's</span>", "Erase the whole history"}
	others := []string{"none of deadpixel's: 1."}
	wantText(t, look(p, "/privacy"), append(says, owner...), append(others, "<sums>", "<i>"))
	wantText(t, look(p, "/privacy", stranger...), append(says, others...), owner)
	wantText(t, look(p, "/privacy", "X-Forwarded-For: 192.0.2.1"), []string{throughProxy}, []string{"there are 2 sums"})
	p.Settings = func() Privacy { return Privacy{"full", "all", "24h", "0s"} }
	wantText(t, look(p, "/privacy"), []string{"every name that was asked for", "by name or address", "covers all days"}, []string{"linked to nobody"})
}

// Whoever erases is told what is left, by reading back.
func TestPrivacyErases(t *testing.T) {
	p, h := newPage(t, "")
	w := call(p, "POST", "/privacy/me", "", append(stranger, form)...)
	if text := w.Body.String(); w.Code != 200 || h.erased.String() != "192.168.1.5" || !strings.Contains(text, "Erased from 2 places. Read back: nothing is kept about this device any more. Earlier days are linked to nobody.") {
		t.Errorf("a device: %d of %v: %s", w.Code, h.erased, text)
	}
	if w := call(p, "POST", "/privacy/me", "", form, "Via: 1.1 proxy"); w.Code != 403 {
		t.Errorf("through a proxy: %d", w.Code)
	}
	if w := call(p, "POST", "/privacy/history", "", append(stranger, form)...); w.Code != 403 || h.forgot {
		t.Errorf("the history, by a stranger: %d, erased: %v", w.Code, h.forgot)
	}
	if w := call(p, "POST", "/privacy/history", "", form); w.Code != 200 || !h.forgot || !strings.Contains(w.Body.String(), "what happened since then is in 7 sums") {
		t.Errorf("the history: %d, erased: %v: %s", w.Code, h.forgot, w.Body)
	}
	var me struct {
		Erased int
		Left   About
	}
	w = call(p, "DELETE", "/api/v1/privacy/me", "", stranger...)
	if err := json.Unmarshal(w.Body.Bytes(), &me); err != nil || me.Erased != 2 || !me.Left.Nothing() {
		t.Errorf("by the API: %+v, %v", me, err)
	}
	p.About = func(ip netip.Addr) (About, error) { return About{Sums: 1}, nil }
	if w := call(p, "POST", "/privacy/me", "", form); !strings.Contains(w.Body.String(), "since then it is in 1 place again") {
		t.Errorf("who asks again meanwhile is told %s", w.Body)
	}
	h.fault = errors.New("disk full")
	for _, path := range []string{"/privacy/me", "/privacy/history"} {
		if w := call(p, "POST", path, "", form); w.Code != 500 || !strings.Contains(w.Body.String(), "Disk full") {
			t.Errorf("%s with a fault: %d: %s", path, w.Code, w.Body)
		}
	}
}

// What the page itself keeps of those who use it is told, too.
func TestPrivacyTellsOfTheDoor(t *testing.T) {
	p, _ := newPage(t, "correct horse")
	call(p, "POST", "/login", "password=wrong", append(stranger, form)...)
	call(p, "POST", "/login", "password=correct+horse", form)
	call(p, "POST", "/api/v1/requests", `{"name":"x.example"}`)
	wantText(t, call(p, "GET", "/api/v1/privacy", "").Body.String(), []string{`"how_much": "1 session"`, `"how_much": "1 network"`, `"how_much": "1 device"`}, nil)
	wantText(t, look(p, "/privacy"), []string{"ho has signed in: a hash", "1 session"}, nil)
}
