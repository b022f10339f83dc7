package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// authority is a certificate authority of a test, and a certificate for
// 127.0.0.1 and dns.example that is valid in 2026 only.
type authority struct {
	roots *x509.CertPool
	cert  tls.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: built.Add(-24 * time.Hour), NotAfter: built.Add(10 * 365 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"dns.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return authority{roots, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}

var built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// reply answers with one address; to names that begin with "big" over UDP it
// answers truncated.
func reply(q *dns.Msg, udp bool) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	if udp && strings.HasPrefix(q.Question[0].Name, "big") {
		m.Truncated = true
		return m
	}
	rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
	m.Answer = append(m.Answer, rr)
	return m
}

// farEnd is a server over a stream; it counts its connections and queries.
type farEnd struct {
	net.Listener
	connections, queries atomic.Int64
	last                 atomic.Pointer[[]byte]
	handle               atomic.Pointer[func(c net.Conn, q []byte) bool] // instead of answering; false closes
	open                 sync.WaitGroup
}

func newFarEnd(t *testing.T, l net.Listener) *farEnd {
	t.Helper()
	f := &farEnd{Listener: l}
	var mu sync.Mutex
	var conns []net.Conn
	f.open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.connections.Add(1)
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			f.open.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		f.open.Wait()
	})
	return f
}

func (f *farEnd) serve(c net.Conn) {
	defer c.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		f.queries.Add(1)
		f.last.Store(&q)
		if h := f.handle.Load(); h != nil {
			if !(*h)(c, q) {
				return
			}
			continue
		}
		m := new(dns.Msg)
		if m.Unpack(q) != nil {
			return
		}
		send(c, reply(m, false))
	}
}

func send(c net.Conn, m *dns.Msg) {
	b, _ := m.Pack()
	c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
