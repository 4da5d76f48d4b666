package natsfeed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
)

// sink takes bodies.
func sink(deliver func(bodies []string) error) feed.Sink {
	return feed.Sink{
		Batch: 10, Connected: func() {}, Disconnected: func(error) {}, Lag: func(int64) {}, Missed: func(string) {},
		Deliver: func(_ context.Context, batch []feed.Message) error {
			var bodies []string
			for _, m := range batch {
				bodies = append(bodies, string(m.Body))
			}
			return deliver(bodies)
		},
	}
}

var errEnough = errors.New("enough")

// take runs a driver until n messages came, which are then not acknowledged.
func take(t testing.TB, d feed.Driver, n int) []string {
	t.Helper()
	var got []string
	err := d.Run(t.Context(), sink(func(bodies []string) error {
		if got = append(got, bodies...); len(got) >= n {
			return errEnough
		}
		return nil
	}))
	if !errors.Is(err, errEnough) {
		t.Fatalf("%v after %q", err, got)
	}
	return got
}

func stream(t testing.TB, js jetstream.JetStream, name string) {
	t.Helper()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{"stock." + name + ".>"}}); err != nil {
		t.Fatal(err)
	}
}

// TestServerWithoutReset has a user who may not put the consumer back, as with a
// server older than 2.14: what was not acknowledged still comes first.
func TestServerWithoutReset(t *testing.T) {
	admin := nats.UserInfo("admin", "secret")
	b := startBroker(t, `authorization { users = [
		{user: admin, password: secret}
		{user: reader, password: "open sesame", permissions: {publish: {deny: "$JS.API.CONSUMER.RESET.>"}}}
	] }`, admin)
	js := b.connect(t, admin)
	stream(t, js, "S")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, natsfeed.Settings{
		Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.>"}, Durable: "d", Start: natsfeed.StartAll,
		AckWait: time.Second, ConnectTimeout: time.Second, User: "reader", PasswordFile: password,
	})
	publish(t, js, "stock.S.a", []string{"1", "2", "3"})
	take(t, d, 1)
	publish(t, js, "stock.S.a", []string{"4"})
	if got := take(t, d, 4); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %q", got)
	}
}

// TestTwoReadersOfOneConsumer are told, rather than each having half.
func TestTwoReadersOfOneConsumer(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	s := natsfeed.Settings{Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.>"}, Durable: "d"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	ready := make(chan struct{}, 2)
	for i := range errs {
		wg.Go(func() {
			k := sink(func([]string) error { return nil })
			k.Connected = func() { ready <- struct{}{} }
			errs[i] = open(t, s).Run(ctx, k)
			cancel()
		})
	}
	<-ready
	<-ready
	for n := 0; ctx.Err() == nil && n < 1000; n++ {
		publish(t, js, "stock.S.a", []string{fmt.Sprint(n)})
	}
	wg.Wait()
	if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), "another reader") {
		t.Errorf("the readers were told %v", err)
	}
}

// TestConsumersThatBreakPromises are refused.
func TestConsumersThatBreakPromises(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	for name, test := range map[string]struct {
		config jetstream.ConsumerConfig
		want   string
	}{
		"tries":   {jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 5}, "max_deliver is 5"},
		"noack":   {jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy}, "ack_policy"},
		"headers": {jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, HeadersOnly: true}, "headers only"},
		"dead":    {jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy}, "reads the dead letter subject"},
	} {
		test.config.Durable = name
		if _, err := js.CreateConsumer(t.Context(), "S", test.config); err != nil {
			t.Fatal(err)
		}
		d := open(t, natsfeed.Settings{
			Addresses: []string{b.url()}, Stream: "S", Durable: name, Create: natsfeed.CreateNothing, DeadLetterSubject: "stock.S.dead",
		})
		if err := d.Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	d := open(t, natsfeed.Settings{Addresses: []string{b.url()}, Stream: "none", Durable: "d", Create: natsfeed.CreateNothing})
	if err := d.Run(t.Context(), sink(nil)); err == nil || !strings.Contains(err.Error(), "stream none") {
		t.Errorf("no such stream: %v", err)
	}
}

// TestSettingsThatChange change the consumer, which goes on where it was.
func TestSettingsThatChange(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	s := natsfeed.Settings{Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.a"}, Durable: "d", Start: natsfeed.StartAll}
	publish(t, js, "stock.S.a", []string{"a1"})
	publish(t, js, "stock.S.b", []string{"b1"})
	take(t, open(t, s), 1) // not acknowledged
	s.Subjects, s.AckWait, s.Start = []string{"stock.S.a", "stock.S.b"}, time.Minute, natsfeed.StartNew
	publish(t, js, "stock.S.b", []string{"b2"})
	if got := take(t, open(t, s), 3); !slices.Equal(got, []string{"a1", "b1", "b2"}) {
		t.Errorf("got %q", got)
	}
}

// TestBurialWithoutAStream fails, and the feed has its local file.
func TestBurialWithoutAStream(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	d := open(t, natsfeed.Settings{
		Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.>"}, Durable: "d", Start: natsfeed.StartAll, DeadLetterSubject: "nobody.keeps.it",
	}).(feed.Burier)
	publish(t, js, "stock.S.a", []string{"1"})
	k := sink(nil)
	k.Deliver = func(ctx context.Context, batch []feed.Message) error {
		if err := d.Bury(ctx, batch[0], "reason"); err == nil || errors.Is(err, feed.ErrNoBurial) {
			t.Errorf("Bury: %v", err)
		}
		return errEnough
	}
	if err := d.Run(t.Context(), k); !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if err := open(t, natsfeed.Settings{Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"a"}, Durable: "d"}).(feed.Burier).
		Bury(t.Context(), feed.Message{}, ""); !errors.Is(err, feed.ErrNoBurial) {
		t.Errorf("Bury without a place: %v", err)
	}
}

// TestStreamThatIsMadeAnew counts from 1 again, and so do the names of its messages.
func TestStreamThatIsMadeAnew(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"dead"}}); err != nil {
		t.Fatal(err)
	}
	d := open(t, natsfeed.Settings{Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.>"}, Durable: "d", DeadLetterSubject: "dead"})
	var got []string
	var last int64
	missed := 0
	run := func(enough int, connected func()) {
		t.Helper()
		k := sink(nil)
		k.Connected, k.Missed = connected, func(string) { missed++ }
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		k.Deliver = func(ctx context.Context, batch []feed.Message) error {
			for _, m := range batch {
				if m.Sequence <= last {
					t.Errorf("%s has the sequence %d after %d", m.Body, m.Sequence, last)
				}
				last = m.Sequence
				got = append(got, string(m.Body))
				if err := d.(feed.Burier).Bury(ctx, m, "reason"); err != nil {
					t.Error(err)
				}
			}
			if len(got) >= enough {
				stop()
			}
			return nil
		}
		for ctx.Err() == nil {
			_ = d.Run(ctx, k) // what it says of a stream that is gone are the library's words
		}
	}
	run(2, sync.OnceFunc(func() { publish(t, js, "stock.S.a", []string{"a1", "a2"}) }))
	if missed != 0 {
		t.Errorf("told %d times that messages are missed", missed)
	}
	if err := js.DeleteStream(t.Context(), "S"); err != nil {
		t.Fatal(err)
	}
	stream(t, js, "S")
	publish(t, js, "stock.S.a", []string{"b1"}) // while hisgate has no consumer there
	run(4, sync.OnceFunc(func() { publish(t, js, "stock.S.a", []string{"b2"}) }))
	if want := []string{"a1", "a2", "b1", "b2"}; !slices.Equal(got, want) || missed != 1 {
		t.Errorf("got %q, and was told %d times that messages are missed", got, missed)
	}
	if n := len(letters(t, js, "DEAD")); n != 4 {
		t.Errorf("%d letters are kept of 4", n)
	}
}

// TestConsumerThatIsDeleted while it is read is made again, and goes on where it was.
func TestConsumerThatIsDeleted(t *testing.T) {
	b := startBroker(t, "")
	js := b.connect(t)
	stream(t, js, "S")
	d := open(t, natsfeed.Settings{Addresses: []string{b.url()}, Stream: "S", Subjects: []string{"stock.S.>"}, Durable: "d"})
	var got []string
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	first := true
	k := sink(func(bodies []string) error {
		if got = append(got, bodies...); len(got) == 1 {
			if err := js.DeleteConsumer(context.WithoutCancel(ctx), "S", "d"); err != nil {
				t.Error(err)
			}
			publish(t, js, "stock.S.a", []string{"2"})
		}
		if slices.Contains(got, "2") {
			stop()
		}
		return nil
	})
	k.Connected = func() {
		if first {
			first = false
			publish(t, js, "stock.S.a", []string{"1"})
		}
	}
	runs := 0
	for ; ctx.Err() == nil; runs++ {
		_ = d.Run(ctx, k) // its words for it are the library's
	}
	if !slices.Contains(got, "2") || runs < 2 {
		t.Errorf("got %q in %d runs", got, runs)
	}
}
