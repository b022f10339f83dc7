package upstream

import (
	"context"
	"net"
	"time"
)

// resendAfter is when a question that may have been lost is put again; the pause
// doubles.
const resendAfter = 400 * time.Millisecond

// plain is DNS over UDP, and over TCP where the answer does not fit.
type plain struct {
	udp *ports
	tcp *stream
}

func newPlain(d *dialer) *plain {
	return &plain{
		udp: &ports{dial: func(ctx context.Context) (net.Conn, error) { return d.dial(ctx, "udp") }},
		tcp: newStream(d.dialTCP),
	}
}

func (p *plain) exchange(ctx context.Context, query []byte) ([]byte, error) {
	reply, err := p.ask(ctx, query)
	if err == nil && isTruncated(reply) {
		return p.tcp.exchange(ctx, query)
	}
	return reply, err
}

// maxResults is how many sockets can tell one exchange how its question ended.
const maxResults = 4

// sent is a question on one socket.
type sent struct {
	*awaited
	on *port
}

// ask sends query, again if need be, until a reply comes, to whichever sending.
// Every time it is another socket, and one that got no reply carries no more:
// after a change of networks it leads nowhere without anyone having said so.
func (p *plain) ask(ctx context.Context, query []byte) ([]byte, error) {
	done := make(chan result, maxResults)
	last, err := p.send(ctx, query, done)
	if err != nil {
		return nil, err
	}
	defer func() { last.on.forget(last.awaited) }()
	timer := time.NewTimer(resendAfter)
	defer timer.Stop()
	for pause := resendAfter; ; {
		select {
		case r := <-done:
			if r.err == nil {
				copy(r.reply[:2], query[:2])
			}
			return r.reply, r.err
		case <-ctx.Done():
			last.on.retire()
			return nil, ctx.Err()
		case <-timer.C:
			last.on.retire()
			again, err := p.send(ctx, query, done)
			if err != nil {
				return nil, err
			}
			defer last.on.forget(last.awaited)
			last = again
			pause *= 2
			timer.Reset(pause)
		}
	}
}

// sendTries bounds the search for a socket that takes a question.
const sendTries = 4

// send puts query on a socket; on another one when the first turns out to be
// of no use.
func (p *plain) send(ctx context.Context, query []byte, done chan<- result) (sent, error) {
	for try := 1; ; try++ {
		s, err := p.udp.get(ctx)
		if err != nil {
			return sent{}, err
		}
		w, err := s.ask(query, done)
		if err == nil || try == sendTries {
			return sent{w, s}, err
		}
	}
}

func (p *plain) close() {
	p.udp.close()
	p.tcp.close()
}
