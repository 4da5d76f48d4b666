package kafkafeed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

type driver struct {
	settings Settings
	memory   memory

	mu     sync.Mutex
	client *kgo.Client // of the Run under way; nil without one
}

var _ feed.Burier = (*driver)(nil)

// Run is described by feed.Driver.
func (d *driver) Run(ctx context.Context, sink feed.Sink) error {
	err := d.run(ctx, sink)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("kafka: %w", err)
}

func (d *driver) run(ctx context.Context, sink feed.Sink) error {
	r := newReader(d.settings, sink, &d.memory)
	cl, err := d.settings.open(r)
	if err != nil {
		return err
	}
	defer leave(cl, r)
	if err := d.settings.ping(ctx, cl); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	partitions, err := d.settings.partitions(ctx, cl)
	if err != nil {
		return err
	}
	for _, of := range partitions {
		r.partitions += len(of)
	}
	d.use(cl)
	defer d.use(nil)
	return r.run(ctx, cl)
}

// goodbye is how long brokers may take to answer that we leave.
const goodbye = 2 * time.Second

func leave(cl *kgo.Client, r *reader) {
	r.leave()
	cl.AllowRebalance()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = cl.LeaveGroupContext(ctx)
	cl.Close()
}

func (d *driver) use(cl *kgo.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.client = cl
}

// Bury is described by feed.Burier.
func (d *driver) Bury(ctx context.Context, m feed.Message, reason string) error {
	if d.settings.DeadLetterTopic == "" {
		return feed.ErrNoBurial
	}
	d.mu.Lock()
	cl := d.client
	d.mu.Unlock()
	if cl == nil {
		return fmt.Errorf("kafka: bury: %w", kgo.ErrClientClosed)
	}
	letter := &kgo.Record{
		Topic: d.settings.DeadLetterTopic, Key: []byte(m.Attributes["key"]), Value: append([]byte{}, m.Body...), // never nil, which would be a tombstone
		Headers: []kgo.RecordHeader{
			{Key: "Hisgate-Message-Id", Value: []byte(m.ID)},
			{Key: "Hisgate-Reason", Value: []byte(strings.ToValidUTF8(reason, "?"))},
		},
	}
	kept := make(chan error, 1)
	cl.Produce(ctx, letter, func(_ *kgo.Record, err error) { kept <- err })
	select {
	case err := <-kept:
		if err != nil {
			return fmt.Errorf("kafka: bury: %w", err)
		}
		return nil
	case <-ctx.Done(): // it may be kept all the same
		return fmt.Errorf("kafka: bury: %w", ctx.Err())
	}
}
