package rabbitfeed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// broker is a private node of RabbitMQ.
type broker struct{ *privateserver.RabbitMQ }

// startBroker starts a node. Where it is not installed the test is skipped by
// name.
func startBroker(t *testing.T) *broker {
	t.Helper()
	// Erlang's paths may not be long, and the node is another user.
	above, err := os.MkdirTemp("", "rabbit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(above) })
	dir := filepath.Join(above, "n")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	node, err := privateserver.StartRabbitMQ(dir, "")
	if missing := (*privateserver.MissingError)(nil); errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := &broker{node}
	b.answers(t)
	return b
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
