package kafkafeed_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// TestLogin is SASL over TLS.
func TestLogin(t *testing.T) {
	files := feedtest.NewCertificates(t)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "stock"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}),
		kfake.EnableSASL(), kfake.Superuser("PLAIN", "p", "geheim"), kfake.Superuser("SCRAM-SHA-256", "s", "geheim"), kfake.Superuser("SCRAM-SHA-512", "x", "geheim"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	password := filepath.Join(t.TempDir(), "password")
	for name, test := range map[string]struct{ sasl, user, password, want string }{
		"plain":          {kafkafeed.Plain, "p", "geheim", ""},
		"scram 256":      {kafkafeed.ScramSHA256, "s", "geheim", ""},
		"scram 512":      {kafkafeed.ScramSHA512, "x", "geheim", ""},
		"wrong password": {kafkafeed.ScramSHA512, "x", "falsch", "connect"},
	} {
		if err := os.WriteFile(password, []byte(test.password), 0o600); err != nil {
			t.Fatal(err)
		}
		d := open(t, kafkafeed.Settings{
			Addresses: cluster.ListenAddrs(), Topics: []string{"stock"}, Group: "g" + test.user, TLS: link.TLS{Enabled: true, CAFile: files.CA},
			SASL: test.sasl, User: test.user, PasswordFile: password,
		})
		ctx, cancel := context.WithCancel(t.Context())
		s := feed.Sink{Batch: 10, Connected: cancel, Disconnected: func(error) {}, Lag: func(int64) {}, Missed: func(string) {}}
		err := d.Run(ctx, s)
		cancel()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), test.password)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
