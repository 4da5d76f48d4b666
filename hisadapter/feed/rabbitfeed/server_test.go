package rabbitfeed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// broker is a private node of RabbitMQ.
type broker struct {
	*privateserver.RabbitMQ
	tls   string // where it speaks over TLS, and wants a certificate
	files feedtest.Certificates
}

// shared is the node of all tests, which takes long to start. TestMain stops it.
var shared struct {
	mu     sync.Mutex
	broker *broker
	dir    string
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.broker != nil {
		if err := shared.broker.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// startBroker returns the node. Where it is not installed the test is skipped by
// name.
func startBroker(t *testing.T) *broker {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.broker == nil && shared.err == nil {
		shared.broker, shared.err = newBroker(t)
	}
	if missing := (*privateserver.MissingError)(nil); errors.As(shared.err, &missing) {
		t.Skip(missing)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	shared.broker.answers(t)
	return shared.broker
}

func newBroker(t *testing.T) (*broker, error) {
	// Erlang's paths may not be long, and the node is another user.
	above, err := os.MkdirTemp("", "rabbit")
	if err != nil {
		return nil, err
	}
	shared.dir = above
	dir := filepath.Join(above, "n")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	b := &broker{}
	config := b.secure(t, above)
	b.RabbitMQ, err = privateserver.StartRabbitMQ(dir, config)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// secure is the part of the configuration for TLS. The files are copied into a
// folder where the node may read them, and where they outlive the test.
func (b *broker) secure(t *testing.T, above string) string {
	t.Helper()
	port, err := privateserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b.tls = fmt.Sprintf("127.0.0.1:%d", port)
	config := "listeners.ssl.1 = " + b.tls + "\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
	files := feedtest.NewCertificates(t)
	b.files = feedtest.Certificates{
		CA: filepath.Join(above, "cacertfile"), Cert: filepath.Join(above, "certfile"), Key: filepath.Join(above, "keyfile"),
	}
	for name, from := range map[string]string{"cacertfile": files.CA, "certfile": files.Cert, "keyfile": files.Key} {
		pem, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(above, name)
		if err := os.WriteFile(to, pem, 0o644); err != nil {
			t.Fatal(err)
		}
		config += "ssl_options." + name + " = " + to + "\n"
	}
	return config
}

func (b *broker) address() string { return fmt.Sprintf("127.0.0.1:%d", b.Port) }

// answers waits until the node does, which takes it long on a busy machine.
func (b *broker) answers(t testing.TB) {
	t.Helper()
	var err error
	for range 4 {
		err = b.Node().Ready(context.Background(), func(context.Context) error {
			c, err := amqp.Dial("amqp://" + b.address())
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err == nil {
			return
		}
	}
	t.Fatal(err)
}

// kill ends the node as a crash would and starts it again.
func (b *broker) kill(t testing.TB) {
	t.Helper()
	if err := errors.Join(b.Kill(), b.Start()); err != nil {
		t.Fatal(err)
	}
	b.answers(t)
}

// channel is a way of the test to the node, past every proxy, and what closes it.
func (b *broker) channel(t testing.TB) (*amqp.Channel, func()) {
	t.Helper()
	c, err := amqp.Dial("amqp://" + b.address())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch, func() { _ = c.Close() }
}
