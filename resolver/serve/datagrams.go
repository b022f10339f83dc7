package serve

import (
	"net"
	"net/netip"
)

// Sizes of reading UDP. A query larger than maxQuery is cut, and then malformed.
const (
	batchSize  = 32
	maxQuery   = 4096
	controlMax = 128
	bufferSize = 4 << 20 // asked of the kernel for each direction
)

// datagrams is a UDP socket that is read and written in batches by one
// goroutine. What belongs to a datagram is valid until the next receive.
type datagrams interface {
	// receive waits for at least one datagram and returns how many there are, at
	// most batchSize. More than one come only when the kernel has them ready.
	receive() (int, error)
	// packet is a datagram of the batch and who sent it.
	packet(i int) ([]byte, netip.AddrPort)
	// reply puts a reply to a datagram into the outgoing batch; wire has to stay
	// as it is until flush.
	reply(i int, wire []byte)
	// flush sends the outgoing batch. A reply that cannot be sent, as to a client
	// that has become unreachable, is as if lost on the way.
	flush()
	// later returns a function that sends one reply to the sender of a datagram,
	// at any time and from any goroutine.
	later(i int) func(wire []byte) error
}

// portable is datagrams by what every system has: one at a time.
type portable struct {
	conn    *net.UDPConn
	v4      bool
	control []byte // room for it; nil where every reply leaves from the one address
	buffer  [maxQuery]byte

	size, controlSize int
	from              netip.AddrPort
	out               []byte
}

func newPortable(so *socket, conn *net.UDPConn) *portable {
	p := &portable{conn: conn, v4: so.address.Addr().Is4()}
	if so.address.Addr().IsUnspecified() {
		p.control = make([]byte, controlMax)
	}
	return p
}

func (p *portable) receive() (int, error) {
	var err error
	p.size, p.controlSize, _, p.from, err = p.conn.ReadMsgUDPAddrPort(p.buffer[:], p.control)
	p.out = nil
	if err != nil {
		return 0, err
	}
	return 1, nil
}

func (p *portable) packet(int) ([]byte, netip.AddrPort) { return p.buffer[:p.size], p.from }

func (p *portable) reply(_ int, wire []byte) { p.out = wire }

func (p *portable) flush() {
	if p.out != nil {
		p.conn.WriteMsgUDPAddrPort(p.out, p.replyControl(), p.from)
	}
}

func (p *portable) later(int) func([]byte) error {
	from, control := p.from, append([]byte(nil), p.replyControl()...)
	return func(wire []byte) error {
		_, _, err := p.conn.WriteMsgUDPAddrPort(wire, control, from)
		return err
	}
}

func (p *portable) replyControl() []byte { return replyControl(p.control[:p.controlSize], p.v4) }
