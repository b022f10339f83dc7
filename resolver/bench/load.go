//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// load asks one server.
type load struct {
	server  netip.AddrPort
	rule    standard
	sockets int
	window  int // how many queries of a socket are under way at once, in a closed loop
	sources int // from how many addresses of 127.0.0.0/8; 0 is from 127.0.0.1 and cheaper
}

// patience is how long the closed loop waits before what is under way counts as lost.
const patience = time.Second

// closed asks count queries, each as soon as an earlier one is answered. next
// gives the queries of each socket.
func (l load) closed(ctx context.Context, count int, next func(socket int) questions) (tally, error) {
	lanes := make([]*lane, l.sockets)
	for i := range lanes {
		var err error
		if lanes[i], err = l.lane(i, next(i)); err != nil {
			return tally{}, err
		}
		defer lanes[i].conn.Close()
	}
	var all sync.WaitGroup
	failures := make([]error, len(lanes))
	for i, lane := range lanes {
		share := count/len(lanes) + min(1, max(0, count%len(lanes)-i))
		all.Go(func() { failures[i] = lane.run(ctx, share) })
	}
	all.Wait()
	var sum tally
	for _, lane := range lanes {
		sum.add(lane.tally)
	}
	return sum, errors.Join(failures...)
}

// lane is one socket of a closed loop.
type lane struct {
	ledger
	tally
	conn    *net.UDPConn
	batch   *ipv4.PacketConn
	rule    standard
	next    questions
	out, in []ipv4.Message
	sources [][]byte // control messages, one for each address to ask from
	source  int
}

func (l load) lane(number int, next questions) (*lane, error) {
	to := net.UDPAddrFromAddrPort(l.server)
	var conn *net.UDPConn
	var err error
	if l.sources == 0 {
		conn, err = net.DialUDP("udp4", nil, to)
	} else {
		conn, err = net.ListenUDP("udp4", nil)
	}
	if err != nil {
		return nil, err
	}
	a := &lane{conn: conn, batch: ipv4.NewPacketConn(conn), rule: l.rule, next: next,
		out: make([]ipv4.Message, l.window), in: make([]ipv4.Message, l.window)}
	for i := range l.window {
		a.out[i].Buffers = [][]byte{make([]byte, 0, 512)}
		a.in[i].Buffers = [][]byte{make([]byte, 1500)}
		if l.sources > 0 {
			a.out[i].Addr = to
		}
	}
	// The addresses are dealt out among the sockets, at least one to each.
	for i := number % max(1, l.sources); i < l.sources; i += l.sockets {
		control := ipv4.ControlMessage{Src: net.IPv4(127, byte(1+i>>16), byte(i>>8), byte(i))}
		a.sources = append(a.sources, control.Marshal())
	}
	return a, nil
}

// run asks until count queries have been answered or given up.
func (a *lane) run(ctx context.Context, count int) error {
	start, seen, sent := now(), 0, 0
	a.conn.SetReadDeadline(time.Now().Add(patience))
	for a.asked < count {
		n := min(len(a.out)-(sent-a.asked), count-sent)
		if err := a.send(n); err != nil {
			return err
		}
		sent += n
		got, err := a.batch.ReadBatch(a.in, 0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// Moving the deadline only here spares a call for every batch.
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if seen == a.asked {
				for _, e := range a.giveUp() {
					a.count(lost, &e, nil)
				}
			}
			seen = a.asked
			a.conn.SetReadDeadline(time.Now().Add(patience))
			continue
		}
		if err != nil {
			return err
		}
		for i := range got {
			reply := a.in[i].Buffers[0][:a.in[i].N]
			if e, ok := a.take(reply); ok {
				a.count(a.rule.judge(e.want, e.packet, reply), &e, reply)
			}
		}
		a.took = now() - start // without the wait for what is lost
	}
	return nil
}

// send asks n queries.
func (a *lane) send(n int) error {
	for i := range n {
		q, want := a.next()
		m := &a.out[i]
		packet, given := a.put(m.Buffers[0], q, want, 0)
		m.Buffers[0] = packet
		if given != nil {
			a.count(lost, given, nil)
		}
		if len(a.sources) > 0 {
			m.OOB = a.sources[a.source]
			a.source = (a.source + 1) % len(a.sources)
		}
	}
	for done := 0; done < n; {
		k, err := a.batch.WriteBatch(a.out[done:n], 0)
		if err != nil {
			return err
		}
		done += k
	}
	return nil
}
