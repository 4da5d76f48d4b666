package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Feed is one source of stock changes.
type Feed struct {
	Name        string        `yaml:"name" doc:"What it is called in logs, metrics and dead letters: small letters, digits, - and _."`
	Driver      string        `yaml:"driver" doc:"nats: NATS JetStream. rabbitmq. kafka. outbox: a table or view of the HIS's database. webhook: the HIS posts to /v1/feeds/NAME/webhook on listen.http, signed. The settings of the others are left alone."`
	MappingFile string        `yaml:"mapping_file" doc:"The YAML file that says how a message is read; docs/stock-feed.md has examples, hisgate feed parse tries one."`
	Batch       int           `yaml:"batch" doc:"The most messages that are fetched ahead of their effect; 0 = 256."`
	SilentAfter time.Duration `yaml:"silent_after" doc:"No message for so long is a fault that is alarmed; 0 = never."`
	Webhook     FeedWebhook   `yaml:"webhook"`

	NATS     natsfeed.Settings   `yaml:"nats"`
	RabbitMQ rabbitfeed.Settings `yaml:"rabbitmq"`
	Kafka    kafkafeed.Settings  `yaml:"kafka"`
	Outbox   FeedOutbox          `yaml:"outbox"`
}

// FeedWebhook is a feed that the HIS posts to.
type FeedWebhook struct {
	KeyFile string `yaml:"key_file" doc:"A file with the key of the signatures, of at least 16 bytes; several lines are several keys, each of which is good."`
}

// DeadLetters is where messages of feeds go that cannot be read, unless their
// source has a place of its own for them.
type DeadLetters struct {
	File     string `yaml:"file" doc:"A file of JSON lines for messages of feeds that cannot be read and whose source has no place for them; empty = dead-letters.jsonl in data_dir."`
	MaxBytes int64  `yaml:"max_bytes" doc:"The most that it and its predecessor, FILE.1, may take together."`
}

// The drivers of feeds.
const (
	feedWebhook  = "webhook"
	feedNATS     = "nats"
	feedRabbitMQ = "rabbitmq"
	feedKafka    = "kafka"
	feedOutbox   = "outbox"
)

var feedName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func (c *Config) validateFeeds(k *checker) {
	k.want(c.DeadLetters.MaxBytes >= feed.MinLetters, "dead_letters.max_bytes", "%d is less than %d", c.DeadLetters.MaxBytes, int64(feed.MinLetters))
	for i := range c.Feeds {
		f, p := &c.Feeds[i], fmt.Sprintf("feeds[%d]", i)
		k.want(feedName.MatchString(f.Name), p+".name", "%q is not 1 to 32 small letters, digits, - and _", f.Name)
		k.want(!slices.ContainsFunc(c.Feeds[:i], func(o Feed) bool { return o.Name == f.Name }), p+".name", "%q stands twice", f.Name)
		k.want(f.Batch >= 0 && f.Batch <= 10_000, p+".batch", "%d is not between 0 and 10000", f.Batch)
		k.between(f.SilentAfter, p+".silent_after", 0, 7*24*time.Hour)
		before := len(k.errs)
		k.readable(f.MappingFile, p+".mapping_file")
		if len(k.errs) == before {
			if _, err := httphis.LoadChanges(f.MappingFile); err != nil {
				k.errs = append(k.errs, err)
			}
		}
		f.validateDriver(k, c, p)
		f.validatePosition(k, c.Feeds[:i], c.DataDir, p)
	}
}

// validatePosition refuses a file in which another feed keeps its position: each would
// pass over what the other has read.
func (f *Feed) validatePosition(k *checker, others []Feed, dataDir, p string) {
	if f.Driver != feedOutbox {
		return
	}
	mine := filepath.Clean(f.Outbox.position(f.Name, dataDir))
	for _, o := range others {
		k.want(o.Driver != feedOutbox || filepath.Clean(o.Outbox.position(o.Name, dataDir)) != mine,
			p+".outbox.position_file", "feed %s keeps its position there", o.Name)
	}
}

// validateDriver checks the settings of the driver that is chosen.
func (f *Feed) validateDriver(k *checker, c *Config, p string) {
	before := len(k.errs)
	if k.oneOf(f.Driver, p+".driver", feedNATS, feedRabbitMQ, feedKafka, feedOutbox, feedWebhook); len(k.errs) > before {
		return
	}
	if f.Driver != feedWebhook {
		_, err := f.open(c.DataDir)
		if f.Driver != feedOutbox || !f.Outbox.told(k, p, err) {
			k.want(err == nil, p, "%v", err)
		}
		return
	}
	k.readable(f.Webhook.KeyFile, p+".webhook.key_file")
	if len(k.errs) == before {
		_, err := f.Webhook.keys()
		k.want(err == nil, p+".webhook.key_file", "%v", err)
	}
}

// keys reads the keys of the signatures. Its errors show none of them.
func (w FeedWebhook) keys() ([][]byte, error) {
	text, err := os.ReadFile(w.KeyFile)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			keys = append(keys, line)
		}
	}
	for _, key := range keys {
		if len(key) < 16 {
			return nil, fmt.Errorf("%s: a key has at least 16 bytes", w.KeyFile)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s is empty", w.KeyFile)
	}
	return keys, nil
}

// deadLetterFile is where dead letters are kept.
func (c *Config) deadLetterFile() string {
	if c.DeadLetters.File != "" {
		return c.DeadLetters.File
	}
	return filepath.Join(c.DataDir, "dead-letters.jsonl")
}
