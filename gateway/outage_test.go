package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// outage loses the next call of op, and lets the HIS be silent for longer than
// an outcome may be unknown without being a case. ends brings it back.
func (w *world) outage(op simhis.Op) (ends func()) {
	w.t.Helper()
	w.inject(simhis.Fault{Op: op, What: simhis.TimeoutBefore, Times: 1})
	id, err := w.his.Inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.HTTP500})
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.t.Helper()
		time.Sleep(40 * time.Minute)
		l := w.get("O1")
		if l.CaseReason == "" || !l.Unknown {
			w.t.Errorf("after 40 min: %v, unknown %v, case %q", l.Status, l.Unknown, l.CaseReason)
		}
		w.his.Disarm(id)
	}
}

// The case asks what became of a call. When the HIS says so after all, the lock
// goes on by itself.
func TestAfterALongOutageEveryLockGoesOn(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run("releasing, "+how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, freezingHIS)
				w.mustLock(order("O1", "A", 3))
				back := w.outage(simhis.OpUnfreeze)
				_, _ = w.g.Release(t.Context(), "p", "O1")
				back()
				interrupt(w)
				time.Sleep(15 * time.Minute) // less than the freeze would live by itself
				l := w.wantStatus("O1", lockstore.Released)
				b, _ := w.his.Books().Of(key("A"))
				if b.Frozen != 0 || l.CaseReason != "" {
					t.Errorf("%d units stay frozen, case %q", b.Frozen, l.CaseReason)
				}
			})
		})
		t.Run("confirming, "+how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("O1", "A", 3))
				back := w.outage(simhis.OpPlaceOrder)
				_, _ = w.confirm("O1")
				back()
				interrupt(w)
				time.Sleep(15 * time.Minute)
				if l := w.wantStatus("O1", lockstore.Confirmed); l.CaseReason != "" {
					t.Errorf("case %q", l.CaseReason)
				}
				w.wantSoundBooks()
			})
		})
		t.Run("pending, "+how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, with(freezingHIS, endless))
				back := w.outage(simhis.OpFreeze)
				r := order("O1", "A", 3)
				r.TTL = time.Hour
				_, _ = w.lock(r)
				back()
				interrupt(w)
				time.Sleep(2 * time.Hour)
				w.wantStatus("O1", lockstore.Released)
				wantFigures(t, w.stock("A"), 10, 0, 10)
			})
		})
	}
}

// When the HIS can be read again, the orders that it has not answered for are
// looked for at once, and not when their long pauses are over.
func TestWhenTheHISIsBackOrdersAreLookedForAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1})
		read := func() error { _, err := w.g.GetStock(t.Context(), key("A"), gateway.Live); return err }
		if _, err := w.confirm("O1"); err == nil {
			t.Fatal("confirmed at once")
		}
		w.his.SetDown(true)
		for range 12 {
			time.Sleep(100 * time.Second) // pauses of 5 min by now
			if read() == nil {
				t.Fatal("read")
			}
		}
		w.wantStatus("O1", lockstore.Confirming)
		w.his.SetDown(false)
		looks := w.calls(simhis.OpFindOrder)
		if err := read(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		w.wantStatus("O1", lockstore.Confirmed)
		if n := w.calls(simhis.OpFindOrder) - looks; n != 1 {
			t.Errorf("%d looks", n)
		}
	})
}

// The looks for an unknown outcome do not end because a person was asked, nor by
// a restart after that.
func TestTheLooksGoOnBesideTheCase(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1})
				id, _ := w.his.Inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.HTTP500})
				_, _ = w.confirm("O1")
				time.Sleep(40 * time.Minute)
				interrupt(w)
				time.Sleep(time.Hour)
				w.wantStatus("O1", lockstore.Confirming)
				w.his.Disarm(id)
				time.Sleep(15 * time.Minute)
				w.wantStatus("O1", lockstore.Confirmed)
			})
		})
	}
}

// A HIS that would take a duplicate says "none": nothing can be done but to ask a
// person. That is asked once, and the HIS is not asked without pause.
func TestACaseThatStaysIsRecordedOnceAndLookedAtRarely(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, with(plainHIS, careless))
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
		_, _ = w.confirm("O1")
		time.Sleep(time.Hour)
		version, looks := w.get("O1").Version, w.calls(simhis.OpFindOrder)
		time.Sleep(time.Hour)
		if n := w.calls(simhis.OpFindOrder) - looks; n == 0 || n > 13 {
			t.Errorf("%d looks in an hour, with pauses of 5 min", n)
		}
		if v := w.get("O1").Version; v != version {
			t.Errorf("%d records of nothing new", v-version)
		}
	})
}

// nobody owns no order.
type nobody struct{}

func (nobody) LockOwner(context.Context, string, int) gateway.OwnerVerdict {
	return gateway.OwnerVerdict{}
}

func TestAnOwnerThatKnowsNothingIsRecordedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.owner = nobody{} })
		w.mustLock(owned("O1"))
		time.Sleep(16 * time.Minute)
		l := w.wantStatus("O1", lockstore.Locked)
		time.Sleep(time.Hour)
		if v := w.get("O1").Version; l.CaseReason == "" || v != l.Version {
			t.Errorf("case %q; %d records of nothing new", l.CaseReason, v-l.Version)
		}
	})
}

// untilDriver notes until when freezes are asked for, and when.
type untilDriver struct {
	hisadapter.Driver
	past *[]time.Duration // how long before the call's own time that was
}

func (d untilDriver) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if late := time.Since(r.Until); late > 0 {
		*d.past = append(*d.past, late)
	}
	return d.Driver.Freeze(ctx, r)
}

// A freeze that is taken again for an order which is being confirmed long after
// its lock's time is asked for until later than now: a HIS that goes by that would
// end it at once, and it would be taken again for ever.
func TestAFreezeIsNeverAskedForUntilAMomentThatHasPassed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		caps := freezingHIS
		caps.FreezeTTL = 20 * time.Minute
		past := new([]time.Duration)
		w := newWorld(t, caps, func(w *world) {
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return untilDriver{d, past} }
		})
		w.mustLock(order("O1", "A", 3))
		time.Sleep(14 * time.Minute)
		w.his.SetDown(true)
		_, _ = w.confirm("O1")
		time.Sleep(40 * time.Minute)
		w.his.SetDown(false)
		w.settle()
		w.wantStatus("O1", lockstore.Confirmed)
		if len(*past) > 0 {
			t.Errorf("a freeze was asked for until %v ago", (*past)[0])
		}
	})
}
