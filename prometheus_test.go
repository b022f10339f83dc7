package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// settling is how long the test waits until every query has data: the increases
// that many of them are about take some scrapes, which come every second.
const settling = time.Minute

// A real Prometheus scrapes a real deadpixel, to which everything happens that can
// happen to one, and every query of every panel, variable, annotation and alert
// finds something. quiet has those that may not, and why.
func TestEveryQueryReturnsData(t *testing.T) {
	external(t, "prometheus")
	b := newBusy(t)
	prom := newPrometheus(t, strings.TrimPrefix(b.p.web, "http://"))
	inquiries := prom.inquiries(t)
	for deadline := time.Now().Add(settling); ; {
		b.traffic()
		inquiries = slices.DeleteFunc(inquiries, prom.answers)
		if len(inquiries) == 0 || time.Now().After(deadline) {
			break
		}
	}
	for _, q := range inquiries {
		_, found := prom.ask(q)
		t.Errorf("%s finds nothing but %v by\n%s", q.where, found, q.expr)
	}
	prom.wantRules()
	wantKnown(t, b)
	b.p.stop()
}

// quiet says why an expression may find nothing that is more than 0, or nothing at
// all, in the run of the test.
var quiet = []struct {
	where, reason string
	empty         bool // it may find nothing at all
}{
	{"deadpixel.json: Configuration: A", "the last one was refused, which is 0", false},
	{"instances.json: Instances: J", "the last one was refused, which is 0", false},
	{"deadpixel.json: Evictions: A", "the cache does not get full", false},
	{"deadpixel.json: Blocked by upstreams: A", "no upstream blocks anything", false},
	{"alerts.yml: DeadpixelDown", "it is there", true},
	{"alerts.yml: DeadpixelNoUpstream", "an upstream answers", true},
	{"alerts.yml: DeadpixelSlow", "all are quick", true},
}

// inquiry is one that a board or an alert puts to Prometheus.
type inquiry struct {
	where   string // file: panel: query
	expr    string
	ranged  bool // over a time, not at a moment
	nonzero bool // 0 counts as nothing
	empty   bool // nothing at all is right as well
}

// inquiries are all of them, with the variables of the boards filled in.
func (prom *prometheus) inquiries(t *testing.T) []inquiry {
	t.Helper()
	var all []inquiry
	ask := func(expr string, ranged bool, where ...string) {
		q := inquiry{where: strings.Join(where, ": "), expr: prom.fill(expr), ranged: ranged, nonzero: true}
		for _, one := range quiet {
			if one.where == q.where {
				q.nonzero, q.empty = false, one.empty
			}
		}
		all = append(all, q)
	}
	for _, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				ask(q.Expr, q.Range, b.file, p.Title, q.RefID)
			}
		}
		for _, a := range b.Annotations.List {
			if a.BuiltIn == 0 {
				ask(a.Expr, true, b.file, "annotation", a.Name)
			}
		}
		for _, v := range b.Templating.List {
			if v.Type != "query" {
				continue
			}
			m := regexp.MustCompile(`^label_values\((\w+(?:\{.*\})?), (\w+)\)$`).FindStringSubmatch(v.Definition)
			if m == nil {
				t.Errorf("%s: the variable %s is %q", b.file, v.Name, v.Definition)
				continue
			}
			ask(fmt.Sprintf("count by (%s) (%s)", m[2], m[1]), false, b.file, "variable", v.Name)
		}
	}
	for _, a := range alerts(t) {
		ask(a.Expr, false, "alerts.yml", a.Alert)
		all[len(all)-1].nonzero = false                        // it fires, whatever the value
		for _, s := range selector.FindAllString(a.Expr, -1) { // also of an alert that does not fire
			ask("count("+s+")", false, "alerts.yml", a.Alert, s)
		}
	}
	for _, one := range quiet {
		if !slices.ContainsFunc(all, func(q inquiry) bool { return q.where == one.where }) {
			t.Errorf("%s is excused, but nobody asks it", one.where)
		}
	}
	return all
}

// busy is a deadpixel in a household where all that can happen does.
type busy struct {
	p      *program
	rounds int
}

// newBusy starts it: one of its upstreams is gone, of its lists one has never come, one
// comes no more and one has turned against a popular name; it is paused for some, and
// has refused its last configuration.
func newBusy(t *testing.T) *busy {
	t.Helper()
	zone := newZone(t, `
www.example.org. 300 IN A 192.0.2.1
pixel.facebook.com. 300 IN A 192.0.2.2
shop.example.org. 300 IN CNAME pixel.facebook.com.
news.example.org. 300 IN HTTPS 1 tracker.example.
addr.example.org. 300 IN A 198.51.100.7
dns.google. 300 IN A 192.0.2.3
old.stale.example. 1 IN A 192.0.2.4
`)
	failing := newFailing(t, zone)
	ours, theirs, vanishing := file(t, "ours.txt", "ads.example\nold.example\n"), file(t, "theirs.txt", "ads.example\n"), file(t, "vanishing.txt", "video.example\n")
	config := strings.NewReplacer(
		fmt.Sprintf("servers = [%q]", zone), fmt.Sprintf("servers = [%q, \"127.0.0.1:9\"]\ntimeout = \"1s\"\n[upstream.routes]\n\"gone.example\" = [\"127.0.0.1:9\"]\n\"stale.example\" = [%q]", zone, failing.address),
		"[dns]", "[dns]\nrate_limit = 200",
	).Replace(basics(zone)) + `
[cache]
stale_after = "50ms"
[blocking]
deny = ["tracker.example", "198.51.100.0/24"]
[groups.default]
no_account = ["Meta"]
[groups.kids]
[groups.guests]
` + people + starterList + fmt.Sprintf(`
[[lists]]
name = "ours"
source = %q
popular = "hold"
[[lists]]
name = "theirs"
source = %q
[[lists]]
name = "vanishing"
source = %q
refresh = "1s"
[[lists]]
name = "never"
source = "http://127.0.0.1:9/list.txt"
`, ours, theirs, vanishing)
	p := prepare(t, config).start()
	p.want(parent, "old.stale.example", "192.0.2.4")
	failing.now.Store(true)
	p.reload(config)
	for path, text := range map[string]string{ours: "ads.example\ngithub.com\n", theirs: "ads.example\ngithub.com\n", p.config: config + "[nonsense]\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(vanishing); err != nil {
		t.Fatal(err)
	}
	p.post("lists/refresh", `{"list":"ours"}`)
	p.post("lists/refresh", `{"list":"theirs"}`)
	p.post("pause", `{"duration":"1h","group":"kids"}`)
	p.post("pause", `{"client":"guest"}`)
	p.signal(syscall.SIGHUP)
	p.wait("configuration refused")
	return &busy{p: p}
}

// post sends a change to the API, which takes it.
func (p *program) post(path, body string) {
	p.t.Helper()
	r, err := http.Post(p.web+"/api/v1/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.t.Errorf("%s %s: %s", path, body, r.Status)
	}
}

// traffic lets every outcome, reason and way around happen once more.
func (b *busy) traffic() {
	p := b.p
	p.t.Helper()
	b.rounds++
	for _, name := range []string{"www.example.org", "pixel.facebook.com", "shop.example.org", "addr.example.org", "localhost", "old.stale.example",
		"use-application-dns.net", fmt.Sprintf("n%d.example.org", b.rounds)} {
		p.askFrom(parent, name, dns.TypeA)
	}
	p.askFrom(parent, "news.example.org", dns.TypeHTTPS)
	p.askFrom(parent, "_dns.resolver.arpa", dns.TypeSVCB)
	p.askFrom(parent, "www.example.org", dns.TypeANY)
	for i := range 60 {
		somebody := fmt.Sprintf("127.0.1.%d", i+1)
		p.askFrom(somebody, "dns.google", dns.TypeA)
		p.askFrom(somebody, fmt.Sprintf("n%d-%d.gone.example", b.rounds, i), dns.TypeA)
	}
	status := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	status.Opcode = dns.OpcodeStatus
	response := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	response.Response = true
	p.send("127.0.0.5", status, 1)
	p.send("127.0.0.5", response, 1)
	p.send("127.0.0.5", new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA), 500)
}

// send sends a message from an address, some times, and waits for no answer.
func (p *program) send(from string, m *dns.Msg, times int) {
	p.t.Helper()
	packet, err := m.Pack()
	if err != nil {
		p.t.Fatal(err)
	}
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", p.dns)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	for range times {
		if _, err := conn.Write(packet); err != nil {
			p.t.Fatal(err)
		}
	}
}

// failing is an upstream that asks another one, until it fails.
type failing struct {
	address string
	now     atomic.Bool
}

func newFailing(t *testing.T, behind string) *failing {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{address: conn.LocalAddr().String()}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		r, err := dns.Exchange(q, behind)
		if err != nil || f.now.Load() {
			r = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		w.WriteMsg(r)
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return f
}

// prometheus is a real one, which scrapes a deadpixel by two of its names, as if
// there were two.
type prometheus struct {
	t         *testing.T
	url       string
	instances []string
}

// newPrometheus runs it on the configuration that comes with the boards, but for
// addresses and times.
func newPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	prom := &prometheus{t: t, instances: []string{target, "localhost:" + port}}
	text, err := os.ReadFile(filepath.Join(boardDir, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	config := file(t, "prometheus.yml", strings.NewReplacer("15s", "1s", "../alerts.yml", rules,
		`["192.168.1.2:8080"]`, fmt.Sprintf("[%q, %q]", prom.instances[0], prom.instances[1])).Replace(string(text)))
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			if m := listening.FindStringSubmatch(scanner.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	})
	select {
	case a := <-address:
		prom.url = "http://" + a
	case <-ended:
		t.Fatal("Prometheus has ended")
	case <-time.After(patience):
		t.Fatal("Prometheus does not listen")
	}
	return prom
}

// fill puts values for the variables of a board, as Grafana does when all
// instances are looked at.
func (prom *prometheus) fill(expr string) string {
	var quoted []string
	for _, instance := range prom.instances {
		quoted = append(quoted, strings.ReplaceAll(regexp.QuoteMeta(instance), `\`, `\\`))
	}
	return strings.NewReplacer("$instance", "("+strings.Join(quoted, "|")+")", "$job", "(deadpixel)",
		"$__rate_interval", "30s", "$__range", "1m", "$__interval", "1s").Replace(expr)
}

// answers says whether a question finds what it should.
func (prom *prometheus) answers(q inquiry) bool {
	series, found := prom.ask(q)
	if series == 0 {
		return q.empty
	}
	return slices.ContainsFunc(found, func(v float64) bool { return !math.IsNaN(v) && (v != 0 || !q.nonzero) })
}

// ask puts a question, and returns how many series it finds with all their values.
func (prom *prometheus) ask(q inquiry) (series int, found []float64) {
	prom.t.Helper()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Value  sampleValue
				Values []sampleValue
			}
		}
	}
	path, parameters := "query", url.Values{"query": {q.expr}}
	if q.ranged {
		now := time.Now()
		path += "_range"
		parameters["start"], parameters["end"], parameters["step"] = []string{stamp(now.Add(-time.Minute))}, []string{stamp(now)}, []string{"1"}
	}
	prom.get(path, parameters, &answer)
	if answer.Status != "success" {
		prom.t.Fatalf("%s: Prometheus refuses\n%s\n%s", q.where, q.expr, answer.Error)
	}
	for _, r := range answer.Data.Result {
		for _, v := range append(r.Values, r.Value) {
			if v.present {
				found = append(found, v.float)
			}
		}
	}
	return len(answer.Data.Result), found
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// sampleValue is the value of a sample, which the API gives as [time, "value"].
type sampleValue struct {
	float   float64
	present bool
}

func (v *sampleValue) UnmarshalJSON(b []byte) error {
	var text string
	var at float64
	if err := json.Unmarshal(b, &[]any{&at, &text}); err != nil {
		return err
	}
	var err error
	v.float, err = strconv.ParseFloat(text, 64)
	v.present = err == nil
	return err
}

func (prom *prometheus) get(path string, parameters url.Values, into any) {
	prom.t.Helper()
	r, err := http.PostForm(prom.url+"/api/v1/"+path, parameters)
	if err != nil {
		prom.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		prom.t.Fatalf("%s: %s, %v", path, r.Status, err)
	}
}

// wantRules wants every alert to have been looked at without an error.
func (prom *prometheus) wantRules() {
	prom.t.Helper()
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	r, err := http.Get(prom.url + "/api/v1/rules")
	if err != nil {
		prom.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&rules); err != nil {
		prom.t.Fatal(err)
	}
	seen := 0
	for _, g := range rules.Data.Groups {
		for _, one := range g.Rules {
			if seen++; one.Health != "ok" {
				prom.t.Errorf("the alert %s is %s: %s", one.Name, one.Health, one.LastError)
			}
		}
	}
	if want := len(alerts(prom.t)); seen != want {
		prom.t.Errorf("Prometheus knows %d alerts, want %d", seen, want)
	}
}

// wantKnown compares the metrics that there are with those that boards and alerts
// ask for, both ways; and none of them tells who asked for what.
func wantKnown(t *testing.T, b *busy) {
	t.Helper()
	_, text := b.p.get("/metrics")
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		there[m[1]] = true
	}
	asked := map[string]bool{}
	note := func(where, expr string) {
		for _, s := range selector.FindAllString(expr, -1) {
			name, _, _ := strings.Cut(s, "{")
			if base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, ""); there[base] {
				name = base
			}
			if asked[name] = true; name != "up" && !there[name] {
				t.Errorf("%s: deadpixel has no %s", where, name)
			}
		}
	}
	for _, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				note(b.file+": "+p.Title, q.Expr)
			}
		}
		for _, a := range b.Annotations.List {
			note(b.file+": "+a.Name, a.Expr)
		}
	}
	for _, a := range alerts(t) {
		note(a.Alert, a.Expr)
	}
	for name := range there {
		if strings.HasPrefix(name, "deadpixel_") && !asked[name] {
			t.Errorf("%s is on no board and in no alert", name)
		}
	}

	labels := []string{"outcome", "transport", "list", "reason", "owner", "kind", "upstream", "result", "group", "state", "version", "commit", "goversion", "le", "quantile"}
	for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(labels, m[1]) {
			t.Errorf("nobody has looked what a label %q may hold", m[1])
		}
	}
	for _, secret := range []string{"example.org", "facebook", "stale.example", "127.0.0.5", "127.0.1.", "tablet", "cousin"} {
		if strings.Contains(text, secret) {
			t.Errorf("/metrics tells of %s", secret)
		}
	}
}
