package feedtest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// testBackPressure takes its time: no more may be under way than one batch.
func testBackPressure(t *testing.T, s *Source) {
	r := begun(t, s, 20)
	began, goOn := make(chan struct{}, 1), make(chan struct{})
	r.hook = func(ctx context.Context, _ []feed.Message) error {
		select {
		case began <- struct{}{}:
		default:
		}
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f := start(t, s.Driver, r)
	const n, width = 400, 16 << 10
	s.publishWide(t, 2, 100, width)
	<-began
	before := s.Proxy.Received()
	for first := 101; first <= n; first += 10 { // the server has time to send them
		s.publishWide(t, first, first+9, width)
		if s.Held != nil {
			if held := s.Held(t); held > r.batch {
				t.Errorf("%d messages are under way, of at most %d", held, r.batch)
			}
		}
	}
	if got := s.Proxy.Received() - before; got > 2<<20 {
		t.Errorf("%d bytes came while a batch was being taken", got)
	}
	close(goOn)
	r.all(n)
	f.stop()
}

// testStop ends the context while the driver waits for messages, while a batch is
// being taken, and while the server is silent. Nothing may be left of it.
func testStop(t *testing.T, s *Source) {
	r := begun(t, s, 10) // and what its server starts at its first use is there
	before := goleak.IgnoreCurrent()
	f := start(t, s.Driver, r)
	r.await("connected", func() bool { return r.connected })
	f.stop()

	taking := make(chan struct{}, 1)
	r.hook = func(ctx context.Context, _ []feed.Message) error {
		taking <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	f = start(t, s.Driver, r)
	s.publish(t, 2, 100)
	<-taking
	f.stop()

	r.hook = nil
	s.Proxy.Freeze()
	f = start(t, s.Driver, r)
	f.stop()
	s.Proxy.Cut()
	s.Proxy.Thaw()

	f = start(t, s.Driver, r)
	r.all(100)
	f.stop()
	deadline := time.Now().Add(patience)
	for {
		err := goleak.Find(before)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines left behind: %v", err)
		}
	}
}

// testAbsent has nobody behind the proxy: Run must end with an error.
func testAbsent(t *testing.T, s *Source) {
	defer s.Proxy.Lead("127.0.0.1:1")()
	r := newReader(t, s, 10)
	f := start(t, s.Driver, r)
	r.await("a second failure", func() bool { return len(f.failures()) >= 2 })
	if r.connected {
		t.Error("Connected without a server")
	}
	f.stop()
}
