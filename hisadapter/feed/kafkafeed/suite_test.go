package kafkafeed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
)

// TestDriver reads a topic of three partitions.
func TestDriver(t *testing.T) {
	b := startBroker(t)
	places := 0
	feedtest.Run(t, func(t *testing.T) *feedtest.Source {
		places++
		return b.place(t, fmt.Sprintf("t%d", places), 3)
	})
}

// place is a topic of its own.
func (b *broker) place(t *testing.T, name string, partitions int) *feedtest.Source {
	b.makeTopic(t, name, int32(partitions))
	b.makeTopic(t, "dead."+name, 1)
	return &feedtest.Source{
		Driver: open(t, b.settings(name)), Proxy: b.proxy, Lag: true, Silence: true, Lanes: partitions, Kill: b.kill,
		Publish: func(t testing.TB, lane int, bodies []string) { b.publish(t, name, lane, bodies) },
		Buried:  func(t testing.TB) []feedtest.Letter { return b.letters(t, "dead."+name) },
	}
}

func (b *broker) settings(topic string) kafkafeed.Settings {
	return kafkafeed.Settings{
		Addresses: []string{b.proxy.Addr()}, Topics: []string{topic}, Group: "g-" + topic,
		MaxFetchBytes: 128 << 10, ConnectTimeout: time.Second, MetadataMaxAge: time.Second,
		DeadLetterTopic: "dead." + topic,
	}
}

func open(t testing.TB, s kafkafeed.Settings) feed.Driver {
	t.Helper()
	d, err := kafkafeed.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (b *broker) letters(t testing.TB, topic string) []feedtest.Letter {
	t.Helper()
	var out []feedtest.Letter
	for _, r := range b.read(t, topic, int(b.end(t, topic))) {
		l := feedtest.Letter{Body: string(r.Value)}
		for _, h := range r.Headers {
			switch h.Key {
			case "Hisgate-Message-Id":
				l.ID = string(h.Value)
			case "Hisgate-Reason":
				l.Reason = string(h.Value)
			}
		}
		out = append(out, l)
	}
	return out
}

// end is the number of records of a topic of one partition.
func (b *broker) end(t testing.TB, topic string) int64 {
	t.Helper()
	cl := b.client(t)
	defer cl.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1
	of.Partitions = append(of.Partitions, p)
	req.Topics = append(req.Topics, of)
	resp, err := req.RequestWith(context.Background(), cl)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Topics[0].Partitions[0].Offset
}
