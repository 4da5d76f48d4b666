package natsfeed_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// asServer makes the test program a NATS server: the folder of its data, and its
// port. So a server can be killed without a word, and each is the library's own.
const asServer = "HISGATE_TEST_NATS_SERVER"

func TestMain(m *testing.M) {
	if conf := os.Getenv(asServer); conf != "" {
		fmt.Fprintln(os.Stderr, serve(conf))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve runs a server with a configuration file, until it is killed.
func serve(conf string) error {
	options, err := server.ProcessConfigFile(conf)
	if err != nil {
		return err
	}
	options.NoSigs = true
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return nil
}

// broker is a private server in a process of its own.
type broker struct {
	dir    string
	port   int
	server *privateserver.Server
}

// startBroker starts a server; more is added to its configuration. login is how
// the test itself connects.
func startBroker(t testing.TB, more string, login ...nats.Option) *broker {
	t.Helper()
	port, err := privateserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{dir: t.TempDir(), port: port}
	conf := fmt.Sprintf("listen: 127.0.0.1:%d\njetstream { store_dir: %q }\n%s", port, b.dir, more)
	if err := os.WriteFile(b.conf(), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t, login...)
	t.Cleanup(func() {
		if err := b.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *broker) conf() string { return filepath.Join(b.dir, "server.conf") }

func (b *broker) url() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

func (b *broker) start(t testing.TB, login ...nats.Option) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), asServer+"="+b.conf())
	if b.server, err = privateserver.Start(cmd, "KILL", filepath.Join(b.dir, "log")); err != nil {
		t.Fatal(err)
	}
	js := b.connect(t, login...)
	for giveUp := time.Now().Add(time.Minute); ; {
		if _, err := js.AccountInfo(t.Context()); err == nil {
			return
		} else if time.Now().After(giveUp) {
			t.Fatal(err)
		}
	}
}

// kill ends the server as a crash would and starts it again.
func (b *broker) kill(t testing.TB) {
	t.Helper()
	if err := b.server.Stop(); err != nil {
		t.Fatal(err)
	}
	b.start(t)
}

// connect connects the test to the server, past every proxy.
func (b *broker) connect(t testing.TB, login ...nats.Option) jetstream.JetStream {
	t.Helper()
	var nc *nats.Conn
	for giveUp := time.Now().Add(time.Minute); ; {
		var err error
		if nc, err = nats.Connect(b.url(), append(login, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))...); err == nil {
			break
		} else if time.Now().After(giveUp) {
			t.Fatal(err)
		}
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		t.Fatal(err)
	}
	return js
}
