package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// position is a consumer whose next delivery is the first message that is not
// acknowledged.
type position struct {
	consumer jetstream.Consumer
	next     uint64 // the consumer's number of the next delivery
	waiting  uint64 // messages from there on
	made     time.Time
	ackWait  time.Duration
}

// position finds the consumer, or makes it, and puts it back to the first message
// that is not acknowledged. One that is made begins with what was stored since, where
// that is known, else as the settings say.
func (s Settings) position(ctx context.Context, js jetstream.JetStream, batch int, since time.Time) (*position, error) {
	if s.Create == CreateStream {
		if err := s.makeStream(ctx, js); err != nil {
			return nil, err
		}
	}
	consumer, err := s.consumer(ctx, js, batch, since)
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", s.Durable, s.Stream, err)
	}
	info := consumer.CachedInfo()
	if err := s.fits(ctx, js, info.Config); err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", s.Durable, s.Stream, err)
	}
	p := &position{consumer: consumer, ackWait: ackWait(info.Config), made: info.Created}
	if info.NumAckPending > 0 {
		if info, err = s.rewind(ctx, js, p); err != nil {
			return nil, err
		}
	}
	p.next = info.Delivered.Consumer + 1
	p.waiting = info.NumPending + uint64(info.NumAckPending)
	return p, nil
}

// rewind makes the server deliver again what was delivered and not acknowledged,
// before anything else.
func (s Settings) rewind(ctx context.Context, js jetstream.JetStream, p *position) (*jetstream.ConsumerInfo, error) {
	if reset, err := js.ResetConsumer(ctx, s.Stream, s.Durable); err == nil {
		return reset.ConsumerInfo, nil
	}
	// An old server, or no right to. What is not acknowledged is due again when
	// ack_wait is over, counted from its last delivery, which is behind us. The
	// second more is for the server's timer.
	due := time.NewTimer(p.ackWait + time.Second)
	defer due.Stop()
	select {
	case <-due.C:
		return p.consumer.Info(ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s Settings) makeStream(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.Stream(ctx, s.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name: s.Stream, Subjects: s.Subjects, MaxAge: s.StreamMaxAge, MaxBytes: s.StreamMaxBytes,
			Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld,
		})
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.Stream, err)
	}
	return nil
}

func (s Settings) consumer(ctx context.Context, js jetstream.JetStream, batch int, since time.Time) (jetstream.Consumer, error) {
	found, err := js.Consumer(ctx, s.Stream, s.Durable)
	if s.Create == CreateNothing || err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return found, err
	}
	want := jetstream.ConsumerConfig{
		Durable: s.Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.AckWait, MaxDeliver: -1,
		MaxAckPending: batch, DeliverPolicy: jetstream.DeliverNewPolicy,
	}
	switch {
	case !since.IsZero():
		want.DeliverPolicy, want.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	case s.Start == StartAll:
		want.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	if len(s.Subjects) == 1 {
		want.FilterSubject = s.Subjects[0]
	} else {
		want.FilterSubjects = s.Subjects
	}
	if err != nil {
		return js.CreateConsumer(ctx, s.Stream, want)
	}
	// What is there is changed where the settings have changed; where it once began
	// stays.
	is := found.CachedInfo().Config
	if is.AckWait == want.AckWait && is.MaxAckPending == want.MaxAckPending && is.MaxDeliver == want.MaxDeliver && slices.Equal(filters(is), filters(want)) {
		return found, nil
	}
	is.AckWait, is.MaxAckPending, is.MaxDeliver = want.AckWait, want.MaxAckPending, want.MaxDeliver
	is.FilterSubject, is.FilterSubjects = want.FilterSubject, want.FilterSubjects
	return js.UpdateConsumer(ctx, s.Stream, is)
}

func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// fits refuses a consumer that cannot keep the promises.
func (s Settings) fits(ctx context.Context, js jetstream.JetStream, c jetstream.ConsumerConfig) error {
	switch {
	case c.DeliverSubject != "":
		return errors.New("is a push consumer (deliver_subject); a pull consumer is needed")
	case c.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("its ack_policy is %v, and explicit is needed: else messages count as acknowledged that were not", c.AckPolicy)
	case c.MaxDeliver > 0:
		return fmt.Errorf("its max_deliver is %d, and -1 is needed: else a message is lost after so many tries", c.MaxDeliver)
	case c.HeadersOnly:
		return errors.New("it delivers headers only")
	case len(c.PriorityGroups) > 0:
		return errors.New("it has priority groups, and so more than one reader")
	}
	if s.DeadLetterSubject == "" {
		return nil
	}
	read := filters(c)
	if len(read) == 0 { // everything that is in the stream
		stream, err := js.Stream(ctx, s.Stream)
		if err != nil {
			return err
		}
		read = stream.CachedInfo().Config.Subjects
	}
	if coveredByAny(read, s.DeadLetterSubject) {
		return fmt.Errorf("it reads the dead letter subject %s", s.DeadLetterSubject)
	}
	return nil
}

// ackWait is the shortest time after which the server delivers again.
func ackWait(c jetstream.ConsumerConfig) time.Duration {
	if len(c.BackOff) > 0 {
		return slices.Min(c.BackOff)
	}
	if c.AckWait <= 0 {
		return 30 * time.Second // the server's default
	}
	return c.AckWait
}
