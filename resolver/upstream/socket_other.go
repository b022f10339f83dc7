//go:build !linux

package upstream

import "net"

// socket is a connected UDP socket.
type socket struct{ conn net.Conn }

func newSocket(conn net.Conn) (*socket, error) { return &socket{conn}, nil }

// read waits for a message.
func (s *socket) read(b []byte) (int, error) { return s.conn.Read(b) }

func (s *socket) write(b []byte) error {
	_, err := s.conn.Write(b)
	return err
}
