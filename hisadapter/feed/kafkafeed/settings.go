package kafkafeed

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// Where a group without commits begins, as Settings.Start.
const (
	StartNew = "new"
	StartAll = "all"
)

// How we say who we are, as Settings.SASL.
const (
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
)

// Settings say where the messages are. Zero durations and empty choices are the
// defaults that the tags name.
type Settings struct {
	Addresses []string `yaml:"addresses" doc:"Brokers of one cluster, host:port; the others are found through them."`
	Topics    []string `yaml:"topics" doc:"The topics that are read."`
	Group     string   `yaml:"group" doc:"The consumer group that remembers how far we are. Each hisgate process needs one of its own."`
	Start     string   `yaml:"start" doc:"Where a group begins that has committed nothing yet: new, with what is published from then on, or all, with the oldest message. Empty = new."`

	SASL         string   `yaml:"sasl" doc:"How we say who we are: plain, scram-sha-256 or scram-sha-512; empty = not, or by the certificate of tls."`
	User         string   `yaml:"user" doc:"The user."`
	PasswordFile string   `yaml:"password_file" doc:"Its password."`
	TLS          link.TLS `yaml:"tls"`

	MaxFetchBytes  int           `yaml:"max_fetch_bytes" doc:"What each broker is asked for at once. 0 = 4 MiB."`
	ConnectTimeout time.Duration `yaml:"connect_timeout" doc:"For a connection to a broker, and for its answer to a small request. 0 = 5s."`
	SessionTimeout time.Duration `yaml:"session_timeout" doc:"How long the group waits for a sign of life; the broker's group.min.session.timeout.ms is the least. 0 = 10s."`
	MetadataMaxAge time.Duration `yaml:"metadata_max_age" doc:"How soon partitions are noticed that are added. 0 = 1m."`

	DeadLetterTopic string `yaml:"dead_letter_topic" doc:"Where messages go that cannot be read. Empty = to the feed's local file."`
}

// New checks the settings, all faults joined, and connects to nothing. The
// driver is a feed.Burier.
func New(s Settings) (feed.Driver, error) {
	s = s.withDefaults()
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &driver{settings: s}, nil
}

func (s Settings) withDefaults() Settings {
	if s.Start == "" {
		s.Start = StartNew
	}
	if s.MaxFetchBytes == 0 {
		s.MaxFetchBytes = 4 << 20
	}
	for v, d := range map[*time.Duration]time.Duration{
		&s.ConnectTimeout: 5 * time.Second, &s.SessionTimeout: 10 * time.Second, &s.MetadataMaxAge: time.Minute,
	} {
		if *v == 0 {
			*v = d
		}
	}
	return s
}

func (s Settings) check() error {
	errs := []error{link.Addresses("addresses", s.Addresses), s.TLS.Check()}
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(len(s.Topics) > 0, "topics are missing")
	for i, t := range s.Topics {
		want(isTopic(t), "topics: %q is not the name of a topic", t)
		want(!slices.Contains(s.Topics[:i], t), "topics: %q stands twice", t)
	}
	want(s.Group != "", "group is missing")
	want(s.Start == StartNew || s.Start == StartAll, "start: %q is not one of new, all", s.Start)
	want(s.DeadLetterTopic == "" || isTopic(s.DeadLetterTopic), "dead_letter_topic: %q is not the name of a topic", s.DeadLetterTopic)
	want(!slices.Contains(s.Topics, s.DeadLetterTopic), "dead_letter_topic: %q is one of the topics that are read", s.DeadLetterTopic)
	want(slices.Contains([]string{"", Plain, ScramSHA256, ScramSHA512}, s.SASL), "sasl: %q is not one of plain, scram-sha-256, scram-sha-512", s.SASL)
	want((s.SASL == "") == (s.User == "") && (s.User == "") == (s.PasswordFile == ""), "sasl, user and password_file belong together")
	want(s.MaxFetchBytes >= 64<<10 && s.MaxFetchBytes <= 256<<20, "max_fetch_bytes: %d is not from 64 KiB to 256 MiB", s.MaxFetchBytes)
	for _, x := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"connect_timeout", s.ConnectTimeout, 100 * time.Millisecond, time.Minute},
		{"session_timeout", s.SessionTimeout, time.Second, 30 * time.Minute},
		{"metadata_max_age", s.MetadataMaxAge, 100 * time.Millisecond, time.Hour},
	} {
		want(x.value >= x.min && x.value <= x.max, "%s: %v is not from %v to %v", x.name, x.value, x.min, x.max)
	}
	return errors.Join(errs...)
}

func isTopic(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= 249
}
