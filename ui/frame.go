package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// frame is what every page has around what it is about. A page's view embeds it.
type frame struct {
	Title     string // "" for the front page
	Here      string // the path of the page
	Rooms     []room
	Version   string
	MayChange bool // whoever looks may change something
	SignedIn  bool
	Password  bool // there is one
	Narrow    bool // it is a few lines
}

// room is a page in the navigation.
type room struct {
	Path, Name string
	Owner      bool // only for who may change something
	Kept       bool // only where queries are kept
}

// rooms are the pages, in the order of the navigation.
var rooms = []room{
	{Path: "/", Name: "Now"},
	{Path: "/companies", Name: "Companies"},
	{Path: "/why", Name: "Why?"},
	{Path: "/live", Name: "Live", Owner: true},
	{Path: "/recent", Name: "This device"},
	{Path: "/lists", Name: "Lists"},
	{Path: "/clients", Name: "Clients", Owner: true},
	{Path: "/config", Name: "Configuration", Owner: true},
	{Path: "/queries", Name: "Queries", Owner: true, Kept: true},
	{Path: "/privacy", Name: "Privacy"},
}

// frame is that of the page at path, as whoever asks may see it.
func (p *Page) frame(r *http.Request, title, path string) frame {
	who := p.caller(r)
	f := frame{Title: title, Here: path, Version: p.Version, MayChange: who.all, SignedIn: who.signedIn, Password: p.PasswordHash != ""}
	for _, room := range rooms {
		if (f.MayChange || !room.Owner) && (!room.Kept || p.Settings().Queries != noQueries) {
			f.Rooms = append(f.Rooms, room)
		}
	}
	return f
}

// to is where path is to be found: below the base under which the page stands.
func (p *Page) to(path string) string { return p.Base + path }

// show answers with a page. It is made whole before anything is sent, so that a fault
// is told as such.
func (p *Page) show(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var b bytes.Buffer
	if err := p.page.ExecuteTemplate(&b, name, view); err != nil {
		p.Log.Error("the page cannot be shown", "err", err)
		fail(w, http.StatusInternalServerError, "the page cannot be shown; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, status, b.Bytes())
}

// packers are used again: each holds some hundred kilobytes.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// smallest is the size in bytes from which packing pays.
const smallest = 1 << 10

// send writes a body, packed for whoever takes that. No body holds a secret beside
// something that a stranger could choose, so its length gives nothing away.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if len(body) < smallest || !takesGzip(r.Header.Get("Accept-Encoding")) {
		w.WriteHeader(status)
		w.Write(body) // whoever has gone cannot be told
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	packer := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	packer.Reset(w)
	packer.Write(body)
	packer.Close()
}

// takesGzip reads Accept-Encoding (RFC 9110, section 12.5.3). A weight of zero means
// that it is not wanted.
func takesGzip(accepted string) bool {
	for one := range strings.SplitSeq(accepted, ",") {
		coding, weight, _ := strings.Cut(one, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q := strings.TrimSpace(weight)
			return !strings.HasPrefix(q, "q=0") || strings.Trim(q, "q=0.") != ""
		}
	}
	return false
}

// files answers with what the pages need beside themselves.
func (p *Page) files(w http.ResponseWriter, r *http.Request) {
	body, err := static.ReadFile(strings.TrimPrefix(path.Clean(r.URL.Path), "/"))
	if err != nil {
		fail(w, http.StatusNotFound, "there is no such file")
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
	w.Header().Set("Cache-Control", "no-cache")
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, r, http.StatusOK, body)
}
