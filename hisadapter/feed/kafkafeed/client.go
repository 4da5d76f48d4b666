package kafkafeed

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// member is the name by which the group knows us: a process that takes another's
// place is that member again, and two at a time are not possible.
const member = "hisgate"

// bearable is how long a rebalance waits for us: Deliver may take a minute.
const bearable = 90 * time.Second

// ping makes sure that a broker answers, and that it knows us.
func (s Settings) ping(ctx context.Context, cl *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, s.ConnectTimeout)
	defer cancel()
	return cl.Ping(ctx)
}

// partitions are those of the topics. A topic that is not there is refused: the
// library would wait for it.
func (s Settings) partitions(ctx context.Context, cl *kgo.Client) (map[string][]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.ConnectTimeout)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range s.Topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, topic)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	out := map[string][]int32{}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("topic %s: %w", *t.Topic, err)
		}
		for _, p := range t.Partitions {
			out[*t.Topic] = append(out[*t.Topic], p.Partition)
		}
	}
	return out, nil
}

// way are the options of the way to the brokers. The files are read anew each time.
func (s Settings) way() ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(s.Addresses...), kgo.ClientID("hisgate"), kgo.DisableClientMetrics(),
		kgo.DialTimeout(s.ConnectTimeout), kgo.RequestTimeoutOverhead(s.ConnectTimeout), kgo.RetryTimeout(2 * s.ConnectTimeout),
		kgo.MetadataMaxAge(s.MetadataMaxAge), kgo.MetadataMinAge(min(s.MetadataMaxAge, 2*time.Second)),
	}
	config, err := s.TLS.Config()
	if err != nil {
		return nil, err
	}
	if config != nil {
		options = append(options, kgo.DialTLSConfig(config))
	}
	if s.SASL == "" {
		return options, nil
	}
	password, err := link.Secret(s.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("password_file: %w", err)
	}
	switch s.SASL {
	case Plain:
		options = append(options, kgo.SASL(plain.Auth{User: s.User, Pass: password}.AsMechanism()))
	case ScramSHA256:
		options = append(options, kgo.SASL(scram.Auth{User: s.User, Pass: password}.AsSha256Mechanism()))
	case ScramSHA512:
		options = append(options, kgo.SASL(scram.Auth{User: s.User, Pass: password}.AsSha512Mechanism()))
	}
	return options, nil
}

// open makes the client that reads, and begins to join the group.
func (s Settings) open(r *reader) (*kgo.Client, error) {
	options, err := s.way()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(append(options,
		kgo.ConsumeTopics(s.Topics...), kgo.ConsumerGroup(s.Group), kgo.InstanceID(member),
		kgo.SessionTimeout(s.SessionTimeout), kgo.HeartbeatInterval(s.SessionTimeout/4), kgo.RebalanceTimeout(bearable),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		// A change whose transaction was given up has never been.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.AdjustFetchOffsetsFn(r.begin),
		kgo.OnPartitionsAssigned(r.assigned), kgo.OnPartitionsRevoked(r.revoked), kgo.OnPartitionsLost(r.lost),
		kgo.FetchMaxBytes(int32(s.MaxFetchBytes)), kgo.FetchMaxPartitionBytes(int32(s.MaxFetchBytes)),
		s.unpacked(),
		// Of dead letters: a repeat buries twice, which harms nobody, and needs no
		// right to be idempotent.
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(2*s.ConnectTimeout), kgo.UnknownTopicRetries(1),
	)...)
}
