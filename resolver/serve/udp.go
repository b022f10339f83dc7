package serve

import (
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"deadpixel/resolver"
)

// Sizes of reading UDP. A query larger than maxQuery is cut, and then malformed.
const (
	batchSize  = 32
	maxQuery   = 4096
	controlMax = 128
	bufferSize = 4 << 20 // asked of the kernel for each direction
)

// message is one datagram of a batch; both families share the type.
type message = ipv4.Message

// batcher reads and writes several datagrams at once.
type batcher interface {
	ReadBatch(ms []message, flags int) (int, error)
	WriteBatch(ms []message, flags int) (int, error)
}

// startUDP begins to read a socket, by one goroutine for each processor.
func (s *Server) startUDP(so *socket, l *listener) {
	// The kernel may give less; nothing depends on it.
	so.udp.SetReadBuffer(bufferSize)
	so.udp.SetWriteBuffer(bufferSize)
	b, wildcard := prepareUDP(so)
	for range runtime.GOMAXPROCS(0) {
		r := newUDPReader(s, so, b, wildcard)
		l.readers.Go(func() {
			if err := r.run(); err != nil {
				s.fail(so, l, err)
			}
		})
	}
}

// prepareUDP makes the kernel tell, on a socket for all addresses, which one was
// asked, so that the reply can leave from there.
func prepareUDP(so *socket) (b batcher, wildcard bool) {
	wildcard = so.address.Addr().IsUnspecified()
	if so.address.Addr().Is4() {
		p := ipv4.NewPacketConn(so.udp)
		if wildcard {
			p.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
		}
		return p, wildcard
	}
	p := ipv6.NewPacketConn(so.udp)
	if wildcard {
		p.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
	return p, wildcard
}

// udpReader reads batches and answers them. Every datagram of a batch has a
// query and an answer of its own, since they are observed only after all
// replies have left.
type udpReader struct {
	s        *Server
	socket   *socket
	batcher  batcher
	wildcard bool

	in      []message
	queries []resolver.Query
	answers []resolver.Answer
	replies [][]byte
	out     []message
	told    []int // which of the queries are to be observed
}

func newUDPReader(s *Server, so *socket, b batcher, wildcard bool) *udpReader {
	r := &udpReader{s: s, socket: so, batcher: b, wildcard: wildcard,
		in: make([]message, batchSize), queries: make([]resolver.Query, batchSize), answers: make([]resolver.Answer, batchSize),
		replies: make([][]byte, batchSize), out: make([]message, 0, batchSize), told: make([]int, 0, batchSize)}
	for i := range r.in {
		r.in[i].Buffers = [][]byte{make([]byte, maxQuery)}
		if wildcard {
			r.in[i].OOB = make([]byte, controlMax)
		}
		r.replies[i] = make([]byte, 0, resolver.MaxUDP)
	}
	return r
}

// run reads until the socket's deadline is over or the socket fails.
func (r *udpReader) run() error {
	for {
		n, err := r.batcher.ReadBatch(r.in, 0)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil && isFleeting(err):
			continue
		case err != nil:
			return err
		}
		now := time.Now()
		r.out, r.told = r.out[:0], r.told[:0]
		for i := range n {
			r.one(i, now)
		}
		r.write()
		for _, i := range r.told {
			r.s.observe(&r.queries[i], &r.answers[i])
		}
	}
}

// one answers a datagram, or hands it to a goroutine that may wait.
func (r *udpReader) one(i int, now time.Time) {
	m := &r.in[i]
	from, ok := m.Addr.(*net.UDPAddr)
	if !ok || m.N == 0 || from.Port == 0 {
		return
	}
	q, a := &r.queries[i], &r.answers[i]
	client := from.AddrPort()
	q.Client, q.Transport, q.Start, q.MayWait = client.Addr().Unmap(), resolver.UDP, now, false
	q.Parse(m.Buffers[0][:m.N])
	a.Reset(r.replies[i])
	if err := r.s.answer(r.s.ctx, q, a); err != nil {
		control := append([]byte(nil), r.control(m)...)
		waits := r.s.wait(q.Clone(), func(reply []byte) error {
			_, _, err := r.socket.udp.WriteMsgUDPAddrPort(reply, control, client)
			return err
		}, func() {})
		if !waits {
			a.Outcome = resolver.Dropped
			r.told = append(r.told, i)
		}
		return
	}
	r.told = append(r.told, i)
	if len(a.Wire) == 0 {
		return
	}
	r.replies[i] = a.Wire[:0] // it may have grown
	r.out = append(r.out, message{Buffers: [][]byte{a.Wire}, OOB: r.control(m), Addr: m.Addr})
}

// control is what makes the reply leave from the address that was asked.
func (r *udpReader) control(m *message) []byte {
	if !r.wildcard {
		return nil
	}
	return replyControl(m.OOB[:m.NN], r.socket.address.Addr().Is4())
}

// write sends the batch. A reply that cannot be sent (a full buffer, a client
// that has become unreachable) is as if lost on the way.
func (r *udpReader) write() {
	for out := r.out; len(out) > 0; {
		n, err := r.batcher.WriteBatch(out, 0)
		if err != nil {
			n = max(n, 0) + 1
		}
		out = out[min(n, len(out)):]
	}
}

// isFleeting says that a read failed for what happened to an earlier reply, such
// as an ICMP error, and not for good.
func isFleeting(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Temporary() || op.Timeout() || isICMP(err)
}
