package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// feedTestCmd looks at a live source.
type feedTestCmd struct {
	configFlags `embed:""`
	Name        string        `arg:"" help:"The feed, as in feeds."`
	Count       int           `default:"5" help:"End after so many messages (${default})."`
	Wait        time.Duration `default:"30s" help:"Wait so long for them (${default})."`
}

// errEnough ends a look.
var errEnough = errors.New("enough")

// Run shows the next messages of a feed, and the changes that they tell of. Nothing
// is acknowledged, and nothing takes effect; hisgate may run meanwhile. It ends with
// an error where one of them cannot be read, or the source cannot be looked at.
func (c *feedTestCmd) Run(ctx context.Context, k *kong.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	looker, mapping, err := c.open(&cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	s := &shower{out: k.Stdout}
	seen, dead := 0, 0
	err = looker.Look(ctx, feed.Sink{
		Batch: min(max(c.Count, 1), feed.DefaultBatch),
		Deliver: func(_ context.Context, batch []feed.Message) error {
			for i := range batch {
				if !s.message(mapping, &batch[i]) {
					dead++
				}
				if seen++; seen >= c.Count {
					return errEnough
				}
			}
			return s.err
		},
		Connected: func() {
			s.line("connected; up to %d messages within %v; none is acknowledged or takes effect", c.Count, c.Wait)
		},
		Disconnected: func(err error) { s.line("the connection is lost: %v", err) },
		Lag:          func(int64) {},
		Missed:       func(what string) { s.line("the source has lost changes: %s", what) },
	})
	switch {
	case errors.Is(err, errEnough), err == nil && ctx.Err() != nil:
	default:
		return err
	}
	if seen < c.Count {
		s.line("%d messages within %v", seen, c.Wait)
	}
	if dead > 0 {
		return errors.Join(s.err, fmt.Errorf("%d of %d messages cannot be read: they would be dead letters", dead, seen))
	}
	return s.err
}

// open opens the feed that is named.
func (c *feedTestCmd) open(cfg *Config) (feed.Looker, *httphis.ChangeMapping, error) {
	var names []string
	for _, f := range cfg.Feeds {
		names = append(names, f.Name)
	}
	i := slices.Index(names, c.Name)
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no feed %q; there are: %s", c.Name, strings.Join(names, ", "))
	}
	mapping, err := httphis.LoadChanges(cfg.Feeds[i].MappingFile)
	if err != nil {
		return nil, nil, err
	}
	if err := mapping.ReadSecrets(); err != nil {
		return nil, nil, err
	}
	driver, err := cfg.Feeds[i].open(cfg.DataDir)
	if err != nil {
		return nil, nil, err
	}
	looker, ok := driver.(feed.Looker)
	if !ok {
		return nil, nil, fmt.Errorf("feed %s is posted to (%s): save a post, and read it with feed parse", c.Name, cfg.Feeds[i].Driver)
	}
	return looker, mapping, nil
}

// message prints a message and what it tells, and reports whether it can be read.
func (s *shower) message(mapping *httphis.ChangeMapping, m *feed.Message) bool {
	when := ""
	if !m.At.IsZero() {
		when = ", at " + m.At.Format(time.RFC3339)
	}
	s.line("message %s, %d bytes%s", m.ID, len(m.Body), when)
	said, unreadable := mapping.Read(httphis.Message{Body: m.Body, Attributes: m.Attributes, Sequence: m.Sequence}, time.Now())
	s.changes(said)
	if unreadable == nil {
		return true
	}
	s.block("it would be a dead letter", unreadable.Error())
	s.block("body", string(m.Body[:min(len(m.Body), 4096)]))
	return false
}
