package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"deadpixel/ui"
)

// keeping is what GET /api/v1/privacy answers.
type keeping struct {
	Files []ui.File `json:"files"`
	About ui.About  `json:"about_you"`
	Held  ui.Held   `json:"history"`
	Kept  []ui.Kept `json:"kept"`
}

func (p *program) keeping() (k keeping) {
	p.t.Helper()
	_, body := p.get("/api/v1/privacy")
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		p.t.Fatalf("%v: %s", err, body)
	}
	return k
}

// What is really on disk is named, each file of ours says what it is, and what is erased
// is read back as gone.
func TestPrivacyIsTrue(t *testing.T) {
	p := prepare(t, basics("127.0.0.1:9")+starterList+"[groups.default]\nself_allow = \"5m\"\n").start()
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
	for _, path := range []string{"pause", "self_allow"} {
		r, err := http.Post(p.web+"/api/v1/"+path, "application/json", strings.NewReader(map[string]string{"pause": `{"duration":"5m"}`, "self_allow": `{"name":"pixel.facebook.com"}`}[path]))
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", path, r, err)
		}
		r.Body.Close()
	}
	if err := os.WriteFile(filepath.Join(filepath.Join(p.dir, "data"), "diary.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(filepath.Join(p.dir, "data"), "photos", "2025"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := p.keeping()
	named := map[string]bool{}
	for _, f := range before.Files {
		named[f.Name] = true
		if foreign := f.Name == "diary.txt" || f.Name == "photos/"; foreign != (f.What == "") {
			t.Errorf("%s is said to be %q", f.Name, f.What)
		}
		if f.What != "" && time.Since(f.Changed) > time.Hour {
			t.Errorf("%s is said to be of %v", f.Name, f.Changed)
		}
	}
	for _, want := range []string{"seed", "pauses.json", "history.db", "history.key", "photos/", "diary.txt"} {
		if !named[want] {
			t.Errorf("%s is not named: %v", want, before.Files)
		}
	}
	if before.About.Sums == 0 || before.About.Blocked == 0 || before.About.Names != 2 { // one that was blocked, one that is allowed
		t.Errorf("about this device: %+v", before.About)
	}
	r, err := http.NewRequest(http.MethodDelete, p.web+"/api/v1/privacy/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("erasing: %v, %v", answer, err)
	}
	answer.Body.Close()
	if after := p.keeping(); !after.About.Nothing() || after.Held.Minutes+after.Held.Waiting == 0 {
		t.Errorf("after erasing what is of this device: %+v, %+v", after.About, after.Held)
	}
	p.stop()
}
