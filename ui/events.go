package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"
	"time"
)

// Bounds of the streams of events: how many there are at once, how long one is silent at
// most, and how long one write may take before whoever reads is gone.
const (
	maxStreams  = 32
	heartbeat   = 15 * time.Second
	streamWrite = 10 * time.Second
)

// How often it is looked whether something has changed while somebody watches: how things
// stand, and in every how many of these looks the numbers.
const (
	lookEvery   = time.Second
	numbersEach = 5
)

// stream is one answer of server-sent events (HTML Living Standard, section 9.2). The
// goroutine of its request alone writes.
type stream struct {
	w     http.ResponseWriter
	limit *http.ResponseController
	err   error // the first one; then nothing more is written
}

// newStream begins to answer with events.
func newStream(w http.ResponseWriter) *stream {
	s := &stream{w: w, limit: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // else a proxy may hold events back
	s.limit.SetReadDeadline(time.Time{})      // the server's own would end the request
	w.WriteHeader(http.StatusOK)
	s.write(": deadpixel\n\n")
	return s
}

// send writes an event with v as JSON.
func (s *stream) send(event string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", event, data))
}

func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	s.limit.SetWriteDeadline(time.Now().Add(streamWrite)) // a recorder of a test has none
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.limit.Flush()
	}
}

// streams are the open ones. Those who only look are told of changes by one goroutine,
// which runs while there is somebody.
type streams struct {
	mu       sync.Mutex
	open     int
	closed   bool
	end      chan struct{} // closed when all are to end
	watchers map[chan string]bool
	looking  bool // the goroutine runs
}

var errStreams = errors.New("too many pages are open; close one")

// enter counts a stream in, and leave counts it out.
func (s *streams) enter() (end <-chan struct{}, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= maxStreams {
		return nil, nil, errStreams
	}
	s.open++
	return s.end, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
	}, nil
}

// Close ends all streams, and refuses new ones: a server that stops would wait for them.
func (p *Page) Close() error {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	if !p.streams.closed {
		p.streams.closed = true
		close(p.streams.end)
	}
	return nil
}

// follow runs a stream until whoever reads has gone, the page ends, or may no longer be
// read; each is called with what next yields.
func follow[T any](p *Page, w http.ResponseWriter, r *http.Request, allowed func() bool, next <-chan T, each func(*stream, T)) {
	end, leave, err := p.streams.enter()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer leave()
	s := newStream(w)
	for beat := time.NewTicker(heartbeat); s.err == nil; {
		select {
		case v, more := <-next:
			if !more {
				return
			}
			each(s, v)
		case <-beat.C:
			if !allowed() {
				return
			}
			s.write(": here\n\n")
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// events tells that something has changed: "state" when it is how things stand, else
// "numbers". What it is the page or the API says, to whoever may see it.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	changes := make(chan string, 1)
	p.watch(changes)
	defer p.unwatch(changes)
	follow(p, w, r, func() bool { return true }, changes, func(s *stream, what string) {
		s.send("change", map[string]string{"what": what})
	})
}

func (p *Page) watch(changes chan string) {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	p.streams.watchers[changes] = true
	if !p.streams.looking {
		p.streams.looking = true
		go p.look(p.mark(false), p.mark(true))
	}
}

func (p *Page) unwatch(changes chan string) {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	delete(p.streams.watchers, changes)
}

// look tells watchers of changes until there is none. Whoever has not taken the last word
// yet is told no second one.
func (p *Page) look(state, numbers uint64) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		<-tick.C
		what := ""
		if now := p.mark(false); now != state {
			state, what = now, "state"
		}
		if n%numbersEach == 0 {
			if now := p.mark(true); now != numbers {
				numbers = now
				if what == "" {
					what = "numbers"
				}
			}
		}
		if !p.tell(what) {
			return
		}
	}
}

// tell says whether there was somebody to tell.
func (p *Page) tell(what string) bool {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	for w := range p.streams.watchers {
		if what != "" {
			select {
			case w <- what:
			default:
			}
		}
	}
	p.streams.looking = len(p.streams.watchers) > 0
	return p.streams.looking
}

// mark is a number that another state of what the pages show would have another of: of
// how things stand, or of how much there was.
func (p *Page) mark(numbers bool) uint64 {
	h := fnv.New64a()
	e := json.NewEncoder(h)
	if numbers {
		e.Encode(p.Felt().Answers)
		return h.Sum64()
	}
	e.Encode(p.Blocker.Blocking())
	e.Encode(p.Lists.Lists())
	e.Encode(p.Lists.Progress())
	e.Encode(p.open())
	for _, u := range p.Upstreams() {
		e.Encode(u.Healthy)
	}
	return h.Sum64()
}

// Seen is a blocked query, as it is shown to whoever watches.
type Seen struct {
	Time     time.Time `json:"time"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Behind   string    `json:"behind,omitempty"` // what the list has, when that hid behind the name
	List     string    `json:"list"`
	Reason   string    `json:"reason"`
	Owner    string    `json:"owner"`
	Category string    `json:"category"`
	Client   string    `json:"client"` // in the form of [privacy] clients; "" where they are not told apart
	Group    string    `json:"group"`
}

// Sight is what is seen at once: queries, or how many there were that nobody had time to
// show.
type Sight struct {
	Seen   []Seen `json:"seen"`
	Missed uint64 `json:"missed"`
}

// tail tells of blocked queries as they come, to who has signed in.
func (p *Page) tail(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	// Asked anew each time: a session may end meanwhile.
	allowed := func() bool { status, _ := p.identify(r).may(ToRead); return status == 0 }
	follow(p, w, r, allowed, p.Tail(ctx), func(s *stream, sight Sight) { s.send("blocked", sight) })
}

// live is the page that shows them.
func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, "live.html", struct{ frame }{p.frame(r, liveTitle, "/live")})
}
