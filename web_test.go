package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// issue writes a certificate that signs itself, and its key, and returns where they are.
func issue(t testing.TB, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	form := x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, &form, &form, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// presented is the name in the certificate that a server shows, and its protocol.
func presented(t testing.TB, address string) (name, protocol string) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}) // whose it is, is what is asked
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, conn.ConnectionState().NegotiatedProtocol
}

// The page speaks TLS when told to, with the certificate that is in the files, also when
// those change; files of no use leave the last good ones in use; and commands reach it.
func TestPageOverTLS(t *testing.T) {
	p := prepare(t, "")
	certificate, key := issue(t, p.dir, "first.example")
	plain := basics("127.0.0.1:9") + starterList
	encrypted := strings.Replace(strings.Replace(plain, "[dns]\n", fmt.Sprintf("[dns]\ncertificate = %q\nprivate_key = %q\n", certificate, key), 1), "[web]\n", "[web]\ntls = true\n", 1)
	p.write(encrypted)
	p.start()
	if !strings.HasPrefix(p.web, "https://") {
		t.Fatalf("the page is at %s", p.web)
	}
	address := strings.TrimPrefix(p.web, "https://")
	if name, protocol := presented(t, address); name != "first.example" || protocol != "h2" {
		t.Errorf("%s by %s, want first.example by h2", name, protocol)
	}
	if status, out := p.command("pause", "5m", "--web", address); status != 0 || !strings.Contains(out, "blocking is off until") {
		t.Errorf("pause: %d %s", status, out)
	}
	if status, out := p.command("resume", "--web", address); status != 0 {
		t.Errorf("resume: %d %s", status, out)
	}
	p.wantRcode("pixel.facebook.com", dns.RcodeNameError)

	if err := os.WriteFile(key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wait("the certificate cannot be read again; the one that was read before stays in use")
	if name, _ := presented(t, address); name != "first.example" {
		t.Errorf("with a broken key: %s", name)
	}
	if status, out := p.command("resume", "--web", address); status != 0 {
		t.Errorf("resume, for which nobody needs the key: %d %s", status, out)
	}
	if status, out := p.command("check"); status != 1 || !strings.Contains(out, "dns.certificate: ") {
		t.Errorf("check: %d %s", status, out)
	}
	issue(t, p.dir, "second.example")
	p.wait("a new certificate is in use")
	if name, _ := presented(t, address); name != "second.example" {
		t.Errorf("after the change: %s", name)
	}

	p.write(plain)
	p.signal(syscall.SIGHUP)
	line := p.wait("configuration reloaded")
	if line.Web != "http://"+address {
		t.Errorf("after TLS was turned off, the page is at %s", line.Web)
	}
	p.web = line.Web
	if status, _ := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("plain: %d", status)
	}
	p.write(encrypted)
	p.signal(syscall.SIGHUP)
	p.wait("configuration reloaded")
	if name, _ := presented(t, address); name != "second.example" {
		t.Errorf("turned on again: %s", name)
	}
	p.stop()
}

// Whoever connected while TLS was on, and says so only after it was turned off, is told.
func TestNoCertificateAnyMore(t *testing.T) {
	c := new(certificate)
	c.use([2]string{}, nil)
	if _, err := c.config("h2").GetCertificate(nil); err == nil {
		t.Error("no error")
	}
}

// behind is a reverse proxy before a program, which takes a prefix off, or not.
func behind(t *testing.T, p *program, strip string) *httptest.Server {
	t.Helper()
	to, err := url.Parse(p.web)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix(strip, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
	}}))
	t.Cleanup(proxy.Close)
	return proxy
}

// Behind a reverse proxy that is trusted, each device is itself, the page's links lead
// below the path, and nobody changes anything without the password.
func TestBehindProxy(t *testing.T) {
	for _, strip := range []string{"", "/dns"} {
		p := prepare(t, strings.Replace(basics("127.0.0.1:9"), "[web]\n", "[web]\ntrusted_proxies = [\"127.0.0.1\"]\nbase_path = \"/dns/\"\n", 1)+starterList).start()
		p.wantRcode("pixel.facebook.com", dns.RcodeNameError)
		proxy := behind(t, p, strip)
		get := func(path string) (int, string) {
			r, err := http.Get(proxy.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return r.StatusCode, string(b)
		}
		for _, path := range []string{"/dns/", "/dns/why", "/dns/metrics", "/dns/api/v1/status", "/dns/static/style.css"} {
			if status, _ := get(path); status != http.StatusOK {
				t.Errorf("strip %q: %s: %d", strip, path, status)
			}
		}
		if _, body := get("/dns/"); !strings.Contains(body, `href="/dns/static/style.css"`) {
			t.Errorf("strip %q: the links are others: %s", strip, body)
		}
		var recent struct{ Blocked []struct{ Name string } }
		if _, body := get("/dns/api/v1/recent"); json.Unmarshal([]byte(body), &recent) != nil || len(recent.Blocked) != 1 {
			t.Errorf("strip %q: the device's own names: %s", strip, body)
		}
		r, err := http.Post(proxy.URL+"/dns/api/v1/pause", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusForbidden {
			t.Errorf("strip %q: pausing without a password: %s", strip, r.Status)
		}
		p.stop()
	}
}

// A token that the command makes does what its scope says.
func TestTokenCommand(t *testing.T) {
	p := prepare(t, "")
	status, out := p.command("token", "doorbell", "--scope", "pause,read", "--expires", "2126-12-31")
	if status != 0 {
		t.Fatalf("%d %s", status, out)
	}
	first, lines, _ := strings.Cut(out, "\n")
	secret := first[strings.LastIndex(first, " ")+1:]
	p.write(basics("127.0.0.1:9") + starterList + lines)
	p.start()
	for path, want := range map[string]int{"pause": http.StatusOK, "lists/refresh": http.StatusForbidden} {
		r, err := http.NewRequest(http.MethodPost, p.web+"/api/v1/"+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, answer.Status, want)
		}
	}
	for token, want := range map[string]string{secret: "blocking is off until", "dp_wrong": "there is no such token"} {
		t.Setenv(tokenVariable, token)
		t.Setenv(passwordVariable, "not asked for")
		if _, out := p.command("pause", "5m", "--web", strings.TrimPrefix(p.web, "http://")); !strings.Contains(out, want) {
			t.Errorf("pause with a token: %s, want %q", out, want)
		}
	}
	p.stop()
	for _, args := range [][]string{{"token"}, {"token", "x"}, {"token", "x", "--scope", "all"}, {"token", "x", "--scope", "read", "--expires", "soon"}, {"token", "a\"b", "--scope", "read"}} {
		if status, out := p.command(args...); status != 2 {
			t.Errorf("%v: %d %s", args, status, out)
		}
	}
}
