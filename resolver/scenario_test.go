package resolver

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"deadpixel/lists"
)

// TestScenarios plays the stories in testdata, each on a clock of its own. The
// language, a command a line:
//
//	set KEY VALUE               before the first query: response, ttl, stale, stale_after, timeout, max_ttl, min_ttl, strategy, rate, allow_from, trust_ecs_from, canaries, follow_cname, follow_https, follow_address, rebind_allow, rebind_protection
//	block RULE, allow RULE      rules of the list "trackers", in the syntax of any list; own RULE denies by [blocking] deny, spare RULE allows by [blocking] allow
//	list NAME [WORD...]         another list; words: groups=A,B and the entries of its schedule, with _ for the space
//	in NAME RULE                a rule of that list
//	group NAME [WORD...]        words: block=false, response=, safe_search, upstream=SERVER; deny=RULE and allow=RULE are its own
//	zone NAME                   of schedules
//	local NAME VALUE...         an entry of [local]
//	route SUFFIX UPSTREAM...    an entry of [upstream.routes]
//	client NAME MATCH...        an entry of [[clients]]; groups=A,B among them, else the default group
//	neighbour ADDRESS MAC|gone  what the kernel's table has from now on
//	upstream NAME RECORD        what a server has; "soa TTL" is its negative answer. All are asked but those of routes and groups, named before
//	extra NAME RECORD           what comes along with every answer of a server, in the additional section
//	fail NAME timeout|error|servfail|refused|no   from now on; no ends it
//	delay NAME DURATION
//	query NAME TYPE [WORD...]   words: do cd ad tcp noedns, from=ADDRESS, class=, size=, id=IDENTITY, ecs=ADDRESS/BITS, mac=MAC
//	answer RCODE [WORD...]      words: an address or a name in the answer section, ttl=, soa=OWNER, ede=, ecs=ADDRESS/SOURCE/SCOPE, outcome=, reason=, list=, escape=, client=NAME|nobody, ad, tc, none; or "silence"
//	asked NAME N                how often a server was asked since the last asked
//	pass DURATION, until DAY HH:MM   on the clock of the zone
//	pause [DURATION] [group=NAME|client=NAME], resume [group=NAME|client=NAME]
//
// Every answer and every question to a server has to be looked at.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.scn")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".scn"), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var commands []string
			for s := bufio.NewScanner(f); s.Scan(); {
				commands = append(commands, s.Text())
			}
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(2 * crewRest) // idle goroutines go home
				s := newStory(t)
				for i, c := range commands {
					if words := strings.Fields(c); len(words) > 0 && words[0][0] != '#' {
						s.at = fmt.Sprintf("%s:%d: %s", file, i+1, c)
						s.play(words[0], words[1:])
					}
				}
				s.end()
			})
		})
	}
}

// story is a scenario being played.
type story struct {
	t  *testing.T
	at string

	options  Options
	forward  ForwardOptions
	local    map[string][]string
	routes   map[string]bool
	allow    []string
	clients  []ClientEntry
	link     link
	own, set *lists.Builder
	applies  []Applies        // of the lists after own and set
	named    []*lists.Builder // those lists
	names    map[string]*lists.Builder
	groups   []Group
	zone     *time.Location
	worlds   map[string]*world
	resolver *Resolver
	pause    Pause

	pending *Query
	answer  Answer
	err     error
}

func newStory(t *testing.T) *story {
	s := &story{t: t, local: map[string][]string{}, routes: map[string]bool{}, allow: []string{"local"}, worlds: map[string]*world{},
		names: map[string]*lists.Builder{}, zone: time.UTC,
		own: lists.NewBuilder(lists.OwnList, lists.Deny, lists.Seed{}).At(lists.Own), set: lists.NewBuilder("trackers", lists.Deny, lists.Seed{})}
	s.options.Blocking = Blocking{TTL: 10 * time.Second, Canaries: true, FollowCNAME: true, FollowHTTPS: true, FollowAddress: true, Rebind: Rebind{On: true}, Safe: lists.SafeSearch}
	s.options.Policy = CachePolicy{MaxTTL: 24 * time.Hour, Stale: 24 * time.Hour, StaleAfter: 400 * time.Millisecond, Prefetch: true}
	s.forward = ForwardOptions{Strategy: InOrder, Timeout: 2 * time.Second, Routes: map[string][]Upstream{}, Exits: PublicExits()}
	return s
}

func (s *story) fatal(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\n%s", s.at, fmt.Sprintf(format, args...))
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fatal("%v", err)
	}
	return d
}

func (s *story) world(name string) *world {
	w := s.worlds[name]
	if w == nil {
		w = &world{name: name}
		s.worlds[name] = w
	}
	return w
}

func (s *story) play(command string, args []string) {
	rest := strings.Join(args, " ")
	if s.pending != nil && command != "answer" {
		s.fatal("the answer before was not looked at")
	}
	switch command {
	case "set":
		s.configure(args[0], args[1])
	case "block", "allow":
		text := rest
		if command == "allow" {
			text = "@@" + rest
		}
		s.rule(s.set, text)
	case "own":
		s.rule(s.own, rest)
	case "spare":
		s.rule(s.own, "@@"+rest)
	case "list":
		s.list(args[0], Applies{}, lists.Listed, args[1:])
	case "in":
		s.rule(s.names[args[0]], strings.Join(args[1:], " "))
	case "group":
		s.group(args[0], args[1:])
	case "zone":
		zone, err := time.LoadLocation(args[0])
		if err != nil {
			s.fatal("%v", err)
		}
		s.zone = zone
	case "local":
		s.local[args[0]] = args[1:]
	case "route":
		s.routes[args[0]] = len(args) > 1
		for _, name := range args[1:] {
			s.forward.Routes[args[0]] = append(s.forward.Routes[args[0]], s.world(name))
		}
	case "client":
		e := ClientEntry{Name: args[0], Groups: []string{DefaultGroup}}
		for _, w := range args[1:] {
			if groups, ok := strings.CutPrefix(w, "groups="); ok {
				e.Groups = strings.Split(groups, ",")
			} else {
				e.Match = append(e.Match, w)
			}
		}
		s.clients = append(s.clients, e)
	case "neighbour":
		s.link.set(args[0], args[1])
	case "upstream":
		s.upstream(s.world(args[0]), args[1:])
	case "extra":
		w := s.world(args[0])
		rr, err := dns.NewRR(strings.Join(args[1:], " "))
		if err != nil {
			s.fatal("%v", err)
		}
		w.extra = append(w.extra, rr)
	case "fail", "delay":
		w := s.world(args[0])
		w.mu.Lock()
		defer w.mu.Unlock()
		if command == "delay" {
			w.delay = s.duration(args[1])
		} else if w.failing = args[1]; args[1] == "no" {
			w.failing = ""
		}
	case "query":
		s.query(args)
	case "answer":
		s.check(args)
	case "asked":
		s.asked(args[0], args[1])
	case "pass":
		time.Sleep(s.duration(args[0]))
		synctest.Wait()
	case "until":
		s.until(args[0], args[1])
	case "pause":
		target, d := s.target(&args), time.Duration(0)
		if len(args) > 0 {
			d = s.duration(args[0])
		}
		s.pause.For(target, d)
	case "resume":
		s.pause.Resume(s.target(&args))
	default:
		s.fatal("no such command")
	}
}

// target takes group=NAME or client=NAME from the words of a pause.
func (s *story) target(args *[]string) (t Target) {
	*args = slices.DeleteFunc(*args, func(word string) bool {
		key, value, named := strings.Cut(word, "=")
		switch key {
		case "group":
			t.Group = value
		case "client":
			t.Client = value
		}
		return named
	})
	return t
}

func (s *story) rule(b *lists.Builder, text string) {
	rules, err := lists.ParseRule(text, lists.Deny)
	if err != nil {
		s.fatal("%v", err)
	}
	for _, r := range rules {
		r.Line = 1
		b.Add(r)
	}
}

// list begins another list.
func (s *story) list(name string, a Applies, level lists.Level, words []string) *lists.Builder {
	var slots []string
	for _, w := range words {
		if groups, ok := strings.CutPrefix(w, "groups="); ok {
			a.Groups = strings.Split(groups, ",")
		} else {
			slots = append(slots, strings.ReplaceAll(w, "_", " "))
		}
	}
	var err error
	if a.Schedule, err = ParseSchedule(slots); err != nil {
		s.fatal("%v", err)
	}
	b := lists.NewBuilder(name, lists.Deny, lists.Seed{}).At(level)
	if level != lists.Listed {
		b = lists.NewBuilder(lists.OwnList, lists.Deny, lists.Seed{}).At(level)
	}
	s.names[name] = b
	s.named, s.applies = append(s.named, b), append(s.applies, a)
	return b
}

func (s *story) group(name string, words []string) {
	g := Group{Name: name, Block: true}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "block":
			g.Block = value != "false"
		case "response":
			r, err := ParseResponse(value)
			if err != nil {
				s.fatal("%v", err)
			}
			g.Response, g.Responds = r, true
		case "safe_search":
			g.SafeSearch = true
		case "upstream":
			s.forward.Groups = append(s.forward.Groups, []Upstream{s.world(value)})
			g.Servers = len(s.forward.Groups)
		case "deny":
			s.rule(s.list("deny of "+name, Applies{Groups: []string{name}}, lists.OfGroup, nil), value)
		case "allow":
			s.rule(s.list("allow of "+name, Applies{Groups: []string{name}, Spares: true}, lists.OfGroup, nil), "@@"+value)
		default:
			s.fatal("no such word %q", w)
		}
	}
	s.groups = append(s.groups, g)
}

// until passes the time to the next moment at which the clock of the zone shows a
// day and a time.
func (s *story) until(day, clock string) {
	for t := time.Now().Truncate(time.Minute).Add(time.Minute); ; t = t.Add(time.Minute) {
		if here := t.In(s.zone); strings.EqualFold(here.Format("Mon 15:04"), day+" "+clock) || here.Format("2006-01-02 15:04") == day+" "+clock {
			time.Sleep(time.Until(t))
			synctest.Wait()
			return
		}
	}
}

func (s *story) configure(key, value string) {
	var err error
	switch p := &s.options.Policy; key {
	case "response":
		s.options.Blocking.Response, err = ParseResponse(value)
	case "ttl":
		s.options.Blocking.TTL = s.duration(value)
	case "canaries":
		s.options.Blocking.Canaries = value == "true"
	case "follow_cname":
		s.options.Blocking.FollowCNAME = value == "true"
	case "follow_https":
		s.options.Blocking.FollowHTTPS = value == "true"
	case "follow_address":
		s.options.Blocking.FollowAddress = value == "true"
	case "rebind_allow":
		s.options.Blocking.Rebind, err = NewRebind(strings.Fields(value))
	case "rebind_protection":
		s.options.Blocking.Rebind.On = value == "true"
	case "stale":
		p.Stale = s.duration(value)
	case "stale_after":
		p.StaleAfter = s.duration(value)
	case "max_ttl":
		p.MaxTTL = s.duration(value)
	case "min_ttl":
		p.MinTTL = s.duration(value)
	case "timeout":
		s.forward.Timeout = s.duration(value)
	case "strategy":
		s.forward.Strategy, err = ParseStrategy(value)
	case "rate":
		s.options.RateLimit, err = strconv.Atoi(value)
	case "allow_from":
		s.allow = []string{value}
	case "trust_ecs_from":
		s.options.Forwarders, err = NewForwarders([]string{value})
	default:
		err = errors.New("no such key")
	}
	if err != nil {
		s.fatal("%v", err)
	}
}

func (s *story) upstream(w *world, words []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(words) > 0 && words[0] == "soa" {
		ttl, err := strconv.Atoi(words[1])
		if err != nil {
			s.fatal("%v", err)
		}
		w.soaTTL = uint32(ttl)
	} else if len(words) > 0 {
		rr, err := dns.NewRR(strings.Join(words, " "))
		if err != nil {
			s.fatal("%v", err)
		}
		w.records = append(w.records, rr)
	}
	ofGroup := slices.ContainsFunc(s.forward.Groups, func(g []Upstream) bool { return slices.Contains(g, Upstream(w)) })
	if !slices.Contains(s.forward.Servers, Upstream(w)) && len(s.forward.Routes) == 0 && !ofGroup {
		s.forward.Servers = append(s.forward.Servers, w)
	}
}

// begin builds the resolver at the first query.
func (s *story) begin() {
	log := slog.New(slog.DiscardHandler)
	o := s.options
	var err error
	if o.Access, err = NewAccess(s.allow, log); err != nil {
		s.fatal("%v", err)
	}
	if o.Local, err = NewLocal(s.local, s.routes); err != nil {
		s.fatal("%v", err)
	}
	if o.Clients, err = NewClients(ClientsOptions{Entries: s.clients, Local: o.Local, Neighbours: &s.link}); err != nil {
		s.fatal("%v", err)
	}
	go o.Clients.Run(s.t.Context())
	synctest.Wait() // it has read what there is
	all := []*lists.List{s.own.Build(), s.set.Build()}
	for _, b := range s.named {
		all = append(all, b.Build())
	}
	o.Blocking.Matcher = lists.NewSet(lists.Seed{}, all...)
	applies := append([]Applies{{}, {}}, s.applies...)
	if o.Policies, err = NewPolicies(PolicyOptions{Groups: s.groups, Clients: o.Clients.Entries(), Lists: applies, Pause: &s.pause, Zone: s.zone}); err != nil {
		s.fatal("%v", err)
	}
	o.Forward = NewForward(s.forward)
	o.Policy.Healthy, o.Blocking.Routed = o.Forward.Healthy, o.Forward.Routed
	o.Cache, o.Flight, o.Log = NewCache(1<<20), NewFlight(), log
	o.Probe = "secret.deadpixel.invalid"
	s.resolver = New(o)
}

func (s *story) query(args []string) {
	if s.resolver == nil {
		s.begin()
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(args[0]), dns.StringToType[args[1]])
	q := &Query{Client: netip.MustParseAddr("192.168.1.2"), Transport: UDP, Start: time.Now()}
	edns, do, size := true, false, uint16(1232)
	var options []dns.EDNS0
	for _, word := range args[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "do":
			do = true
		case "cd":
			m.CheckingDisabled = true
		case "ad":
			m.AuthenticatedData = true
		case "tcp":
			q.Transport = TCP
		case "noedns":
			edns = false
		case "from":
			q.Client = netip.MustParseAddr(value)
		case "id":
			q.Identity = value
		case "ecs":
			options = append(options, subnetOption(netip.MustParsePrefix(value)))
		case "mac":
			mac, err := ParseMAC(value)
			if err != nil {
				s.fatal("%v", err)
			}
			options = append(options, &dns.EDNS0_LOCAL{Code: optionMAC, Data: mac[:]})
		case "class":
			m.Question[0].Qclass = dns.StringToClass[value]
		case "opcode":
			m.Opcode = dns.StringToOpcode[value]
		case "size":
			n, _ := strconv.Atoi(value)
			size = uint16(n)
		default:
			s.fatal("no such word %q", word)
		}
	}
	if edns {
		m.SetEdns0(size, do)
		m.IsEdns0().Option = options
	}
	packet, err := m.Pack()
	if err != nil {
		s.fatal("%v", err)
	}
	q.Parse(packet)
	// As a transport does: first without waiting, then in a goroutine that may.
	s.answer = Answer{}
	if s.err = s.resolver.Resolve(s.t.Context(), q, &s.answer); errors.Is(s.err, ErrWait) {
		q = q.Clone()
		s.answer = Answer{}
		s.err = s.resolver.Resolve(s.t.Context(), q, &s.answer)
	}
	s.pending = q
}

func (s *story) check(args []string) {
	q := s.pending
	if q == nil {
		s.fatal("there is no query")
	}
	s.pending = nil
	if args[0] == "silence" {
		if !errors.Is(s.err, ErrDrop) {
			s.fatal("got %v", s.err)
		}
		return
	}
	if s.err != nil {
		s.fatal("got %v", s.err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(s.answer.Wire); err != nil {
		s.fatal("%v", err)
	}
	want, got := append([]string(nil), args[1:]...), facts(m, &s.answer, want(args[1:]))
	if slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, "client=") }) {
		got = append(got, "client="+nameOf(q.Who))
	}
	slices.Sort(want)
	slices.Sort(got)
	if rcode := dns.RcodeToString[m.Rcode]; rcode != args[0] || !slices.Equal(want, got) {
		s.fatal("got %s %s\n%v", rcode, strings.Join(got, " "), m)
	}
	if hidden := string(s.answer.Hidden); s.answer.Outcome == Blocked && hidden != "" && strings.Contains(m.String(), hidden) {
		s.fatal("it shows %s, which was to be hidden: %v", hidden, m)
	}
	if m.Id != q.ID || !m.Response || len(m.Question) > 0 && strings.ToLower(m.Question[0].Name) == m.Question[0].Name && string(q.Question) == "" {
		s.fatal("id or question differ: %v", m)
	}
}

func (s *story) asked(name, times string) {
	synctest.Wait()
	w := s.world(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := strconv.Itoa(w.asked); got != times {
		s.fatal("it was asked %s times", got)
	}
	w.asked = 0
}

func (s *story) end() {
	if s.pending != nil {
		s.fatal("the last answer was not looked at")
	}
	time.Sleep(time.Minute) // what was left waiting ends
	synctest.Wait()
	for name, w := range s.worlds {
		if w.asked > 0 {
			s.fatal("nobody looked how often %s was asked: %d", name, w.asked)
		}
	}
}
