package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/miekg/dns"
)

// told are the questions of a log in one line each: name, type, client, and how
// often it is unknown what became of it, it passed, and it was blocked.
func told(l *queryLog) []string {
	var all []string
	for _, a := range l.asked {
		client := "-"
		if a.client.IsValid() {
			client = a.client.String()
		}
		all = append(all, fmt.Sprintf("%s %v %s %d/%d/%d", a.name, dns.Type(a.qtype), client, a.times[0], a.times[1], a.times[2]))
	}
	return all
}

const dnsmasqLog = `Nov  3 10:00:00 router systemd[1]: Started dnsmasq - A lightweight DHCP and caching DNS server.
Nov  3 10:00:00 dnsmasq[71]: started, version 2.90 cachesize 150
Nov  3 10:00:01 dnsmasq[71]: query[A] Tracker.example from 192.0.2.7
Nov  3 10:00:01 dnsmasq[71]: gravity blocked Tracker.example is 0.0.0.0
Nov  3 10:00:01 dnsmasq[71]: query[AAAA] tracker.example from 192.0.2.7
Nov  3 10:00:01 dnsmasq[71]: gravity blocked tracker.example is ::
Nov  3 10:00:02 dnsmasq[71]: query[A] www.example.org from 192.0.2.7
Nov  3 10:00:02 dnsmasq[71]: forwarded www.example.org to 192.0.2.53
Nov  3 10:00:02 dnsmasq[71]: reply www.example.org is <CNAME>
Nov  3 10:00:02 dnsmasq[71]: reply edge.example.net is 192.0.2.1
Nov  3 10:00:03 dnsmasq[71]: query[A] www.example.org from 2001:db8::7
Nov  3 10:00:03 dnsmasq[71]: cached www.example.org is <CNAME>
Nov  3 10:00:03 dnsmasq[71]: cached edge.example.net is 192.0.2.1
Nov  3 10:00:03 dnsmasq-dhcp[71]: DHCPACK(br0) 192.0.2.7 02:00:00:00:00:01
Nov  3 10:00:04 dnsmasq[71]: query[type=65] www.example.org from 192.0.2.7
`

func TestQueryLogFormats(t *testing.T) {
	cases := []struct {
		name, log, format string
		want              []string
		strange           int
	}{
		{"names", "# asked last week\nWWW.Example.org.\n\ntracker.example AAAA 192.0.2.7 # the tablet\ntracker.example 192.0.2.7 aaaa\nbücher.example TYPE65\n", "names",
			[]string{"www.example.org A - 1/0/0", "tracker.example AAAA 192.0.2.7 2/0/0", "xn--bcher-kva.example HTTPS - 1/0/0"}, 0},
		{"names, some strange", "www.example.org\nwww..example.org\nwww.example.org kitchen\na b c d\r\n", "names", []string{"www.example.org A - 1/0/0"}, 3},
		{"byte order mark", "\ufeffwww.example.org\r\n", "names", []string{"www.example.org A - 1/0/0"}, 0},
		{"dnsmasq", dnsmasqLog, "dnsmasq", []string{
			"tracker.example A 192.0.2.7 0/0/1", "tracker.example AAAA 192.0.2.7 0/0/1", "www.example.org A 192.0.2.7 0/1/0",
			"www.example.org A 2001:db8::7 0/1/0", "www.example.org HTTPS 192.0.2.7 1/0/0"}, 0},
		{"dnsmasq, log-queries=extra", "dnsmasq[71]: 12 192.0.2.7/5353 query[A] a.example from 192.0.2.7\ndnsmasq[71]: 12 192.0.2.7/5353 config a.example is NXDOMAIN\n" +
			"dnsmasq[71]: UDP 13 fe80::7%eth0/5353 query[A] b.example from fe80::7%eth0\ndnsmasq[71]: UDP 13 fe80::7%eth0/5353 cached-stale b.example is 192.0.2.1\n", "dnsmasq",
			[]string{"a.example A 192.0.2.7 0/0/1", "b.example A fe80::7 0/1/0"}, 0},
		{"dnsmasq, a name that is none", "dnsmasq: query[A] a..example from 192.0.2.7\ndnsmasq: query[A]\ndnsmasq: query[A] b.example from 192.0.2.7\n", "dnsmasq",
			[]string{"b.example A 192.0.2.7 1/0/0"}, 2},
		{"AdGuard Home", `{"T":"2026-11-03T10:00:00Z","QH":"tracker.example","QT":"A","QC":"IN","CP":"","IP":"192.0.2.7","Result":{"IsFiltered":true,"Reason":3}}
{"QH":"www.example.org","QT":"HTTPS","QC":"IN","IP":"192.0.2.7","Result":{}}
{"QH":"search.example","QT":"A","IP":"192.0.2.7","Result":{"IsFiltered":true,"Reason":7}}
{"QH":"cut.exam
{"QH":"","QT":"A"}
`, "AdGuard Home", []string{"tracker.example A 192.0.2.7 0/0/1", "www.example.org HTTPS 192.0.2.7 0/1/0", "search.example A 192.0.2.7 0/1/0"}, 2},
		{"AdGuard Home's API", `{"oldest":"","data":[
			{"question":{"class":"IN","name":"tracker.example","type":"A"},"client":"192.0.2.7","reason":"FilteredBlackList","status":"NXDOMAIN"},
			{"question":{"class":"IN","name":"www.example.org","type":"A"},"client":"192.0.2.7","reason":"NotFilteredNotFound"},
			{"question":{"class":"IN","name":"search.example","type":"A"},"client":"192.0.2.7","reason":"FilteredSafeSearch"}]}`, jsonDocument,
			[]string{"tracker.example A 192.0.2.7 0/0/1", "www.example.org A 192.0.2.7 0/1/0", "search.example A 192.0.2.7 0/1/0"}, 0},
		{"Pi-hole 6's API", `{"queries":[{"id":1,"type":"AAAA","domain":"tracker.example","cname":null,"status":"GRAVITY","client":{"ip":"192.0.2.7","name":"tablet"},"upstream":null},
			{"id":2,"type":"A","domain":"www.example.org","status":"CACHE_STALE","client":{"ip":"192.0.2.7","name":null}},{"id":3,"type":"A"}],"cursor":3,"took":0.1}
			{"queries":[{"type":"A","domain":"b.example","status":"IN_PROGRESS","client":{"ip":"192.0.2.8"}}]}`, jsonDocument,
			[]string{"tracker.example AAAA 192.0.2.7 0/0/1", "www.example.org A 192.0.2.7 0/1/0", "b.example A 192.0.2.8 0/1/0"}, 1},
		{"Pi-hole 5's API", `{"data":[["1581907991","AAAA","tracker.example","192.0.2.7","1","0"],["1581907992","A","www.example.org","tablet","2"],["1"]]}`, jsonDocument,
			[]string{"tracker.example AAAA 192.0.2.7 0/0/1", "www.example.org A - 0/1/0"}, 1},
		{"JSON, the queries alone", `[{"domain":"a.example","type":"A","status":"UNKNOWN"}]`, jsonDocument, []string{"a.example A - 1/0/0"}, 0},
		{"CSV of Pi-hole's database", "domain,type,client,status\ntracker.example,16,192.0.2.7,5\nwww.example.org,129,\"192.0.2.7\",3\nodd.example,14,192.0.2.7,99\n,1,192.0.2.7,1\n", "CSV",
			[]string{"tracker.example HTTPS 192.0.2.7 0/0/1", "www.example.org LOC 192.0.2.7 0/1/0", "odd.example None 192.0.2.7 1/0/0"}, 1},
		{"CSV, another separator", "timestamp|Domain|Status\n1|tracker.example|REGEX\n2|\"open.example|1\n3|www.example.org|2\n", "CSV",
			[]string{"tracker.example A - 0/0/1", "www.example.org A - 0/1/0"}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range []string{c.log, zipped(t, c.log)} {
				l, err := readQueryLog(t.Context(), strings.NewReader(text), netip.Addr{})
				if err != nil {
					t.Fatal(err)
				}
				if got := told(l); !slices.Equal(got, c.want) || l.strange != c.strange || l.format != c.format {
					t.Errorf("got %q, %d strange %v, format %s\nwant %q, %d strange, format %s", got, l.strange, l.faults, l.format, c.want, c.strange, c.format)
				}
			}
		})
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What dnsmasq and Pi-hole write after a query for x.example.
func TestDnsmasqOutcome(t *testing.T) {
	cases := map[string]outcome{
		"forwarded x.example to 192.0.2.53":                    outcomePassed,
		"reply x.example is 192.0.2.1":                         outcomePassed,
		"reply x.example is NODATA-IPv6":                       outcomePassed,
		"reply x.example is NXDOMAIN":                          outcomePassed,
		"reply x.example is 0.0.0.0":                           outcomeBlocked,
		"cached x.example is NXDOMAIN":                         outcomePassed,
		"cached-stale x.example is 192.0.2.1":                  outcomePassed,
		"config x.example is NXDOMAIN":                         outcomeBlocked,
		"config x.example is 0.0.0.0":                          outcomeBlocked,
		"config x.example is ::":                               outcomeBlocked,
		"config x.example is 192.168.1.2":                      outcomePassed,
		"config x.example is NODATA-IPv6":                      outcomeUnknown,
		"config x.example is REFUSED (EDE: not ready)":         outcomeUnknown,
		"/etc/hosts x.example is 192.168.1.2":                  outcomePassed,
		"/etc/hosts.block x.example is 0.0.0.0":                outcomeBlocked,
		"DHCP x.example is 192.168.1.2":                        outcomePassed,
		"gravity blocked x.example is 0.0.0.0":                 outcomeBlocked,
		"regex blacklisted x.example is 0.0.0.0":               outcomeBlocked,
		"exactly blacklisted x.example is NXDOMAIN":            outcomeBlocked,
		"regex denied x.example is ::":                         outcomeBlocked,
		"exactly denied x.example is 0.0.0.0":                  outcomeBlocked,
		"special domain x.example is NXDOMAIN":                 outcomeBlocked,
		"reply x.example is blocked upstream with 192.0.2.9":   outcomeBlocked,
		"/etc/pihole/gravity.list x.example is 192.168.1.2":    outcomeBlocked,
		"reply x.example is blocked during CNAME inspection":   outcomeUnknown,
		"gravity blocked (CNAME) x.example is 0.0.0.0":         outcomeUnknown,
		"Rate-limiting x.example is REFUSED (EDE: blocked)":    outcomeUnknown,
		"dnssec-query[DS] x.example to 192.0.2.53":             outcomeUnknown,
		"validation x.example is INSECURE":                     outcomeUnknown,
		"reply other.example is 192.0.2.1":                     outcomeUnknown,
		"12 192.0.2.7/53123 gravity blocked x.example is ::":   outcomeBlocked,
		"TCP 13 192.0.2.7/53123 cached x.example is 192.0.2.1": outcomePassed,
	}
	for _, message := range slices.Sorted(maps.Keys(cases)) {
		t.Run(message, func(t *testing.T) {
			text := "dnsmasq[1]: query[A] x.example from 192.0.2.7\ndnsmasq[1]: " + message + "\n"
			l, err := readQueryLog(t.Context(), strings.NewReader(text), netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			if want := cases[message]; l.asked[0].times[want] != 1 {
				t.Errorf("got %v, want it at %d", l.asked[0].times, want)
			}
		})
	}
}

// What blocks after the query was forwarded is the last word.
func TestBlockedByUpstream(t *testing.T) {
	const text = "dnsmasq: query[A] x.example from 192.0.2.7\ndnsmasq: forwarded x.example to 192.0.2.53\ndnsmasq: reply x.example is 0.0.0.0\ndnsmasq: forwarded x.example to 192.0.2.53\n"
	l, err := readQueryLog(t.Context(), strings.NewReader(text), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.asked[0].times; got != [3]int{0, 0, 1} {
		t.Errorf("got %v", got)
	}
}

func TestNoQueryLog(t *testing.T) {
	cases := []struct{ name, log, says string }{
		{"empty", "", "there is no query in it"},
		{"only comments", "# nothing\n\n", "there is no query in it"},
		{"prose", "It was a dark and stormy night.\nThe rain fell in torrents.\n", "none is understood; number 1: 7 words"},
		{"database", "SQLite format 3\x00\x10\x00", "sqlite3 -csv -header"},
		{"binary", "\x7fELF\x02\x01\x00\x00", "no text"},
		{"dnsmasq without log-queries", "Nov  3 10:00:00 dnsmasq[71]: started, version 2.90\n", "log-queries"},
		{"another JSON", `{"data":"none"}`, `"data" is no array`},
		{"JSON without queries", `{"status":"ok"}`, "there is no query in it"},
		{"JSON without an end", `{"queries":[{"domain":"a.example"`, "after 0 queries"},
		{"JSON with a value of its own", `[{"domain":"a.example"}] 1`, "1 is no query"},
		{"an endless entry", `{"queries":[{"domain":"` + strings.Repeat("a", 2*maxEntry), "an entry is longer"},
		{"an endless value before", `{"other":"` + strings.Repeat("a", 2*maxEntry), "an entry is longer"},
		{"gzip cut short", "\x1f\x8b\x08\x00\x00", "EOF"},
		{"a long line", strings.Repeat("a", 2*maxLogged), "longer than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l, err := readQueryLog(t.Context(), strings.NewReader(c.log), netip.Addr{})
			if err == nil {
				t.Fatalf("it was taken for %s: %q", l.format, told(l))
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %q in it", err, c.says)
			}
		})
	}
}

func TestQueryLogOfOneClient(t *testing.T) {
	const text = "a.example 192.0.2.7\nb.example 192.0.2.8\nc.example\n"
	l, err := readQueryLog(t.Context(), strings.NewReader(text), netip.MustParseAddr("192.0.2.7"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := told(l), []string{"a.example A 192.0.2.7 1/0/0", "c.example A 192.0.2.7 1/0/0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := readQueryLog(t.Context(), strings.NewReader("b.example 192.0.2.8\n"), netip.MustParseAddr("192.0.2.7")); err == nil {
		t.Error("a log without a query of the client is not told")
	}
}

// However long a log is, no more than maxAsked questions and maxFaults lines are
// kept of it.
func TestQueryLogBounds(t *testing.T) {
	l := &queryLog{index: map[question]*asked{}}
	for i := range maxAsked + 3 {
		if _, err := l.add(fmt.Sprintf("n%d.example", i), dns.TypeA, netip.Addr{}, outcomeUnknown); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.add("n0.example", dns.TypeA, netip.Addr{}, outcomeUnknown); err != nil {
		t.Fatal(err)
	}
	if len(l.asked) != maxAsked || l.queries != maxAsked+1 || l.left != 3 {
		t.Errorf("%d questions, %d queries, %d left out", len(l.asked), l.queries, l.left)
	}
	for i := range maxFaults + 2 {
		l.fault(i+1, errors.New("strange"))
	}
	if len(l.faults) != maxFaults || l.strange != maxFaults+2 {
		t.Errorf("%d of %d faults are kept", len(l.faults), l.strange)
	}
}

func TestQueryLogCannotBeRead(t *testing.T) {
	fault := errors.New("the disk is gone")
	r := iotest.TimeoutReader(strings.NewReader(strings.Repeat("www.example.org\n", maxLogged)))
	if _, err := readQueryLog(t.Context(), r, netip.Addr{}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("in the middle: %v", err)
	}
	if _, err := readQueryLog(t.Context(), iotest.ErrReader(fault), netip.Addr{}); !errors.Is(err, fault) {
		t.Errorf("at the beginning: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readQueryLog(ctx, strings.NewReader(strings.Repeat("www.example.org\n", 5000)), netip.Addr{}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// Whatever a file holds, it is read or refused, and what is counted adds up.
func FuzzQueryLog(f *testing.F) {
	for _, seed := range []string{
		dnsmasqLog, "www.example.org AAAA 192.0.2.7 # x\n",
		`{"QH":"tracker.example","QT":"A","IP":"192.0.2.7","Result":{"IsFiltered":true,"Reason":3}}`,
		`{"data":[{"question":{"name":"a.example","type":"A"},"client":"192.0.2.7","reason":"FilteredBlackList"},["1","A","b.example","192.0.2.7","1"]]}`,
		`{"queries":[{"domain":"a.example","status":"GRAVITY","client":{"ip":"192.0.2.7"}}]}`, `[{"domain":"a.example"},[],null]`,
		"domain,type,client,status\ntracker.example,16,192.0.2.7,5\n", "a|domain\n1|\"x\n", "SQLite format 3\x00", "\x1f\x8b\x08\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := readQueryLog(t.Context(), bytes.NewReader(b), netip.Addr{})
		if err != nil {
			return
		}
		sum := 0
		for _, a := range l.asked {
			for o, n := range a.times {
				if n < 0 {
					t.Fatalf("%s: %d of outcome %d", a.name, n, o)
				}
				sum += n
			}
		}
		if sum != l.queries || len(l.faults) > l.strange {
			t.Errorf("%d queries in all, %d counted; %d faults of %d", l.queries, sum, len(l.faults), l.strange)
		}
	})
}
