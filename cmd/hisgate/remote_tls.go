package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
)

// tlsConfig is what the flags say of TLS; nil = speak without it.
func (f serverFlags) tlsConfig() (*tls.Config, error) {
	if !f.TLS && f.CAFile == "" && f.CertFile == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CAFile != "" {
		b, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, nobody("--ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(b) {
			return nil, nobody("--ca-file %s: holds no certificate in PEM", f.CAFile)
		}
	}
	if f.CertFile != "" || f.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, nobody("--cert-file, --key-file: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// shownToken goes with every call. It never crosses a network in the clear: dial
// speaks plainly to loopback addresses alone.
type shownToken string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t shownToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (shownToken) RequireTransportSecurity() bool { return false }
