package kafkafeed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (r *reader) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.news)
	r.news = make(chan struct{})
}

// assigned is told which partitions are ours from now on.
func (r *reader) assigned(_ context.Context, cl *kgo.Client, added map[string][]int32) {
	r.change(func() {
		r.client = cl // for begin, which comes next and is not given it
		for topic, partitions := range added {
			for _, p := range partitions {
				r.mine[tp{topic, p}] = true
			}
		}
	})
}

// revoked is told which are ours no more. That is another member's doing, and the
// end of the Run, which goes on from what is committed.
func (r *reader) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	r.gone(gone, "it has another member; each hisgate needs a group of its own")
}

// lost is told that the group has given us up.
func (r *reader) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	r.gone(gone, "it has heard nothing of us for session_timeout, or another member has our name; each hisgate needs a group of its own")
}

func (r *reader) gone(gone map[string][]int32, why string) {
	r.change(func() {
		for topic, partitions := range gone {
			for _, p := range partitions {
				delete(r.mine, tp{topic, p})
				if !r.leaving && r.trouble == nil {
					r.trouble = fmt.Errorf("group %s took topic %s, partition %d, from us: %s", r.settings.Group, topic, p, why)
				}
			}
		}
	})
}

// leave says that what is revoked from now on is our own doing.
func (r *reader) leave() {
	r.change(func() { r.leaving = true })
}

// begin says where to read partitions of which nothing is committed. They are
// the first of their topic, and begin as the settings say; or the topic has others
// that are committed, then these were added and begin with their first message.
func (r *reader) begin(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	for topic, partitions := range at {
		r.mu.Lock()
		committed := r.known[topic]
		r.known[topic] = true
		r.mu.Unlock()
		fresh := map[int32]bool{}
		for p, offset := range partitions {
			if at := offset.EpochOffset().Offset; at < 0 {
				fresh[p] = true
			} else {
				committed = true
				r.expect(topic, p, at)
			}
		}
		if len(fresh) == 0 {
			continue
		}
		r.change(func() {
			if r.memory.read[topic] && !committed {
				r.forgotten = append(r.forgotten, topic)
				committed = true // at some time: it begins with its first message
			}
		})
		offsets, err := r.offsets(ctx, topic, fresh, !committed && r.settings.Start == StartNew)
		if err != nil {
			return nil, err
		}
		for p, o := range offsets {
			partitions[p] = kgo.NewOffset().At(o.Offset).WithEpoch(o.Epoch)
			r.expect(topic, p, o.Offset)
		}
		r.change(func() {
			if r.beginnings == nil {
				r.beginnings = map[string]map[int32]kgo.EpochOffset{}
			}
			r.beginnings[topic] = offsets
		})
	}
	r.change(func() { r.begun = true })
	return at, nil
}

// offsets asks for the ends of partitions, or their first messages.
func (r *reader) offsets(ctx context.Context, topic string, partitions map[int32]bool, ends bool) (map[int32]kgo.EpochOffset, error) {
	const end, start = -1, -2 // the protocol's words for them
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for p := range partitions {
		of := kmsg.NewListOffsetsRequestTopicPartition()
		of.Partition, of.Timestamp = p, start
		if ends {
			of.Timestamp = end
		}
		t.Partitions = append(t.Partitions, of)
	}
	req.Topics = append(req.Topics, t)
	r.mu.Lock()
	cl := r.client
	r.mu.Unlock()
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	out := map[int32]kgo.EpochOffset{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("topic %s, partition %d: %w", topic, p.Partition, err)
			}
			out[p.Partition] = kgo.EpochOffset{Epoch: p.LeaderEpoch, Offset: p.Offset}
		}
	}
	if len(out) != len(partitions) {
		return nil, fmt.Errorf("topic %s: offsets of %d partitions where %d were asked for", topic, len(out), len(partitions))
	}
	return out, nil
}

// commit waits until the group remembers the offsets. What was taken is committed
// although ctx may have ended meanwhile.
func (r *reader) commit(ctx context.Context, cl *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*r.settings.ConnectTimeout)
	defer cancel()
	var failed error
	cl.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("commit to group %s: %w", r.settings.Group, failed)
	}
	return nil
}
