package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// feeds are the sources of stock changes that are configured.
type feeds struct {
	list    []*feed.Feed
	hooks   map[string]http.Handler // of those that are posted to, by name
	letters *feed.Letters
}

// openFeeds opens all of them; none connects to anything before run. Its errors
// name the setting.
func openFeeds(c *Config, gw *gateway.Gateway, log *slog.Logger) (_ *feeds, err error) {
	out := &feeds{hooks: map[string]http.Handler{}}
	if len(c.Feeds) == 0 {
		return out, nil
	}
	if out.letters, err = feed.OpenLetters(c.deadLetterFile(), c.DeadLetters.MaxBytes); err != nil {
		return nil, fmt.Errorf("dead_letters: %w", err)
	}
	for i := range c.Feeds {
		if err := out.open(&c.Feeds[i], c.DataDir, gw, log); err != nil {
			return nil, errors.Join(fmt.Errorf("feeds[%d]: %w", i, err), out.close())
		}
	}
	return out, nil
}

func (s *feeds) open(c *Feed, dataDir string, gw *gateway.Gateway, log *slog.Logger) error {
	mapping, err := httphis.LoadChanges(c.MappingFile)
	if err != nil {
		return err
	}
	if err := mapping.ReadSecrets(); err != nil {
		return err
	}
	driver, err := c.open(dataDir)
	if err != nil {
		return err
	}
	f, err := feed.New(feed.Options{
		Name: c.Name, Mapping: mapping, Driver: driver, Batch: c.Batch, SilentAfter: c.SilentAfter,
		Apply: applyTo(gw, c.Name), Letters: s.letters, Logger: log,
	})
	if err != nil {
		return err
	}
	s.list = append(s.list, f)
	if c.Driver != feedWebhook {
		return nil
	}
	keys, err := c.Webhook.keys()
	if err != nil {
		return fmt.Errorf("webhook.key_file: %w", err)
	}
	s.hooks[c.Name], err = feed.NewWebhook(f, keys...)
	return err
}

// open opens the driver; nil for a feed that is posted to.
func (c *Feed) open(dataDir string) (feed.Driver, error) {
	switch c.Driver {
	case feedWebhook:
		return nil, nil
	case feedNATS:
		return natsfeed.New(c.NATS)
	case feedRabbitMQ:
		return rabbitfeed.New(c.RabbitMQ)
	case feedKafka:
		return kafkafeed.New(c.Kafka)
	case feedOutbox:
		return c.Outbox.open(c.Name, dataDir)
	default:
		return nil, fmt.Errorf("driver: %q is not known", c.Driver)
	}
}

// applyTo brings changes to the readers of stock. The name keeps the sequences of
// a feed apart from those of other feeds, and of callers, whose sources have a
// slash.
func applyTo(gw *gateway.Gateway, name string) feed.Apply {
	source := "feed " + name
	return func(ctx context.Context, list []httphis.StockChange) (applied, dropped int, err error) {
		changes := make([]gateway.StockChange, len(list))
		for i, c := range list {
			changes[i] = gateway.StockChange{Key: c.Key, OnHand: c.OnHand, Sequence: c.Sequence, Source: source, At: c.At}
		}
		return gw.ReportStockChange(ctx, changes)
	}
}

// health says in words which feeds are not well.
func (s *feeds) health() []string {
	var out []string
	for _, f := range s.list {
		out = append(out, f.Health()...)
	}
	return out
}

func (s *feeds) close() error { return s.letters.Close() }

// figures are those of the metrics.
func (s *feeds) figures() []server.FeedFigures {
	var out []server.FeedFigures
	for _, f := range s.list {
		st := f.State()
		out = append(out, server.FeedFigures{
			Name: st.Name, Down: st.Phase != feed.Connected, Silent: st.Silent, Lag: st.Lag, Quiet: st.Quiet, Losses: st.Losses, Gaps: st.Gaps,
			Taken: st.Taken - st.Skipped, Skipped: st.Skipped, Dead: st.Dead, Lost: st.Lost, Refused: st.Refused,
			Applied: st.Applied, Older: st.Older, Ignored: st.Ignored,
			DelayBounds: feed.DelayBounds[:], Delays: slices.Clone(st.Delays[:]), DelaySum: st.DelaySum,
		})
	}
	return out
}
