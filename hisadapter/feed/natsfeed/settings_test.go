package natsfeed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/link"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
)

func TestSettings(t *testing.T) {
	good := natsfeed.Settings{Addresses: []string{"nats:4222"}, Stream: "S", Subjects: []string{"a.*.c", "b.>"}, Durable: "d"}
	for name, test := range map[string]struct {
		change func(*natsfeed.Settings)
		want   string // "" where nothing is wrong
	}{
		"good":            {func(*natsfeed.Settings) {}, ""},
		"no address":      {func(s *natsfeed.Settings) { s.Addresses = nil }, "addresses is missing"},
		"a URL":           {func(s *natsfeed.Settings) { s.Addresses = []string{"nats://u:geheim@h:1"} }, "host:port"},
		"a port":          {func(s *natsfeed.Settings) { s.Addresses = []string{"nats:no"} }, "port"},
		"stream":          {func(s *natsfeed.Settings) { s.Stream = "a.b" }, "stream"},
		"durable":         {func(s *natsfeed.Settings) { s.Durable = "" }, "durable"},
		"subject":         {func(s *natsfeed.Settings) { s.Subjects = []string{"a..b"} }, "subjects"},
		"inner >":         {func(s *natsfeed.Settings) { s.Subjects = []string{"a.>.b"} }, "subjects"},
		"no subjects":     {func(s *natsfeed.Settings) { s.Subjects = nil }, "subjects"},
		"bound":           {func(s *natsfeed.Settings) { s.Subjects, s.Create = nil, natsfeed.CreateNothing }, ""},
		"bound, subjects": {func(s *natsfeed.Settings) { s.Create = natsfeed.CreateNothing }, "subjects"},
		"create":          {func(s *natsfeed.Settings) { s.Create = "all" }, "create"},
		"start":           {func(s *natsfeed.Settings) { s.Start = "old" }, "start"},
		"ack wait":        {func(s *natsfeed.Settings) { s.AckWait = time.Millisecond }, "ack_wait"},
		"two ways in":     {func(s *natsfeed.Settings) { s.NKeyFile, s.CredsFile = "a", "b" }, "only one"},
		"no password":     {func(s *natsfeed.Settings) { s.User = "u" }, "password_file"},
		"a loop":          {func(s *natsfeed.Settings) { s.DeadLetterSubject = "b.dead.letters" }, "dead_letter_subject"},
		"no loop":         {func(s *natsfeed.Settings) { s.DeadLetterSubject = "a.b.c.d" }, ""},
		"wild letters":    {func(s *natsfeed.Settings) { s.DeadLetterSubject = "dead.*" }, "dead_letter_subject"},
		"half a TLS":      {func(s *natsfeed.Settings) { s.TLS = link.TLS{Enabled: true, CertFile: "c"} }, "key_file"},
		"TLS off":         {func(s *natsfeed.Settings) { s.TLS = link.TLS{CAFile: "c"} }, "enabled is false"},
		"TLS version":     {func(s *natsfeed.Settings) { s.TLS = link.TLS{Enabled: true, Min: "3"} }, "tls.min"},
	} {
		s := good
		test.change(&s)
		_, err := natsfeed.New(s)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	_, err := natsfeed.New(natsfeed.Settings{})
	for _, want := range []string{"addresses", "stream", "durable", "subjects"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
