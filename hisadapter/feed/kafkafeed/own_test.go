package kafkafeed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
)

// taker takes messages, as the feed does: it runs the driver again after every
// error.
type taker struct {
	t    testing.TB
	mu   sync.Mutex
	got  []feed.Message
	lost []string // what is missed
	errs []error
	news chan struct{}
}

func start(t testing.TB, d feed.Driver) *taker {
	ctx, cancel := context.WithCancel(context.Background())
	k := &taker{t: t, news: make(chan struct{})}
	connected := make(chan struct{})
	s := feed.Sink{
		Batch: 10, Connected: sync.OnceFunc(func() { close(connected) }), Disconnected: func(error) {}, Lag: func(int64) {},
		Missed: func(what string) { k.change(func() { k.lost = append(k.lost, what) }) },
		Deliver: func(_ context.Context, batch []feed.Message) error {
			k.change(func() { k.got = append(k.got, batch...) })
			return nil
		},
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := d.Run(ctx, s); err != nil {
				k.change(func() { k.errs = append(k.errs, err) })
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-connected:
	case <-time.After(2 * time.Minute):
		t.Fatalf("not connected: %v", k.errs)
	}
	return k
}

func (k *taker) change(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do()
	close(k.news)
	k.news = make(chan struct{})
}

// await waits until the bodies and errors are such.
func (k *taker) await(what string, holds func(bodies []string, errs string) bool) {
	k.t.Helper()
	giveUp := time.After(2 * time.Minute)
	for {
		k.mu.Lock()
		var bodies []string
		for _, m := range k.got {
			bodies = append(bodies, string(m.Body))
		}
		errs, news := fmt.Sprint(k.errs), k.news
		k.mu.Unlock()
		if holds(bodies, errs) {
			return
		}
		select {
		case <-news:
		case <-giveUp:
			k.t.Fatalf("%s: not after 2 minutes: %q, %.2000s", what, bodies, errs)
		}
	}
}

func has(all ...string) func([]string, string) bool {
	return func(bodies []string, _ string) bool {
		for _, b := range all {
			if !slices.Contains(bodies, b) {
				return false
			}
		}
		return true
	}
}

// TestBroker is everything that needs no broker of its own.
func TestBroker(t *testing.T) {
	b := startBroker(t)
	t.Run("another member of the group", func(t *testing.T) { testIntruder(t, b) })
	t.Run("two hisgates with one group", func(t *testing.T) { testTwo(t, b) })
	t.Run("partitions are added", func(t *testing.T) { testPartitionsAdded(t, b) })
	t.Run("a beginning is not forgotten", func(t *testing.T) { testBeginning(t, b) })
	t.Run("what a message says", func(t *testing.T) { testMessage(t, b) })
	t.Run("a transaction that is given up", func(t *testing.T) { testGivenUp(t, b) })
	t.Run("a batch that grows when it is unpacked", func(t *testing.T) { testBomb(t, b) })
	t.Run("retention", func(t *testing.T) { testRetention(t, b) })
	t.Run("a topic is made anew", func(t *testing.T) { testMadeAnew(t, b) })
	t.Run("no such topic", func(t *testing.T) { testNoTopic(t, b) })
	t.Run("no place for letters", func(t *testing.T) { testNoPlace(t, b) })
}

// testIntruder has another program join the group, read, commit nothing, and go.
func testIntruder(t *testing.T, b *broker) {
	b.place(t, "intruder", 4)
	k := start(t, open(t, b.settings("intruder")))
	cl := b.client(t, kgo.ConsumerGroup("g-intruder"), kgo.ConsumeTopics("intruder"), kgo.DisableAutoCommit())
	k.await("a rebalance", func(_ []string, errs string) bool { return strings.Contains(errs, "group of its own") })
	var all []string
	for p := range 4 {
		all = append(all, fmt.Sprintf("p%d", p))
		b.publish(t, "intruder", p, all[p:])
	}
	cl.Close()
	k.await("everything", has(all...))
}

// testTwo runs a second hisgate with the same group by mistake.
func testTwo(t *testing.T, b *broker) {
	b.place(t, "two", 1)
	first := start(t, open(t, b.settings("two")))
	start(t, open(t, b.settings("two")))
	first.await("word of the other", func(_ []string, errs string) bool { return strings.Contains(errs, kerr.FencedInstanceID.Message) })
}

// testPartitionsAdded publishes into a partition before anybody can know of it.
func testPartitionsAdded(t *testing.T, b *broker) {
	b.place(t, "added", 1)
	k := start(t, open(t, b.settings("added")))
	b.publish(t, "added", 0, []string{"old"})
	k.await("the first", has("old"))
	cl := b.client(t)
	defer cl.Close()
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "added", 3
	req.Topics = append(req.Topics, topic)
	if _, err := req.RequestWith(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
	b.publish(t, "added", 2, []string{"new"})
	b.publish(t, "added", 0, []string{"newer"})
	k.await("the others", has("new", "newer"))
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.got {
		if want := map[string]int64{"old": 1}[string(m.Body)]; m.Sequence != want && string(m.Body) != "newer" {
			t.Errorf("%s has the sequence %d, want %d", m.Body, m.Sequence, want)
		}
	}
}

// testBeginning connects to a topic, is gone before it took anything, and comes
// again: what was published meanwhile is there, what was before is not.
func testBeginning(t *testing.T, b *broker) {
	b.place(t, "beginning", 2)
	b.publish(t, "beginning", 0, []string{"before"})
	ctx, cancel := context.WithCancel(t.Context())
	s := feed.Sink{Batch: 10, Connected: cancel, Disconnected: func(error) {}, Lag: func(int64) {}, Missed: func(string) {}}
	if err := open(t, b.settings("beginning")).Run(ctx, s); err != nil {
		t.Fatal(err)
	}
	b.publish(t, "beginning", 0, []string{"meanwhile"})
	k := start(t, open(t, b.settings("beginning")))
	k.await("what came meanwhile", has("meanwhile"))
	k.await("and nothing else", func(bodies []string, _ string) bool { return len(bodies) == 1 })

	all := b.settings("beginning")
	all.Group, all.Start = "g-all", kafkafeed.StartAll
	start(t, open(t, all)).await("everything", has("before", "meanwhile"))
}

// testMessage has a record with everything, and one without a value.
func testMessage(t *testing.T, b *broker) {
	b.place(t, "message", 1)
	k := start(t, open(t, b.settings("message")))
	cl := b.client(t)
	defer cl.Close()
	at := time.UnixMilli(1_800_000_000_123)
	err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "message", Key: []byte("deleted")}, &kgo.Record{
		Topic: "message", Key: []byte("00010041"), Value: []byte("{}"), Timestamp: at,
		Headers: []kgo.RecordHeader{{Key: "Content-Type", Value: []byte("application/json")}, {Key: "院", Value: []byte("一")}},
	}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	k.await("the record", has("{}"))
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.got[0]
	if len(k.got) != 1 || m.ID != "message:0:1" || m.Sequence != 2 || !m.At.Equal(at) || m.ContentType != "application/json" {
		t.Errorf("%+v", k.got)
	}
	for name, want := range map[string]string{"topic": "message", "key": "00010041", "partition": "0", "header.院": "一"} {
		if m.Attributes[name] != want {
			t.Errorf("%s is %q", name, m.Attributes[name])
		}
	}
}

// testGivenUp publishes within transactions, as a HIS may that publishes when it
// has committed. What is given up was never told.
func testGivenUp(t *testing.T, b *broker) {
	b.place(t, "givenup", 1)
	k := start(t, open(t, b.settings("givenup")))
	cl := b.client(t, kgo.TransactionalID("his"))
	defer cl.Close()
	for _, body := range []string{"given up", "committed"} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "givenup", Value: []byte(body)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(body == "committed")); err != nil {
			t.Fatal(err)
		}
	}
	k.await("what was committed", has("committed"))
	k.await("and nothing else", func(bodies []string, _ string) bool { return len(bodies) == 1 })
}

// testBomb publishes a batch of a few KiB that would be hundreds of times as much in
// memory, between messages and again at the end of another partition: it is told of,
// and the rest flows.
func testBomb(t *testing.T, b *broker) {
	b.place(t, "bomb", 2)
	cl := b.client(t, kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.ProducerBatchMaxBytes(100<<20))
	defer cl.Close()
	bomb := func(partition int32) {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "bomb", Partition: partition, Value: make([]byte, 65<<20)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, b.settings("bomb"))
	t.Run("while it is read", func(t *testing.T) {
		k := start(t, d)
		b.publish(t, "bomb", 0, []string{"a1"})
		bomb(0)
		b.publish(t, "bomb", 0, []string{"a2"})
		bomb(1)
		b.publish(t, "bomb", 1, []string{"b1"})
		k.await("the rest", has("a1", "a2", "b1"))
		k.mu.Lock()
		defer k.mu.Unlock()
		told := map[string]string{}
		for _, m := range k.got {
			if m.Unreadable != "" {
				told[m.ID] = m.Unreadable
			}
		}
		if strings.Contains(fmt.Sprint(k.errs), "decompress") || len(told) != 2 || !strings.Contains(told["bomb:0:1"], "unpacked") || told["bomb:1:0"] == "" {
			t.Errorf("told %q, and failed with %v", told, k.errs)
		}
	})
	bomb(0) // the first that the next one meets; nothing of before comes again
	b.publish(t, "bomb", 0, []string{"a3"})
	k := start(t, d)
	k.await("what is new", func(bodies []string, _ string) bool { return slices.Equal(bodies, []string{"", "a3"}) })
}

// testRetention has a topic that keeps messages no longer than hisgate is away.
func testRetention(t *testing.T, b *broker) {
	b.place(t, "retention", 1)
	d := open(t, b.settings("retention"))
	t.Run("before", func(t *testing.T) {
		k := start(t, d)
		b.publish(t, "retention", 0, []string{"1"})
		k.await("the first", has("1"))
		if len(k.lost) > 0 {
			t.Errorf("told %q", k.lost)
		}
	})
	b.publish(t, "retention", 0, []string{"2", "3", "4"})
	cl := b.client(t)
	defer cl.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic = "retention"
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = 3
	of.Partitions = append(of.Partitions, p)
	req.Topics = append(req.Topics, of)
	if _, err := req.RequestWith(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
	k := start(t, d)
	k.await("what is left", func(bodies []string, _ string) bool { return slices.Equal(bodies, []string{"4"}) })
	if len(k.lost) != 1 || !strings.Contains(k.lost[0], "nothing before offset 3") {
		t.Errorf("told %q", k.lost)
	}
}

// testMadeAnew deletes the topic and makes it again: what is published then is
// neither passed over nor taken for old.
func testMadeAnew(t *testing.T, b *broker) {
	b.place(t, "anew", 1)
	d := open(t, b.settings("anew"))
	t.Run("before", func(t *testing.T) {
		k := start(t, d)
		b.publish(t, "anew", 0, []string{"a1", "a2"})
		k.await("all", has("a1", "a2"))
	})
	cl := b.client(t)
	defer cl.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	name := kmsg.NewDeleteTopicsRequestTopic()
	name.Topic = kmsg.StringPtr("anew")
	req.Topics, req.TopicNames = append(req.Topics, name), append(req.TopicNames, "anew")
	if _, err := req.RequestWith(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
	b.makeTopic(t, "anew", 1)
	b.publish(t, "anew", 0, []string{"b1"})
	k := start(t, d)
	k.await("what is in it now", has("b1"))
	if m := k.got[0]; m.Sequence != 3 {
		t.Errorf("%s has the sequence %d, want 3", m.Body, m.Sequence)
	}
	if len(k.lost) == 0 {
		t.Error("nobody is told")
	}
}

func testNoTopic(t *testing.T, b *broker) {
	s := feed.Sink{Batch: 10, Connected: func() {}, Disconnected: func(error) {}, Lag: func(int64) {}, Missed: func(string) {}}
	if err := open(t, b.settings("nowhere")).Run(t.Context(), s); !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Run ended with %v", err)
	}
}

func testNoPlace(t *testing.T, b *broker) {
	b.makeTopic(t, "noplace", 1)
	d := open(t, b.settings("noplace")).(feed.Burier) // without its topic for letters
	start(t, d)
	if err := d.Bury(t.Context(), feed.Message{ID: "1"}, "reason"); err == nil || errors.Is(err, feed.ErrNoBurial) {
		t.Errorf("no topic: %v", err)
	}
	s := b.settings("noplace")
	s.DeadLetterTopic = ""
	if err := open(t, s).(feed.Burier).Bury(t.Context(), feed.Message{}, ""); !errors.Is(err, feed.ErrNoBurial) {
		t.Errorf("no place: %v", err)
	}
}

// TestOldBroker knows no static members.
func TestOldBroker(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "stock"), kfake.MaxVersions(kversion.V1_0_0()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	d := open(t, kafkafeed.Settings{Addresses: cluster.ListenAddrs(), Topics: []string{"stock"}, Group: "g"})
	k := start(t, d)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "stock", Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	k.await("the record", has("1"))
}

// TestBrokerThatHasLostRecords says that its log ends before what the group has
// committed: reading goes on with what there is, and that is told.
func TestBrokerThatHasLostRecords(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "stock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	d := open(t, kafkafeed.Settings{Addresses: cluster.ListenAddrs(), Topics: []string{"stock"}, Group: "g"})
	t.Run("before", func(t *testing.T) {
		k := start(t, d)
		for _, body := range []string{"1", "2", "3"} {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "stock", Value: []byte(body)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		k.await("all", has("1", "2", "3"))
	})
	cluster.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := req.(*kmsg.OffsetForLeaderEpochRequest)
		resp := asked.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, topic := range asked.Topics {
			of := kmsg.NewOffsetForLeaderEpochResponseTopic()
			of.Topic = topic.Topic
			for _, p := range topic.Partitions {
				end := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				end.Partition, end.LeaderEpoch, end.EndOffset = p.Partition, p.LeaderEpoch, 2
				of.Partitions = append(of.Partitions, end)
			}
			resp.Topics = append(resp.Topics, of)
		}
		return resp, nil, true
	})
	k := start(t, d)
	k.await("what is there", has("3"))
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.got[0]; m.Sequence <= 3 {
		t.Errorf("%s has the sequence %d, which was given before", m.Body, m.Sequence)
	}
	if len(k.errs) > 0 || len(k.lost) != 1 || !strings.Contains(k.lost[0], "lost records") {
		t.Errorf("told %q, and failed with %v", k.lost, k.errs)
	}
}
