package kafkafeed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// unpacked is how many bytes of memory a batch may take when it is unpacked. A few
// KiB on the wire can be a thousand times as much.
func (s Settings) unpacked() kgo.Opt {
	return kgo.MaxDecompressBatchBytes(max(64<<20, 4*s.MaxFetchBytes))
}

// isOver notes an error that says that a batch is too large to be unpacked, and
// reports whether it is one: the library stops before the batch.
func (r *reader) isOver(err error) bool {
	over, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	if ok {
		r.over = append(r.over, over)
	}
	return ok
}

// pass delivers a message for each batch that is too large, which can only be
// buried, commits what comes behind it, and has the library go on there.
func (r *reader) pass(ctx context.Context, cl *kgo.Client, over []*kgo.ErrDecompressTooLarge) error {
	next := map[string]map[int32]kgo.EpochOffset{}
	for _, o := range over {
		if err := r.sink.Deliver(ctx, []feed.Message{unread(o)}); err != nil {
			return err
		}
		if next[o.Topic] == nil {
			next[o.Topic] = map[int32]kgo.EpochOffset{}
		}
		next[o.Topic][o.Partition] = kgo.EpochOffset{Epoch: o.Epoch, Offset: o.NextOffset}
		r.expect(o.Topic, o.Partition, o.NextOffset)
	}
	// Before the commit, or the library finds that nothing changes. The rebalance that
	// it must not meet waits for us, after a poll.
	cl.SetOffsets(next)
	return r.commit(ctx, cl, next)
}

// unread is the message that stands for a batch.
func unread(o *kgo.ErrDecompressTooLarge) feed.Message {
	return feed.Message{
		ID:         fmt.Sprintf("%s:%d:%d", o.Topic, o.Partition, o.Offset),
		Unreadable: fmt.Sprintf("the batch of offsets %d to %d is too large when it is unpacked: it is passed over", o.Offset, o.NextOffset-1),
		Attributes: map[string]string{"topic": o.Topic, "partition": fmt.Sprint(o.Partition)},
	}
}
