package querylog

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"deadpixel/resolver"
)

// writes counts how often it is written to.
type writes struct {
	bytes.Buffer
	n int
}

func (w *writes) Write(b []byte) (int, error) {
	w.n++
	return w.Buffer.Write(b)
}

// Names of fields are what others' programs rely on: this test changes with none of them.
func TestStdout(t *testing.T) {
	at := time.Date(2026, 11, 25, 13, 0, 0, 250_999_999, time.FixedZone("", 3600))
	var w writes
	s := NewStdout(&w)
	if err := s.Write(context.Background(), nil); err != nil || w.n != 0 {
		t.Errorf("nothing is written %d times, %v", w.n, err)
	}
	err := s.Write(context.Background(), []Record{
		{Time: at, Duration: 1500 * time.Microsecond, Client: "laptop", Address: netip.MustParseAddr("2001:db8::7"), Group: "kids", Transport: resolver.TLS, Name: "a.example", Type: 65,
			Outcome: resolver.Blocked, Rcode: 3, List: "starter", Reason: resolver.ByCNAME, Hidden: "t.example", Owner: "Firm & Söhne"},
		{Time: at, Name: "x\"\n<b>\x00\xff.example", Type: 65280, Outcome: resolver.Forwarded, Upstream: "tls://dns.example"},
		{Time: at, Transport: resolver.QUIC, Outcome: resolver.Dropped},
	})
	if err != nil || w.n != 1 {
		t.Errorf("a batch is written %d times, %v", w.n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	const want = `{"time":"2026-11-25T12:00:00.25Z","client":"laptop","address":"2001:db8::7","group":"kids","transport":"tls","name":"a.example","type":"HTTPS","outcome":"blocked","rcode":"NXDOMAIN","list":"starter","reason":"cname","hidden":"t.example","owner":"Firm & Söhne","duration_ms":1.5}
{"time":"2026-11-25T12:00:00.25Z","transport":"udp","name":"x\"\n<b>\u0000\ufffd.example","type":"TYPE65280","outcome":"forwarded","rcode":"NOERROR","upstream":"tls://dns.example","duration_ms":0}
{"time":"2026-11-25T12:00:00.25Z","transport":"quic","name":"","type":"None","outcome":"dropped","duration_ms":0}
`
	if got := w.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
