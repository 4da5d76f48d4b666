package feeds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// openRabbitMQ starts a node. A change is committed when the node has confirmed
// that it keeps the message.
func openRabbitMQ(ctx context.Context, dir string) (*source, error) {
	if err := os.Chmod(dir, 0o755); err != nil { // the node is another user
		return nil, err
	}
	place := filepath.Join(dir, "n")
	if err := os.Mkdir(place, 0o700); err != nil {
		return nil, err
	}
	node, err := privateserver.StartRabbitMQ(place, "")
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", node.Port)
	var conn *amqp.Connection
	var ready error
	for range 4 {
		if ready = node.Node().Ready(ctx, func(context.Context) (err error) {
			conn, err = amqp.Dial("amqp://" + address)
			return err
		}); ready == nil {
			break
		}
	}
	if ready != nil {
		return nil, errors.Join(ready, node.Stop())
	}
	stop := func() error { return errors.Join(conn.Close(), node.Stop()) }
	ch, err := conn.Channel()
	if err == nil {
		err = errors.Join(ch.Confirm(false), ch.ExchangeDeclare("his.events", "topic", true, false, false, false, nil))
	}
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("guest"), 0o600); err != nil {
		return nil, errors.Join(err, stop())
	}
	driver, err := rabbitfeed.New(rabbitfeed.Settings{
		Addresses: []string{address}, User: "guest", PasswordFile: password,
		Queue: "bench", Exchange: "his.events", RoutingKeys: []string{"stock.#"}, ConnectTimeout: 30 * time.Second,
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &source{
		driver: driver,
		commit: func(ctx context.Context, drug string, onHand int64) error {
			c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "his.events", "stock."+drug, false, false,
				amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: bodyOf(drug, onHand)})
			if err != nil {
				return err
			}
			if ok, err := c.WaitContext(ctx); err != nil || !ok {
				return fmt.Errorf("the node did not confirm a message: %w", err)
			}
			return nil
		},
		close: stop,
	}, nil
}
