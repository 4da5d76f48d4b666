package rabbitfeed

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// Find is described by feed.Looker.
func (d *driver) Find(ctx context.Context) (feed.Sight, error) {
	seen, err := d.settings.find(ctx)
	if err != nil {
		return seen, fmt.Errorf("rabbitmq: %w", err)
	}
	return seen, nil
}

func (s Settings) find(ctx context.Context) (feed.Sight, error) {
	seen := feed.Sight{Place: "queue " + s.Queue, Waiting: -1}
	conn, err := s.connect(ctx)
	if err != nil {
		return seen, err
	}
	defer conn.close()
	err = with(conn.Connection, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(s.Queue, true, false, false, false, nil)
		seen.Waiting = int64(q.Messages)
		return err
	})
	if missing(err) && s.Create != CreateNothing {
		seen.Absent, seen.Waiting = true, -1
		if err = s.findExchange(conn.Connection); err == nil {
			return seen, nil
		}
		seen.Place = "exchange " + s.Exchange
	}
	if err != nil {
		seen.Waiting = -1
		return seen, errors.Join(fmt.Errorf("%s: %w", seen.Place, err), ctx.Err())
	}
	return seen, nil
}

// findExchange returns the error of an exchange that should be there, and is not.
func (s Settings) findExchange(conn *amqp.Connection) error {
	if s.Create == CreateExchange || s.Exchange == "" {
		return nil
	}
	err := with(conn, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(s.Exchange, "topic", true, false, false, false, nil)
	})
	if missing(err) {
		return err
	}
	return nil // also where we have no right to look at it: Run needs none for that
}

// missing reports whether the server said that there is no such thing.
func missing(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && e.Code == amqp.NotFound
}
