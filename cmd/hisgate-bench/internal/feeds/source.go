package feeds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// source is where changes are committed.
type source struct {
	driver feed.Driver // nil = a webhook, which is handed the feed
	hand   func(f *feed.Feed) error
	// commit makes a change of the source's own; it returns when that is committed.
	commit func(ctx context.Context, drug string, onHand int64) error
	close  func() error
}

// opener starts a source in an empty folder.
type opener struct {
	name string
	open func(ctx context.Context, dir string) (*source, error)
}

// openers are all sources, in the order of the table.
func openers() []opener {
	return []opener{
		{"NATS JetStream", openNATS},
		{"RabbitMQ", openRabbitMQ},
		{"Kafka's protocol (kfake)", openKafka},
		{"outbox, PostgreSQL, NOTIFY", openOutbox("hisgate_outbox")},
		{"outbox, PostgreSQL, polled each 200 ms", openOutbox("")},
		{"webhook", openWebhook},
	}
}

// mapping reads the bodies that all sources here send.
const mapping = `message:
  unwrap: [json]
  rows: /
  fields: {pharmacy_id: pharmacy_id, drug_id: drug_id, on_hand: quantity}
`

func bodyOf(drug string, onHand int64) []byte {
	return fmt.Appendf(nil, `{"pharmacy_id":%q,"drug_id":%q,"quantity":%d}`, pharmacy, drug, onHand)
}

// feedInto makes the feed of a source.
func feedInto(gw *gateway.Gateway, s *source, dir string) (*feed.Feed, error) {
	file := filepath.Join(dir, "feed.yaml")
	if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
		return nil, err
	}
	m, err := httphis.LoadChanges(file)
	if err != nil {
		return nil, err
	}
	f, err := feed.New(feed.Options{Name: "bench", Mapping: m, Driver: s.driver, Apply: func(ctx context.Context, list []httphis.StockChange) (int, int, error) {
		changes := make([]gateway.StockChange, len(list))
		for i, c := range list {
			changes[i] = gateway.StockChange{Key: c.Key, OnHand: c.OnHand, Sequence: c.Sequence, Source: "bench"}
		}
		return gw.ReportStockChange(ctx, changes)
	}})
	if err != nil || s.hand == nil {
		return f, err
	}
	return f, s.hand(f)
}
