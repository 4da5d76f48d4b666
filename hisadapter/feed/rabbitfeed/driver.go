package rabbitfeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// lagEvery is how often the server is asked how many messages wait.
const lagEvery = 2 * time.Second

type driver struct {
	settings Settings

	mu     sync.Mutex
	burial *burial // of the Run under way; nil without one
}

var _ feed.Burier = (*driver)(nil)

// Run is described by feed.Driver.
func (d *driver) Run(ctx context.Context, sink feed.Sink) error {
	err := d.run(ctx, sink)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("rabbitmq: %w", err)
}

func (d *driver) run(ctx context.Context, sink feed.Sink) error {
	conn, err := d.settings.connect(ctx)
	if err != nil {
		return err
	}
	b := &burial{conn: conn.Connection, queue: d.settings.DeadLetterQueue}
	defer b.wait() // for calls of it that only the end of the connection ends
	defer conn.close()
	ch, deliveries, waiting, err := d.settings.prepare(conn.Connection, sink.Batch)
	if err != nil {
		return err
	}
	if conn.calm() {
		return ctx.Err()
	}
	d.use(b)
	defer d.use(nil)
	sink.Connected()
	sink.Lag(int64(waiting))
	r := &reader{settings: d.settings, sink: sink, ch: ch, deliveries: deliveries, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}
	return r.run(ctx)
}

func (d *driver) use(b *burial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.burial = b
}

// Bury is described by feed.Burier.
func (d *driver) Bury(ctx context.Context, m feed.Message, reason string) error {
	if d.settings.DeadLetterQueue == "" {
		return feed.ErrNoBurial
	}
	d.mu.Lock()
	b := d.burial
	d.mu.Unlock()
	if b == nil {
		return fmt.Errorf("rabbitmq: bury: %w", amqp.ErrClosed)
	}
	if err := b.bury(ctx, m, reason); err != nil {
		return fmt.Errorf("rabbitmq: bury: %w", err)
	}
	return nil
}

// reader reads one channel.
type reader struct {
	settings   Settings
	sink       feed.Sink
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     <-chan *amqp.Error
}

// run delivers what has come, all that there is at a time.
func (r *reader) run(ctx context.Context) error {
	ask := time.NewTicker(lagEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ask.C:
			if err := r.lag(); err != nil {
				return err
			}
		case first, ok := <-r.deliveries:
			if !ok {
				return r.ended()
			}
			batch := r.gather(first)
			if err := r.deliver(ctx, batch); err != nil {
				return err
			}
			select {
			case <-ask.C: // it may never be quiet
				if err := r.lag(); err != nil {
					return err
				}
			default:
			}
		}
	}
}

// gather takes what else has come already. A channel that closes meanwhile is
// noticed with the next look.
func (r *reader) gather(first amqp.Delivery) []amqp.Delivery {
	batch := []amqp.Delivery{first}
	for len(batch) < r.sink.Batch {
		select {
		case d, ok := <-r.deliveries:
			if !ok {
				return batch
			}
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

func (r *reader) deliver(ctx context.Context, batch []amqp.Delivery) error {
	messages := make([]feed.Message, len(batch))
	for i := range batch {
		messages[i] = r.settings.message(&batch[i])
	}
	if err := r.sink.Deliver(ctx, messages); err != nil {
		return err
	}
	// All up to the last one: what came before it was acknowledged before.
	if err := r.ch.Ack(batch[len(batch)-1].DeliveryTag, true); err != nil {
		return fmt.Errorf("acknowledge: %w", errors.Join(err, r.whyEnded()))
	}
	return nil
}

// lag tells how many messages wait. Where some do, as many as we may hold are
// under way to us besides.
func (r *reader) lag() error {
	q, err := r.ch.QueueDeclarePassive(r.settings.Queue, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("queue %s: %w", r.settings.Queue, err)
	}
	if q.Messages > 0 {
		q.Messages += r.sink.Batch
	}
	r.sink.Lag(int64(q.Messages))
	return nil
}

// ended is why there are no deliveries any more.
func (r *reader) ended() error {
	if err := r.whyEnded(); err != nil {
		return err
	}
	return errors.New("the server has ended the reading: was the queue deleted?")
}

func (r *reader) whyEnded() error {
	if !r.ch.IsClosed() {
		return nil
	}
	return reason(r.closed)
}
