package natsfeed_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
)

// TestLogin is every way in, over TLS with certificates on both sides.
func TestLogin(t *testing.T) {
	files, other := feedtest.NewCertificates(t), feedtest.NewCertificates(t)
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	seed, _ := user.Seed()
	b := startBroker(t, fmt.Sprintf(`
		tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }
		authorization { users = [ {user: reader, password: geheim}, {nkey: %s} ] }`,
		files.Cert, files.Key, files.CA, public),
		nats.RootCAs(files.CA), nats.ClientCert(files.Cert, files.Key), nats.UserInfo("reader", "geheim"))
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := natsfeed.Settings{
		Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"s"}, Durable: "d", Create: natsfeed.CreateStream, ConnectTimeout: 10 * time.Second,
		TLS: link.TLS{Enabled: true, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key},
	}
	for name, test := range map[string]struct {
		change func(*natsfeed.Settings)
		want   string
	}{
		"password":       {func(s *natsfeed.Settings) { s.User, s.PasswordFile = "reader", file("good", "geheim\n") }, ""},
		"nkey":           {func(s *natsfeed.Settings) { s.NKeyFile = file("seed", string(seed)) }, ""},
		"wrong password": {func(s *natsfeed.Settings) { s.User, s.PasswordFile = "reader", file("bad", "falsch") }, "Authorization Violation"},
		"no seed":        {func(s *natsfeed.Settings) { s.NKeyFile = file("none", "falsch") }, "nkey_file"},
		"no token":       {func(s *natsfeed.Settings) { s.TokenFile = filepath.Join(dir, "missing") }, "token_file"},
		"no creds":       {func(s *natsfeed.Settings) { s.CredsFile = file("creds", "falsch") }, "connect"},
		"stranger":       {func(s *natsfeed.Settings) { s.TLS.CAFile = other.CA }, "certificate"},
	} {
		s := good
		test.change(&s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		k := sink(nil)
		k.Connected = cancel
		err := open(t, s).Run(ctx, k)
		if test.want == "" && (err != nil || ctx.Err() != context.Canceled) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "falsch") || strings.Contains(err.Error(), string(seed))) {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
		cancel()
	}
}
