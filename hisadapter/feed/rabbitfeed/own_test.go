package rabbitfeed_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
)

var errEnough = errors.New("enough")

// sink takes batches.
func sink(deliver func(context.Context, []feed.Message) error) feed.Sink {
	return feed.Sink{Batch: 10, Connected: func() {}, Disconnected: func(error) {}, Lag: func(int64) {}, Missed: func(string) {}, Deliver: deliver}
}

// one waits for a batch, and for what do says of it.
func one(t *testing.T, d feed.Driver, do func(context.Context, feed.Message)) {
	t.Helper()
	err := d.Run(t.Context(), sink(func(ctx context.Context, batch []feed.Message) error {
		do(ctx, batch[0])
		return errEnough
	}))
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

// TestBroker is everything that needs no node of its own.
func TestBroker(t *testing.T) {
	b := startBroker(t)
	t.Run("a queue is read by one", func(t *testing.T) { testExclusive(t, b) })
	t.Run("what is not there", func(t *testing.T) { testMissing(t, b) })
	t.Run("wrong password", func(t *testing.T) { testPassword(t, b) })
	t.Run("over TLS", func(t *testing.T) { testTLS(t, b) })
	t.Run("quorum queue", func(t *testing.T) { testQuorum(t, b) })
	t.Run("burial without a queue", func(t *testing.T) { testBurial(t, b) })
	t.Run("what a message says", func(t *testing.T) { testMessage(t, b) })
	t.Run("queue deleted while it is read", func(t *testing.T) { testDeleted(t, b) })
}

// running runs a driver until the test ends, and returns when it is connected.
func running(t *testing.T, d feed.Driver) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	connected, done := make(chan struct{}), make(chan error, 1)
	s := sink(func(context.Context, []feed.Message) error { return nil })
	s.Connected = func() { close(connected) }
	go func() { done <- d.Run(ctx, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-connected:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
}

func testExclusive(t *testing.T, b *broker) {
	s := settings(t, b.address(), "exclusive")
	running(t, open(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	second := sink(nil)
	second.Connected = cancel // which is a fault
	if err := open(t, s).Run(ctx, second); err == nil || !strings.Contains(err.Error(), "exclusive") {
		t.Errorf("a second reader: %v", err)
	}
	shared := settings(t, b.address(), "shared")
	shared.Shared = true
	running(t, open(t, shared))
	running(t, open(t, shared))
}

func testMissing(t *testing.T, b *broker) {
	s := settings(t, b.address(), "missing")
	s.Create = rabbitfeed.CreateQueue
	if err := open(t, s).Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), "x.missing") {
		t.Errorf("no exchange: %v", err)
	}
	s.Create, s.Exchange, s.RoutingKeys, s.Queue = rabbitfeed.CreateNothing, "", nil, "nowhere"
	if err := open(t, s).Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), "queue nowhere") {
		t.Errorf("no queue: %v", err)
	}
	s.VHost = "strange"
	if err := open(t, s).Run(t.Context(), sink(nil)); err == nil {
		t.Error("no such vhost, and no error")
	}
}

func testPassword(t *testing.T, b *broker) {
	s := settings(t, b.address(), "password")
	if err := os.WriteFile(s.PasswordFile, []byte("very wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := open(t, s).Run(t.Context(), sink(nil))
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "very wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	s.PasswordFile += "x"
	if err := open(t, s).Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), "password_file") {
		t.Errorf("no password file: %v", err)
	}
}

func testTLS(t *testing.T, b *broker) {
	s := settings(t, b.tls, "tls")
	s.TLS = link.TLS{Enabled: true, CAFile: b.files.CA, CertFile: b.files.Cert, KeyFile: b.files.Key}
	running(t, open(t, s))
	s.TLS.CAFile = feedtest.NewCertificates(t).CA
	if err := open(t, s).Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that another authority knows: %v", err)
	}
}

func testQuorum(t *testing.T, b *broker) {
	s := settings(t, b.address(), "quorum")
	s.QueueType = rabbitfeed.Quorum
	d := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	k := sink(nil)
	k.Connected = cancel // the queue and its binding are there
	if err := d.Run(ctx, k); err != nil {
		t.Fatal(err)
	}
	b.publish(t, s.Exchange, "stock.a", []string{"1", "2"})
	for range 2 { // refused the first time
		one(t, d, func(_ context.Context, m feed.Message) {
			if string(m.Body) != "1" {
				t.Errorf("got %q", m.Body)
			}
		})
	}
}

func testBurial(t *testing.T, b *broker) {
	s := settings(t, b.address(), "burial")
	d := open(t, s).(feed.Burier)
	running(t, d)
	ch, hangUp := b.channel(t)
	defer hangUp()
	m := feed.Message{ID: "1", Body: []byte("x")}
	if _, err := ch.QueueDelete(s.DeadLetterQueue, false, false, false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.Bury(t.Context(), m, "reason"); err == nil || !strings.Contains(err.Error(), "NO_ROUTE") {
			t.Errorf("no queue: %v", err)
		}
	}
	if _, err := ch.QueueDeclare(s.DeadLetterQueue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Bury(t.Context(), m, strings.Repeat("长", 4000)); err != nil {
		t.Errorf("the queue is there again: %v", err)
	}
	if got := b.letters(t, s.DeadLetterQueue); len(got) != 1 || !strings.HasPrefix(got[0].Reason, "长长") || strings.Contains(got[0].Reason, "\ufffd") {
		t.Errorf("letters: %.100v", got)
	}
	s.DeadLetterQueue = ""
	if err := open(t, s).(feed.Burier).Bury(t.Context(), m, ""); !errors.Is(err, feed.ErrNoBurial) {
		t.Errorf("no place: %v", err)
	}
}

func testMessage(t *testing.T, b *broker) {
	s := settings(t, b.address(), "message")
	d := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	k := sink(nil)
	k.Connected = cancel
	if err := d.Run(ctx, k); err != nil {
		t.Fatal(err)
	}
	ch, hangUp := b.channel(t)
	defer hangUp()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	err := ch.PublishWithContext(t.Context(), s.Exchange, "stock.HLWYF", true, false, amqp.Publishing{
		Body: []byte("body"), ContentType: "application/xml", MessageId: "M1", Timestamp: at, DeliveryMode: amqp.Persistent,
		Headers: amqp.Table{"text": "值", "number": int64(7), "table": amqp.Table{"a": "b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	one(t, d, func(_ context.Context, m feed.Message) {
		if m.ID != "message:M1" || m.ContentType != "application/xml" || !m.At.Equal(at) || m.Sequence != 0 {
			t.Errorf("%+v", m)
		}
		for name, want := range map[string]string{"routing_key": "stock.HLWYF", "exchange": s.Exchange, "header.text": "值", "header.number": "7", "header.table": ""} {
			if m.Attributes[name] != want {
				t.Errorf("%s is %q", name, m.Attributes[name])
			}
		}
	})
}

func testDeleted(t *testing.T, b *broker) {
	s := settings(t, b.address(), "deleted")
	k := sink(nil)
	k.Connected = func() {
		ch, hangUp := b.channel(t)
		defer hangUp()
		if _, err := ch.QueueDelete("deleted", false, false, false); err != nil {
			t.Error(err)
		}
	}
	if err := open(t, s).Run(t.Context(), k); err == nil || !strings.Contains(err.Error(), "delete") {
		t.Errorf("Run ended with %v", err)
	}
}
