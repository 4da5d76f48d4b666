package feedtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// testLook looks before the first Run, and at messages, those that wait (where the
// source can show them) and those that come; afterwards a Run is given all of them, as
// if nobody had looked.
func testLook(t *testing.T, s *Source) {
	looker, ok := s.Driver.(feed.Looker)
	if !ok {
		t.Fatal("the driver is no feed.Looker")
	}
	if seen, err := looker.Find(t.Context()); err != nil {
		t.Error(err)
	} else if !seen.Absent { // what Run makes cannot be looked at before
		ctx, connected := context.WithTimeout(t.Context(), patience)
		defer connected()
		early := newReader(t, s, 10).sink()
		early.Connected = connected
		if err := looker.Look(ctx, early); err != nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("before the first Run, Look ended with %v, %v", err, ctx.Err())
		}
	}
	r := begun(t, s, 10)
	if !s.LookBegins {
		s.publish(t, 2, 30)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := map[string]bool{}
	sink := r.sink()
	sink.Connected = sync.OnceFunc(func() {
		if s.LookBegins {
			s.publish(t, 2, 30)
		}
	})
	enough := errors.New("enough")
	sink.Deliver = func(_ context.Context, batch []feed.Message) error {
		for _, m := range batch {
			if m.ID == "" {
				t.Errorf("%s has no ID", m.Body)
			}
			seen[string(m.Body)] = true
		}
		if len(seen) >= 15 { // more than a batch
			return enough
		}
		return nil
	}
	if err := looker.Look(ctx, sink); !errors.Is(err, enough) {
		t.Errorf("Look ended with %v after %d messages", err, len(seen))
	}
	if !seen[body(0, 2)] && s.lanes() == 1 {
		t.Errorf("%s is the next one, and it was shown %v", body(0, 2), seen)
	}
	ctx, stop := context.WithCancel(t.Context())
	sink.Connected = stop
	if err := looker.Look(ctx, sink); err != nil {
		t.Errorf("Look ended with %v when it was stopped", err)
	}
	f := start(t, s.Driver, r)
	r.all(30)
	f.stop()
	if errs := f.failures(); len(errs) > 0 {
		t.Errorf("Run failed: %v", errs)
	}
}
