package rabbitfeed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/link"
	"github.com/hisgate/hisgate/hisadapter/feed/rabbitfeed"
)

func TestSettings(t *testing.T) {
	good := rabbitfeed.Settings{Addresses: []string{"rabbit:5672"}, User: "u", PasswordFile: "p", Queue: "q", Exchange: "x", RoutingKeys: []string{"#"}}
	for name, test := range map[string]struct {
		change func(*rabbitfeed.Settings)
		want   string // "" where nothing is wrong
	}{
		"good":        {func(*rabbitfeed.Settings) {}, ""},
		"a URL":       {func(s *rabbitfeed.Settings) { s.Addresses = []string{"amqp://u:geheim@h:1/"} }, "host:port"},
		"no password": {func(s *rabbitfeed.Settings) { s.PasswordFile = "" }, "password_file"},
		"nobody":      {func(s *rabbitfeed.Settings) { s.User, s.PasswordFile = "", "" }, "user is missing"},
		"certificate": {func(s *rabbitfeed.Settings) {
			s.User, s.PasswordFile, s.TLS = "", "", link.TLS{Enabled: true, CertFile: "c", KeyFile: "k"}
		}, ""},
		"queue":        {func(s *rabbitfeed.Settings) { s.Queue = "" }, "queue"},
		"long queue":   {func(s *rabbitfeed.Settings) { s.Queue = strings.Repeat("q", 256) }, "queue"},
		"a loop":       {func(s *rabbitfeed.Settings) { s.DeadLetterQueue = "q" }, "dead_letter_queue"},
		"no exchange":  {func(s *rabbitfeed.Settings) { s.Exchange = "" }, "exchange"},
		"bound":        {func(s *rabbitfeed.Settings) { s.Create, s.Exchange, s.RoutingKeys = rabbitfeed.CreateNothing, "", nil }, ""},
		"bound, keys":  {func(s *rabbitfeed.Settings) { s.Create = rabbitfeed.CreateNothing }, "create: nothing"},
		"create":       {func(s *rabbitfeed.Settings) { s.Create = "all" }, "create"},
		"queue type":   {func(s *rabbitfeed.Settings) { s.QueueType = "stream" }, "queue_type"},
		"heartbeat":    {func(s *rabbitfeed.Settings) { s.Heartbeat = time.Millisecond }, "heartbeat"},
		"queue's size": {func(s *rabbitfeed.Settings) { s.QueueMaxBytes = -1 }, "queue_max_bytes"},
	} {
		s := good
		test.change(&s)
		_, err := rabbitfeed.New(s)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	_, err := rabbitfeed.New(rabbitfeed.Settings{})
	for _, want := range []string{"addresses", "user", "queue", "exchange"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
