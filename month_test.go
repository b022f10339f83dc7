package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"deadpixel/metrics/history"
	"deadpixel/resolver"
)

// monthDir is the variable that says where TestMonth writes, for those who want the
// month.
const monthDir = "DEADPIXEL_TEST_MONTH"

// month fills a data directory with thirty days of a household, up to now. A bubble of
// time needs a *testing.T, so that it is another process that does it.
func month(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMonth$", "-test.count=1")
	cmd.Env = append(os.Environ(), monthDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}

// Thirty days of a household go into the history and come out again.
func TestMonth(t *testing.T) {
	dir, now := os.Getenv(monthDir), time.Now()
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	companies := make([]string, 120)
	for i := range companies {
		companies[i] = fmt.Sprintf("Tracking Company %d", i)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now.AddDate(0, 0, -30)))
		var mu sync.Mutex
		counts := history.Counts{Blocked: map[string][resolver.Reasons]uint64{}, Owners: map[string]map[string][resolver.Reasons]uint64{}, NoAccount: map[string]uint64{}}
		h := history.Open(history.Options{
			Settings: history.Settings{Dir: dir, Clients: history.Anonymous, Keep: 720 * time.Hour, Zone: time.UTC},
			Counts: func() history.Counts {
				mu.Lock()
				defer mu.Unlock()
				c := counts
				c.Blocked, c.Owners = cloned(counts.Blocked), map[string]map[string][resolver.Reasons]uint64{}
				for company, lists := range counts.Owners {
					c.Owners[company] = cloned(lists)
				}
				return c
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); h.Run(ctx) }()
		drawn := 0
		for minute := time.Now(); minute.Before(now.Add(-time.Minute)); minute = time.Now() {
			mu.Lock()
			queries := 20 + rand.Uint64N(200)
			counts.Outcomes[resolver.Cached] += queries
			counts.Outcomes[resolver.Forwarded] += queries / 3
			counts.Outcomes[resolver.Blocked] += queries / 6
			for range queries / 6 {
				list := fmt.Sprintf("list %d", rand.IntN(8))
				company := companies[min(rand.IntN(120), rand.IntN(120))]
				if drawn++; drawn%50 == 0 { // or a rare one would be missing now and then
					company = companies[drawn/50%len(companies)]
				}
				if counts.Owners[company] == nil {
					counts.Owners[company] = map[string][resolver.Reasons]uint64{}
				}
				reason := rand.IntN(int(resolver.Reasons))
				for _, lists := range []map[string][resolver.Reasons]uint64{counts.Blocked, counts.Owners[company]} {
					reasons := lists[list]
					reasons[reason]++
					lists[list] = reasons
				}
			}
			mu.Unlock()
			for i := range 20 {
				h.Observe(resolver.Event{Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Outcome: resolver.Cached})
			}
			// Every minute of the last day, and of those before as much as is kept: hours.
			if now.Sub(minute) > 27*time.Hour {
				time.Sleep(time.Hour)
			} else {
				time.Sleep(time.Minute)
			}
		}
		report := h.Read(history.Month)
		if n := len(slices.DeleteFunc(report.Columns, func(c history.Column) bool { return c.Queries == 0 })); n != 30 {
			t.Errorf("%d of 30 days have queries", n)
		}
		stop()
		<-ended
	})
}

func cloned[V any](m map[string]V) map[string]V {
	all := map[string]V{}
	for k, v := range m {
		all[k] = v
	}
	return all
}

// pages are those that are measured.
var pages = []string{"/", "/?range=7d", "/?range=30d", "/companies?range=30d", "/companies?range=30d&name=Tracking+Company+0", "/privacy", "/why?name=pixel.facebook.com", "/api/v1/status", "/metrics"}

// afterMonth starts a program that has thirty days of history.
func afterMonth(b *testing.B) *program {
	b.Helper()
	dir := b.TempDir()
	month(b, filepath.Join(dir, "data"))
	up := newInternet(b)
	p := &program{t: b, dir: dir, config: filepath.Join(dir, "config.toml")}
	p.write(basics(up.address) + starterList + "[privacy]\nkeep = \"800h\"\n")
	return p.again().start()
}

// The pages with thirty days of history, alone and while 10,000 queries come in a second.
func BenchmarkPages(b *testing.B) {
	p := afterMonth(b)
	for _, load := range []int{0, 10_000} {
		for _, page := range pages {
			b.Run(fmt.Sprintf("queries=%d%s", load, page), func(b *testing.B) {
				stop := flood(b, p.dns, load)
				var took []time.Duration
				var size int
				for b.Loop() {
					begin := time.Now()
					r, err := http.Get(p.web + page)
					if err != nil {
						b.Fatal(err)
					}
					n, _ := io.Copy(io.Discard, r.Body)
					r.Body.Close()
					size = int(n)
					took = append(took, time.Since(begin))
				}
				answered := stop()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
				b.ReportMetric(float64(size), "bytes")
				b.ReportMetric(answered, "answers/s")
			})
		}
	}
	p.stop()
}

// flood puts so many queries in a second until the returned function is called, which
// says how many answers came in a second.
func flood(b *testing.B, to string, perSecond int) (stop func() float64) {
	if perSecond == 0 {
		return func() float64 { return 0 }
	}
	conn, err := net.Dial("udp", to)
	if err != nil {
		b.Fatal(err)
	}
	var questions [][]byte
	for _, name := range []string{"pixel.facebook.com.", "www.example.org."} {
		q, err := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
		if err != nil {
			b.Fatal(err)
		}
		questions = append(questions, q)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	begin := time.Now()
	go func() {
		for sent := 0; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			for due := int(time.Since(begin).Seconds() * float64(perSecond)); sent < due; sent++ {
				conn.Write(questions[sent%len(questions)])
			}
		}
		conn.Close()
	}()
	answers := make(chan int)
	go func() {
		n, buffer := 0, make([]byte, 4096)
		for {
			if _, err := conn.Read(buffer); err != nil {
				answers <- n
				return
			}
			n++
		}
	}()
	return func() float64 {
		cancel()
		return float64(<-answers) / time.Since(begin).Seconds()
	}
}

// What an answer takes while nobody watches, and while the page is looked at and the
// metrics are read, as often as that is done: for `benchstat -col /watched`.
func BenchmarkAnswers(b *testing.B) {
	p := afterMonth(b)
	conn, err := net.Dial("udp", p.dns)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	question, err := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	for _, watched := range []string{"no", "yes"} {
		b.Run("watched="+watched, func(b *testing.B) {
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if watched == "yes" {
					watch(ctx, p.web)
				}
			}()
			buffer, waiting := make([]byte, 4096), 0
			for b.Loop() {
				if waiting == 32 { // questions on the way, so that neither side is idle
					conn.SetReadDeadline(time.Now().Add(patience))
					if _, err := conn.Read(buffer); err != nil {
						b.Fatal(err)
					}
					waiting--
				}
				if _, err := conn.Write(question); err != nil {
					b.Fatal(err)
				}
				waiting++
			}
			for ; waiting > 0; waiting-- {
				if _, err := conn.Read(buffer); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			<-ended
		})
	}
	p.stop()
}

// watch reads the metrics every fifteen seconds, as Prometheus does, and the page every
// five, as a browser does while something happens, and stays on its events.
func watch(ctx context.Context, web string) {
	get := func(path string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, web+path, nil)
		if err != nil {
			return
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { get("/api/v1/events") })
	for n := 0; ctx.Err() == nil; n++ {
		if n%3 == 0 {
			get("/metrics")
		}
		get("/")
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
}
