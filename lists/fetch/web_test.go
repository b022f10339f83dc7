package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deadpixel/lists"
)

// serve starts a server and a Fetcher whose resolver knows nothing but it.
func serve(t *testing.T, o Options, h http.HandlerFunc) (base string, f *Fetcher) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Resolve = loopback
	return server.URL, New(o)
}

// load has a store fetch a page, as the program does.
func load(t *testing.T, f *Fetcher, url string) (*lists.Store, error) {
	t.Helper()
	s, remote, err := f.Source(url)
	if err != nil || !remote {
		t.Fatalf("remote %v, %v", remote, err)
	}
	store, err := lists.NewStore(lists.Options{Dir: t.TempDir(), Lists: []lists.Config{{Name: "a", Kind: lists.Deny, Source: url, Fetcher: s, Remote: remote}}})
	if err != nil {
		t.Fatal(err)
	}
	return store, store.Refresh(t.Context(), "a", false)
}

// What is no whole list is no list, however the server sends it.
func TestPagesThatAreNoList(t *testing.T) {
	packed := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprint(z, text)
		z.Close()
		return b.Bytes()
	}
	long := strings.Repeat("||tracker.example^\n", 50_000)
	cases := map[string]struct {
		send http.HandlerFunc
		want string // in the error
	}{
		"web page": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "\r\n <!DOCTYPE html>\n<title>Sign in</title>\nads.example\n")
		}, lists.ErrHTML.Error()},
		"web page, compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(packed("<html>"))
		}, lists.ErrHTML.Error()},
		"empty": {func(http.ResponseWriter, *http.Request) {}, "no rule"},
		"partial": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, long)
		}, "206"},
		"length not kept": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			fmt.Fprint(w, long[:len(long)-19]) // between two lines
		}, "unexpected EOF"},
		"chunks broken off": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, long)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
		"gzip file broken off": {func(w http.ResponseWriter, _ *http.Request) {
			whole := packed(long)
			w.Write(whole[:len(whole)-4]) // all of the text, half of the check
		}, "unexpected EOF"},
		"gzip file damaged": {func(w http.ResponseWriter, _ *http.Request) {
			whole := packed(long)
			whole[len(whole)-6] ^= 1
			w.Write(whole)
		}, "checksum"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			base, f := serve(t, Options{}, c.send)
			store, err := load(t, f, base)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if st := store.Status()[0]; st.Entries != 0 || st.LastError == "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestGzipFile(t *testing.T) {
	base, f := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "# head\na.example\n")
		z.Close()
	})
	store, err := load(t, f, base+"/list.gz")
	if err != nil {
		t.Fatal(err)
	}
	found := store.Explain("a.example", 1, nil)
	if len(found) != 1 || found[0].Rule != "a.example" || found[0].Line != 2 {
		t.Errorf("%+v", found)
	}
}

func TestRedirectLimit(t *testing.T) {
	asked := 0
	base, f := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		asked++
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil && n > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusMovedPermanently)
			return
		}
		fmt.Fprint(w, "a.example\n")
	})
	if _, err := load(t, f, fmt.Sprintf("%s/%d", base, maxRedirects)); err != nil {
		t.Errorf("%d redirects: %v", maxRedirects, err)
	}
	asked = 0
	if _, err := load(t, f, fmt.Sprintf("%s/%d", base, maxRedirects+1)); err == nil || asked != maxRedirects+1 {
		t.Errorf("%d redirects: %v after %d requests", maxRedirects+1, err, asked)
	}
}

// Too much is refused at once when it is announced, and without it as soon as it
// has come; compressed, it is the unpacked size that counts.
func TestMaxSize(t *testing.T) {
	text := strings.Repeat("a.example\n", 10_000)
	cases := map[string]http.HandlerFunc{
		"announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			fmt.Fprint(w, text)
		},
		"in chunks": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			fmt.Fprint(w, text)
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, text)
			z.Close()
		},
	}
	for name, send := range cases {
		for size, want := range map[int]error{len(text): nil, len(text) - 1: errTooLarge} {
			base, f := serve(t, Options{MaxSize: int64(size)}, send)
			if _, err := load(t, f, base); !errors.Is(err, want) {
				t.Errorf("%s, at most %d of %d bytes: %v", name, size, len(text), err)
			}
		}
	}
}

// A server that is silent, before or in the body, is given up, with the reason.
func TestTimeouts(t *testing.T) {
	hang := func(head bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if head {
				fmt.Fprint(w, "a.example\n")
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}
	}
	cases := map[string]struct {
		head    bool
		options Options
		want    string
	}{
		"whole":          {false, Options{Timeout: 20 * time.Millisecond}, "not finished within 20ms"},
		"whole, in body": {true, Options{Timeout: 20 * time.Millisecond}, "not finished within 20ms"},
		"stands still":   {true, Options{Stall: 20 * time.Millisecond}, "nothing came for 20ms"},
	}
	for name, c := range cases {
		base, f := serve(t, c.options, hang(c.head))
		_, err := load(t, f, base)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A trickle is slow, but no standstill.
func TestTrickle(t *testing.T) {
	base, f := serve(t, Options{Stall: time.Second}, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			fmt.Fprintf(w, "host%d.example\n", i)
			w.(http.Flusher).Flush()
		}
	})
	if store, err := load(t, f, base); err != nil || store.Status()[0].Entries != 200 {
		t.Errorf("%+v, %v", store.Status()[0], err)
	}
}

// Hosts are found by the given resolver only, and every address is tried.
func TestResolving(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a.example\n") }))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	page := "http://localhost:" + u.Port() + "/" // the system would know this name
	nobody := netip.MustParseAddr("127.255.255.254")
	here := netip.MustParseAddr("127.0.0.1")
	cases := map[string]struct {
		ips  []netip.Addr
		err  error
		want string
	}{
		"second address": {[]netip.Addr{nobody, here}, nil, ""},
		"nobody there":   {[]netip.Addr{nobody}, nil, "127.255.255.254"},
		"no address":     {nil, nil, "localhost has no address"},
		"unknown":        {nil, errors.New("no such host"), "no such host"},
	}
	for name, c := range cases {
		var asked string
		f := New(Options{Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			asked = host
			return c.ips, c.err
		}})
		_, err := load(t, f, page)
		if asked != "localhost" || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: asked for %q, got %v, want %q", name, asked, err, c.want)
		}
	}
}

// One of the two validators is enough; the one that is missing is not sent.
func TestValidators(t *testing.T) {
	var unchanged atomic.Int64
	const modified = "Tue, 24 Nov 2026 00:00:00 GMT"
	for name, v := range map[string]lists.Validators{"etag": {ETag: `W/"1"`}, "date": {LastModified: modified}} {
		base, f := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
			tag, date := r.Header["If-None-Match"], r.Header["If-Modified-Since"]
			if v.ETag != "" {
				w.Header().Set("ETag", v.ETag)
			} else {
				w.Header().Set("Last-Modified", v.LastModified)
			}
			if len(tag)+len(date) == 1 {
				unchanged.Add(1)
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, "a.example\n")
		})
		store, err := load(t, f, base)
		if err != nil {
			t.Fatal(name, err)
		}
		before := unchanged.Load()
		if err := store.Refresh(t.Context(), "a", false); err != nil || unchanged.Load() != before+1 {
			t.Errorf("%s: %+v, %v", name, store.Status()[0], err)
		}
	}
}
