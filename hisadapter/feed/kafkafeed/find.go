package kafkafeed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// Find is described by feed.Looker. It joins no group, for that would take the
// partitions from who reads them.
func (d *driver) Find(ctx context.Context) (feed.Sight, error) {
	seen := feed.Sight{Place: "topic " + strings.Join(d.settings.Topics, ", "), Waiting: -1}
	if err := d.settings.find(ctx); err != nil {
		return seen, fmt.Errorf("kafka: %w", err)
	}
	return seen, nil
}

func (s Settings) find(ctx context.Context) error {
	options, err := s.way()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := s.ping(ctx, cl); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := s.partitions(ctx, cl); err != nil {
		return err
	}
	if err := s.mayRead(ctx, cl); err != nil {
		return fmt.Errorf("group %s: %w", s.Group, err)
	}
	return nil
}

// mayRead asks for what the group has committed, which takes the right to read by
// it.
func (s Settings) mayRead(ctx context.Context, cl *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.ConnectTimeout)
	defer cancel()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = s.Group
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	codes := []int16{resp.ErrorCode}
	for _, g := range resp.Groups { // of brokers from Kafka 3.0 on
		codes = append(codes, g.ErrorCode)
	}
	for _, code := range codes {
		if err := kerr.ErrorForCode(code); err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // it has not begun
			return err
		}
	}
	return nil
}
