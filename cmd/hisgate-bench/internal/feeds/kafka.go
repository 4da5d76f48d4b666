package feeds

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
)

// openKafka runs kfake in this process: Kafka's protocol without Kafka's disk.
func openKafka(_ context.Context, _ string) (*source, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "stock"))
	if err != nil {
		return nil, err
	}
	stop := func() error { cluster.Close(); return nil }
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("stock"), kgo.ProducerLinger(0))
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	driver, err := kafkafeed.New(kafkafeed.Settings{Addresses: cluster.ListenAddrs(), Topics: []string{"stock"}, Group: "bench"})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &source{
		driver: driver,
		commit: func(ctx context.Context, drug string, onHand int64) error {
			return client.ProduceSync(ctx, &kgo.Record{Key: []byte(drug), Value: bodyOf(drug, onHand)}).FirstErr()
		},
		close: func() error { client.Close(); return stop() },
	}, nil
}
