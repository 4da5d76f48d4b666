package kafkafeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// quiet is how long no message comes before a broker is asked whether it is there.
const quiet = 3 * time.Second

// joining is how long the group may keep us waiting for our partitions.
const joining = 2 * time.Minute

// reader reads with one client.
//
//	joining ──begin──► beginnings committed ──► Connected ──► poll ──► Deliver ──► commit
//	                                                           ▲                     │
//	                                                           └── rebalances allowed ◄┘
type reader struct {
	settings   Settings
	sink       feed.Sink
	partitions int // of the topics, when Run began
	memory     *memory

	mu         sync.Mutex
	client     *kgo.Client
	mine       map[tp]bool
	known      map[string]bool                      // topics that have a beginning
	beginnings map[string]map[int32]kgo.EpochOffset // not committed yet
	forgotten  []string                             // topics that were read, and of which nothing is committed
	next       map[tp]int64                         // offsets that come next, where they are known
	begun      bool
	leaving    bool
	trouble    error
	news       chan struct{} // closed when one of these has changed

	// Of the loop alone:
	connected bool
	over      []*kgo.ErrDecompressTooLarge // batches that are not read
	behind    map[tp]int64
	total     int64 // sum of behind
}

// tp is a partition.
type tp struct {
	topic     string
	partition int32
}

func newReader(s Settings, sink feed.Sink, m *memory) *reader {
	if m.read == nil {
		m.read = map[string]bool{}
	}
	return &reader{
		settings: s, sink: sink, memory: m, mine: map[tp]bool{}, known: map[string]bool{}, next: map[tp]int64{},
		behind: map[tp]int64{}, news: make(chan struct{}),
	}
}

// run reads until ctx ends or something fails.
func (r *reader) run(ctx context.Context, cl *kgo.Client) error {
	joinUntil := time.Now().Add(joining)
	for {
		fetches, err := r.poll(ctx, cl)
		if err == nil {
			err = r.settle(ctx, cl)
		}
		if err != nil {
			return err
		}
		records, over := fetches.Records(), r.over
		r.over = nil
		if len(records) > 0 {
			if err := r.take(ctx, cl, fetches, records); err != nil {
				return err
			}
		}
		if len(over) > 0 {
			if err := r.pass(ctx, cl, over); err != nil {
				return err
			}
		}
		if len(records) == 0 && len(over) == 0 {
			if err := r.settings.ping(ctx, cl); err != nil {
				// The library itself would wait for ever.
				return fmt.Errorf("connection lost: %w", err)
			}
		}
		cl.AllowRebalance()
		if !r.connected && time.Now().After(joinUntil) {
			return fmt.Errorf("group %s has given us no partitions for %v", r.settings.Group, joining)
		}
	}
}

// poll waits for records, for news of the group, or for quiet.
func (r *reader) poll(ctx context.Context, cl *kgo.Client) (kgo.Fetches, error) {
	r.mu.Lock()
	news := r.news
	r.mu.Unlock()
	poll, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-news:
			cancel()
		case <-done:
		}
	})
	fetches := cl.PollRecords(poll, r.sink.Batch)
	close(done)
	watching.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var errs []error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case poll.Err() != nil && errors.Is(err, poll.Err()):
		case r.isLoss(err), r.isOver(err):
		case topic == "":
			errs = append(errs, err)
		default:
			errs = append(errs, fmt.Errorf("topic %s, partition %d: %w", topic, partition, err))
		}
	})
	return fetches, errors.Join(errs...)
}

// settle reacts to what the group has told: it commits where we begin, before
// anything of it is taken, and says that we are connected.
func (r *reader) settle(ctx context.Context, cl *kgo.Client) error {
	r.mu.Lock()
	trouble, beginnings, begun, mine, forgotten := r.trouble, r.beginnings, r.begun, len(r.mine), r.forgotten
	r.beginnings, r.forgotten = nil, nil
	r.mu.Unlock()
	r.anew(forgotten)
	if trouble != nil {
		return trouble
	}
	if begun && mine < r.partitions {
		return fmt.Errorf("group %s gave us %d of %d partitions: another member has the others; each hisgate needs a group of its own",
			r.settings.Group, mine, r.partitions)
	}
	if len(beginnings) > 0 {
		if err := r.commit(ctx, cl, beginnings); err != nil {
			return err
		}
	}
	if begun && !r.connected {
		r.connected = true
		r.sink.Connected()
	}
	return nil
}

// take delivers records and commits them.
func (r *reader) take(ctx context.Context, cl *kgo.Client, fetches kgo.Fetches, records []*kgo.Record) error {
	r.mu.Lock()
	ordered := len(r.mine) == 1 && r.partitions == 1
	r.mu.Unlock()
	r.compare(fetches)
	batch := make([]feed.Message, 0, len(records))
	for _, rec := range records {
		if rec.Value == nil {
			continue
		}
		m := message(rec)
		if ordered {
			m.Sequence = r.memory.rising.Of(rec.Offset + 1)
		}
		batch = append(batch, m)
	}
	r.lag(fetches)
	r.sink.Lag(r.total + int64(len(records)))
	if len(batch) > 0 {
		if err := r.sink.Deliver(ctx, batch); err != nil {
			return err
		}
	}
	next := map[string]map[int32]kgo.EpochOffset{}
	for _, rec := range records {
		if next[rec.Topic] == nil {
			next[rec.Topic] = map[int32]kgo.EpochOffset{}
		}
		next[rec.Topic][rec.Partition] = kgo.EpochOffset{Epoch: rec.LeaderEpoch, Offset: rec.Offset + 1}
	}
	if err := r.commit(ctx, cl, next); err != nil {
		return err
	}
	r.sink.Lag(r.total)
	return nil
}

// lag notes how far behind each partition is after these records.
func (r *reader) lag(fetches kgo.Fetches) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			k := tp{p.Topic, p.Partition}
			r.total -= r.behind[k]
			r.behind[k] = max(0, p.HighWatermark-p.Records[len(p.Records)-1].Offset-1)
			r.total += r.behind[k]
		}
	})
}
