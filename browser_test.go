package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// What people see and do in a real browser. Every test has tabs of its own in the one
// browser, and every tab wants of each page that the browser has nothing to complain about.
func TestBrowser(t *testing.T) {
	b := openBrowser(t)
	b.past = t.TempDir()
	month(t, b.past)
	for _, one := range []struct {
		name string
		test func(*testing.T, *browser)
	}{
		{"looks", browseLooks}, // the longest
		{"faults", browseFaults},
		{"signing in", browseSigningIn},
		{"sessions", browseSessions},
		{"pausing", browsePausing},
		{"why", browseWhy},
		{"recent", browseRecent},
		{"self allow", browseSelfAllow},
		{"ranges", browseRanges},
		{"companies", browseCompanies},
		{"lists", browseLists},
		{"privacy", browsePrivacy},
		{"configuration", browseConfiguration},
		{"live", browseLive},
		{"queries", browseQueries},
		{"below a path", browseBelow},
		{"following", browseFollowing},
		{"keys", browseKeys},
		{"weight", browseWeight},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			one.test(t, b)
		})
	}
}

// browser is a Chromium, with what takes long to make for its tests.
type browser struct {
	ctx  context.Context
	past string // a directory with thirty days of a household
}

// month puts thirty days of a household into the data of a program.
func (b *browser) month(t *testing.T, p *program) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(p.dir, "data"), os.DirFS(b.past)); err != nil {
		t.Fatal(err)
	}
}

// openBrowser starts it until the test ends, or dies: then the kernel ends it.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(external(t, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"), // nothing goes abroad
		chromedp.Flag("hide-scrollbars", true))
	alone, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end) // waits for its end
	ctx, closeIt := chromedp.NewContext(alone, chromedp.WithErrorf(func(format string, args ...any) { fmt.Fprintf(os.Stderr, "browser: "+format+"\n", args...) }))
	t.Cleanup(closeIt)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return &browser{ctx: ctx}
}

// untilEnd stops the program when the test has ended, and so after its tabs: pages are
// right to complain when the server is away.
func (p *program) untilEnd() *program {
	p.t.Cleanup(p.stop)
	return p
}

// tab is a page in the browser, with cookies of its own.
type tab struct {
	t       *testing.T
	ctx     context.Context
	web     string // what belongs to the page: all else is foreign
	scripts bool   // it runs them

	mu       sync.Mutex
	requests []string                     // the URLs asked for
	events   int                          // messages of event streams
	open     map[string]int               // event streams that are open, by path
	sizes    map[string]float64           // bytes that came, with what they were packed in, by path
	paths    map[network.RequestID]string // of what is on its way
	streams  map[network.RequestID]bool
	problems []string
	pardoned map[int64]bool // statuses that are meant to come
}

// tab opens one that shows nothing yet.
func (b *browser) tab(t *testing.T, web string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	x := &tab{t: t, ctx: ctx, web: web, scripts: true, open: map[string]int{}, sizes: map[string]float64{},
		paths: map[network.RequestID]string{}, streams: map[network.RequestID]bool{}, pardoned: map[int64]bool{}}
	t.Cleanup(func() {
		end()
		for _, problem := range x.complaints() {
			t.Errorf("the browser complains: %s", problem)
		}
	})
	if err := chromedp.Listen(ctx, x.hear); err != nil {
		t.Fatal(err)
	}
	x.do(command(log.Enable, cdp.Empty{}), command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	x.size(1280)
	return x
}

// hear notes what the browser tells.
func (x *tab) hear(event any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	complain := func(format string, args ...any) { x.problems = append(x.problems, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		x.requests = append(x.requests, e.Request.URL)
		x.paths[e.RequestID] = pathOf(e.Request.URL)
		if !strings.HasPrefix(e.Request.URL, x.web+"/") {
			complain("it asks for the foreign %s", e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && !x.pardoned[e.Response.Status] {
			complain("%s: status %d", e.Response.URL, e.Response.Status)
		}
		if e.Type == network.ResourceTypeEventSource {
			x.streams[e.RequestID] = true
			x.open[pathOf(e.Response.URL)]++
		}
	case *network.EventLoadingFinished:
		x.sizes[x.paths[e.RequestID]] += e.EncodedDataLength
		x.ended(e.RequestID)
	case *network.EventLoadingFailed:
		x.ended(e.RequestID)
		if !e.Canceled { // as a stream is of a page that one leaves
			complain("a request failed: %s %s", e.Type, e.ErrorText)
		}
	case *network.EventEventSourceMessageReceived:
		x.events++
	case *log.EventEntryAdded:
		// What failed to load has been told of, with its status.
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && e.Entry.Source != log.EntrySourceNetwork {
			complain("%s: %s (%s:%d)", e.Entry.Source, e.Entry.Text, e.Entry.URL, e.Entry.LineNumber)
		}
	case *runtime.EventExceptionThrown:
		complain("uncaught: %s", (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		complain("console: %s %v", e.Type, e.Args)
	}
}

// ended forgets a request.
func (x *tab) ended(id network.RequestID) {
	if x.streams[id] {
		x.open[x.paths[id]]--
	}
	delete(x.streams, id)
	delete(x.paths, id)
}

// complaints are what the browser has complained about, and forgive forgets them.
func (x *tab) complaints() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.problems)
}

func (x *tab) forgive() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.problems = nil
}

// pathOf is the path of a URL.
func pathOf(from string) string {
	u, err := url.Parse(from)
	if err != nil {
		return from
	}
	return u.Path
}

// do carries out what is not meant to fail.
func (x *tab) do(steps ...step) {
	x.t.Helper()
	ctx, stop := context.WithTimeout(x.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		x.t.Fatal(err)
	}
}

// step is something to do in a tab.
type step = chromedp.Action[chromedp.Void]

// command is a command of the DevTools protocol.
func command[P, R any](c cdp.Command[P, R], parameters P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, parameters)
		return err
	})
}

// size makes the window so many pixels wide.
func (x *tab) size(width int64) {
	x.t.Helper()
	x.do(chromedp.EmulateViewport(width, 800))
}

// dark turns the dark theme on, or off.
func (x *tab) dark(on bool) {
	x.t.Helper()
	theme := "light"
	if on {
		theme = "dark"
	}
	x.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}))
}

// noScripts is a browser that runs none.
func (x *tab) noScripts() *tab {
	x.t.Helper()
	x.scripts = false
	x.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	return x
}

// pardon says which statuses are meant to come.
func (x *tab) pardon(statuses ...int64) *tab {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range statuses {
		x.pardoned[s] = true
	}
	return x
}

// moved waits until an action has led to another page, and for its status.
func (x *tab) moved(want int64, steps ...step) {
	x.t.Helper()
	x.pardon(want)
	ctx, stop := context.WithTimeout(x.ctx, patience)
	defer stop()
	r, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		x.t.Fatalf("no other page comes: %v", err)
	}
	if r.Status != want {
		x.t.Fatalf("%s: status %d, want %d:\n%s", r.URL, r.Status, want, x.text("main"))
	}
}

// visit goes to a page.
func (x *tab) visit(path string) {
	x.t.Helper()
	x.moved(200, chromedp.Navigate(x.web+path))
}

// look calls a function in the page. That works also where the page's own scripts
// do not.
func look[V any](x *tab, function string, args ...any) V {
	x.t.Helper()
	ctx, stop := context.WithTimeout(x.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[V](script(function, args...), chromedp.EvalAwaitPromise))
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

// script is a call of a function with arguments.
func script(function string, args ...any) string {
	var written []string
	for _, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		written = append(written, string(b))
	}
	return "(" + function + ")(" + strings.Join(written, ", ") + ")"
}

// text is what can be read in the first element of a selector; "" where there is none.
func (x *tab) text(selector string) string {
	x.t.Helper()
	return look[string](x, `s => (document.querySelector(s)?.innerText ?? "").replace(/\s+/g, " ").trim()`, selector)
}

// wait waits until something is true, and else says what it would have wanted.
func (x *tab) wait(what string, is func() bool) {
	x.t.Helper()
	for begin := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > patience {
			x.t.Fatalf("%s: not in %v; the page is\n%.2000s", what, patience, x.text("main"))
		}
	}
}

// reads waits until a text can be read in an element.
func (x *tab) reads(selector string, wants ...string) {
	x.t.Helper()
	for _, want := range wants {
		x.wait(fmt.Sprintf("%q in %s", want, selector), func() bool { return strings.Contains(x.text(selector), want) })
	}
}

// lacks wants that a text cannot be read in an element.
func (x *tab) lacks(selector, text string) {
	x.t.Helper()
	if got := x.text(selector); strings.Contains(got, text) {
		x.t.Errorf("%q is in %s: %s", text, selector, got)
	}
}

// pointer is a click on the first visible thing of a selector that one can press and
// that reads so.
func (x *tab) pointer(selector, label string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		at, err := chromedp.Evaluate[[]float64](script(`(within, label) => {
			for (const root of document.querySelectorAll(within))
				for (const e of root.querySelectorAll("a, button, summary, label, input"))
					if (e.checkVisibility() && (e.innerText || e.value || "").replace(/\s+/g, " ").includes(label)) {
						e.scrollIntoView({ block: "center", behavior: "instant" });
						const box = e.getClientRects()[0];
						return [box.x + box.width / 2, box.y + box.height / 2];
					}
			return [];
		}`, selector, label))(ctx, t)
		if err != nil {
			return err
		}
		if len(at) == 0 {
			return fmt.Errorf("there is no %q to press in %s", label, selector)
		}
		_, err = chromedp.MouseClickXY(at[0], at[1])(ctx, t)
		return err
	})
}

// press clicks on something that stays on the page, follow on what leads to another.
func (x *tab) press(selector, label string) {
	x.t.Helper()
	x.do(x.pointer(selector, label))
}

func (x *tab) follow(selector, label string) {
	x.t.Helper()
	x.moved(200, x.pointer(selector, label))
}

// write puts a text into an input, as somebody at a keyboard does.
func (x *tab) write(selector, text string) {
	x.t.Helper()
	if !look[bool](x, `s => { const e = document.querySelector(s); e?.focus(); e?.select(); return Boolean(e) }`, selector) {
		x.t.Fatalf("there is no %s to write into:\n%s", selector, x.text("body"))
	}
	x.do(command(input.InsertText, input.InsertTextParams{Text: text}))
}

// key presses a key.
func (x *tab) key(keys string) {
	x.t.Helper()
	x.do(press(keys))
}

// press is a press of keys, one after the other.
func press(keys string) step { return chromedp.KeyEvent(keys) }

// asked is how often a path was asked for.
func (x *tab) asked(path string) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.requests {
		if pathOf(r) == path {
			n++
		}
	}
	return n
}

// weight is how many bytes have come, by path.
func (x *tab) weight() map[string]float64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.sizes)
}

// told is how many messages of event streams have come.
func (x *tab) told() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.events
}

// following says whether an event stream is open.
func (x *tab) following(path string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[path] > 0
}

// picture writes what the page looks like, where pictures are wanted.
func (x *tab) picture(name string) {
	x.t.Helper()
	dir := os.Getenv(pictures)
	if dir == "" {
		return
	}
	size := look[[]int64](x, "() => [innerWidth, document.scrollingElement.scrollHeight]")
	x.do(chromedp.EmulateViewport(size[0], max(640, min(size[1], tallest))))
	png, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// pictures is the variable that says into which directory pictures of all pages go, and
// tallest how high one is at most, in pixels.
const (
	pictures = "DEADPIXEL_TEST_PICTURES"
	tallest  = 2000
)

// secret is the password of tests.
const secret = "correct horse battery staple"

// asOwner is the header of a script that knows it.
var asOwner = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(":"+secret))

// enter signs in.
func (x *tab) enter() {
	x.t.Helper()
	x.visit("/login")
	x.write("#password", secret)
	x.follow("main", "Sign in")
	x.reads("header", "Sign out")
}

// What a browser would complain about does not go unheard.
func browseFaults(t *testing.T, b *browser) {
	mux := http.NewServeMux()
	pages := map[string]struct{ page, want string }{
		"fine":    {"<p>Nothing.", ""},
		"inline":  {"<p>x<script>1</script>", "Content Security Policy"},
		"style":   {"<p style='color: red'>x", "Content Security Policy"},
		"foreign": {"<script src='http://192.0.2.1/x.js'></script>", "foreign http://192.0.2.1/x.js"},
		"missing": {"<script src='/missing.js'></script>", "/missing.js: status 404"},
		"broken":  {"<script src='/broken.js'></script>", "uncaught: "},
		"telling": {"<script src='/telling.js'></script>", "console: "},
	}
	for name, one := range pages {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			fmt.Fprint(w, "<!doctype html><html lang=en><title>x</title><link rel=icon href=/icon.svg type=image/svg+xml>"+one.page)
		})
	}
	mux.HandleFunc("GET /icon.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	})
	mux.HandleFunc("GET /broken.js", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "gone.away()") })
	mux.HandleFunc("GET /telling.js", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "console.warn('hear')") })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for name, one := range pages {
		x := b.tab(t, s.URL)
		x.visit("/" + name)
		if one.want != "" {
			x.wait("a complaint about "+name, func() bool { return strings.Contains(strings.Join(x.complaints(), "\n"), one.want) })
			x.forgive()
		}
	}
}
