package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificateEvery is how often the files are looked at: a renewed certificate is in use
// within 10 s.
const certificateEvery = 5 * time.Second

// keyPair is a certificate with the content that it was made of.
type keyPair struct {
	*tls.Certificate
	sum [sha256.Size]byte
}

// loadKeyPair reads a certificate chain and its key, both PEM.
func loadKeyPair(certificate, key string) (*keyPair, error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	private, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certificate, key, err)
	}
	return &keyPair{&pair, sha256.Sum256(bytes.Join([][]byte{chain, private}, []byte{0}))}, nil
}

// certificate is the one of [dns] certificate and private_key, for every listener that
// speaks TLS. Files that change are in use soon after; files that are of no use leave
// the last good ones in use. It is safe for concurrent use.
type certificate struct {
	log     *slog.Logger
	files   atomic.Pointer[[2]string]
	now     atomic.Pointer[keyPair]
	trouble atomic.Pointer[string] // as it was told to the log
}

// use exchanges the files for those of a new configuration.
func (c *certificate) use(files [2]string, pair *keyPair) {
	c.files.Store(&files)
	c.now.Store(pair)
}

// run looks for changes until ctx ends.
func (c *certificate) run(ctx context.Context) {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

// look takes over files that have changed.
func (c *certificate) look() {
	files := c.files.Load()
	if files == nil || files[0] == "" {
		return
	}
	pair, err := loadKeyPair(files[0], files[1])
	if err != nil {
		if text := err.Error(); c.trouble.Load() == nil || *c.trouble.Load() != text {
			c.trouble.Store(&text)
			c.log.Error("the certificate cannot be read again; the one that was read before stays in use", "err", err)
		}
		return
	}
	c.trouble.Store(nil)
	if old := c.now.Load(); old == nil || old.sum != pair.sum {
		c.now.Store(pair)
		c.log.Info("a new certificate is in use", "file", files[0], "until", pair.Leaf.NotAfter)
	}
}

// config is for servers that speak protocols over TLS, named as ALPN does (RFC 7301).
func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair := c.now.Load()
			if pair == nil { // it was turned off since the client connected
				return nil, errors.New("there is no certificate any more")
			}
			return pair.Certificate, nil
		},
	}
}

// wantsCertificate says which key makes the certificate be needed, "" when none does.
func (c *Config) wantsCertificate() string {
	if c.Web.TLS {
		return "web.tls"
	}
	return ""
}

// keyPair reads the certificate of a configuration, nil where there is none.
func (c *Config) keyPair() (*keyPair, error) {
	if c.DNS.Certificate == "" {
		return nil, nil
	}
	pair, err := loadKeyPair(c.DNS.Certificate, c.DNS.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.at("dns.certificate"), err)
	}
	return pair, nil
}

// pinned trusts the certificate of a configuration and no other, whatever names are in
// it: for commands that talk to the server on the same machine. They do without the key,
// which is the server's alone.
func (c *Config) pinned() (*tls.Config, error) {
	text, err := os.ReadFile(c.DNS.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.at("dns.certificate"), err)
	}
	var leaf []byte
	for block, rest := pem.Decode(text); block != nil && leaf == nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			leaf = block.Bytes
		}
	}
	if leaf == nil {
		return nil, fmt.Errorf("%s: there is no certificate in %s", c.at("dns.certificate"), c.DNS.Certificate)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // what is verified instead is whose certificate it is
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, leaf) {
				return fmt.Errorf("another certificate than that of %s is in use there: %w", c.at("dns.certificate"), x509.UnknownAuthorityError{})
			}
			return nil
		},
	}, nil
}
