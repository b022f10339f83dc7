package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// world is a server of a story.
type world struct {
	name string

	mu      sync.Mutex
	records []dns.RR
	extra   []dns.RR // comes along with every answer
	soaTTL  uint32
	failing string
	delay   time.Duration
	asked   int
}

func (w *world) String() string { return w.name }

func (w *world) Health() (bool, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failing == "" || w.failing == "servfail", 10 * time.Millisecond
}

func (w *world) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	w.mu.Lock()
	w.asked++
	failing, delay := w.failing, w.delay
	w.mu.Unlock()
	if failing == "timeout" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		return nil, err
	}
	r := new(dns.Msg).SetReply(q)
	r.RecursionAvailable = true
	r.AuthenticatedData = true
	r.SetEdns0(1232, false)
	switch failing {
	case "error":
		return nil, errors.New("connection refused")
	case "servfail":
		r.Rcode = dns.RcodeServerFailure
		return r.Pack()
	case "refused":
		r.Rcode = dns.RcodeRefused
		return r.Pack()
	}
	w.answer(q.Question[0], r)
	return r.Pack()
}

// answer fills in records, following CNAMEs.
func (w *world) answer(question dns.Question, r *dns.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Extra = append(r.Extra, w.extra...)
	name, exists := strings.ToLower(question.Name), false
	for _, rr := range w.records {
		if rr.Header().Name != name {
			continue
		}
		exists = true
		if rr.Header().Rrtype == question.Qtype || rr.Header().Rrtype == dns.TypeCNAME {
			r.Answer = append(r.Answer, rr)
		}
		if c, ok := rr.(*dns.CNAME); ok {
			name, exists = c.Target, false
		}
	}
	if !exists {
		r.Rcode = dns.RcodeNameError
	}
	if w.soaTTL > 0 && (len(r.Answer) == 0 || !exists) {
		soa, _ := dns.NewRR(fmt.Sprintf("example.org. %d IN SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 %d", w.soaTTL, w.soaTTL))
		r.Ns = append(r.Ns, soa)
	}
}
