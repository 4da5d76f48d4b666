package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// kinds are the HIS that the life of a lock must go well with.
var kinds = map[string]hisadapter.Capabilities{
	"plain":    plainHIS,
	"freezing": freezingHIS,
	"freezing, gross figure": func() hisadapter.Capabilities {
		c := freezingHIS
		c.NetFigure, c.DeductNeedsFreeze = false, false
		return c
	}(),
}

func eachKind(t *testing.T, f func(t *testing.T, caps hisadapter.Capabilities)) {
	for name, caps := range kinds {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, caps) }) })
	}
}

func TestTheLifeOfALock(t *testing.T) {
	eachKind(t, func(t *testing.T, caps hisadapter.Capabilities) {
		w := newWorld(t, caps)
		l := w.mustLock(order("O1", "A", 3))
		if l.Status != lockstore.Locked || l.HISNo != "O1" || (l.HISLockID != "") != caps.Freeze {
			t.Errorf("locked as %+v", l)
		}
		l = w.mustConfirm("O1")
		if l.Status != lockstore.Confirmed || l.HISOrderNo == "" {
			t.Errorf("confirmed as %+v", l)
		}
		w.wantOrder("O1", hisadapter.Deducted)
		if again := w.mustConfirm("O1"); again.HISOrderNo != l.HISOrderNo {
			t.Errorf("confirmed again as %q", again.HISOrderNo)
		}
		if _, err := w.g.Release(t.Context(), "p", "O1"); !errors.Is(err, lockstore.ErrAlreadyConfirmed) {
			t.Errorf("release of a confirmed lock: %v", err)
		}

		w.mustLock(order("O2", "A", 7))
		r, err := w.g.Release(t.Context(), "p", "O2")
		if err != nil || r.Status != lockstore.Released || !r.Settled() {
			t.Errorf("released as %+v, %v", r, err)
		}
		time.Sleep(time.Minute)
		wantFigures(t, w.stock("A"), 7, 0, 7)
		w.wantSoundBooks()
	})
}

// The story of design §1: at 09:00 the HIS has 10, at 09:01 the counter sells 8,
// at 09:02 a patient orders 3 against a copy.
func TestTheNineOClockStory(t *testing.T) {
	eachKind(t, func(t *testing.T, caps hisadapter.Capabilities) {
		w := newWorld(t, caps)
		w.stock("A") // the copy
		w.sell("A", 8)
		_, err := w.lock(order("O1", "A", 3))
		e := wantError[*lockstore.ShortageError](t, err)
		if s := e.Shortages[0]; s.Requested != 3 || s.Available != 2 {
			t.Errorf("shortage %+v", s)
		}
		w.mustLock(order("O1", "A", 2)) // a refusal for stock leaves no end
		w.mustConfirm("O1")
		w.wantSoundBooks()
	})
}

func TestAFreezeKeepsTheCounterOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		if sold := w.sell("A", 10); sold != 7 {
			t.Errorf("the counter sold %d", sold)
		}
		w.mustConfirm("O1")
		w.wantSoundBooks()
	})
}

func TestLockRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    gateway.LockRequest
		want func(t *testing.T, err error)
	}{
		{"stopped", order("O1", "C", 1), func(t *testing.T, err error) {
			e := wantError[*gateway.HISRefusedError](t, err)
			if e.Kind != hisadapter.Stopped || !e.ForGood || e.Shortages[0].DrugID != "C" {
				t.Errorf("got %+v", e)
			}
		}},
		{"unknown drug", order("O1", "X", 1), func(t *testing.T, err error) {
			if e := wantError[*gateway.HISRefusedError](t, err); e.Kind != hisadapter.UnknownDrug || !e.ForGood {
				t.Errorf("got %+v", e)
			}
		}},
		{"not divisible", order("O1", "B", 30), func(t *testing.T, err error) {
			wantError[*lockstore.NotDivisibleError](t, err)
		}},
		{"ttl", gateway.LockRequest{OrderNo: "O1", TTL: 3 * time.Hour}, func(t *testing.T, err error) {
			if e := wantError[*lockstore.InvalidError](t, err); e.Field != "ttl" {
				t.Errorf("field %q", e.Field)
			}
		}},
		{"no items", gateway.LockRequest{Principal: "p", OrderNo: "O1", PharmacyID: pharmacy}, func(t *testing.T, err error) {
			if e := wantError[*lockstore.InvalidError](t, err); e.Field != "items" {
				t.Errorf("field %q", e.Field)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				_, err := w.lock(tc.r)
				tc.want(t, err)
				if _, err := w.g.GetLock(t.Context(), "p", "O1"); !errors.Is(err, lockstore.ErrNotFound) {
					t.Errorf("a record is left: %v", err)
				}
			})
		})
	}
}

// [A7] A lock is over before the HIS lets its freeze lapse, with the time to pay
// between; one that has an owner is cut to that, and the owner asked then.
func TestALockEndsBeforeItsFreeze(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS) // an hour, and 5 min to pay
		r := order("O1", "A", 3)
		r.TTL = 55*time.Minute + 1
		_, err := w.lock(r)
		if e := wantError[*lockstore.InvalidError](t, err); e.Field != "ttl" || !strings.Contains(e.Reason, "55m") {
			t.Errorf("got %+v", e)
		}
		r.Owner = true
		if l := w.mustLock(r); l.ExpireTime.After(l.FreezeExpires.Add(-w.settings.PayMargin)) {
			t.Errorf("cut to %v; the freeze ends %v", l.ExpireTime, l.FreezeExpires)
		}
		r = order("O2", "A", 3)
		r.TTL = 55 * time.Minute
		w.mustLock(r)

		w = newWorld(t, with(freezingHIS, endless))
		r.TTL = 2 * time.Hour
		w.mustLock(r)
	})
}

// A HIS whose clock is ahead names an end that we do not believe in. That it holds
// the freeze all the same is nothing new, and no reason not to deduct.
func TestAConfirmAtAHISWhoseClockIsAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOwner()
		o.say("O1", gateway.OwnerVerdict{Known: true, KeepUntil: time.Now().Add(2 * time.Hour)})
		w := newWorld(t, freezingHIS, func(w *world) {
			w.owner = o
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return ahead{d} }
		})
		begun := time.Now()
		w.his.SetPace(simhis.Pace{Latency: 3 * time.Second})
		l := w.mustLock(owned("O1"))
		w.his.SetPace(simhis.Pace{Latency: 50 * time.Millisecond})
		time.Sleep(time.Until(l.FreezeExpires) + time.Second)
		if took := l.FreezeExpires.Sub(begun); took > time.Hour+3*time.Second {
			t.Errorf("the freeze is believed in for %v", took)
		}
		if b, _ := w.his.Books().Order("O1"); b.State != hisadapter.Frozen {
			t.Fatalf("at the HIS it is %v", b.State)
		}
		version := w.get("O1").Version
		if l := w.mustConfirm("O1"); l.Version > version+2 {
			t.Errorf("%d records of a confirmation", l.Version-version)
		}
		w.wantOrder("O1", hisadapter.Deducted)
	})
}

// ahead tells times that are an hour late.
type ahead struct{ hisadapter.Driver }

func (d ahead) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	f, err := d.Driver.Freeze(ctx, r)
	f.Expires = f.Expires.Add(time.Hour)
	return f, err
}

func (d ahead) FindOrder(ctx context.Context, no string) (hisadapter.Found, error) {
	f, err := d.Driver.FindOrder(ctx, no)
	f.Freeze.Expires = f.Freeze.Expires.Add(time.Hour)
	return f, err
}

// [C7] Without atomic items a lock has one item.
func TestWithoutAtomicItemsALockHasOneItem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		caps := plainHIS
		caps.AtomicItems = false
		w := newWorld(t, caps)
		r := order("O1", "A", 1)
		r.Items = append(r.Items, lockstore.Item{DrugID: "B", Quantity: 24})
		_, err := w.lock(r)
		if e := wantError[*lockstore.InvalidError](t, err); e.Field != "items" {
			t.Errorf("field %q", e.Field)
		}
		w.mustLock(order("O1", "A", 1))
	})
}

func TestOneLiveReadingServesManyLocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.his.SetPace(simhis.Pace{Latency: time.Second})
		w.stock("A")
		before := w.calls(simhis.OpQueryStock)
		var wg sync.WaitGroup
		var mu sync.Mutex
		held := 0
		for i := range 200 {
			wg.Go(func() {
				if _, err := w.lock(order(fmt.Sprintf("O%d", i), "A", 1)); err == nil {
					mu.Lock()
					defer mu.Unlock()
					held++
				}
			})
		}
		wg.Wait()
		if held != 10 {
			t.Errorf("%d of 10 units were held", held)
		}
		// One for those who came first, one for all others.
		if n := w.calls(simhis.OpQueryStock) - before; n > 3 {
			t.Errorf("%d calls for 200 locks at once", n)
		}
	})
}

func TestLockOnACachedReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Lock.Freshness = gateway.Cached })
		w.stock("A")
		w.mustLock(order("O1", "A", 1))
		if n := w.calls(simhis.OpQueryStock); n != 1 {
			t.Errorf("%d readings", n)
		}
	})
}

// [A1] A reading from before one that holds were dropped against is not judged by.
func TestALockIsNotJudgedByAReadingThatIsTooOld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Lock.Freshness = gateway.Cached })
		w.his.SetPace(simhis.Pace{Latency: time.Second})
		w.mustLock(order("O1", "A", 6)) // leaves a reading of 10 in the cache
		w.mustConfirm("O1")             // the HIS has 4
		// The ledger learns of a reading that knows of the order; the cache does not.
		err := w.ledger.Observe(lockstore.Key(key("A")), lockstore.Reading{
			Stamp: w.ledger.Stamp(), Began: w.ledger.Mono(), OnHand: 4,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.lock(order("O2", "A", 5))
		e := wantError[*lockstore.ShortageError](t, err)
		if e.Shortages[0].Available != 4 {
			t.Errorf("available %d", e.Shortages[0].Available)
		}
	})
}

// [A10] Locking while the HIS is silent.
func TestDegradedLocks(t *testing.T) {
	for _, tc := range []struct {
		name     string
		policy   gateway.Degraded
		age      time.Duration
		edit     func(*world, *gateway.LockRequest)
		accepted bool
	}{
		{"reject", gateway.Reject, 30 * time.Second, nil, false},
		{"accept", gateway.Accept, 30 * time.Second, nil, true},
		{"accept, too old", gateway.Accept, 61 * time.Second, nil, false},
		{"accept, paid orders wait", gateway.Accept, 30 * time.Second, func(_ *world, r *gateway.LockRequest) { r.Paid = true }, false},
		{"accept, but a push is no reading", gateway.Accept, 61 * time.Second, func(w *world, _ *gateway.LockRequest) {
			push(w, "A", ptr(10), nil)
		}, false},
		{"accept, misconfigured", gateway.Accept, 30 * time.Second, func(w *world, _ *gateway.LockRequest) {
			w.his.SetDown(false)
			w.inject(simhis.Fault{Op: simhis.OpQueryStock, What: simhis.Misconfigured})
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS, func(w *world) { w.settings.Lock.Degraded = tc.policy })
				w.stock("A")
				w.his.SetDown(true)
				time.Sleep(tc.age)
				r := order("O1", "A", 3)
				if tc.edit != nil {
					tc.edit(w, &r)
				}
				l, err := w.lock(r)
				if !tc.accepted {
					wantError[*gateway.HISError](t, err)
					return
				}
				if err != nil || !l.Degraded {
					t.Errorf("got %+v, %v", l, err)
				}
			})
		})
	}
}

func TestAFreezeThatIsRefusedForStock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Refuse, Kind: hisadapter.Insufficient, Times: 1, Message: "库存不足"})
		l, err := w.lock(order("O1", "A", 3))
		e := wantError[*gateway.HISRefusedError](t, err)
		if e.Kind != hisadapter.Insufficient || !e.ForGood || e.Message != "库存不足" || l.Status != lockstore.Released {
			t.Errorf("got %+v, lock %v", e, l.Status)
		}
		again := w.mustLock(order("O1", "A", 3)) // leaves no end [B5]
		if again.Attempt != 2 || again.HISNo != "O1-2" {
			t.Errorf("again: %+v", again)
		}
	})
}

func TestRepeatsJoinTheLockInProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Slow, After: 2 * time.Second, Times: 1})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if l, err := w.lock(order("O1", "A", 3)); err != nil || l.Attempt != 1 {
					t.Errorf("got %+v, %v", l, err)
				}
			})
		}
		wg.Wait()
		if n := w.calls(simhis.OpFreeze); n != 1 {
			t.Errorf("%d freezes", n)
		}
		// Impatient callers get no answer, and change nothing.
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Slow, After: 2 * time.Second, Times: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l, err := w.g.Confirm(ctx, "p", "O1", lockstore.Reference{})
		if !errors.Is(err, gateway.ErrOutcomeUnknown) || l.Status != lockstore.Confirming {
			t.Errorf("impatient: %v, %v", l.Status, err)
		}
		w.mustConfirm("O1")
		if n := w.calls(simhis.OpPlaceOrder); n != 1 {
			t.Errorf("%d orders placed", n)
		}
	})
}

func TestACallerWhoLeavesAbortsNothing(t *testing.T) {
	for _, op := range []simhis.Op{simhis.OpFreeze, simhis.OpPlaceOrder, simhis.OpUnfreeze} {
		t.Run(string(op), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, freezingHIS)
				w.inject(simhis.Fault{Op: op, What: simhis.Slow, After: 2 * time.Second})
				leaving := func(f func(ctx context.Context)) {
					ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
					defer cancel()
					f(ctx)
				}
				leaving(func(ctx context.Context) { _, _ = w.g.Lock(ctx, order("O1", "A", 3)) })
				time.Sleep(3 * time.Second)
				w.wantStatus("O1", lockstore.Locked)
				if op == simhis.OpUnfreeze {
					leaving(func(ctx context.Context) { _, _ = w.g.Release(ctx, "p", "O1") })
					time.Sleep(3 * time.Second)
					w.wantStatus("O1", lockstore.Released)
					w.wantOrder("O1", hisadapter.Released)
					return
				}
				leaving(func(ctx context.Context) { _, _ = w.g.Confirm(ctx, "p", "O1", lockstore.Reference{}) })
				time.Sleep(3 * time.Second)
				w.wantStatus("O1", lockstore.Confirmed)
				w.wantOrder("O1", hisadapter.Deducted)
				w.his.ClearFaults()
			})
		})
	}
}

func TestConfirmRefusals(t *testing.T) {
	for _, tc := range []struct {
		kind    hisadapter.Kind
		forGood bool
	}{
		{hisadapter.Insufficient, true},
		{hisadapter.Stopped, true},
		{hisadapter.UnknownDrug, true},
		{hisadapter.NotDivisible, true},
		{hisadapter.PriceChanged, false},
		{hisadapter.AmountMismatch, false},
		{hisadapter.KindOther, false},
	} {
		for name, caps := range kinds {
			t.Run(tc.kind.String()+", "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, caps)
					w.mustLock(order("O1", "A", 3))
					w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Refuse, Kind: tc.kind, Times: 1})
					_, err := w.confirm("O1")
					e := wantError[*gateway.HISRefusedError](t, err)
					if e.Kind != tc.kind || e.ForGood != tc.forGood {
						t.Errorf("got %+v", e)
					}
					if tc.forGood {
						if l := w.wantStatus("O1", lockstore.Released); !l.Settled() {
							t.Error("not settled")
						}
						if _, err := w.confirm("O1"); !errors.Is(err, lockstore.ErrLockEnded) {
							t.Errorf("again: %v", err)
						}
						return
					}
					l := w.wantStatus("O1", lockstore.Confirming)
					if !strings.Contains(l.CaseReason, tc.kind.String()) {
						t.Errorf("case %q", l.CaseReason)
					}
					time.Sleep(24 * time.Hour) // neither the clock nor the resolver touches it [B3]
					w.wantStatus("O1", lockstore.Confirming)
					if n := w.calls(simhis.OpPlaceOrder); n != 1 {
						t.Errorf("asked %d times on its own", n)
					}
					w.mustConfirm("O1") // the price was put right, and somebody asks again
					w.wantOrder("O1", hisadapter.Deducted)
				})
			})
		}
	}
}

func TestConfirmWhileNothingReachesTheHIS(t *testing.T) {
	for _, tc := range []struct {
		what    simhis.Trouble
		outcome hisadapter.Outcome
	}{
		{simhis.BusyNow, hisadapter.Busy},
		{simhis.Down, hisadapter.NotSent},
		{simhis.Misconfigured, hisadapter.Misconfigured},
	} {
		for name, caps := range kinds {
			t.Run(string(tc.what)+", "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, caps)
					w.mustLock(order("O1", "A", 3))
					w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: tc.what, Times: 3})
					_, err := w.confirm("O1")
					if e := wantError[*gateway.HISError](t, err); e.Outcome != tc.outcome {
						t.Errorf("outcome %v", e.Outcome)
					}
					if l := w.wantStatus("O1", lockstore.Confirming); l.Unknown {
						t.Error("unknown, although nothing happened")
					}
					_, err = w.g.Release(t.Context(), "p", "O1")
					if !errors.Is(err, lockstore.ErrConfirmInProgress) {
						t.Errorf("release: %v", err)
					}
					time.Sleep(10 * time.Minute)
					w.wantStatus("O1", lockstore.Confirmed)
					w.wantOrder("O1", hisadapter.Deducted)
					if misconfigured := tc.what == simhis.Misconfigured; misconfigured != (len(w.alerts) > 0) {
						t.Errorf("%d alerts", len(w.alerts))
					}
				})
			})
		}
	}
}

// A HIS that refuses our calls as such is left alone, not asked every second.
func TestAMisconfiguredHISIsAskedRarely(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Misconfigured})
		_, _ = w.confirm("O1")
		time.Sleep(50 * time.Second)
		if n := w.calls(simhis.OpPlaceOrder); n != 1 {
			t.Errorf("asked %d times within the first minute", n)
		}
		if l := w.wantStatus("O1", lockstore.Confirming); l.CaseReason != "" || l.Unknown {
			t.Errorf("got %+v", l)
		}
	})
}

// [A3] A live reading that a push outdated on its way is taken again.
func TestALockIsNotJudgedByAReadingThatAPushOutdated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) {
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return late{d} }
		})
		locked := make(chan error)
		go func() {
			_, err := w.lock(order("O1", "A", 5))
			locked <- err
		}()
		time.Sleep(500 * time.Millisecond) // the HIS has said 10; that is still on its way
		w.sell("A", 8)
		push(w, "A", ptr(2), nil)
		wantError[*lockstore.ShortageError](t, <-locked)
	})
}

// late answers QueryStock a second after it looked.
type late struct{ hisadapter.Driver }

func (d late) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	r, err := d.Driver.QueryStock(ctx, keys)
	time.Sleep(time.Second)
	return r, err
}

// A caller who leaves while the record is on its way to the disk cannot know.
func TestACallerWhoLeavesBeforeTheDiskAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) {
			w.disk = memengine.New(memengine.Options{Sync: func() { time.Sleep(time.Second) }})
		})
		w.stock("A")
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := w.g.Lock(ctx, order("O1", "A", 3)); !errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Errorf("lock: %v", err)
		}
		time.Sleep(2 * time.Second)
		w.wantStatus("O1", lockstore.Locked)
		ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := w.g.Confirm(ctx, "p", "O1", lockstore.Reference{}); !errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Errorf("confirm: %v", err)
		}
		time.Sleep(5 * time.Second)
		w.wantStatus("O1", lockstore.Confirmed) // it went on by itself
	})
}

// [A7] A freeze that lapsed is taken again before the order is placed, in two
// durable steps.
func TestALapsedFreezeIsTakenAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		first := w.mustLock(order("O1", "A", 3))
		w.his.Lapse("O1") // behind our back
		l := w.mustConfirm("O1")
		if l.HISLockID == first.HISLockID {
			t.Error("the old freeze was used")
		}
		w.wantOrder("O1", hisadapter.Deducted)
		var kinds []lockstore.EventKind
		for _, s := range l.History {
			kinds = append(kinds, s.Event)
		}
		want := []lockstore.EventKind{
			lockstore.EvLock, lockstore.EvFreezeDone, lockstore.EvConfirm, lockstore.EvFreezeLapsed,
			lockstore.EvFreezeDone, lockstore.EvOrderPlaced,
		}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Errorf("went %v, want %v", kinds, want)
		}
	})
}

func TestALapsedFreezeOfALockIsTakenAgainByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOwner()
		o.say("O1", gateway.OwnerVerdict{Known: true, KeepUntil: time.Now().Add(2 * time.Hour)})
		w := newWorld(t, freezingHIS, func(w *world) { w.owner = o })
		w.mustLock(owned("O1"))
		time.Sleep(61 * time.Minute) // the HIS lets it lapse after an hour
		w.wantStatus("O1", lockstore.Locked)
		w.wantOrder("O1", hisadapter.Frozen)
		if sold := w.sell("A", 10); sold != 7 {
			t.Errorf("the counter sold %d", sold)
		}
		w.mustConfirm("O1")
		w.wantSoundBooks()
	})
}

func TestALapsedFreezeThatCannotBeTakenAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		w.his.Lapse("O1")
		w.sell("A", 9)
		_, err := w.confirm("O1")
		if e := wantError[*gateway.HISRefusedError](t, err); e.Kind != hisadapter.Insufficient || !e.ForGood {
			t.Errorf("got %+v", e)
		}
		if l := w.wantStatus("O1", lockstore.Released); !l.Settled() {
			t.Error("not settled")
		}
		w.wantSoundBooks()
	})
}

func TestAHISWhoseDeductNeedsAFreezeIsGivenOneAtConfirm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS, func(w *world) { w.settings.Freeze = false })
		w.mustLock(order("O1", "A", 3))
		if n := w.calls(simhis.OpFreeze); n != 0 {
			t.Errorf("%d freezes before Confirm", n)
		}
		w.mustConfirm("O1")
		w.wantOrder("O1", hisadapter.Deducted)
	})
}

func TestReleaseWhilePending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Slow, After: 2 * time.Second, Times: 1})
		locked := make(chan error)
		go func() {
			_, err := w.lock(order("O1", "A", 3))
			locked <- err
		}()
		time.Sleep(time.Second)
		l, err := w.g.Release(t.Context(), "p", "O1")
		if err != nil || l.Status != lockstore.Released {
			t.Errorf("released as %v, %v", l.Status, err)
		}
		if err := <-locked; !errors.Is(err, lockstore.ErrLockEnded) {
			t.Errorf("the lock's own caller: %v", err)
		}
		w.wantOrder("O1", hisadapter.Released)
	})
}

func TestStrangersAreNotServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		if _, err := w.g.GetLock(t.Context(), "q", "O1"); !errors.Is(err, lockstore.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		if _, err := w.g.Confirm(t.Context(), "q", "O1", lockstore.Reference{}); !errors.Is(err, lockstore.ErrNotFound) {
			t.Errorf("confirm: %v", err)
		}
		if _, err := w.g.Release(t.Context(), "q", "O1"); !errors.Is(err, lockstore.ErrNotFound) {
			t.Errorf("release: %v", err)
		}
		all, err := w.g.Attempts(t.Context(), "O1")
		if err != nil || len(all) != 1 || all[0].Status != lockstore.Locked {
			t.Errorf("attempts: %+v, %v", all, err)
		}
	})
}

func TestAClosedGatewayTakesNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Slow, After: 2 * time.Second, Times: 1})
		done := make(chan error)
		go func() {
			_, err := w.lock(order("O1", "A", 3))
			done <- err
		}()
		time.Sleep(time.Second)
		w.g.Close(t.Context()) // waits for the freeze
		if err := <-done; err != nil {
			t.Errorf("the lock that was under way: %v", err)
		}
		if _, err := w.lock(order("O2", "A", 1)); !errors.Is(err, gateway.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		synctest.Wait()
	})
}
