package kafkafeed

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// memory is what a driver remembers from one Run to the next.
type memory struct {
	read   map[string]bool // topics of which something was taken
	rising feed.Rising
}

// expect notes where a partition is read from.
func (r *reader) expect(topic string, partition int32, offset int64) {
	r.change(func() { r.next[tp{topic, partition}] = offset })
}

// compare holds what came against what was to come next, and tells what the topic
// has lost meanwhile. That offsets are left out says nothing by itself: compaction
// and transactions do that too.
func (r *reader) compare(fetches kgo.Fetches) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		first, last := p.Records[0].Offset, p.Records[len(p.Records)-1].Offset
		r.mu.Lock()
		want, known := r.next[tp{p.Topic, p.Partition}]
		r.next[tp{p.Topic, p.Partition}] = last + 1
		r.memory.read[p.Topic] = true
		r.mu.Unlock()
		switch {
		case !known:
		case first < want:
			r.memory.rising.Anew()
			r.sink.Missed(fmt.Sprintf("topic %s, partition %d, goes on with offset %d where %d was the next: it was made anew, or the broker has lost what it had", p.Topic, p.Partition, first, want))
		case p.LogStartOffset > want:
			r.sink.Missed(fmt.Sprintf("topic %s, partition %d, keeps nothing before offset %d any more, and %d was the next", p.Topic, p.Partition, p.LogStartOffset, want))
		}
	})
}

// anew tells of topics that were read and of which the group knows nothing any more.
func (r *reader) anew(topics []string) {
	for _, topic := range topics {
		r.memory.rising.Anew()
		r.sink.Missed(fmt.Sprintf("group %s has forgotten topic %s, or the topic was made anew; it is read from its beginning", r.settings.Group, topic))
	}
}

// isLoss notes an error that says that a broker has lost what it had, and reports
// whether it is one: the library goes on with what there is.
func (r *reader) isLoss(err error) bool {
	loss, ok := errors.AsType[*kgo.ErrDataLoss](err)
	if ok {
		r.expect(loss.Topic, loss.Partition, loss.ResetTo)
		r.memory.rising.Anew()
		r.sink.Missed(loss.Error())
	}
	return ok
}
