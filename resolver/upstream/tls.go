package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// sessions is how many TLS sessions are kept for resumption (RFC 8446, section 2.2).
const sessions = 8

// tlsConfig is how a server proves who it is, by its name or address.
func tlsConfig(a address, o Options, protocol string) *tls.Config {
	c := &clock{now: o.Clock, built: o.Built}
	return &tls.Config{
		ServerName:         a.host,
		RootCAs:            o.Roots,
		MinVersion:         tls.VersionTLS12, // RFC 8310, section 8.2
		NextProtos:         []string{protocol},
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		Time: func() time.Time {
			now, wrong := c.time()
			if changed := c.wrong.Swap(wrong) != wrong; changed && wrong {
				o.Log.Warn("the clock is before this program was built; certificates are verified as of the build date until it is set",
					"clock", c.now().UTC().Format(time.DateTime), "built", o.Built.UTC().Format(time.DateTime))
			} else if changed {
				o.Log.Info("the clock has been set; certificates are verified by it")
			}
			return now
		},
	}
}

// clock is the time by which certificates are verified. A machine without a
// battery starts in the past and needs DNS to find out the time.
type clock struct {
	now   func() time.Time
	built time.Time
	wrong atomic.Bool
}

func (c *clock) time() (t time.Time, wrong bool) {
	now := c.now()
	if now.Before(c.built) {
		return c.built, true
	}
	return now, false
}

// dialTLS returns a function that makes encrypted connections.
func (d *dialer) dialTLS(config *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		raw, err := d.dial(ctx, "tcp")
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		return conn, nil
	}
}
