package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

var _ feed.Looker = (*driver)(nil)

// Look is described by feed.Looker. It reads by a consumer of its own, which needs no
// acknowledgement and is deleted at the end, or by the server a minute later. The
// right to make one is $JS.API.CONSUMER.CREATE.STREAM.>. A stream of which messages
// are removed when they are acknowledged (retention: workqueue) admits none.
func (d *driver) Look(ctx context.Context, sink feed.Sink) error {
	if err := d.look(ctx, sink); err != nil && ctx.Err() == nil {
		return fmt.Errorf("nats: %w", err)
	}
	return nil
}

func (d *driver) look(ctx context.Context, sink feed.Sink) (err error) {
	s := d.settings
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	js, err := jetstream.New(conn.Conn, jetstream.WithDefaultTimeout(s.ConnectTimeout))
	if err != nil {
		return err
	}
	want, err := s.beside(conn.ctx, js)
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", s.Durable, s.Stream, err)
	}
	consumer, err := js.CreateConsumer(conn.ctx, s.Stream, want)
	if err != nil {
		return fmt.Errorf("stream %s: a consumer to look with: %w", s.Stream, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.ConnectTimeout)
		defer cancel()
		_ = js.DeleteConsumer(ctx, s.Stream, consumer.CachedInfo().Name) // else the server does
	}()
	sink.Connected()
	r := newReader(s, sink, nil, &memory{})
	for conn.ctx.Err() == nil {
		if err := r.show(ctx, conn.ctx, consumer); err != nil {
			return causeOf(conn.ctx, err)
		}
	}
	return context.Cause(conn.ctx)
}

// beside is a consumer that begins with the first message which the feed's own has
// not acknowledged. Where that is not there, it begins as that would.
func (s Settings) beside(ctx context.Context, js jetstream.JetStream) (jetstream.ConsumerConfig, error) {
	want := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: s.Subjects,
		InactiveThreshold: time.Minute, MemoryStorage: true,
	}
	if s.Start == StartAll {
		want.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	own, err := js.Consumer(ctx, s.Stream, s.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) && s.Create != CreateNothing {
		return want, nil
	}
	if err != nil {
		return want, err
	}
	info := own.CachedInfo()
	want.FilterSubjects = filters(info.Config)
	want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, info.AckFloor.Stream+1
	return want, nil
}

// show brings what comes within one request.
func (r *reader) show(ctx, life context.Context, consumer jetstream.Consumer) error {
	within, cancel := context.WithTimeout(life, fetchFor)
	defer cancel()
	batch, err := consumer.Fetch(r.sink.Batch, jetstream.FetchContext(within))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	var failed error
	for m := range batch.Messages() {
		at, err := m.Metadata()
		if err == nil && failed == nil {
			err = r.sink.Deliver(ctx, []feed.Message{r.message(&held{m, at})})
		}
		if err != nil && failed == nil {
			failed = err
			cancel()
		}
	}
	if failed != nil {
		return failed
	}
	if err := batch.Error(); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}
