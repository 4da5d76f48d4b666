package natsfeed

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// Find is described by feed.Looker. It asks for no more than Run, so that it needs
// no right more.
func (d *driver) Find(ctx context.Context) (feed.Sight, error) {
	seen, err := d.settings.find(ctx)
	if err != nil {
		return seen, fmt.Errorf("nats: %w", err)
	}
	return seen, nil
}

func (s Settings) find(ctx context.Context) (feed.Sight, error) {
	seen := feed.Sight{Place: fmt.Sprintf("stream %s, consumer %s", s.Stream, s.Durable), Waiting: -1}
	conn, err := s.connect(ctx)
	if err != nil {
		return seen, err
	}
	defer conn.close()
	js, err := jetstream.New(conn.Conn, jetstream.WithDefaultTimeout(s.ConnectTimeout))
	if err != nil {
		return seen, err
	}
	consumer, err := js.Consumer(conn.ctx, s.Stream, s.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound) && s.Create != CreateNothing,
		errors.Is(err, jetstream.ErrStreamNotFound) && s.Create == CreateStream:
		seen.Absent = true
		return seen, nil
	case err != nil:
		return seen, causeOf(conn.ctx, fmt.Errorf("%s: %w", seen.Place, err))
	}
	info := consumer.CachedInfo()
	if err := s.fits(conn.ctx, js, info.Config); err != nil {
		return seen, causeOf(conn.ctx, fmt.Errorf("%s: %w", seen.Place, err))
	}
	seen.Waiting = int64(info.NumPending) + int64(info.NumAckPending)
	return seen, nil
}
