package querylog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/protobuf/encoding/protowire"

	"deadpixel/resolver"
)

// Dnstap writes each record as a dnstap message of the type CLIENT_RESPONSE, in Frame
// Streams, to a file or to a reader on a socket. It implements Sink.
//
// The reply is in it as it was sent, or, where that is not known, as a header and the
// question. The client's address, and the family of it, is only where [privacy] clients is
// "full". What came over TLS, HTTPS and QUIC is told as such.
//
// Sources: dnstap.proto and the specification of Frame Streams, of dnstap.info.
type Dnstap struct {
	network, address string // of the socket; "" and the path of the file
	identity         string
	version          string
	log              *slog.Logger

	w       io.WriteCloser // nil while there is none
	trouble string         // why, as it was told to the log
	retry   time.Time      // when the next try is due
	waiting [][]byte       // frames, while there is no reader
	size    int            // bytes of them
}

// Control frames of Frame Streams, and what they are about.
const (
	controlAccept = 1
	controlStart  = 2
	controlStop   = 3
	controlReady  = 4
	controlFinish = 5

	fieldContentType = 1
	contentType      = "protobuf:dnstap.Dnstap"
)

// Bounds of a reader: how long it may take to shake hands and for each write, how long it
// is waited before the next try, and how many bytes wait meanwhile.
const (
	tapTime    = 2 * time.Second
	tapRetry   = 5 * time.Second
	maxTapWait = 4 << 20
	maxControl = 512
)

// CheckDnstap says what is wrong with a target: dnstap+unix:///path, dnstap+tcp://host:port
// or dnstap+file:///path.
func CheckDnstap(target string) error {
	_, _, err := parseDnstap(target)
	return err
}

func parseDnstap(target string) (network, address string, err error) {
	u, err := url.Parse(target)
	if err == nil {
		switch {
		case u.Scheme == "dnstap+unix" && u.Host == "" && u.Path != "":
			return "unix", u.Path, nil
		case u.Scheme == "dnstap+file" && u.Host == "" && u.Path != "":
			return "", u.Path, nil
		case u.Scheme == "dnstap+tcp" && u.Port() != "" && u.Path == "":
			return "tcp", u.Host, nil
		}
	}
	return "", "", fmt.Errorf("%q is no place for dnstap: write it like dnstap+unix:///run/dnstap.sock, dnstap+tcp://127.0.0.1:6000 or dnstap+file:///var/log/dns.tap", target)
}

// NewDnstap makes one. A file is opened at once; a reader on a socket may come later.
func NewDnstap(target, identity, version string, log *slog.Logger) (*Dnstap, error) {
	network, address, err := parseDnstap(target)
	if err != nil {
		return nil, err
	}
	d := &Dnstap{network: network, address: address, identity: identity, version: version, log: log}
	if network == "" {
		return d, d.open()
	}
	return d, nil
}

// open opens the file, or reaches the reader and shakes hands.
func (d *Dnstap) open() error {
	if d.network == "" {
		f, err := os.OpenFile(d.address, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := resume(f); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", d.address, err), f.Close())
		}
		d.w = f
		return nil
	}
	conn, err := net.DialTimeout(d.network, d.address, tapTime)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(tapTime))
	if err := shakeHands(conn); err != nil {
		return errors.Join(fmt.Errorf("the reader of dnstap at %s: %w", d.address, err), conn.Close())
	}
	d.w = conn
	return nil
}

// resume makes a file ready for more frames: behind those that it has, without the stop
// frame or the part of a frame that it ends in. One that is empty, or ends in its start
// frame, begins. What does not begin like this is somebody else's file.
func resume(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	start := control(controlStart, true)
	if !info.Mode().IsRegular() {
		_, err := f.Write(start)
		return err
	}
	in := bufio.NewReader(f)
	begin := make([]byte, min(int64(len(start)), info.Size()))
	if _, err := io.ReadFull(in, begin); err != nil {
		return err
	}
	if !bytes.HasPrefix(start, begin) {
		return errors.New("it is no file of dnstap; move it away, or write another name")
	}
	if len(begin) < len(start) {
		_, err := f.WriteAt(start, 0)
		if err == nil {
			_, err = f.Seek(0, io.SeekEnd)
		}
		return err
	}
	end := int64(len(start))
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		} else if err != nil { // a disk that cannot be read is no reason to cut off
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		if size == 0 || end+4+size > info.Size() { // a control frame, or one that was cut off
			break
		}
		if _, err := io.CopyN(io.Discard, in, size); err != nil {
			return err
		}
		end += 4 + size
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	_, err = f.Seek(end, io.SeekStart)
	return err
}

// shakeHands begins a bidirectional stream.
func shakeHands(conn io.ReadWriter) error {
	if _, err := conn.Write(control(controlReady, true)); err != nil {
		return err
	}
	kind, types, err := readControl(conn)
	switch {
	case err != nil:
		return err
	case kind != controlAccept:
		return fmt.Errorf("a control frame of type %d where it should accept", kind)
	case len(types) > 0 && !slices.Contains(types, contentType):
		return fmt.Errorf("it wants %q, not dnstap", types)
	}
	_, err = conn.Write(control(controlStart, true))
	return err
}

// control is a control frame: an escape of four zero bytes, the length of what follows,
// the type, and with content the content type as a field.
func control(kind uint32, content bool) []byte {
	var body []byte
	body = binary.BigEndian.AppendUint32(body, kind)
	if content {
		body = binary.BigEndian.AppendUint32(body, fieldContentType)
		body = binary.BigEndian.AppendUint32(body, uint32(len(contentType)))
		body = append(body, contentType...)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(body))), body...)
}

// readControl reads a control frame.
func readControl(r io.Reader) (kind uint32, types []string, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[4:])
	if binary.BigEndian.Uint32(head[:]) != 0 || length < 4 || length > maxControl {
		return 0, nil, errors.New("what it says is no Frame Streams")
	}
	rest := make([]byte, length-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return 0, nil, err
	}
	for len(rest) >= 8 {
		field, size := binary.BigEndian.Uint32(rest), int(binary.BigEndian.Uint32(rest[4:]))
		if rest = rest[8:]; size > len(rest) {
			return 0, nil, errors.New("a field is longer than its frame")
		}
		if field == fieldContentType {
			types = append(types, string(rest[:size]))
		}
		rest = rest[size:]
	}
	return binary.BigEndian.Uint32(head[8:]), types, nil
}

// Write implements Sink. While there is no reader, frames wait, the newest ones.
func (d *Dnstap) Write(_ context.Context, records []Record) error {
	for i := range records {
		frame := d.message(&records[i])
		b := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame))), frame...)
		d.waiting = append(d.waiting, b)
		d.size += len(b)
	}
	if d.w == nil {
		if time.Now().Before(d.retry) {
			return d.drop(nil)
		}
		if err := d.open(); err != nil {
			d.retry = time.Now().Add(tapRetry)
			return d.drop(err)
		}
	}
	if conn, ok := d.w.(net.Conn); ok {
		conn.SetDeadline(time.Now().Add(tapTime))
	}
	for len(d.waiting) > 0 {
		if _, err := d.w.Write(d.waiting[0]); err != nil {
			d.w.Close()
			d.w, d.retry = nil, time.Now().Add(tapRetry)
			return d.drop(err)
		}
		d.size -= len(d.waiting[0])
		d.waiting = d.waiting[1:]
	}
	d.waiting = nil
	if d.trouble != "" {
		d.log.Info("dnstap has its reader again", "at", d.address)
		d.trouble = ""
	}
	return nil
}

// drop lets go of the oldest frames that are too many to wait, and tells how many are
// lost. The log hears once why they wait.
func (d *Dnstap) drop(err error) error {
	if err != nil && d.trouble != err.Error() {
		d.trouble = err.Error()
		d.log.Warn("dnstap waits for its reader", "at", d.address, "err", err)
	}
	lost := 0
	for ; d.size > maxTapWait; lost++ {
		d.size -= len(d.waiting[0])
		d.waiting = d.waiting[1:]
	}
	if lost > 0 {
		return &lostError{lost, fmt.Errorf("nobody reads at %s, and no more can wait", d.address)}
	}
	return nil
}

// Close implements Sink.
func (d *Dnstap) Close() error {
	if d.w == nil {
		return nil
	}
	if conn, ok := d.w.(net.Conn); ok {
		conn.SetDeadline(time.Now().Add(tapTime))
	}
	_, err := d.w.Write(control(controlStop, false))
	if conn, ok := d.w.(net.Conn); ok && err == nil {
		_, _, err = readControl(conn) // FINISH, after which all has been read
	}
	return errors.Join(err, d.w.Close())
}

// Numbers of the fields in dnstap.proto, of the messages Dnstap and Message.
const (
	tapIdentity = 1
	tapVersion  = 2
	tapMessage  = 14
	tapType     = 15
	typeMessage = 1

	messageType         = 1
	messageFamily       = 2
	messageProtocol     = 3
	messageQueryAddress = 4
	messageQuerySec     = 8
	messageQueryNsec    = 9
	messageResponseSec  = 12
	messageResponseNsec = 13
	messageResponse     = 14

	clientResponse = 6
	familyIPv4     = 1
	familyIPv6     = 2
)

// protocols are those of dnstap.proto, by transport. Readers that are older than DoQ in it
// take its number for one they do not know.
var protocols = map[resolver.Transport]uint64{resolver.UDP: 1, resolver.TCP: 2, resolver.TLS: 3, resolver.HTTPS: 4, resolver.QUIC: 7}

// message is a record as a message Dnstap.
func (d *Dnstap) message(r *Record) []byte {
	var m []byte
	number := func(field protowire.Number, n uint64) {
		m = protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), n)
	}
	fixed := func(field protowire.Number, n uint32) {
		m = protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), n)
	}
	text := func(field protowire.Number, b []byte) {
		m = protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
	}
	number(messageType, clientResponse)
	if r.Address.IsValid() {
		family := uint64(familyIPv4)
		if r.Address.Is6() {
			family = familyIPv6
		}
		number(messageFamily, family)
		text(messageQueryAddress, r.Address.AsSlice())
	}
	if p := protocols[r.Transport]; p != 0 {
		number(messageProtocol, p)
	}
	end := r.Time.Add(r.Duration)
	number(messageQuerySec, uint64(r.Time.Unix()))
	fixed(messageQueryNsec, uint32(r.Time.Nanosecond()))
	number(messageResponseSec, uint64(end.Unix()))
	fixed(messageResponseNsec, uint32(end.Nanosecond()))
	if reply := r.reply(); reply != nil {
		text(messageResponse, reply)
	}
	body := m
	m = nil
	text(tapIdentity, []byte(d.identity))
	text(tapVersion, []byte(d.version))
	text(tapMessage, body)
	number(tapType, typeMessage)
	return m
}

// reply is the reply as it was sent, or what is known of it; nil where there was none.
func (r *Record) reply() []byte {
	if len(r.Wire) > 0 || r.Outcome == resolver.Dropped {
		return r.Wire
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(r.Name), r.Type)
	m.Id, m.Response, m.RecursionAvailable, m.Rcode = 0, true, true, int(r.Rcode)&0xf
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
