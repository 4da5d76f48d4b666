package feed_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// A message is acknowledged only after it took effect.
func TestDeliverReturnsWhenAllTookEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{gate: make(chan struct{})}
		acknowledged := false
		f := newFeed(t, feed.Options{Apply: s.apply, Driver: &driver{func(ctx context.Context, sink feed.Sink) error {
			if err := sink.Deliver(ctx, []feed.Message{figure("A", 1), figure("B", 2)}); err != nil {
				return err
			}
			acknowledged = true
			<-ctx.Done()
			return nil
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx)
		synctest.Wait()
		if acknowledged {
			t.Error("acknowledged before it took effect")
		}
		s.gate <- struct{}{}
		synctest.Wait()
		if acknowledged {
			t.Error("acknowledged when half of it had taken effect")
		}
		s.gate <- struct{}{}
		synctest.Wait()
		if n, _ := s.figure("B"); !acknowledged || n != 2 {
			t.Errorf("acknowledged: %v, B is %d", acknowledged, n)
		}
		cancel()
		synctest.Wait()
	})
}

// What did not take effect when hisgate stops is not acknowledged.
func TestDeliverFailsWhenTheFeedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{gate: make(chan struct{})}
		var got error
		f := newFeed(t, feed.Options{Apply: s.apply, Driver: &driver{func(ctx context.Context, sink feed.Sink) error {
			got = sink.Deliver(ctx, []feed.Message{figure("A", 1)})
			return got
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(got, context.Canceled) {
			t.Errorf("error %v", got)
		}
		if st := f.State(); st.Taken+st.Dead > 0 {
			t.Errorf("counted as taken: %+v", st)
		}
	})
}

// A source that is away is tried for ever, with growing pauses; after a time that
// was good the pauses are short again.
func TestReconnectsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		begun := time.Now()
		var good atomic.Bool
		f := newFeed(t, feed.Options{Random: func() float64 { return 0 }, Driver: &driver{func(ctx context.Context, sink feed.Sink) error {
			tries = append(tries, time.Since(begun).Round(time.Second))
			switch {
			case len(tries) == 3:
				panic("of a library")
			case good.CompareAndSwap(true, false):
				sink.Connected()
				time.Sleep(2 * time.Minute)
				return errors.New("cut")
			}
			return errors.New("refused")
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(124 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91, 121}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		if h := f.Health(); len(h) != 1 || !strings.Contains(h[0], "refused") || !strings.Contains(h[0], "2m4s") {
			t.Errorf("health %q", h)
		}
		good.Store(true)
		time.Sleep(28 * time.Second)
		synctest.Wait()
		if h := f.Health(); len(h) > 0 {
			t.Errorf("while connected: health %q", h)
		}
		time.Sleep(121 * time.Second)
		synctest.Wait()
		n := len(tries)
		if gap := tries[n-1] - tries[n-2]; gap != 121*time.Second {
			t.Errorf("after two good minutes the next try came after %v", gap)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if st := f.State(); st.Losses != uint64(n) {
			t.Errorf("%d losses of %d tries", st.Losses, n)
		}
	})
}

func TestConnectionsThatTheDriverMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := make(chan func(feed.Sink))
		f := newFeed(t, feed.Options{SilentAfter: time.Minute, Driver: &driver{func(ctx context.Context, sink feed.Sink) error {
			for do := range step {
				do(sink)
			}
			return nil
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		synctest.Wait()
		if len(f.Health()) > 0 {
			t.Error("complains at once")
		}
		time.Sleep(20 * time.Second)
		if len(f.Health()) == 0 {
			t.Error("a connection that does not come is no complaint")
		}
		step <- func(s feed.Sink) { s.Connected(); s.Lag(7) }
		synctest.Wait()
		if st := f.State(); st.Phase != feed.Connected || st.Lag != 7 || len(f.Health()) > 0 {
			t.Errorf("got %+v", st)
		}
		step <- func(s feed.Sink) { s.Disconnected(errors.New("reset")) }
		synctest.Wait()
		if h := f.Health(); len(h) != 1 || !strings.Contains(h[0], "reset") {
			t.Errorf("health %q", h)
		}
		step <- func(s feed.Sink) {
			s.Connected()
			if err := s.Deliver(ctx, []feed.Message{{Body: []byte(`{"type": "heartbeat"}`)}}); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(f.Health()) > 0 {
			t.Errorf("health %q", f.Health())
		}
		time.Sleep(61 * time.Second)
		if h := f.Health(); len(h) != 1 || !strings.Contains(h[0], "no message for 1m1s") || !f.State().Silent {
			t.Errorf("health %q", h)
		}
		cancel()
		close(step)
		<-done
	})
}

// The driver is not called back before its batch took effect: what waits, waits
// at the source.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{gate: make(chan struct{})}
		fetched := 0
		f := newFeed(t, feed.Options{Apply: s.apply, Batch: 5, Driver: &driver{func(ctx context.Context, sink feed.Sink) error {
			for {
				batch := make([]feed.Message, sink.Batch)
				for i := range batch {
					batch[i] = figure("A", fetched)
					fetched++
				}
				if err := sink.Deliver(ctx, batch); err != nil {
					return err
				}
			}
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx)
		for range 12 {
			s.gate <- struct{}{}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if fetched != 15 {
			t.Errorf("%d were fetched while 12 took effect", fetched)
		}
		cancel()
		synctest.Wait()
	})
}

func TestDelaysAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, feed.Options{})
		m := figure("A", 1)
		m.At = time.Now().Add(-40 * time.Millisecond)
		ahead := figure("B", 1)
		ahead.At = time.Now().Add(time.Hour) // a clock that is ahead
		for _, m := range []feed.Message{m, ahead, figure("C", 3), {Body: []byte(`{"type": "heartbeat"}`)}} {
			if err := f.Take(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		st := f.State()
		if st.Taken != 4 || st.Skipped != 1 || st.Applied != 3 || st.DelaySum != 40*time.Millisecond || st.Delays[0] != 1 || st.Delays[5] != 1 {
			t.Errorf("got %+v", st)
		}
	})
}
