//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestNames(t *testing.T) {
	const count = 50_000
	names, err := generate(count)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := generate(count)
	if !slices.Equal(names, again) {
		t.Error("two runs differ")
	}
	set := make(map[string]bool)
	letters := 0
	for _, n := range names {
		if !plain(n) || set[n] {
			t.Fatalf("%q is odd, or there twice", n)
		}
		set[n] = true
		letters += len(n)
	}
	if mean := letters / count; mean < 12 || mean > 25 {
		t.Errorf("%d letters in the mean", mean)
	}
	for _, n := range names {
		if _, parent, _ := strings.Cut(n, "."); covered(set, parent) {
			t.Errorf("%s is below another", n)
		}
	}
	for i := range count {
		if n := domain(maxRules + i); covered(set, n) {
			t.Errorf("%s is listed", n)
		}
	}
	if _, err := generate(maxRules + 1); err == nil {
		t.Error("too many are made")
	}
}

func TestReadList(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, "# list\nB.example.org.\n\na.b.example.org # below\nbad name.org\nc.net\nc.net\ncom\n")
	z.Close()
	file := filepath.Join(t.TempDir(), "list.gz")
	if err := os.WriteFile(file, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, set, err := readList(file)
	if want := []string{"b.example.org", "c.net"}; err != nil || !slices.Equal(got, want) || !covered(set, "x.c.net") || covered(set, "d.net") {
		t.Errorf("got %v, %v", got, err)
	}
	if _, _, err := readList(file + "x"); err == nil {
		t.Error("no error for no file")
	}
}

func TestPacket(t *testing.T) {
	for _, name := range []string{"www.example.org", "a.b", domain(7)} {
		var m dns.Msg
		if err := m.Unpack(packet(name)); err != nil {
			t.Fatal(err)
		}
		want := new(dns.Msg).SetQuestion(name+".", dns.TypeA)
		want.Id = 0
		if m.String() != want.String() {
			t.Errorf("got %v, want %v", &m, want)
		}
	}
}

func TestQuestions(t *testing.T) {
	names, _ := generate(1000)
	w := newWork(names, nil, 100, false)
	next, got, fresh := w.questions(household, 1), map[class]int{}, map[string]bool{}
	for range 10_000 {
		p, c := next()
		got[c]++
		if c == forwarded {
			fresh[string(p)] = true
		}
	}
	if b, c := got[blocked]/100, got[cached]/100; b < 18 || b > 22 || c < 67 || c > 73 || len(fresh) != got[forwarded] {
		t.Errorf("got %v, %d fresh", got, len(fresh))
	}
	if _, c := newWork(nil, nil, 1, false).questions(mix{100, 0}, 1)(); c != cached {
		t.Errorf("without a list: class %d", c)
	}
}

func TestJudge(t *testing.T) {
	query := new(dns.Msg).SetQuestion("a.example.org.", dns.TypeA)
	asked, _ := query.Pack()
	reply := func(code int, change func(*dns.Msg), addresses ...string) []byte {
		m := new(dns.Msg).SetRcode(query, code)
		for _, a := range addresses {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: "a.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(a)})
		}
		if change != nil {
			change(m)
		}
		p, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	strict, lenient := standard{}, standard{zero: true}
	for _, c := range []struct {
		name  string
		rule  standard
		want  class
		reply []byte
		got   verdict
	}{
		{"blocked", strict, blocked, reply(dns.RcodeNameError, nil), right},
		{"not blocked", strict, blocked, reply(dns.RcodeSuccess, nil, "192.0.2.1"), wrong},
		{"blocked with zero", strict, blocked, reply(dns.RcodeSuccess, nil, "0.0.0.0"), wrong},
		{"blocked with zero where it may be", lenient, blocked, reply(dns.RcodeSuccess, nil, "0.0.0.0"), right},
		{"no data", lenient, blocked, reply(dns.RcodeSuccess, nil), wrong},
		{"address", strict, cached, reply(dns.RcodeSuccess, nil, "192.0.2.1"), right},
		{"new address", strict, forwarded, reply(dns.RcodeSuccess, nil, "192.0.2.1"), right},
		{"another address", strict, cached, reply(dns.RcodeSuccess, nil, "192.0.2.2"), wrong},
		{"two addresses", strict, cached, reply(dns.RcodeSuccess, nil, "192.0.2.2", "192.0.2.1"), wrong},
		{"no address", strict, cached, reply(dns.RcodeSuccess, nil), wrong},
		{"blocked too much", strict, cached, reply(dns.RcodeNameError, nil), wrong},
		{"failure", strict, forwarded, reply(dns.RcodeServerFailure, nil), failed},
		{"refused", strict, forwarded, reply(dns.RcodeRefused, nil), wrong},
		{"another question", strict, blocked, reply(dns.RcodeNameError, func(m *dns.Msg) { m.Question[0].Name = "b.example.org." }), wrong},
		{"a query", strict, blocked, asked, wrong},
		{"short", strict, blocked, asked[:12], wrong},
		{"an echo", standard{echo: true}, blocked, asked, right},
	} {
		if got := c.rule.judge(c.want, asked, c.reply); got != c.got {
			t.Errorf("%s: got %d, want %d", c.name, got, c.got)
		}
	}
}

func TestStub(t *testing.T) {
	for _, edns := range []bool{false, true} {
		q := new(dns.Msg).SetQuestion("A.Example.org.", dns.TypeA)
		if edns {
			q.SetEdns0(1232, true)
		}
		p, _ := q.Pack()
		var m dns.Msg
		if err := m.Unpack(authoritative(p)); err != nil {
			t.Fatal(err)
		}
		a, ok := m.Answer[0].(*dns.A)
		if !ok || a.A.String() != "192.0.2.1" || a.Hdr.Ttl != 3600 || a.Hdr.Name != "A.Example.org." || (m.IsEdns0() != nil) != edns || !m.RecursionAvailable || m.Id != q.Id {
			t.Errorf("got %v", &m)
		}
	}
	p, _ := new(dns.Msg).SetQuestion("example.org.", dns.TypeNS).Pack()
	var m dns.Msg
	if err := m.Unpack(authoritative(p)); err != nil || len(m.Answer) > 0 || m.Rcode != dns.RcodeSuccess {
		t.Errorf("another type: %v, %v", &m, err)
	}
	for _, bad := range [][]byte{nil, make([]byte, 12), append(make([]byte, 5), 1, 0, 0, 0, 0, 0, 0, 63)} {
		if got := authoritative(bad); got != nil {
			t.Errorf("%x is answered with %x", bad, got)
		}
	}
}

func TestLedger(t *testing.T) {
	l, q := new(ledger), packet("example.org")
	var first []byte
	for i := range 1<<16 + 1 {
		p, given := l.put(nil, q, cached, time.Duration(i))
		if i == 0 {
			first = p
		}
		if (given != nil) != (i == 1<<16) {
			t.Fatalf("%d gives %v up", i, given)
		}
	}
	if e, ok := l.take(first); !ok || e.sent != 1<<16 {
		t.Errorf("got %v, %v", e, ok)
	}
	if _, ok := l.take(first); ok {
		t.Error("the same answer counts twice")
	}
	if n := len(l.giveUp()); n != 1<<16-1 || len(l.giveUp()) != 0 {
		t.Errorf("%d given up", n)
	}
}

func TestStatistics(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for percent, want := range map[float64]float64{0: 1, 20: 1, 50: 3, 99: 5, 100: 5} {
		if got := percentile(slices.Clone(values), percent); got != want {
			t.Errorf("%v %%: got %v, want %v", percent, got, want)
		}
	}
	if got := middle([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("got %v", got)
	}
	for v, want := range map[float64]string{0: "0", 0.01234: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 7: "7", 1234567: "1,234,567", -1234: "-1,234", 999.7: "1,000"} {
		if got := figure(v); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTable(t *testing.T) {
	r := results{servers: []string{"one", "none", "two"}}
	for _, v := range []float64{3, 1, 2} {
		r.add("speed", "µs", "one", v)
	}
	r.add("size", "MiB", "two", 12.34)
	r.add("size", "MiB", "none", percentile(nil, 99))
	want := `| | one | two |
|---|---:|---:|
| speed, µs | 2 (1–3) | - |
| size, MiB | - | 12.3 |
`
	if got := r.markdown(); got != want {
		t.Errorf("got\n%s", got)
	}
	r.check("speed", "one", tally{asked: 10, lost: 2, failed: 1, right: 7}, true)
	if r.bad || len(r.notes) != 1 {
		t.Errorf("what may fail is wrong: %v", r.notes)
	}
	r.check("speed", "one", tally{asked: 10, failed: 1, right: 9}, false)
	if !r.bad {
		t.Error("what may not fail is not wrong")
	}
}

func TestPlot(t *testing.T) {
	var p plot
	a := p.panel("one & two", "rules")
	for x := 1.0; x <= 1000; x *= 10 {
		a.add("deadpixel", "blocked", x, 3+x/1000)
		a.add("deadpixel", "blocked", x, 3)
		a.add("floor", "blocked", x, 2)
	}
	p.panel("a single point", "clients").add("deadpixel", "mix", 5, 1)
	p.panel("empty", "x")
	text := p.svg()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"one &amp; two", "deadpixel", "floor", ">1,000<", "logarithmic", "µs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("impossible coordinates in %s", text)
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"--rounds", "2", "-measures", "start,memory", "steady"}, io.Discard)
	if err != nil || !slices.Equal(o.measures, []string{"start", "memory", "steady"}) {
		t.Errorf("got %v, %v", o.measures, err)
	}
	for _, bad := range [][]string{{"nothing"}, {"--rounds", "0"}, {"--what"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	if _, err := another("x=true {port}"); err != nil {
		t.Error(err)
	}
	if _, err := another("nothing"); err == nil {
		t.Error("a peer without a command is accepted")
	}
}

// The servers and the generators, in one process.
func TestLoads(t *testing.T) {
	names, _ := generate(1000)
	w := newWork(names, nil, 100, false)
	for _, c := range []struct {
		name  string
		serve func(*net.UDPConn) error
		rule  standard
		mix   mix
	}{
		{"floor", floor, standard{echo: true}, household},
		{"floor-batch", batch(flip), standard{echo: true}, household},
		{"stub", batch(authoritative), standard{}, mix{0, 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			conn.SetReadBuffer(1 << 20) // as the servers do it
			ended := make(chan error)
			go func() { ended <- c.serve(conn) }()
			l := load{server: conn.LocalAddr().(*net.UDPAddr).AddrPort(), rule: c.rule, sockets: 3, window: 10}
			for _, l.sources = range []int{0, 1, 50} {
				got, err := l.closed(context.Background(), 1000, func(i int) questions { return w.questions(c.mix, uint64(i)) })
				if err != nil || got.right != 1000 || got.asked != 1000 {
					t.Errorf("from %d addresses: %+v, %v", l.sources, got, err)
				}
			}
			// So slow that the buffers hold what piles up while a busy machine does not
			// let this program run.
			p, err := l.pace(500, w.questions(c.mix, 1))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
			samples, example := p.stop()
			got := sum(samples, example)
			if got.right != got.asked || got.asked < 50 {
				t.Errorf("paced: %+v", got)
			}
			times := latencies(samples, func(sample) bool { return true })
			if least := percentile(times, 0); least <= 0 || least > 1e6 {
				t.Errorf("an answer after %v µs", least)
			}
			conn.Close()
			if err := <-ended; err == nil {
				t.Error("no error when the socket is closed")
			}
		})
	}
}

// What is lost is given up, and counted.
func TestLost(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWork(nil, nil, 10, false)
	l := load{server: conn.LocalAddr().(*net.UDPAddr).AddrPort(), sockets: 1, window: 5}
	got, err := l.closed(context.Background(), 5, func(int) questions { return w.inTurn() })
	if err != nil || got.lost != 5 || got.asked != 5 {
		t.Errorf("got %+v, %v", got, err)
	}
}
