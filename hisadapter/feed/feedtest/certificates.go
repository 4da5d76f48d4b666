package feedtest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/testca"
)

// Certificates are files in PEM: an authority, and a certificate that it signed for
// 127.0.0.1, good for servers and for clients.
type Certificates struct{ CA, Cert, Key string }

// NewCertificates makes an authority of its own each time.
func NewCertificates(t testing.TB) Certificates {
	t.Helper()
	dir := t.TempDir()
	c := Certificates{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	ca := testca.New(t, "hisgate test authority")
	cert, key := ca.Issue("hisgate test", time.Hour)
	for file, content := range map[string][]byte{c.CA: ca.PEM, c.Cert: cert, c.Key: key} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
