package rabbitfeed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
)

func TestDriver(t *testing.T) {
	b := startBroker(t)
	places := 0
	feedtest.Run(t, func(t *testing.T) *feedtest.Source {
		places++
		return b.place(t, fmt.Sprintf("q%d", places))
	})
}

// place is a queue of its own.
func (b *broker) place(t *testing.T, name string) *feedtest.Source {
	proxy := feedtest.NewProxy(t, b.address())
	s := settings(t, proxy.Addr(), name)
	s.Heartbeat = time.Second
	published := 0
	return &feedtest.Source{
		Driver: open(t, s), Proxy: proxy, Lag: true, Silence: true, LookBegins: true, Kill: b.kill,
		Publish: func(t testing.TB, _ int, bodies []string) {
			b.publish(t, s.Exchange, "stock."+name, bodies)
			published += len(bodies)
		},
		Buried: func(t testing.TB) []feedtest.Letter { return b.letters(t, s.DeadLetterQueue) },
		// Asked while the first batch is being taken, when one message was acknowledged.
		Held: func(t testing.TB) int { return published - 1 - b.ready(t, name) },
	}
}

// settings have everything made.
func settings(t testing.TB, address, queue string) rabbitfeed.Settings {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("guest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return rabbitfeed.Settings{
		Addresses: []string{address}, User: "guest", PasswordFile: password,
		Queue: queue, Create: rabbitfeed.CreateExchange, Exchange: "x." + queue, RoutingKeys: []string{"stock.#"},
		DeadLetterQueue: "dead." + queue,
	}
}

func open(t testing.TB, s rabbitfeed.Settings) feed.Driver {
	t.Helper()
	d, err := rabbitfeed.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// publish waits until the node keeps everything.
func (b *broker) publish(t testing.TB, exchange, key string, bodies []string) {
	t.Helper()
	ch, hangUp := b.channel(t)
	defer hangUp()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	var waiting []*amqp.DeferredConfirmation
	for i, body := range bodies {
		c, err := ch.PublishWithDeferredConfirm(exchange, key, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, c)
		if i < len(bodies)-1 && len(waiting) < 1000 {
			continue
		}
		for _, c := range waiting {
			if !c.Wait() {
				t.Fatal("not confirmed")
			}
		}
		waiting = waiting[:0]
	}
}

// ready is the number of messages that have not been given to a reader.
func (b *broker) ready(t testing.TB, queue string) int {
	t.Helper()
	ch, hangUp := b.channel(t)
	defer hangUp()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

func (b *broker) letters(t testing.TB, queue string) []feedtest.Letter {
	t.Helper()
	ch, hangUp := b.channel(t)
	defer hangUp()
	var out []feedtest.Letter
	for {
		d, ok, err := ch.Get(queue, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		id, _ := d.Headers["Hisgate-Message-Id"].(string)
		reason, _ := d.Headers["Hisgate-Reason"].(string)
		out = append(out, feedtest.Letter{Body: string(d.Body), ID: id, Reason: reason})
	}
}
