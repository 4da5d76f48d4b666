package kafkafeed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/kafkafeed"
)

func TestSettings(t *testing.T) {
	good := kafkafeed.Settings{Addresses: []string{"kafka:9092"}, Topics: []string{"his.public.drug_stock"}, Group: "g"}
	for name, test := range map[string]struct {
		change func(*kafkafeed.Settings)
		want   string // "" where nothing is wrong
	}{
		"good":          {func(*kafkafeed.Settings) {}, ""},
		"a URL":         {func(s *kafkafeed.Settings) { s.Addresses = []string{"kafka://u:geheim@h:1"} }, "host:port"},
		"no topics":     {func(s *kafkafeed.Settings) { s.Topics = nil }, "topics"},
		"a bad topic":   {func(s *kafkafeed.Settings) { s.Topics = []string{"库存"} }, "topics"},
		"a topic twice": {func(s *kafkafeed.Settings) { s.Topics = []string{"a", "a"} }, "twice"},
		"group":         {func(s *kafkafeed.Settings) { s.Group = "" }, "group"},
		"start":         {func(s *kafkafeed.Settings) { s.Start = "old" }, "start"},
		"sasl":          {func(s *kafkafeed.Settings) { s.SASL, s.User, s.PasswordFile = "gssapi", "u", "p" }, "sasl"},
		"no password":   {func(s *kafkafeed.Settings) { s.SASL, s.User = kafkafeed.Plain, "u" }, "password_file"},
		"a loop":        {func(s *kafkafeed.Settings) { s.DeadLetterTopic = s.Topics[0] }, "dead_letter_topic"},
		"fetch":         {func(s *kafkafeed.Settings) { s.MaxFetchBytes = 1 }, "max_fetch_bytes"},
		"session":       {func(s *kafkafeed.Settings) { s.SessionTimeout = time.Millisecond }, "session_timeout"},
	} {
		s := good
		test.change(&s)
		_, err := kafkafeed.New(s)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	_, err := kafkafeed.New(kafkafeed.Settings{})
	for _, want := range []string{"addresses", "topics", "group"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
