package serve

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// share opens as many sockets on the address of first as there are processors,
// first among them; the kernel spreads clients over them (socket(7),
// SO_REUSEPORT). first was bound without that option, so that an address which
// another program has is told as taken, and not silently shared with it. After an
// error all are closed.
func share(first *net.UDPConn, network string, address netip.AddrPort) ([]*net.UDPConn, error) {
	conns := []*net.UDPConn{first}
	raw, err := first.SyscallConn()
	if err == nil {
		err = reusePort(raw)
	}
	options := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return reusePort(raw) }}
	for err == nil && len(conns) < runtime.GOMAXPROCS(0) {
		var conn net.PacketConn
		if conn, err = options.ListenPacket(context.Background(), network, address.String()); err == nil {
			conns = append(conns, conn.(*net.UDPConn))
		}
	}
	if err != nil {
		closeAll(conns)
		return nil, err
	}
	return conns, nil
}

func reusePort(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	if err == nil {
		err = failed
	}
	return err
}

// duplicate makes as many connections to the one socket of first, which was
// handed over, as there are processors, first among them. After an error all
// are closed.
func duplicate(first *net.UDPConn) ([]*net.UDPConn, error) {
	conns := []*net.UDPConn{first}
	for len(conns) < runtime.GOMAXPROCS(0) {
		f, err := first.File()
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conn, err := net.FilePacketConn(f)
		f.Close()
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, conn.(*net.UDPConn))
	}
	return conns, nil
}
