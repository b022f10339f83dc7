package upstream

import (
	"errors"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connected UDP socket. Its system calls never block and are made
// without telling Go's scheduler: at a household's rate, waking the scheduler's
// monitor for each would cost more than all the rest. It is read by one goroutine.
type socket struct {
	conn net.Conn
	raw  syscall.RawConn
}

var errNoUDP = errors.New("no UDP socket")

func newSocket(conn net.Conn) (*socket, error) {
	c, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errNoUDP
	}
	raw, err := c.SyscallConn()
	return &socket{conn, raw}, err
}

// read waits for a message.
func (s *socket) read(b []byte) (n int, err error) {
	return s.call(s.raw.Read, unix.SYS_RECVFROM, b)
}

func (s *socket) write(b []byte) error {
	_, err := s.call(s.raw.Write, unix.SYS_SENDTO, b)
	return err
}

// call does recvfrom(2) or sendto(2), and waits by way of wait while the kernel
// has nothing or takes nothing.
func (s *socket) call(wait func(func(uintptr) bool) error, number uintptr, b []byte) (int, error) {
	var done uintptr
	var errno syscall.Errno
	err := wait(func(fd uintptr) bool {
		for {
			done, _, errno = syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
			if errno != unix.EINTR {
				return errno != unix.EAGAIN
			}
		}
	})
	if err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, os.NewSyscallError("udp", errno)
	}
	return int(done), nil
}
