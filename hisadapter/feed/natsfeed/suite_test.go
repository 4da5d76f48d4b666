package natsfeed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
)

func TestDriver(t *testing.T) {
	b := startBroker(t, "")
	places := 0
	feedtest.Run(t, func(t *testing.T) *feedtest.Source {
		places++
		return b.place(t, fmt.Sprintf("S%d", places))
	})
}

// place is a stream of its own.
func (b *broker) place(t *testing.T, name string) *feedtest.Source {
	js := b.connect(t)
	proxy := feedtest.NewProxy(t, b.url())
	dead := "dead." + name
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "DEAD-" + name, Subjects: []string{dead}}); err != nil {
		t.Fatal(err)
	}
	driver := open(t, natsfeed.Settings{
		Addresses: []string{proxy.Addr()}, Stream: name, Subjects: []string{"stock." + name}, Durable: "hisgate",
		Create: natsfeed.CreateStream, PingInterval: time.Second, DeadLetterSubject: dead,
	})
	return &feedtest.Source{
		Driver: driver, Proxy: proxy, Lag: true, Silence: true,
		Kill:    b.kill,
		Publish: func(t testing.TB, _ int, bodies []string) { publish(t, js, "stock."+name, bodies) },
		Buried:  func(t testing.TB) []feedtest.Letter { return letters(t, js, "DEAD-"+name) },
		Held: func(t testing.TB) int {
			c, err := js.Consumer(t.Context(), name, "hisgate")
			if err != nil {
				t.Fatal(err)
			}
			return c.CachedInfo().NumAckPending
		},
	}
}

func open(t testing.TB, s natsfeed.Settings) feed.Driver {
	t.Helper()
	d, err := natsfeed.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// publish waits until the stream keeps everything.
func publish(t testing.TB, js jetstream.JetStream, subject string, bodies []string) {
	t.Helper()
	futures := make([]jetstream.PubAckFuture, 0, len(bodies))
	for _, b := range bodies {
		f, err := js.PublishAsync(subject, []byte(b), jetstream.WithStallWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			t.Fatal(err)
		}
	}
}

func letters(t testing.TB, js jetstream.JetStream, stream string) []feedtest.Letter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	var out []feedtest.Letter
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, feedtest.Letter{
			Body: string(m.Data), ID: m.Header.Get("Hisgate-Message-Id"), Reason: m.Header.Get("Hisgate-Reason"),
		})
	}
	return out
}
