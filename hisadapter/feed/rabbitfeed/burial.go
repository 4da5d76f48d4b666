package rabbitfeed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// maxReason bounds a reason, which must fit into one frame with the other headers.
const maxReason = 4 << 10

// burial puts letters into the dead letter queue over a channel of its own, which
// waits for the server's confirmations. It is opened when first needed, and again
// after an error has closed it.
type burial struct {
	conn  *amqp.Connection
	queue string

	ch       *amqp.Channel
	returned chan amqp.Return
	calls    sync.WaitGroup // that no context ends
}

// bury is called by one goroutine at a time.
func (b *burial) bury(ctx context.Context, m feed.Message, reason string) error {
	if b.ch == nil || b.ch.IsClosed() {
		if err := b.open(ctx); err != nil {
			return err
		}
	}
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	// The empty exchange leads to the queue whose name is the routing key.
	// Mandatory: where there is no such queue the letter is returned, before it is
	// confirmed.
	confirmation, err := b.ch.PublishWithDeferredConfirmWithContext(ctx, "", b.queue, true, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent, ContentType: m.ContentType, Body: m.Body,
		Headers: amqp.Table{
			"Hisgate-Message-Id": m.ID, "Hisgate-Reason": reason,
			"Hisgate-Exchange": m.Attributes["exchange"], "Hisgate-Routing-Key": m.Attributes["routing_key"],
		},
	})
	if err != nil {
		return err
	}
	kept, err := confirmation.WaitContext(ctx)
	if err != nil {
		// The confirmation may still come, and must not be taken for that of the next.
		old := b.ch
		b.ch = nil
		b.calls.Go(func() { _ = old.Close() })
		return err
	}
	select {
	case r := <-b.returned:
		return fmt.Errorf("queue %s: %s (%d)", b.queue, r.ReplyText, r.ReplyCode)
	default:
	}
	if !kept {
		return fmt.Errorf("queue %s: the server has not kept the letter", b.queue)
	}
	return nil
}

// open opens the channel. The library's calls know no context: where ctx ends
// first, they end with the connection.
func (b *burial) open(ctx context.Context) error {
	type result struct {
		ch  *amqp.Channel
		err error
	}
	opened := make(chan result, 1)
	b.calls.Go(func() {
		ch, err := b.conn.Channel()
		if err == nil {
			err = ch.Confirm(false)
		}
		opened <- result{ch, err}
	})
	select {
	case r := <-opened:
		if r.err != nil {
			return r.err
		}
		b.ch = r.ch
		b.returned = r.ch.NotifyReturn(make(chan amqp.Return, 1))
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), errors.New("the server does not answer"))
	}
}

// wait returns when no call is under way. The connection has been closed before.
func (b *burial) wait() { b.calls.Wait() }
