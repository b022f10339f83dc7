//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// This program is also the servers that it compares with: started with one of
// these words and an address.
const (
	modeFloor      = "floor-mode"       // the least that Go's net package must do for a packet
	modeFloorBatch = "floor-batch-mode" // the least in batches
	modeStub       = "stub-mode"        // everybody's upstream
)

// serveMode answers until the program is ended.
func serveMode(mode, address string) error {
	serve := map[string]func(*net.UDPConn) error{modeFloor: floor, modeFloorBatch: batch(flip), modeStub: batch(stubAnswer())}[mode]
	ended := make(chan error)
	options := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	for range runtime.GOMAXPROCS(0) {
		conn, err := options.ListenPacket(context.Background(), "udp4", address)
		if err != nil {
			return err
		}
		conn.(*net.UDPConn).SetReadBuffer(1 << 20)
		go func() { ended <- serve(conn.(*net.UDPConn)) }()
	}
	return <-ended
}

// floor sends packets back one by one.
func floor(conn *net.UDPConn) error {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		conn.WriteToUDPAddrPort(flip(buf[:n]), from)
	}
}

// batch serves many packets with one system call each way. answer may write
// behind its packet; an empty answer is not sent.
func batch(answer func([]byte) []byte) func(*net.UDPConn) error {
	const size = 64
	return func(conn *net.UDPConn) error {
		socket := ipv4.NewPacketConn(conn)
		in := make([]ipv4.Message, size)
		var buffers [size][]byte
		for i := range in {
			buffers[i] = make([]byte, 1500)
			in[i].Buffers = [][]byte{buffers[i]}
		}
		out := make([]ipv4.Message, 0, size)
		var replies [size][1][]byte
		for {
			n, err := socket.ReadBatch(in, 0)
			if err != nil {
				return err
			}
			out = out[:0]
			for i := range n {
				if reply := answer(buffers[i][:in[i].N]); len(reply) > 0 {
					replies[i][0] = reply
					out = append(out, ipv4.Message{Buffers: replies[i][:], Addr: in[i].Addr})
				}
			}
			for done := 0; done < len(out); {
				k, err := socket.WriteBatch(out[done:], 0)
				if err != nil {
					return err
				}
				done += k
			}
		}
	}
}

// flip makes a response of a query by its one bit.
func flip(packet []byte) []byte {
	if len(packet) > 2 {
		packet[2] |= 0x80
	}
	return packet
}

// stubAnswer answers every question for an address alike, and others with
// nothing. SIGUSR1 silences it, SIGUSR2 lets it speak again.
func stubAnswer() func([]byte) []byte {
	var silent atomic.Bool
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range signals {
			silent.Store(s == syscall.SIGUSR1)
		}
	}()
	return func(query []byte) []byte {
		if silent.Load() {
			return nil
		}
		return authoritative(query)
	}
}

// authoritative answers in the query's own memory (RFC 1035, 4.1; RFC 6891, 6.1).
func authoritative(query []byte) []byte {
	if len(query) < 12 || query[2]&0x80 != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	end := 12
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 1 + 4
	if end > len(query) {
		return nil
	}
	isAddress := binary.BigEndian.Uint16(query[end-4:]) == 1
	edns := binary.BigEndian.Uint16(query[10:]) > 0
	// Recursion is available: forwarders pass over who says that it is not.
	query[2], query[3] = 0x80|query[2]&1, 0x80
	copy(query[6:12], make([]byte, 6))
	reply := query[:end]
	if isAddress {
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 3600>>8, 3600&0xff, 0, 4)
		reply = append(reply, address[:]...)
	}
	if edns {
		reply[11] = 1
		reply = append(reply, 0, 0, 41, 1232>>8, 1232&0xff, 0, 0, 0, 0, 0, 0)
	}
	return reply
}

// own is a kind whose program is this one.
func own(name, mode string) (*kind, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program does not find itself: %w", err)
	}
	return &kind{name: name, path: self, standard: standard{echo: true},
		configure: func(s *site) ([]string, error) { return []string{self, mode, s.address.String()}, nil }}, nil
}
