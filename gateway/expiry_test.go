package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

func TestExpiry(t *testing.T) {
	for kind, caps := range kinds {
		for how, interrupt := range interruptions {
			t.Run(kind+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, caps)
					w.mustLock(order("O1", "A", 3))
					interrupt(w)
					time.Sleep(15*time.Minute - time.Second)
					w.wantStatus("O1", lockstore.Locked)
					time.Sleep(2 * time.Second)
					l := w.wantStatus("O1", lockstore.Released)
					if l.Cause != lockstore.ByClock || !l.Settled() {
						t.Errorf("released as %+v", l)
					}
					if caps.Freeze {
						w.wantOrder("O1", hisadapter.Released)
					}
					wantFigures(t, w.stock("A"), 10, 0, 10)
					if _, err := w.lock(order("O1", "A", 3)); !errors.Is(err, lockstore.ErrLockEnded) {
						t.Errorf("lock after the end: %v", err)
					}
				})
			})
		}
	}
}

// While it was away a lock expired: it is released after the start.
func TestExpiryWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		w.stop()
		w.disk = w.disk.Reopen()
		time.Sleep(20 * time.Minute)
		w.open()
		time.Sleep(time.Second)
		w.wantStatus("O1", lockstore.Released)
		w.wantOrder("O1", hisadapter.Released)
	})
}

// A Confirm that comes before the release wins, and [B3] what was ever CONFIRMING
// is never released by the clock.
func TestAConfirmBeatsTheClock(t *testing.T) {
	for kind, caps := range kinds {
		for how, interrupt := range interruptions {
			t.Run(kind+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, caps)
					w.mustLock(order("O1", "A", 3))
					time.Sleep(15*time.Minute - time.Second)
					w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Down})
					_, err := w.confirm("O1")
					wantError[*gateway.HISError](t, err)
					interrupt(w)
					time.Sleep(time.Hour)
					w.wantStatus("O1", lockstore.Confirming)
					w.his.ClearFaults()
					time.Sleep(10 * time.Minute)
					w.wantStatus("O1", lockstore.Confirmed)
					w.wantOrder("O1", hisadapter.Deducted)
				})
			})
		}
	}
}

func TestAReleaseThatTheHISDoesNotTakeYet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		w.his.SetDown(true)
		time.Sleep(30 * time.Minute)
		l := w.wantStatus("O1", lockstore.Releasing)
		if l.Settled() {
			t.Error("settled, although the HIS holds it")
		}
		if _, err := w.confirm("O1"); !errors.Is(err, lockstore.ErrLockEnded) {
			t.Errorf("confirm: %v", err)
		}
		w.his.SetDown(false)
		time.Sleep(6 * time.Minute)
		w.wantStatus("O1", lockstore.Released)
		w.wantOrder("O1", hisadapter.Released)
	})
}

// owner answers for orders as a test tells it.
type owner struct {
	mu       sync.Mutex
	verdicts map[string]gateway.OwnerVerdict
	asked    map[string]int
}

func newOwner() *owner {
	return &owner{verdicts: map[string]gateway.OwnerVerdict{}, asked: map[string]int{}}
}

func (o *owner) LockOwner(_ context.Context, orderNo string, _ int) gateway.OwnerVerdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[orderNo]++
	return o.verdicts[orderNo]
}

func (o *owner) say(orderNo string, v gateway.OwnerVerdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.verdicts[orderNo] = v
}

func (o *owner) times(orderNo string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[orderNo]
}

func owned(no string) gateway.LockRequest {
	r := order(no, "A", 3)
	r.Owner = true
	return r
}

func TestOwnerExpiry(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := newOwner()
				w := newWorld(t, freezingHIS, func(w *world) { w.owner = o })
				w.mustLock(owned("O1"))
				o.say("O1", gateway.OwnerVerdict{Known: true, KeepUntil: time.Now().Add(20 * time.Minute)})
				interrupt(w)
				time.Sleep(19 * time.Minute)
				w.wantStatus("O1", lockstore.Locked)
				if n := o.times("O1"); n != 1 {
					t.Errorf("asked %d times", n)
				}
				// It says "keep" without a time of its own: asked again and again.
				o.say("O1", gateway.OwnerVerdict{Known: true})
				time.Sleep(2 * time.Minute)
				w.wantStatus("O1", lockstore.Locked)
				if n := o.times("O1"); n < 5 {
					t.Errorf("asked %d times", n)
				}
				interrupt(w)
				o.say("O1", gateway.OwnerVerdict{Known: true, Release: true})
				time.Sleep(time.Minute)
				if l := w.wantStatus("O1", lockstore.Released); l.Cause != lockstore.ByOwner {
					t.Errorf("released by %v", l.Cause)
				}
				w.wantOrder("O1", hisadapter.Released)
			})
		})
	}
}

// [B6] An owner that knows nothing of the order: a case, and the stock stays held.
func TestAnUnknownOwnerIsACase(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprintf("owner named=%v", named), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := newOwner()
				w := newWorld(t, plainHIS, func(w *world) {
					if named {
						w.owner = o
					}
				})
				w.mustLock(owned("O1"))
				time.Sleep(time.Hour)
				if l := w.wantStatus("O1", lockstore.Locked); l.CaseReason == "" {
					t.Error("no case")
				}
				wantFigures(t, w.stock("A"), 10, 3, 7)
				if !named {
					return
				}
				o.say("O1", gateway.OwnerVerdict{Known: true, Release: true}) // it was only late
				time.Sleep(time.Minute)
				w.wantStatus("O1", lockstore.Released)
			})
		})
	}
}

func TestAnOwnerIsNotAskedForOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOwner()
		w := newWorld(t, plainHIS, func(w *world) { w.owner = o })
		w.mustLock(order("O1", "A", 3))
		time.Sleep(20 * time.Minute)
		w.wantStatus("O1", lockstore.Released)
		if n := o.times("O1"); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// [B7] While wall clock and elapsed time disagree the clock releases nothing.
func TestADoubtfulClockReleasesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		clock := &steppedClock{start: time.Now()}
		w.stop()
		w.disk = w.disk.Reopen()
		w.clock = clock
		w.open()
		w.mustLock(order("O1", "A", 3))
		clock.step(20 * time.Minute)
		time.Sleep(time.Minute)
		w.wantStatus("O1", lockstore.Locked)
		if len(w.g.Health()) == 0 {
			t.Error("health complains of nothing")
		}
		clock.step(0)
		time.Sleep(14*time.Minute + 10*time.Second)
		w.wantStatus("O1", lockstore.Released)
	})
}

// [B7] A look at a given-up freeze comes when its time has passed, also when the
// wall clock, by which it was noted, was set back; and nobody turns in circles
// over it. (Should somebody, no time passes and the test never ends.)
func TestALookThatTheClocksDisagreeAboutComesByElapsedTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		clock := &steppedClock{start: time.Now()}
		w.stop()
		w.disk = w.disk.Reopen()
		w.clock, w.now = clock, clock.Now
		w.open()
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.TimeoutBefore, Times: 1})
		_, _ = w.lock(order("O1", "A", 3))
		_, _ = w.g.Release(t.Context(), "p", "O1")
		time.Sleep(2 * time.Minute)
		before := w.calls(simhis.OpFindOrder)
		clock.step(-time.Hour) // the look comes in 8 minutes, by the clock in 68
		time.Sleep(40 * time.Minute)
		if n := w.calls(simhis.OpFindOrder) - before; n < 1 || n > 3 {
			t.Errorf("%d looks, want the one after 10 minutes and no crowd", n)
		}
	})
}

// steppedClock is a wall clock that somebody set.
type steppedClock struct {
	start time.Time
	mu    sync.Mutex
	ahead time.Duration
}

func (c *steppedClock) step(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
}

func (c *steppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *steppedClock) Mono() time.Duration { return time.Since(c.start) }

func TestAnExpiryInProgressDoesNotHoldUpOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOwner()
		w := newWorld(t, plainHIS, func(w *world) { w.owner = slowOwner{o} })
		w.mustLock(owned("O1"))
		w.mustLock(order("O2", "A", 3))
		o.say("O1", gateway.OwnerVerdict{Known: true, Release: true})
		time.Sleep(15*time.Minute + time.Second)
		synctest.Wait()
		w.wantStatus("O2", lockstore.Released)
		time.Sleep(20 * time.Second)
		w.wantStatus("O1", lockstore.Locked) // its owner takes too long, so nothing was learnt
	})
}

// slowOwner answers only when it is told to stop.
type slowOwner struct{ *owner }

func (o slowOwner) LockOwner(ctx context.Context, orderNo string, attempt int) gateway.OwnerVerdict {
	<-ctx.Done()
	o.owner.LockOwner(ctx, orderNo, attempt)
	return gateway.OwnerVerdict{Known: true}
}

// TestManyExpiriesStandBehindAConfirm at a HIS without freeze: the ledger is all
// that they share.
func TestManyExpiriesStandBehindAConfirm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		if err := w.his.SetStock(key("A"), 100_000); err != nil {
			t.Fatal(err)
		}
		const heap = 1500
		var wg sync.WaitGroup
		for i := range heap {
			wg.Go(func() {
				if _, err := w.lock(order(fmt.Sprintf("X%d", i), "A", 1)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		r := order("O1", "A", 3)
		r.TTL = time.Hour
		w.mustLock(r)
		time.Sleep(15*time.Minute - 10*time.Millisecond)
		start := time.Now()
		w.mustConfirm("O1")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the confirm took %v", took)
		}
		w.settle()
		if s := w.g.State().Ledger; s.ByStatus[lockstore.Locked] != 0 {
			t.Errorf("%d locks did not expire", s.ByStatus[lockstore.Locked])
		}
		time.Sleep(time.Minute)
		wantFigures(t, w.stock("A"), 99_997, 0, 99_997)
	})
}
