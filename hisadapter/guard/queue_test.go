package guard_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// [C5] A flood of queries uses the rate up, save for what is kept for Confirm.
func TestConfirmNeedsNotWaitForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.QueueLength = 100, 1000
		s.Rate, s.Burst = 1, 20 // a tenth: two
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { query(guard.WithClass(ctx, guard.ClassClientRelease), g) })
		}
		time.Sleep(10 * time.Second) // the flood has had the burst, and each token since
		synctest.Wait()
		if got := calls(h, simhis.OpQueryStock); got != 28 {
			t.Errorf("%d calls of the flood in 10 s, want 18 of the burst and one a second", got)
		}
		start := time.Now()
		for _, no := range []string{"R1", "R2"} {
			wantOutcome(t, place(ctx, g, no), hisadapter.Done)
		}
		if got := since(start); got != 0 {
			t.Errorf("two confirms waited %v behind the flood", got)
		}
		wantOutcome(t, place(ctx, g, "R3"), hisadapter.Done)
		if got := since(start); got != time.Second {
			t.Errorf("the third went after %v, want the next token", got)
		}
		// What was kept is filled up again before the flood goes on.
		flood := calls(h, simhis.OpQueryStock)
		time.Sleep(2 * time.Second)
		if got := calls(h, simhis.OpQueryStock) - flood; got != 0 {
			t.Errorf("%d calls of the flood before the next Confirm has its token", got)
		}
		time.Sleep(2 * time.Second)
		if got := calls(h, simhis.OpQueryStock) - flood; got == 0 {
			t.Error("the flood has stopped for good")
		}
		cancel()
		wg.Wait()
	})
}

// A stream of Confirms that wants the whole rate does not starve the others.
func TestSharesHoldForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.QueueLength = 100, 1000
		s.Rate, s.Burst = 10, 10
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() { place(ctx, g, drug(i)) })
			wg.Go(func() { query(ctx, g) })
		}
		wg.Wait()
		total := calls(h, simhis.OpPlaceOrder) + calls(h, simhis.OpQueryStock)
		if got := calls(h, simhis.OpQueryStock); got < total/10-2 {
			t.Errorf("queries had %d of %d calls, their share is a tenth", got, total)
		}
	})
}

// A caller whose time ends before its turn can come is refused at once, and told
// when to come again. It takes nobody's place in the queue.
func TestWhoseTurnCannotComeInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.Rate = 1, 0
		h, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: time.Second}}, s, guard.Deps{})
		wantOutcome(t, query(t.Context(), g), hisadapter.Done) // so long does a call take
		var wg sync.WaitGroup
		for range 4 { // one at the HIS, three wait
			wg.Go(func() { wantOutcome(t, query(t.Context(), g), hisadapter.Done) })
			synctest.Wait()
		}
		within := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return query(ctx, g)
		}
		start := time.Now()
		err := within(2 * time.Second)
		wantRejection(t, err, guard.CauseTooLate)
		if e, _ := errors.AsType[*hisadapter.Error](err); since(start) != 0 || e.RetryAfter != 3*time.Second {
			t.Errorf("after %v, come again in %v; want at once, and in the 3 s of those who wait", since(start), e.RetryAfter)
		}
		if got := class(g.State(), guard.ClassQuery); got.Queued != 3 || got.Rejected[guard.CauseTooLate] != 1 {
			t.Errorf("state %+v", got)
		}
		// Another class has another queue; and who has the time waits.
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
		wantOutcome(t, within(4500*time.Millisecond), hisadapter.Done)
		wg.Wait()
		if got := calls(h, simhis.OpQueryStock); got != 6 {
			t.Errorf("%d calls", got)
		}
	})
}

// The same where the rate is what all wait for.
func TestWhoseTokenCannotComeInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.Rate, s.Burst = 1, 1
		_, g := open(t, simhis.Config{}, s, guard.Deps{})
		wantOutcome(t, query(t.Context(), g), hisadapter.Done)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { wantOutcome(t, query(t.Context(), g), hisadapter.Done) })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := query(ctx, g)
		wantRejection(t, err, guard.CauseLimited)
		if e, _ := errors.AsType[*hisadapter.Error](err); since(start) != 0 || e.RetryAfter != 4*time.Second {
			t.Errorf("after %v, come again in %v; want at once, and in 4 s", since(start), e.RetryAfter)
		}
		wg.Wait()
	})
}

// Calls that hung make the forecast gloomy; a few good ones make up for it.
func TestTheForecastForgetsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.Rate, s.Retry.Attempts = 1, 0, 1
		s.Breaker.Off = true
		h, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: 100 * time.Millisecond}}, s, guard.Deps{})
		inject(t, h, simhis.Fault{What: simhis.TimeoutBefore, Times: 3})
		for range 3 {
			wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		}
		time.Sleep(time.Minute)
		for range 8 {
			wantOutcome(t, query(t.Context(), g), hisadapter.Done)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				wantOutcome(t, query(ctx, g), hisadapter.Done)
			})
		}
		wg.Wait()
	})
}

// While calls that timed out occupy the HIS it is known how long nobody can have
// a turn.
func TestWhoCannotOutwaitTheLostCallsIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.Rate, s.Retry.Attempts, s.BusyAfterTimeout = 2, 0, 1, 10*time.Second
		s.Breaker.Off = true
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		inject(t, h, simhis.Fault{What: simhis.TimeoutBefore, Times: 1})
		wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		time.Sleep(time.Second)
		within := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return query(ctx, g)
		}
		start := time.Now()
		err := within(8 * time.Second)
		wantRejection(t, err, guard.CauseTooLate)
		if e, _ := errors.AsType[*hisadapter.Error](err); since(start) != 0 || e.RetryAfter != 9*time.Second {
			t.Errorf("after %v, come again in %v; want at once, and in 9 s", since(start), e.RetryAfter)
		}
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done) // Confirm has a slot
		wantOutcome(t, within(9500*time.Millisecond), hisadapter.Done)
	})
}
