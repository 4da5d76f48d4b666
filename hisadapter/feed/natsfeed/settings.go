package natsfeed

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// What Settings.Create lets the driver make.
const (
	CreateNothing  = "nothing"
	CreateConsumer = "consumer"
	CreateStream   = "stream"
)

// Where a consumer that the driver makes begins, as Settings.Start.
const (
	StartNew = "new"
	StartAll = "all"
)

// Settings say where the messages are. Zero durations and empty choices are the
// defaults that the tags name.
type Settings struct {
	Addresses []string `yaml:"addresses" doc:"Servers of one cluster, host:port."`
	Stream    string   `yaml:"stream" doc:"The JetStream stream that keeps the messages."`
	Subjects  []string `yaml:"subjects" doc:"Which of its subjects; wildcards are * and >. Empty only with create: nothing."`
	Durable   string   `yaml:"durable" doc:"The durable consumer that remembers how far we are. Each hisgate process needs one of its own."`
	Create    string   `yaml:"create" doc:"What is made where it is missing: nothing, consumer (the durable consumer, which is also changed when these settings do), or stream (both; the stream with stream_max_age and stream_max_bytes, and never changed). Empty = consumer."`
	Start     string   `yaml:"start" doc:"Where a consumer that is made here begins: new, with what is published from then on, or all, with the oldest message that the stream keeps. Empty = new."`

	StreamMaxAge   time.Duration `yaml:"stream_max_age" doc:"How long a stream that is made here keeps messages. 0 = 24h."`
	StreamMaxBytes int64         `yaml:"stream_max_bytes" doc:"How much it keeps; the oldest go first. 0 = 1 GiB."`

	AckWait        time.Duration `yaml:"ack_wait" doc:"How long the server waits for an acknowledgement, or for word that a message is being worked on, before it delivers it again. 0 = 30s."`
	ConnectTimeout time.Duration `yaml:"connect_timeout" doc:"For the connection, and for each request of its beginning. 0 = 5s."`
	PingInterval   time.Duration `yaml:"ping_interval" doc:"A silent connection is asked for a sign of life so often, and given up after the second time without. 0 = 10s."`

	CredsFile    string   `yaml:"creds_file" doc:"JWT and seed, as nsc writes them."`
	NKeyFile     string   `yaml:"nkey_file" doc:"The seed of an nkey."`
	TokenFile    string   `yaml:"token_file" doc:"A token. One of creds_file, nkey_file, token_file, or user with password_file."`
	User         string   `yaml:"user" doc:"A user name."`
	PasswordFile string   `yaml:"password_file" doc:"Its password."`
	TLS          link.TLS `yaml:"tls"`

	DeadLetterSubject string `yaml:"dead_letter_subject" doc:"Where messages go that cannot be read; a stream must keep this subject, and it must not be one of those that are read. Empty = to the feed's local file."`
}

// New checks the settings, all faults joined, and connects to nothing. The
// driver is a feed.Burier.
func New(s Settings) (feed.Driver, error) {
	s = s.withDefaults()
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	return &driver{settings: s}, nil
}

func (s Settings) withDefaults() Settings {
	text := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	text(&s.Create, CreateConsumer)
	text(&s.Start, StartNew)
	for v, d := range map[*time.Duration]time.Duration{
		&s.StreamMaxAge: 24 * time.Hour, &s.AckWait: 30 * time.Second,
		&s.ConnectTimeout: 5 * time.Second, &s.PingInterval: 10 * time.Second,
	} {
		if *v == 0 {
			*v = d
		}
	}
	if s.StreamMaxBytes == 0 {
		s.StreamMaxBytes = 1 << 30
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
	want(isName(s.Stream), "stream: %q is not the name of a stream", s.Stream)
	want(isName(s.Durable), "durable: %q is not the name of a consumer", s.Durable)
	want(s.Create == CreateNothing || s.Create == CreateConsumer || s.Create == CreateStream,
		"create: %q is not one of nothing, consumer, stream", s.Create)
	want(s.Start == StartNew || s.Start == StartAll, "start: %q is not one of new, all", s.Start)
	want((len(s.Subjects) > 0) == (s.Create != CreateNothing), "subjects belong to create: consumer and stream; with nothing the consumer's own count")
	for _, f := range s.Subjects {
		want(isFilter(f), "subjects: %q is not a subject", f)
	}
	if d := s.DeadLetterSubject; d != "" {
		want(isFilter(d) && !strings.ContainsAny(d, "*>"), "dead_letter_subject: %q is not a subject without wildcards", d)
		want(!coveredByAny(s.Subjects, d), "dead_letter_subject: %q is one of the subjects that are read", d)
	}
	for _, x := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"ack_wait", s.AckWait, time.Second, time.Hour},
		{"connect_timeout", s.ConnectTimeout, 100 * time.Millisecond, time.Minute},
		{"ping_interval", s.PingInterval, 100 * time.Millisecond, 10 * time.Minute},
		{"stream_max_age", s.StreamMaxAge, time.Minute, 10 * 365 * 24 * time.Hour},
	} {
		want(x.value >= x.min && x.value <= x.max, "%s: %v is not from %v to %v", x.name, x.value, x.min, x.max)
	}
	want(s.StreamMaxBytes > 0, "stream_max_bytes: %d is not a number from 1 on", s.StreamMaxBytes)
	ways := 0
	for _, v := range []string{s.CredsFile, s.NKeyFile, s.TokenFile, s.User} {
		if v != "" {
			ways++
		}
	}
	want(ways <= 1, "only one of creds_file, nkey_file, token_file and user may be set")
	want((s.User == "") == (s.PasswordFile == ""), "user and password_file belong together")
	return errors.Join(errs...)
}
