package upstream

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// resendAfter is when a question that may have been lost is put again; the pause
// doubles.
const resendAfter = 400 * time.Millisecond

// plain is DNS over UDP, and over TCP where the answer does not fit.
type plain struct {
	*dialer
	tcp *stream
}

// exchange uses a socket of its own for every question, so that the kernel picks
// a port that nobody can guess (RFC 5452, section 9.2), and takes only what the
// server's address sends. A message that is not the reply is ignored: it may be
// a forger's, with the true one still on its way.
func (p *plain) exchange(ctx context.Context, query []byte) ([]byte, error) {
	conn, err := p.dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	reply, err := ask(ctx, conn, query)
	if err != nil {
		return nil, err
	}
	if isTruncated(reply) {
		return p.tcp.exchange(ctx, query)
	}
	return reply, nil
}

// ask sends query, again if need be, until its reply comes.
func ask(ctx context.Context, conn net.Conn, query []byte) ([]byte, error) {
	buffer := make([]byte, 4096)
	for pause := resendAfter; ; pause *= 2 {
		if _, err := conn.Write(query); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(pause))
		if ctx.Err() != nil { // its AfterFunc may have come first
			return nil, ctx.Err()
		}
		for {
			n, err := conn.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				break
			}
			if err != nil {
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				return nil, err
			}
			if isReply(query, buffer[:n]) {
				return buffer[:n], nil
			}
		}
	}
}

func (p *plain) close() { p.tcp.close() }
