package serve

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	size   uint32
}

// batched is datagrams by recvmmsg(2) and sendmmsg(2).
//
// Its system calls never block, since the sockets do not, and so they are made
// without telling Go's scheduler: at a household's rate, when every packet finds
// the program asleep, waking the scheduler's monitor for each call costs several
// times what the answer does.
type batched struct {
	raw      syscall.RawConn
	v4       bool
	receives func(fd uintptr) bool // made once, so that nothing is allocated
	sends    func(fd uintptr) bool

	in, out  [batchSize]mmsghdr
	inIO     [batchSize]unix.Iovec
	outIO    [batchSize]unix.Iovec
	names    [batchSize][unix.SizeofSockaddrInet6]byte
	controls [batchSize][controlMax]byte
	wildcard bool
	buffers  [batchSize][maxQuery]byte
	received int
	errno    syscall.Errno
	queued   int
	sent     int
}

// newDatagrams is the way to read conn here.
func newDatagrams(so *socket, conn *net.UDPConn) (datagrams, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batched{raw: raw, v4: so.address.Addr().Is4(), wildcard: so.address.Addr().IsUnspecified()}
	for i := range batchSize {
		b.inIO[i].Base = &b.buffers[i][0]
		b.inIO[i].SetLen(maxQuery)
		b.in[i].header.Name = &b.names[i][0]
		b.in[i].header.Iov = &b.inIO[i]
		b.in[i].header.SetIovlen(1)
		b.out[i].header.Iov = &b.outIO[i]
		b.out[i].header.SetIovlen(1)
		b.resetHeader(i)
	}
	b.receives, b.sends = b.tryReceive, b.trySend
	return b, nil
}

func (b *batched) receive() (int, error) {
	for i := range b.received { // what the last batch has changed
		b.resetHeader(i)
	}
	b.queued = 0
	if err := b.raw.Read(b.receives); err != nil {
		b.received = 0
		return 0, err
	}
	if b.errno != 0 {
		b.received = 0
		return 0, os.NewSyscallError("recvmmsg", b.errno)
	}
	return b.received, nil
}

// resetHeader gives the kernel all the room there is for a datagram's addresses.
func (b *batched) resetHeader(i int) {
	h := &b.in[i].header
	h.Namelen = unix.SizeofSockaddrInet6
	if b.wildcard {
		h.Control = &b.controls[i][0]
		h.SetControllen(controlMax)
	}
}

// tryReceive returns false when there is nothing to be read.
func (b *batched) tryReceive(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		b.received, b.errno = int(n), errno
		return true
	}
}

func (b *batched) packet(i int) ([]byte, netip.AddrPort) {
	return b.buffers[i][:min(b.in[i].size, maxQuery)], addrPort(b.names[i][:b.in[i].header.Namelen])
}

// addrPort reads a socket address. The zone of a link-local one is left out: the
// reply goes to the socket address itself.
func addrPort(name []byte) netip.AddrPort {
	if len(name) < unix.SizeofSockaddrInet4 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(name[2:])
	switch binary.NativeEndian.Uint16(name) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:])), port)
	case unix.AF_INET6:
		if len(name) >= unix.SizeofSockaddrInet6 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:])), port)
		}
	}
	return netip.AddrPort{}
}

func (b *batched) reply(i int, wire []byte) {
	b.outIO[b.queued].Base = &wire[0]
	b.outIO[b.queued].SetLen(len(wire))
	h := &b.out[b.queued].header
	h.Name, h.Namelen = &b.names[i][0], b.in[i].header.Namelen
	h.Control = nil
	h.SetControllen(0)
	if control := b.control(i); len(control) > 0 {
		h.Control = &control[0]
		h.SetControllen(len(control))
	}
	b.queued++
}

// control is what makes the reply to a datagram leave from the address that was
// asked.
func (b *batched) control(i int) []byte {
	if !b.wildcard {
		return nil
	}
	return replyControl(b.controls[i][:b.in[i].header.Controllen], b.v4)
}

func (b *batched) flush() {
	for b.sent = 0; b.sent < b.queued; {
		if b.raw.Write(b.sends) != nil {
			return // closed
		}
	}
}

// trySend sends what is left of the batch, or as much as the kernel takes. It
// returns false when that is nothing, because its buffer is full.
func (b *batched) trySend(fd uintptr) bool {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.sent])), uintptr(b.queued-b.sent), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		b.sent += int(n)
	case unix.EINTR:
	case unix.EAGAIN:
		return false
	default: // the first of them cannot be sent
		b.sent++
	}
	return true
}

// letter is one reply that is sent on its own.
type letter struct {
	raw     syscall.RawConn
	name    [unix.SizeofSockaddrInet6]byte
	control [controlMax]byte
	io      unix.Iovec
	header  unix.Msghdr
	errno   syscall.Errno
}

func (b *batched) later(i int) func([]byte) error {
	l := &letter{raw: b.raw, name: b.names[i]}
	l.header.Name, l.header.Namelen = &l.name[0], b.in[i].header.Namelen
	l.header.Iov = &l.io
	l.header.SetIovlen(1)
	if control := b.control(i); len(control) > 0 {
		copy(l.control[:], control)
		l.header.Control = &l.control[0]
		l.header.SetControllen(len(control))
	}
	return l.send
}

func (l *letter) send(wire []byte) error {
	l.io.Base = &wire[0]
	l.io.SetLen(len(wire))
	if err := l.raw.Write(l.trySend); err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", errorOf(l.errno))
}

func (l *letter) trySend(fd uintptr) bool {
	for {
		_, _, l.errno = syscall.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&l.header)), unix.MSG_DONTWAIT)
		if l.errno != unix.EINTR {
			return l.errno != unix.EAGAIN
		}
	}
}

// errorOf is nil for 0, which a syscall.Errno in an interface would not be.
func errorOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
