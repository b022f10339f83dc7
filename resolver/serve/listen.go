package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Sockets are the open sockets of a server. They belong to whoever listened
// until Server.Use takes them.
type Sockets struct{ all []*socket }

// socket is one UDP or TCP socket.
type socket struct {
	key     string // network and address as asked for
	address netip.AddrPort
	udp     []*net.UDPConn // one for each reader; or
	tcp     *net.TCPListener
}

// ListenError says that an address could not be listened on. Own is set when
// another socket of this server is in the way.
type ListenError struct {
	Addr    string
	Network string
	Own     bool
	Err     error
}

func (e *ListenError) Error() string {
	if e.Own {
		return fmt.Sprintf("listen on %s (%s): this deadpixel itself is in the way; restart it to change to an address that overlaps with the old one", e.Addr, e.Network)
	}
	return fmt.Sprintf("listen on %s (%s): %v", e.Addr, e.Network, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// Listen opens UDP and TCP sockets on every address, "host:port" with an empty
// host for all, or takes over those in adopt (socket activation). Sockets in
// keep, which may be nil, that are wanted again are the same in the result. After
// an error, a *ListenError, nothing but keep is open.
func Listen(addrs []string, adopt []*os.File, keep *Sockets) (*Sockets, error) {
	s := new(Sockets)
	for _, f := range adopt {
		so, err := adopted(f)
		if err != nil {
			s.CloseExcept(keep)
			return nil, err
		}
		s.all = append(s.all, so)
	}
	for _, addr := range addrs {
		if err := s.open(addr, keep); err != nil {
			s.CloseExcept(keep)
			return nil, err
		}
	}
	return s, nil
}

// open adds the sockets of one address.
func (s *Sockets) open(addr string, keep *Sockets) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &ListenError{Addr: addr, Network: "udp", Err: err}
	}
	hosts := []string{host}
	optional := false // one of two families may be missing
	switch host {
	case "":
		hosts, optional = []string{"0.0.0.0", "::"}, true
	case "localhost":
		hosts, optional = []string{"127.0.0.1", "::1"}, true
	}
	var missing error
	opened := 0
	for _, h := range hosts {
		switch err := s.openBoth(h, port, keep); {
		case err == nil:
			opened++
		case optional && noFamily(err):
			missing = err
		default:
			return err
		}
	}
	if opened == 0 {
		return missing
	}
	return nil
}

// noFamily says that the machine does not do IPv4 or IPv6 at all.
func noFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// anyPortTries bounds the search for a port that is free over UDP and TCP.
const anyPortTries = 20

// openBoth opens UDP and TCP on one address and the same port.
func (s *Sockets) openBoth(host, port string, keep *Sockets) error {
	family := "4"
	if strings.Contains(host, ":") {
		family = "6"
	}
	for try := 1; ; try++ {
		udp, err := openOne("udp"+family, net.JoinHostPort(host, port), keep)
		if err != nil {
			return err
		}
		tcp, err := openOne("tcp"+family, net.JoinHostPort(host, fmt.Sprint(udp.address.Port())), keep)
		if err == nil {
			s.all = append(s.all, udp, tcp)
			return nil
		}
		if !keep.has(udp) {
			udp.close()
		}
		if port != "0" || try == anyPortTries {
			return err
		}
	}
}

func openOne(network, addr string, keep *Sockets) (*socket, error) {
	key := network + " " + addr
	if kept := keep.find(key); kept != nil {
		return kept, nil
	}
	so := &socket{key: key}
	fail := func(err error) error {
		return &ListenError{Addr: addr, Network: network[:3], Own: errors.Is(err, syscall.EADDRINUSE) && keep.overlaps(network, addr), Err: err}
	}
	if strings.HasPrefix(network, "udp") {
		conn, err := net.ListenPacket(network, addr)
		if err != nil {
			return nil, fail(err)
		}
		first := conn.(*net.UDPConn)
		so.address = first.LocalAddr().(*net.UDPAddr).AddrPort()
		if so.udp, err = share(first, so.network(), so.address); err != nil {
			return nil, fail(err)
		}
		return so, nil
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fail(err)
	}
	so.tcp = l.(*net.TCPListener)
	so.address = so.tcp.Addr().(*net.TCPAddr).AddrPort()
	return so, nil
}

// adopted makes a socket of an inherited file, which it closes.
func adopted(f *os.File) (*socket, error) {
	defer f.Close()
	fail := func(err error) error {
		return &ListenError{Addr: f.Name(), Network: "inherited", Err: err}
	}
	if conn, err := net.FilePacketConn(f); err == nil {
		udp, ok := conn.(*net.UDPConn)
		if !ok {
			conn.Close()
			return nil, fail(errors.New("the socket that was handed over is neither UDP nor TCP"))
		}
		conns, err := duplicate(udp)
		if err != nil {
			return nil, fail(err)
		}
		return &socket{key: "inherited", udp: conns, address: udp.LocalAddr().(*net.UDPAddr).AddrPort()}, nil
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fail(fmt.Errorf("the socket that was handed over is of no use: %w", err))
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fail(errors.New("the socket that was handed over is neither UDP nor TCP"))
	}
	return &socket{key: "inherited", tcp: tcp, address: tcp.Addr().(*net.TCPAddr).AddrPort()}, nil
}

// find returns the socket that was asked for by key, or is bound as key says.
func (s *Sockets) find(key string) *socket {
	if s == nil {
		return nil
	}
	for _, so := range s.all {
		if so.key == key || so.boundKey() == key {
			return so
		}
	}
	return nil
}

func (so *socket) network() string {
	network := "udp"
	if so.tcp != nil {
		network = "tcp"
	}
	if so.address.Addr().Unmap().Is4() {
		return network + "4"
	}
	return network + "6"
}

func (so *socket) boundKey() string { return so.network() + " " + so.address.String() }

func (s *Sockets) has(so *socket) bool { return s != nil && slices.Contains(s.all, so) }

// overlaps says whether a socket of s keeps addr from being bound.
func (s *Sockets) overlaps(network, addr string) bool {
	wanted, err := netip.ParseAddrPort(addr)
	if err != nil || s == nil {
		return false
	}
	for _, so := range s.all {
		if so.network()[:3] == network[:3] && so.address.Port() == wanted.Port() &&
			(so.address.Addr().IsUnspecified() || wanted.Addr().IsUnspecified() || so.address.Addr() == wanted.Addr()) {
			return true
		}
	}
	return false
}

// CloseExcept closes the sockets that are not in keep, which may be nil.
func (s *Sockets) CloseExcept(keep *Sockets) {
	if s == nil {
		return
	}
	for _, so := range s.all {
		if !keep.has(so) {
			so.close()
		}
	}
}

func (so *socket) close() {
	closeAll(so.udp)
	if so.tcp != nil {
		so.tcp.Close()
	}
}

func closeAll(conns []*net.UDPConn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// Addrs are where the sockets are bound, each address once.
func (s *Sockets) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, so := range s.all {
		if !slices.Contains(addrs, so.address) {
			addrs = append(addrs, so.address)
		}
	}
	return addrs
}
