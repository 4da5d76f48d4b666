package feedtest

import (
	"context"
	"errors"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// testKilled kills the server while messages flow.
func testKilled(t *testing.T, s *Source) {
	if s.Kill == nil {
		return
	}
	r := begun(t, s, 100)
	n := howMany(t) / 4 / s.lanes()
	s.publish(t, 2, n)
	f := start(t, s.Driver, r)
	r.all(n / 3)
	r.doubt()
	s.Kill(t)
	r.all(n)
	s.publish(t, n+1, n+10)
	r.all(n + 10)
	f.stop()
}

// testCut cuts the connection while a batch is being taken, so that its
// acknowledgement has no way back.
func testCut(t *testing.T, s *Source) {
	r := begun(t, s, 50)
	n, cuts := 2000, 0
	s.publish(t, 2, n)
	r.hook = func(context.Context, []feed.Message) error {
		if batches, _ := r.count(); batches%5 == 0 && cuts < 8 {
			cuts++
			s.Proxy.Cut()
		}
		return nil
	}
	f := start(t, s.Driver, r)
	r.all(n)
	f.stop()
	if cuts < 8 {
		t.Errorf("only %d cuts: the batches are too large for this test", cuts)
	}
}

// testSilent lets the connection fall silent: open, but nothing passes, as behind
// a firewall that forgot it.
func testSilent(t *testing.T, s *Source) {
	if !s.Silence {
		return
	}
	r := begun(t, s, 50)
	f := start(t, s.Driver, r)
	s.publish(t, 2, 100)
	r.all(100)
	s.Proxy.Freeze()
	r.await("the driver notices", func() bool { return len(f.failures()) > 0 || r.losses > 0 })
	s.Proxy.Cut() // the firewall knows the connection no more
	s.Proxy.Thaw()
	s.publish(t, 101, 200)
	r.all(200)
	f.stop()
}

// errRefused is what a feed that cannot take a batch may say.
var errRefused = errors.New("not now")

// testRefused refuses batches: the very same messages must come again, first of
// all, and not be taken for done.
func testRefused(t *testing.T, s *Source) {
	r := begun(t, s, 40)
	n, refused := 1000, 0
	s.publish(t, 2, n)
	r.hook = func(context.Context, []feed.Message) error {
		if batches, _ := r.count(); batches%4 == 0 && refused < 6 {
			refused++
			return errRefused
		}
		return nil
	}
	f := start(t, s.Driver, r)
	r.all(n)
	f.stop()
	if refused < 6 {
		t.Errorf("only %d batches refused: they are too large for this test", refused)
	}
	errs := f.failures()
	if len(errs) < refused {
		t.Errorf("%d batches refused, and %d Runs ended", refused, len(errs))
	}
	for _, err := range errs {
		if !errors.Is(err, errRefused) {
			t.Errorf("Run ended with %v, not with what Deliver said", err)
		}
	}
}
