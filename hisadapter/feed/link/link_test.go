package link_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// TestTLS reaches a server that demands a certificate of its own authority.
func TestTLS(t *testing.T) {
	own, other := feedtest.NewCertificates(t), feedtest.NewCertificates(t)
	address := listen(t, own)
	for name, test := range map[string]struct {
		s    link.TLS
		want string
	}{
		"good":            {link.TLS{Enabled: true, CAFile: own.CA, CertFile: own.Cert, KeyFile: own.Key}, ""},
		"its other name":  {link.TLS{Enabled: true, CAFile: own.CA, CertFile: own.Cert, KeyFile: own.Key, ServerName: "127.0.0.1"}, ""},
		"another name":    {link.TLS{Enabled: true, CAFile: own.CA, CertFile: own.Cert, KeyFile: own.Key, ServerName: "example.cn"}, "example.cn"},
		"other authority": {link.TLS{Enabled: true, CAFile: other.CA, CertFile: own.Cert, KeyFile: own.Key}, "certificate"},
		"of the system":   {link.TLS{Enabled: true, CertFile: own.Cert, KeyFile: own.Key}, "certificate"},
		"stranger":        {link.TLS{Enabled: true, CAFile: own.CA, CertFile: other.Cert, KeyFile: other.Key}, "certificate"},
		"nobody":          {link.TLS{Enabled: true, CAFile: own.CA}, "certificate"},
		"no authority":    {link.TLS{Enabled: true, CAFile: own.Key}, "ca_file"},
		"no file":         {link.TLS{Enabled: true, CAFile: own.CA + "x"}, "ca_file"},
		"no pair":         {link.TLS{Enabled: true, CertFile: own.Cert, KeyFile: other.Key}, "key_file"},
	} {
		err := dial(address, test.s)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if c, err := (link.TLS{}).Config(); c != nil || err != nil {
		t.Errorf("not enabled: %v, %v", c, err)
	}
	if c, _ := (link.TLS{Enabled: true}).Config(); c == nil || c.MinVersion != tls.VersionTLS12 {
		t.Error("the oldest version is not 1.2 by itself")
	}
	if c, _ := (link.TLS{Enabled: true, Min: "1.0"}).Config(); c == nil || c.MinVersion != tls.VersionTLS10 {
		t.Error("1.0 cannot be had")
	}
}

func dial(address string, s link.TLS) error {
	config, err := s.Config()
	if err != nil {
		return err
	}
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1)) // in TLS 1.3 the server's refusal comes here
	return err
}

// listen says one byte to everybody whose certificate is of the authority.
func listen(t *testing.T, c feedtest.Certificates) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				_, _ = c.Write([]byte{1})
			}(c)
		}
	}()
	return l.Addr().String()
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"geheim": "geheim", "geheim\n": "geheim", "geheim\r\n": "geheim", " 密 码 \n": " 密 码 ",
		"": "", "\n": "", "geheim\nmehr\n": "", strings.Repeat("x", 2<<20): "",
	} {
		file := filepath.Join(dir, "secret")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := link.Secret(file)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("the error shows it: %v", err)
		}
	}
	if s, err := link.Secret(""); s != "" || err != nil {
		t.Errorf("no file: %q, %v", s, err)
	}
	if _, err := link.Secret(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file is no error")
	}
}
