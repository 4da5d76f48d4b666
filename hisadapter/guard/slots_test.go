package guard_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// A call that timed out keeps its slot for busy_after_timeout.
func TestSlotKeptAfterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent = 1
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		inject(t, h, simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Unknown)
		if st := g.State(); st.InFlight != 1 || st.Lingering != 1 {
			t.Fatalf("after the timeout %+v", st)
		}
		start := time.Now()
		wantOutcome(t, place(t.Context(), g, "R2"), hisadapter.Done)
		if got := since(start); got != s.BusyAfterTimeout {
			t.Fatalf("the next call went after %v, want %v", got, s.BusyAfterTimeout)
		}
		if st := g.State(); st.InFlight != 0 || st.Lingering != 0 {
			t.Fatalf("in the end %+v", st)
		}
	})
}

// A driver that does not come back at its deadline loses its slot when it
// brings a definite answer after all, at the latest after busy_after_timeout;
// its caller is told Unknown in time.
func TestSlotOfADriverThatDoesNotComeBack(t *testing.T) {
	for _, tc := range []struct {
		name string
		late time.Duration // after the deadline
		err  error
		free time.Duration
	}{
		{"done late", 3 * time.Second, nil, 3 * time.Second},
		{"refused late", 3 * time.Second, &hisadapter.Error{Outcome: hisadapter.Refused}, 3 * time.Second},
		{"unknown late", 3 * time.Second, errors.New("reset"), 10 * time.Second},
		{"never in time", time.Hour, nil, 10 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := guard.DefaultSettings()
				s.MaxConcurrent = 1
				h, _ := open(t, simhis.Config{}, s, guard.Deps{})
				d := stub{Driver: h.Driver(), place: func() error {
					time.Sleep(s.Timeouts.PlaceOrder + 100*time.Millisecond + tc.late)
					return tc.err
				}}
				g := wrap(t, d, s, guard.Deps{})
				err := place(t.Context(), g, "R1")
				wantOutcome(t, err, hisadapter.Unknown)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not name the deadline", err)
				}
				if st := g.State(); st.Overdue != 1 || st.Lingering != 1 {
					t.Errorf("state %+v", st)
				}
				start := time.Now()
				if err := query(t.Context(), g); err != nil {
					t.Fatal(err)
				}
				if got := since(start); got != tc.free {
					t.Errorf("the slot was free after %v, want %v", got, tc.free)
				}
				time.Sleep(2 * time.Hour)
				if st := g.State(); st.Overdue != 0 || st.InFlight != 0 {
					t.Errorf("in the end %+v", st)
				}
			})
		})
	}
}

// [C5] The next slot goes to the most urgent class that waits.
func TestPriorityOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.Rate = 1, 0
		_, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: time.Second}}, s, guard.Deps{Observe: func(c guard.Call) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, c.Class.String())
		}})
		var wg sync.WaitGroup
		wg.Go(func() { query(guard.WithClass(t.Context(), guard.ClassFreeze), g) })
		synctest.Wait()
		for _, c := range slices.Backward(guard.Classes()) {
			wg.Go(func() {
				if err := query(guard.WithClass(t.Context(), c), g); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		want := "freeze confirm client_release freeze query expiry_release refresh"
		if got := strings.Join(order, " "); got != want {
			t.Errorf("order %s, want %s", got, want)
		}
	})
}

// [C5] However many urgent calls there are, each class has its share of turns.
func TestMinimumShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.Rate, s.QueueLength = 1, 0, 1000
		s.Timeouts.QueryStock = time.Second
		s.Breaker.SlowCall = time.Minute
		_, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: 10 * time.Millisecond}}, s, guard.Deps{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // 200 turns
		defer cancel()
		var wg sync.WaitGroup
		for _, c := range guard.Classes() {
			for range 300 {
				wg.Go(func() { query(guard.WithClass(ctx, c), g) })
			}
		}
		wg.Wait()
		st := g.State()
		for _, c := range guard.Classes()[1:] {
			share := class(st, c).MinShare
			if got := class(st, c).Turns; float64(got) < share*200-2 || float64(got) > share*200+2 {
				t.Errorf("%s had %d turns of 200, its share is %v", c, got, share)
			}
		}
		if got := class(st, guard.ClassConfirm).Turns; got < 98 {
			t.Errorf("confirm had %d turns of 200, half is its own", got)
		}
	})
}

// [C5] Confirm alone has a reserved slot.
func TestReservedSlotForConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent = 2
		h, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: time.Second}}, s, guard.Deps{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { query(guard.WithClass(t.Context(), guard.ClassClientRelease), g) })
		}
		synctest.Wait()
		if st := g.State(); st.InFlight != 1 || class(st, guard.ClassClientRelease).Queued != 2 {
			t.Fatalf("others took the reserved slot: %+v", st)
		}
		start := time.Now()
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
		if got := since(start); got != time.Second {
			t.Errorf("confirm took %v, want no waiting", got)
		}
		wg.Wait()
		if got := h.Counters().MaxInFlight; got != 2 {
			t.Errorf("%d at once", got)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.MaxConcurrent, s.QueueLength = 1, 2
		h, g := open(t, simhis.Config{Pace: simhis.Pace{Latency: time.Second}}, s, guard.Deps{})
		var wg sync.WaitGroup
		wg.Go(func() { query(t.Context(), g) })
		synctest.Wait()
		// One waits no longer than its caller, the other gets its turn.
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err := place(guard.WithClass(ctx, guard.ClassQuery), g, "R1")
			wantRejection(t, err, guard.CauseGaveUp)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not name the deadline", err)
			}
		})
		wg.Go(func() { wantOutcome(t, query(t.Context(), g), hisadapter.Done) })
		synctest.Wait()
		wantRejection(t, query(t.Context(), g), guard.CauseQueueFull)
		wantOutcome(t, place(t.Context(), g, "R2"), hisadapter.Done) // another class, another queue
		wg.Wait()
		if got := calls(h, simhis.OpPlaceOrder); got != 1 {
			t.Errorf("the HIS saw %d orders: a call that gave up waiting was sent", got)
		}
		if r := class(g.State(), guard.ClassQuery).Rejected; r[guard.CauseQueueFull] != 1 || r[guard.CauseGaveUp] != 1 {
			t.Errorf("rejections %v", r)
		}
	})
}

func TestRateIsKeptByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.Rate, s.Burst = 10, 1
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		start := time.Now()
		var wg sync.WaitGroup
		var confirm time.Duration
		for range 20 {
			wg.Go(func() { query(t.Context(), g) })
		}
		synctest.Wait()
		if !g.State().Limited {
			t.Error("the state does not show that calls wait for the rate")
		}
		wg.Go(func() {
			wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
			confirm = since(start)
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			wantRejection(t, query(ctx, g), guard.CauseLimited)
		})
		wg.Wait()
		if confirm != 100*time.Millisecond {
			t.Errorf("confirm went after %v, want the next token", confirm)
		}
		if got := since(start); got != 2*time.Second {
			t.Errorf("21 calls took %v at 10 a second", got)
		}
		if got := h.Counters().PeakPerSecond; got > 11 {
			t.Errorf("%d calls within a second", got)
		}
	})
}

// (I7) The HIS never sees more calls than max_concurrent, whatever times out:
// a HIS with just that limit never answers Busy.
func TestHISNeverSeesMoreThanTheLimit(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 7))
			s := guard.DefaultSettings()
			s.MaxConcurrent, s.Rate = 3, 0
			s.Breaker.Off = true
			h, g := open(t, simhis.Config{Seed: seed, Pace: simhis.Pace{
				Latency: 500 * time.Millisecond, Jitter: 6 * time.Second, Limit: 3, Linger: s.BusyAfterTimeout,
			}}, s, guard.Deps{})
			inject(t, h, simhis.Fault{What: simhis.TimeoutAfter, Chance: 0.1})
			inject(t, h, simhis.Fault{What: simhis.LateApply, Chance: 0.1, After: time.Second})
			inject(t, h, simhis.Fault{What: simhis.Reset, Chance: 0.05})
			var wg sync.WaitGroup
			for i := range 100 {
				wait := time.Duration(rng.Int64N(int64(time.Minute)))
				limit := time.Duration(rng.Int64N(int64(20 * time.Second)))
				c := guard.Classes()[rng.IntN(6)]
				wg.Go(func() {
					time.Sleep(wait)
					ctx, cancel := context.WithTimeout(guard.WithClass(t.Context(), c), limit)
					defer cancel()
					if i%2 == 0 {
						query(ctx, g)
					} else {
						place(ctx, g, drug(i))
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Minute)
			c := h.Counters()
			for op, o := range c.Ops {
				if o.Codes["3001"] > 0 {
					t.Errorf("seed %d: %d × %s found the HIS full", seed, o.Codes["3001"], op)
				}
			}
			if st := g.State(); c.MaxInFlight > 3 || st.InFlight != 0 || st.Lingering != 0 {
				t.Errorf("seed %d: %d at once; in the end %+v", seed, c.MaxInFlight, st)
			}
		})
	}
}
