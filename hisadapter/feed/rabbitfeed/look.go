package rabbitfeed

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

var _ feed.Looker = (*driver)(nil)

// mostWaiting bounds the queue to look with, at the server.
const mostWaiting = 1000

// Look is described by feed.Looker. It binds a queue of its own to the exchange,
// which goes with the connection, and so shows what is published from now on: what
// waits in the feed's queue cannot be read without being taken out of its place.
func (d *driver) Look(ctx context.Context, sink feed.Sink) error {
	if err := d.look(ctx, sink); err != nil && ctx.Err() == nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	return nil
}

func (d *driver) look(ctx context.Context, sink feed.Sink) error {
	s := d.settings
	if s.Exchange == "" {
		return errors.New("a queue whose bindings are not known (create: nothing) cannot be looked at without taking messages out of their place")
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	ch, deliveries, err := s.beside(conn.Connection, sink.Batch)
	if err != nil {
		return err
	}
	if conn.calm() {
		return ctx.Err()
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	sink.Connected()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case delivery, ok := <-deliveries:
			if !ok {
				return reason(closed)
			}
			if err := sink.Deliver(ctx, []feed.Message{s.message(&delivery)}); err != nil {
				return err
			}
			if err := delivery.Ack(false); err != nil { // it is a copy
				return err
			}
		}
	}
}

// beside reads a queue that only this connection has.
func (s Settings) beside(conn *amqp.Connection, batch int) (*amqp.Channel, <-chan amqp.Delivery, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	queue, err := ch.QueueDeclare("", false, true, true, false, amqp.Table{amqp.QueueMaxLenArg: mostWaiting})
	if err != nil {
		return nil, nil, fmt.Errorf("a queue to look with: %w", err)
	}
	for _, key := range s.RoutingKeys {
		if err := ch.QueueBind(queue.Name, key, s.Exchange, false, nil); err != nil {
			return nil, nil, fmt.Errorf("bind a queue to exchange %s: %w", s.Exchange, err)
		}
	}
	if err := ch.Qos(batch, 0, false); err != nil {
		return nil, nil, fmt.Errorf("prefetch: %w", err)
	}
	deliveries, err := ch.Consume(queue.Name, "", false, true, false, false, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read a queue to look with: %w", err)
	}
	return ch, deliveries, nil
}
