package kafkafeed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

var _ feed.Looker = (*driver)(nil)

// Look is described by feed.Looker. It reads beside the group, from what the group
// has committed, and commits nothing.
func (d *driver) Look(ctx context.Context, sink feed.Sink) error {
	if err := d.look(ctx, sink); err != nil && ctx.Err() == nil {
		return fmt.Errorf("kafka: %w", err)
	}
	return nil
}

func (d *driver) look(ctx context.Context, sink feed.Sink) error {
	s := d.settings
	options, err := s.way()
	if err != nil {
		return err
	}
	from, err := s.committed(ctx, options)
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(options,
		kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(int32(s.MaxFetchBytes)), kgo.FetchMaxPartitionBytes(int32(s.MaxFetchBytes)),
		s.unpacked(),
	)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	sink.Connected()
	for {
		fetches := cl.PollRecords(ctx, sink.Batch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, rec := range fetches.Records() {
			if rec.Value == nil {
				continue
			}
			m := message(rec)
			if len(from) == 1 && len(from[rec.Topic]) == 1 {
				m.Sequence = rec.Offset + 1
			}
			if err := sink.Deliver(ctx, []feed.Message{m}); err != nil {
				return err
			}
		}
	}
}

// committed is where the group goes on in each partition, or where it would begin.
func (s Settings) committed(ctx context.Context, options []kgo.Opt) (map[string]map[int32]kgo.Offset, error) {
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if err := s.ping(ctx, cl); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	partitions, err := s.partitions(ctx, cl)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = s.Group
	from := map[string]map[int32]kgo.Offset{}
	for topic, of := range partitions {
		from[topic] = map[int32]kgo.Offset{}
		for _, p := range of {
			from[topic][p] = kgo.NewOffset().AtEnd()
			if s.Start == StartAll {
				from[topic][p] = kgo.NewOffset().AtStart()
			}
		}
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, of
		req.Topics = append(req.Topics, t)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.ConnectTimeout)
	defer cancel()
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.GroupIDNotFound) { // hisgate has never run
		return from, nil
	}
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", s.Group, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("group %s, topic %s, partition %d: %w", s.Group, t.Topic, p.Partition, err)
			}
			if p.Offset >= 0 {
				from[t.Topic][p.Partition] = kgo.NewOffset().At(p.Offset)
			}
		}
	}
	return from, nil
}
