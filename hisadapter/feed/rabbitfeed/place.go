package rabbitfeed

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// prepare makes what Create says and returns a channel that reads the queue, with
// the number of messages that wait there.
func (s Settings) prepare(conn *amqp.Connection, batch int) (*amqp.Channel, <-chan amqp.Delivery, int, error) {
	if s.Create != CreateNothing && s.DeadLetterQueue != "" {
		if err := s.ensureQueue(conn, s.DeadLetterQueue, amqp.Table{}); err != nil {
			return nil, nil, 0, fmt.Errorf("dead_letter_queue %s: %w", s.DeadLetterQueue, err)
		}
	}
	if s.Create == CreateExchange {
		if err := s.ensureExchange(conn); err != nil {
			return nil, nil, 0, fmt.Errorf("exchange %s: %w", s.Exchange, err)
		}
	}
	if s.Create != CreateNothing {
		if err := s.ensureQueue(conn, s.Queue, amqp.Table{amqp.QueueMessageTTLArg: s.QueueMaxAge.Milliseconds()}); err != nil {
			return nil, nil, 0, fmt.Errorf("queue %s: %w", s.Queue, err)
		}
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, 0, err
	}
	if s.Create != CreateNothing {
		for _, key := range s.RoutingKeys {
			if err := ch.QueueBind(s.Queue, key, s.Exchange, false, nil); err != nil {
				return nil, nil, 0, fmt.Errorf("bind queue %s to exchange %s: %w", s.Queue, s.Exchange, err)
			}
		}
	}
	queue, err := ch.QueueDeclarePassive(s.Queue, true, false, false, false, nil)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("queue %s: %w", s.Queue, err)
	}
	if err := ch.Qos(batch, 0, false); err != nil {
		return nil, nil, 0, fmt.Errorf("prefetch: %w", err)
	}
	deliveries, err := ch.Consume(s.Queue, "", false, !s.Shared, false, false, nil)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read queue %s: %w", s.Queue, err)
	}
	return ch, deliveries, queue.Messages, nil
}

// ensureQueue leaves a queue alone that is there, whatever it is like.
func (s Settings) ensureQueue(conn *amqp.Connection, name string, args amqp.Table) error {
	args[amqp.QueueTypeArg] = s.QueueType
	args[amqp.QueueMaxLenBytesArg] = s.QueueMaxBytes
	return ensure(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	}, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		return err
	})
}

func (s Settings) ensureExchange(conn *amqp.Connection) error {
	return ensure(conn, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(s.Exchange, "topic", true, false, false, false, nil)
	}, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(s.Exchange, "topic", true, false, false, false, nil)
	})
}

// ensure makes what look does not find. An error closes a channel, so each has
// its own.
func ensure(conn *amqp.Connection, look, create func(*amqp.Channel) error) error {
	err := with(conn, look)
	if missing(err) {
		return with(conn, create)
	}
	return err
}

func with(conn *amqp.Connection, do func(*amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := do(ch); err != nil {
		return err
	}
	return ch.Close()
}
