package guard_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// oneTry makes what a breaker sees easy to count.
func oneTry() guard.Settings {
	s := guard.DefaultSettings()
	s.Retry.Attempts, s.Rate = 1, 0
	return s
}

// tripped has a guard whose breaker has just opened.
func tripped(t *testing.T, s guard.Settings) (*simhis.HIS, *guard.Guard) {
	t.Helper()
	h, g := open(t, simhis.Config{}, s, guard.Deps{})
	inject(t, h, simhis.Fault{What: simhis.HTTP500, Times: s.Breaker.MinCalls})
	for range s.Breaker.MinCalls {
		wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
	}
	if st := g.State(); st.Breaker != guard.BreakerOpen {
		t.Fatalf("breaker %s", st.Breaker)
	}
	return h, g
}

func TestBreakerOpensOnFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := tripped(t, oneTry())
		before := h.Counters()
		wantRejection(t, query(t.Context(), g), guard.CauseBreakerOpen)
		wantRejection(t, place(t.Context(), g, "R1"), guard.CauseBreakerOpen)
		if left := time.Until(g.State().OpenUntil); left < 9*time.Second || left > 10*time.Second {
			t.Errorf("open for %v, want 10 s less up to a tenth", left)
		}
		if after := h.Counters(); after.Ops[simhis.OpQueryStock].Calls != before.Ops[simhis.OpQueryStock].Calls {
			t.Error("an open breaker let calls through")
		}
	})
}

// Several hisgates do not all try a HIS at the same moment, and none tries it
// before its time.
func TestTheEndOfAnOpenBreakerIsJittered(t *testing.T) {
	ends := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			_, g := tripped(t, oneTry())
			left := time.Until(g.State().OpenUntil)
			ends[left] = true
			time.Sleep(left - time.Nanosecond)
			wantRejection(t, query(t.Context(), g), guard.CauseBreakerOpen)
			time.Sleep(time.Nanosecond)
			if st := g.State(); st.Breaker != guard.BreakerHalfOpen {
				t.Errorf("breaker %s when its time is over", st.Breaker)
			}
		})
	}
	if len(ends) < 10 {
		t.Errorf("%d different times of 20", len(ends))
	}
}

// Fewer calls than min_calls, and good ones among the bad, keep it shut.
func TestBreakerNeedsARatioOfEnoughCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		for i := range 60 {
			if i%10 < 3 { // at most 6 of 13
				inject(t, h, simhis.Fault{What: simhis.HTTP500, Times: 1})
			}
			query(t.Context(), g)
		}
		if st := g.State(); st.Breaker != guard.BreakerClosed {
			t.Fatalf("breaker %s below the ratio", st.Breaker)
		}
		time.Sleep(2 * s.Breaker.Window) // the window rolls on
		inject(t, h, simhis.Fault{What: simhis.HTTP500, Times: s.Breaker.MinCalls - 1})
		for range s.Breaker.MinCalls - 1 {
			query(t.Context(), g)
		}
		if st := g.State(); st.Breaker != guard.BreakerClosed {
			t.Fatalf("breaker %s after fewer than min_calls", st.Breaker)
		}
	})
}

// A HIS that hangs is found out although the slots carry few calls.
func TestBreakerOpensOnAHangingHISWithOneSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		s.MaxConcurrent = 1
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		inject(t, h, simhis.Fault{What: simhis.TimeoutBefore})
		for range 4 {
			place(t.Context(), g, "R1")
		}
		wantRejection(t, query(t.Context(), g), guard.CauseBreakerOpen)
	})
}

// Slow answers are answers, and still too many of them open the breaker.
func TestBreakerOpensOnSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		if err := h.SetPace(simhis.Pace{Latency: s.Breaker.SlowCall}); err != nil {
			t.Fatal(err)
		}
		for range s.Breaker.MinCalls {
			wantOutcome(t, query(t.Context(), g), hisadapter.Done)
		}
		wantRejection(t, query(t.Context(), g), guard.CauseBreakerOpen)

		// A day's list is slow by nature.
		g = wrap(t, h.Driver(), s, guard.Deps{})
		for range 2 * s.Breaker.MinCalls {
			if _, err := g.ListOrders(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Which outcomes speak against the HIS, and which are answers of one in good
// health.
func TestWhatTheBreakerCounts(t *testing.T) {
	for _, tc := range []struct {
		what  simhis.Trouble
		opens bool
	}{
		{simhis.TimeoutBefore, true},
		{simhis.HTTP500, true},
		{simhis.Garbage, true},
		{simhis.Reset, true},
		{simhis.BusyNow, true},
		{simhis.Down, true},
		{simhis.Refuse, false},
		{simhis.Misconfigured, false},
	} {
		t.Run(string(tc.what), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := oneTry()
				s.BusyAfterTimeout, s.MisconfiguredAfter, s.Timeouts.PlaceOrder = 0, 1000, time.Second
				h, g := open(t, simhis.Config{}, s, guard.Deps{})
				inject(t, h, simhis.Fault{What: tc.what})
				for range 2 * s.Breaker.MinCalls {
					place(t.Context(), g, "R1")
				}
				if got := g.State().Breaker == guard.BreakerOpen; got != tc.opens {
					t.Errorf("breaker open: %v, want %v", got, tc.opens)
				}
			})
		})
	}
	t.Run("find", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := oneTry()
			_, g := open(t, simhis.Config{}, s, guard.Deps{})
			for range 2 * s.Breaker.MinCalls {
				place(t.Context(), g, "R1") // a duplicate from the second on
			}
			wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Find)
		})
	})
}

// Half-open probes are reads: a write that finds the breaker half-open lets a
// read go first, and is not sent when that fails.
func TestHalfOpenProbesAreReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		h, g := tripped(t, s)
		time.Sleep(s.Breaker.OpenFor + time.Millisecond)
		if st := g.State(); st.Breaker != guard.BreakerHalfOpen {
			t.Fatalf("breaker %s", st.Breaker)
		}
		inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, What: simhis.HTTP500, Times: 1})
		wantRejection(t, place(t.Context(), g, "R1"), guard.CauseHalfOpen)
		if got := calls(h, simhis.OpPlaceOrder); got != 0 {
			t.Fatalf("a write was the probe: %d sent", got)
		}
		if st := g.State(); st.Breaker != guard.BreakerOpen {
			t.Fatalf("breaker %s after a failed probe", st.Breaker)
		}
		time.Sleep(s.Breaker.OpenFor + time.Millisecond)
		reads := calls(h, simhis.OpQueryStock)
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
		if got := calls(h, simhis.OpQueryStock) - reads; got != 1 {
			t.Errorf("%d reads went before the write", got)
		}
		if st := g.State(); st.Breaker != guard.BreakerClosed {
			t.Errorf("breaker %s after two successes", st.Breaker)
		}
	})
}

// A crowd at a half-open breaker: no more than the probes get through.
func TestHalfOpenLetsFewThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		h, g := tripped(t, s)
		time.Sleep(s.Breaker.OpenFor + time.Millisecond)
		before := calls(h, simhis.OpQueryStock)
		if err := h.SetPace(simhis.Pace{Latency: time.Second}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { query(t.Context(), g) })
			wg.Go(func() { place(t.Context(), g, "R1") })
		}
		synctest.Wait()
		if got := calls(h, simhis.OpQueryStock) - before; got > s.Breaker.Probes || calls(h, simhis.OpPlaceOrder) != 0 {
			t.Errorf("%d reads and %d writes at once", got, calls(h, simhis.OpPlaceOrder))
		}
		wg.Wait()
	})
}

// A caller that hangs up early says nothing about the HIS.
func TestImpatientCallersDoNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		s.BusyAfterTimeout = 0
		_, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: time.Second}}, s, guard.Deps{})
		for range 3 * s.Breaker.MinCalls {
			wantOutcome(t, impatient(t, g), hisadapter.Unknown)
		}
		if st := g.State(); st.Breaker != guard.BreakerClosed {
			t.Errorf("breaker %s", st.Breaker)
		}
	})
}

// A write that waited for its slot while the breaker opened and became
// half-open is no probe either.
func TestWaitingWriteIsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneTry()
		s.MaxConcurrent, s.Breaker.OpenFor = 1, 5*time.Second
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, What: simhis.HTTP500, Times: 2})
		inject(t, h, simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
		for range 2 {
			wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		}
		var wg sync.WaitGroup
		wg.Go(func() { place(t.Context(), g, "R1") }) // the third failure; its slot lingers
		synctest.Wait()
		wantRejection(t, place(t.Context(), g, "R2"), guard.CauseHalfOpen)
		wg.Wait()
		if got := calls(h, simhis.OpPlaceOrder); got != 1 {
			t.Errorf("%d writes were sent", got)
		}
	})
}

// A HIS that was well and hangs is found out by the first calls that are lost in
// it, not when the good ones have left the window; those that wait are refused,
// and it is back one period after it answers again.
func TestBreakerOpensWhenTheHISHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.Rate, s.Retry.Attempts = 0, 1
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		for range 100 {
			wantOutcome(t, query(t.Context(), g), hisadapter.Done)
		}
		id, err := h.Inject(simhis.Fault{What: simhis.TimeoutBefore})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { query(t.Context(), g) })
		}
		time.Sleep(s.Timeouts.QueryStock)
		synctest.Wait()
		if st := g.State(); st.Breaker != guard.BreakerOpen || st.Lingering != 3 {
			t.Errorf("three calls were lost in it: %+v", st)
		}
		wantRejection(t, place(t.Context(), g, "R1"), guard.CauseBreakerOpen)
		h.Disarm(id)
		time.Sleep(s.Breaker.OpenFor + s.Timeouts.QueryStock + 3*time.Second) // the first slot is free again
		wg.Wait()
		for range s.Breaker.Probes {
			wantOutcome(t, query(t.Context(), g), hisadapter.Done)
		}
		wantOutcome(t, place(t.Context(), g, "R2"), hisadapter.Done)
		t.Logf("%d calls for the HIS, well after %v", calls(h, simhis.OpQueryStock)-100, since(start))
	})
}

// Calls that are lost now and then do not close a HIS that answers the others,
// even where they occupy every slot but one.
func TestLostCallsAmongGoodOnesAreNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.Rate, s.Retry.Attempts = 0, 1
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		for range 3 {
			for range 5 {
				wantOutcome(t, query(t.Context(), g), hisadapter.Done)
			}
			inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, What: simhis.TimeoutBefore, Times: 1})
			wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		}
		if st := g.State(); st.Lingering != 3 || st.Breaker != guard.BreakerClosed {
			t.Errorf("state %+v", st)
		}
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
	})
}
