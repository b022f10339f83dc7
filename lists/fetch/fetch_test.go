package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadpixel/lists"
	"deadpixel/lists/owners"
)

// loopback resolves every host to this machine.
func loopback(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func source(t *testing.T, o Options, address string) lists.Source {
	t.Helper()
	if o.Resolve == nil {
		o.Resolve = loopback
	}
	s, _, err := New(o).Source(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read fetches and reads to the end.
func read(s lists.Source, v lists.Validators) (string, lists.Fetched, error) {
	f, err := s.Fetch(context.Background(), v)
	if err != nil || f.NotModified {
		return "", f, err
	}
	defer f.Body.Close()
	b, err := io.ReadAll(f.Body)
	return string(b), f, err
}

func TestWeb(t *testing.T) {
	modified := "Tue, 24 Nov 2026 00:00:00 GMT"
	mux := http.NewServeMux()
	mux.HandleFunc("/list", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "deadpixel/test" || r.Host == "" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", modified)
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "a.example\n")
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/list", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/compressed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "a.example\n")
		z.Close()
	})
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") })
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		var all bytes.Buffer
		z := gzip.NewWriter(&all)
		fmt.Fprint(z, "a.example\n")
		z.Close()
		w.Write(all.Bytes()[:all.Len()-6])
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(make([]byte, 6000))
		z.Close()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "a.example\n")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("a.example\n", 1000)) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/never", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a.example\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	// By a name that only the given resolver knows.
	base := strings.Replace(server.URL, "127.0.0.1", "lists.example", 1)
	o := Options{UserAgent: "deadpixel/test", MaxSize: 5000}

	text, f, err := read(source(t, o, base+"/list"), lists.Validators{})
	if err != nil || text != "a.example\n" || f.ETag != `"v1"` || f.LastModified != modified {
		t.Errorf("%q, %+v, %v", text, f, err)
	}
	if _, again, err := read(source(t, o, base+"/list"), f.Validators); err != nil || !again.NotModified || again.Validators != f.Validators {
		t.Errorf("%+v, %v", again, err)
	}
	for _, path := range []string{"/moved", "/compressed"} {
		if text, _, err := read(source(t, o, base+path), lists.Validators{}); err != nil || text != "a.example\n" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for path, want := range map[string]string{"/missing": "404 Not Found", "/broken": "500", "/loop": "redirects", "/cut": "unexpected EOF", "/nothing": "unexpected EOF", "/half": "unexpected EOF", "/bomb": "larger",
		"/large": "larger", "/never": "nothing has changed"} {
		if _, _, err := read(source(t, o, base+path), lists.Validators{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	o.Timeout = 50 * time.Millisecond
	if _, _, err := read(source(t, o, base+"/slow"), lists.Validators{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: %v", err)
	}
	o.Resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	if _, _, err := read(source(t, o, base+"/list"), lists.Validators{}); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("unknown host: %v", err)
	}
}

// How much has come is told as it is sent, packed or not, and of how much where the
// server says that.
func TestProgress(t *testing.T) {
	text := strings.Repeat("a.example\n", 10_000)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, text)
	z.Close()
	halfway := make(chan bool)
	mux := http.NewServeMux()
	send := func(path, encoding string, body []byte, size bool) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
			}
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			if size {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			}
			w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			<-halfway
			w.Write(body[len(body)/2:])
		})
	}
	send("/plain", "", []byte(text), true)
	send("/packed", "gzip", packed.Bytes(), true)
	send("/x", "X-GZIP", packed.Bytes(), true)
	send("/unknown", "", []byte(text), false)
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct {
		path       string
		sent, size int
	}{{"/plain", len(text), len(text)}, {"/packed", packed.Len(), packed.Len()}, {"/x", packed.Len(), packed.Len()}, {"/unknown", len(text), 0}} {
		f, err := source(t, Options{}, server.URL+c.path).Fetch(t.Context(), lists.Validators{})
		if err != nil {
			t.Fatal(err)
		}
		if f.Size != int64(c.size) {
			t.Errorf("%s: a size of %d, want %d", c.path, f.Size, c.size)
		}
		if _, err := io.ReadFull(f.Body, make([]byte, 100)); err != nil {
			t.Error(err)
		}
		if n := f.Came(); n == 0 || n > int64(c.sent/2) {
			t.Errorf("%s: %d bytes have come of half of %d", c.path, n, c.sent)
		}
		halfway <- true
		if rest, err := io.ReadAll(f.Body); err != nil || len(rest) != len(text)-100 {
			t.Errorf("%s: %d more bytes, %v", c.path, len(rest), err)
		}
		if n := f.Came(); n != int64(c.sent) {
			t.Errorf("%s: %d bytes have come, want %d", c.path, n, c.sent)
		}
		f.Body.Close()
	}
}

func TestNoDowngrade(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a.example\n") }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	f := New(Options{Resolve: loopback})
	f.web.client.Transport.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	s, remote, err := f.Source(secure.URL)
	if err != nil || !remote {
		t.Fatal(err)
	}
	if _, _, err := read(s, lists.Validators{}); !errors.Is(err, errDowngrade) {
		t.Errorf("got %v", err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source(t, Options{}, path)
	text, f, err := read(s, lists.Validators{})
	if err != nil || text != "a.example\n" {
		t.Fatalf("%q, %v", text, err)
	}
	if _, again, err := read(s, f.Validators); err != nil || !again.NotModified {
		t.Errorf("%+v, %v", again, err)
	}
	if err := os.WriteFile(path, []byte("a.example\nb.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, _, err := read(s, f.Validators); err != nil || text != "a.example\nb.example\n" {
		t.Errorf("%q, %v", text, err)
	}
	for _, bad := range []string{filepath.Dir(path), path + ".not"} {
		if _, _, err := read(source(t, Options{}, bad), lists.Validators{}); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestBuiltin(t *testing.T) {
	s := source(t, Options{}, "builtin:starter")
	text, f, err := read(s, lists.Validators{})
	if err != nil || !strings.Contains(text, "pixel.facebook.com") {
		t.Fatal(err)
	}
	if _, again, err := read(s, f.Validators); err != nil || !again.NotModified {
		t.Errorf("%+v, %v", again, err)
	}
	own, err := owners.Read(strings.NewReader("a.example\tAcme\n"))
	if err != nil {
		t.Fatal(err)
	}
	s = source(t, Options{Builtins: lists.Builtins{Owners: func() *owners.Data { return own }}}, "builtin:company:acme")
	if text, _, err := read(s, lists.Validators{}); err != nil || !strings.Contains(text, "||a.example^$important\n") {
		t.Errorf("%q, %v", text, err)
	}
	s = source(t, Options{}, "builtin:service:none at all") // data that knows it may come later
	if _, _, err := read(s, lists.Validators{}); !errors.Is(err, lists.ErrNoOwner) {
		t.Errorf("a service that nobody knows: %v", err)
	}
	for _, bad := range []string{"builtin:none", "ftp://lists.example/x", "https://", "https://%zz/"} {
		if _, _, err := New(Options{Resolve: loopback}).Source(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
