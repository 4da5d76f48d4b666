package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// TLS is how the connection to a server is encrypted.
type TLS struct {
	Enabled    bool   `yaml:"enabled" doc:"Encrypt the connection."`
	CAFile     string `yaml:"ca_file" doc:"The authorities (PEM) that may have signed the server's certificate; empty = those of the system."`
	CertFile   string `yaml:"cert_file" doc:"Our own certificate chain (PEM), where the server asks for one."`
	KeyFile    string `yaml:"key_file" doc:"Its key (PEM)."`
	ServerName string `yaml:"server_name" doc:"The name in the server's certificate; empty = the host that is dialled."`
	Min        string `yaml:"min" doc:"The oldest version of TLS that is spoken: 1.0, 1.1, 1.2 or 1.3; empty = 1.2."`
}

// Check returns everything that is wrong, joined; the files are not read.
func (t TLS) Check() error {
	var errs []error
	if !t.Enabled && t != (TLS{}) {
		errs = append(errs, errors.New("tls: enabled is false, but something else is set"))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file belong together"))
	}
	if _, ok := t.version(); !ok {
		errs = append(errs, fmt.Errorf("tls.min: %q is not one of 1.0, 1.1, 1.2, 1.3", t.Min))
	}
	return errors.Join(errs...)
}

func (t TLS) version() (uint16, bool) {
	if t.Min == "" {
		return tls.VersionTLS12, true
	}
	i := slices.Index([]string{"1.0", "1.1", "1.2", "1.3"}, t.Min)
	return tls.VersionTLS10 + uint16(max(i, 0)), i >= 0
}

// Config reads the files. It is nil where TLS is not enabled.
func (t TLS) Config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	version, _ := t.version()
	c := &tls.Config{MinVersion: version, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := read(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate (PEM)", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
