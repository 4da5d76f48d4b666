package rabbitfeed

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// What Settings.Create lets the driver make.
const (
	CreateNothing  = "nothing"
	CreateQueue    = "queue"
	CreateExchange = "exchange"
)

// Kinds of queues that are made here, as Settings.QueueType.
const (
	Classic = "classic"
	Quorum  = "quorum"
)

// Settings say where the messages are. Zero durations and empty choices are the
// defaults that the tags name.
type Settings struct {
	Addresses    []string `yaml:"addresses" doc:"Nodes of one cluster, host:port; tried in this order."`
	VHost        string   `yaml:"vhost" doc:"The virtual host; empty = /."`
	User         string   `yaml:"user" doc:"The user; empty = the client certificate of tls proves who we are (EXTERNAL)."`
	PasswordFile string   `yaml:"password_file" doc:"Its password."`
	TLS          link.TLS `yaml:"tls"`

	Queue       string   `yaml:"queue" doc:"The queue that is read. Each hisgate process needs one of its own."`
	Create      string   `yaml:"create" doc:"What is made where it is missing: nothing, queue (the queue, its bindings and the dead letter queue), or exchange (a topic exchange as well). Empty = queue."`
	Exchange    string   `yaml:"exchange" doc:"The exchange to which the queue is bound."`
	RoutingKeys []string `yaml:"routing_keys" doc:"With which keys; in a topic exchange * is one word and # any number."`
	Shared      bool     `yaml:"shared" doc:"Let others read the queue too. Messages that they take are lost to us, and the order is not kept."`

	QueueType     string        `yaml:"queue_type" doc:"Of a queue that is made here: classic or quorum. Empty = classic."`
	QueueMaxAge   time.Duration `yaml:"queue_max_age" doc:"How long a queue that is made here keeps messages that nobody reads. 0 = 24h."`
	QueueMaxBytes int64         `yaml:"queue_max_bytes" doc:"How much it keeps; the oldest go first. 0 = 1 GiB."`

	ConnectTimeout time.Duration `yaml:"connect_timeout" doc:"For the connection to one node. 0 = 5s."`
	Heartbeat      time.Duration `yaml:"heartbeat" doc:"A connection that is silent for twice as long is given up, by both sides; at least 1s. 0 = 10s."`

	DeadLetterQueue string `yaml:"dead_letter_queue" doc:"Where messages go that cannot be read. Empty = to the feed's local file."`
}

// New checks the settings, all faults joined, and connects to nothing. The
// driver is a feed.Burier.
func New(s Settings) (feed.Driver, error) {
	s = s.withDefaults()
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	return &driver{settings: s}, nil
}

func (s Settings) withDefaults() Settings {
	for v, d := range map[*string]string{&s.VHost: "/", &s.Create: CreateQueue, &s.QueueType: Classic} {
		if *v == "" {
			*v = d
		}
	}
	for v, d := range map[*time.Duration]time.Duration{
		&s.QueueMaxAge: 24 * time.Hour, &s.ConnectTimeout: 5 * time.Second, &s.Heartbeat: 10 * time.Second,
	} {
		if *v == 0 {
			*v = d
		}
	}
	if s.QueueMaxBytes == 0 {
		s.QueueMaxBytes = 1 << 30
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
	want((s.User == "") == (s.PasswordFile == ""), "user and password_file belong together")
	want(s.User != "" || s.TLS.CertFile != "", "user is missing, and tls.cert_file too")
	want(s.Queue != "" && len(s.Queue) <= 255, "queue: %q is not a name of 1 to 255 bytes", s.Queue)
	want(len(s.DeadLetterQueue) <= 255, "dead_letter_queue: the name is longer than 255 bytes")
	want(s.DeadLetterQueue != s.Queue, "dead_letter_queue: %q is the queue that is read", s.Queue)
	switch s.Create {
	case CreateQueue, CreateExchange:
		want(s.Exchange != "" && len(s.RoutingKeys) > 0, "exchange and routing_keys are missing, to which the queue is bound (create: %s)", s.Create)
	case CreateNothing:
		want(s.Exchange == "" && len(s.RoutingKeys) == 0, "exchange and routing_keys: with create: nothing the queue's own bindings count")
	default:
		want(false, "create: %q is not one of nothing, queue, exchange", s.Create)
	}
	want(s.QueueType == Classic || s.QueueType == Quorum, "queue_type: %q is not one of classic, quorum", s.QueueType)
	for _, x := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"connect_timeout", s.ConnectTimeout, 100 * time.Millisecond, time.Minute},
		{"heartbeat", s.Heartbeat, time.Second, 10 * time.Minute},
		{"queue_max_age", s.QueueMaxAge, time.Minute, 365 * 24 * time.Hour},
	} {
		want(x.value >= x.min && x.value <= x.max, "%s: %v is not from %v to %v", x.name, x.value, x.min, x.max)
	}
	want(s.QueueMaxBytes > 0, "queue_max_bytes: %d is not a number from 1 on", s.QueueMaxBytes)
	return errors.Join(errs...)
}
