package resolver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// exchanges is an Observer of exchanges.
type exchanges struct {
	mu  sync.Mutex
	all []Exchange
}

func (x *exchanges) Observe(Event) {}
func (x *exchanges) ObserveExchange(e Exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, e)
}

// Upstreams that block are told from those that only know no better.
func TestUpstreamThatBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		rcode   int
		records []string
		ede     uint16
		want    bool
	}{
		"an address":      {dns.RcodeSuccess, []string{"www.example.org. 60 IN A 192.0.2.1"}, 0, false},
		"no such name":    {dns.RcodeNameError, nil, 0, false},
		"blocked":         {dns.RcodeNameError, nil, dns.ExtendedErrorCodeBlocked, true},
		"filtered":        {dns.RcodeSuccess, nil, dns.ExtendedErrorCodeFiltered, true},
		"stale":           {dns.RcodeSuccess, []string{"www.example.org. 60 IN A 192.0.2.1"}, dns.ExtendedErrorCodeStaleAnswer, false},
		"null":            {dns.RcodeSuccess, []string{"www.example.org. 60 IN A 0.0.0.0"}, 0, true},
		"null, version 6": {dns.RcodeSuccess, []string{"www.example.org. 60 IN CNAME x.example.org.", "x.example.org. 60 IN AAAA ::"}, 0, true},
	} {
		up := &echo{func(query []byte) []byte {
			m := new(dns.Msg)
			if err := m.Unpack(query); err != nil {
				t.Error(err)
			}
			reply := new(dns.Msg).SetRcode(m, c.rcode)
			for _, text := range c.records {
				rr, err := dns.NewRR(text)
				if err != nil {
					t.Error(err)
				}
				reply.Answer = append(reply.Answer, rr)
			}
			reply.SetEdns0(1232, false)
			if c.ede != 0 {
				reply.IsEdns0().Option = append(reply.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: c.ede})
			}
			wire, err := reply.Pack()
			if err != nil {
				t.Error(err)
			}
			return wire
		}}
		seen := new(exchanges)
		f := NewForward(ForwardOptions{Servers: []Upstream{up}, Timeout: 10 * time.Second, Observer: seen})
		var a Answer
		if err := f.Resolve(context.Background(), newQuery(t, "www.example.org."), &a); err != nil || a.Outcome != Forwarded {
			t.Fatalf("%s: %v, %v", name, a.Outcome, err)
		}
		if len(seen.all) != 1 || seen.all[0].Result != OK || seen.all[0].Blocked != c.want {
			t.Errorf("%s: %+v", name, seen.all)
		}
	}
}
