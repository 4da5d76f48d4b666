package gateway_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// lostThenRefused loses a first call that arrives later, and has the HIS refuse
// the second for stock.
func (w *world) lostThenRefused(op simhis.Op, arrives time.Duration) {
	w.t.Helper()
	w.inject(simhis.Fault{Op: op, What: simhis.LateApply, After: arrives, Times: 1})
	w.inject(simhis.Fault{Op: op, What: simhis.Refuse, Kind: hisadapter.Insufficient, Times: 1})
}

// [C1] That the HIS refuses a repeat for stock does not prove that it will refuse
// the first call when that arrives. The money must not go back on it.
func TestARefusalAfterALostOrderSettlesNothing(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("O1", "A", 3))
				w.lostThenRefused(simhis.OpPlaceOrder, 5*time.Minute)
				_, _ = w.confirm("O1")
				time.Sleep(2 * time.Minute)
				interrupt(w)
				_, err := w.confirm("O1")
				if e := wantError[*gateway.HISRefusedError](t, err); e.ForGood || e.Kind != hisadapter.Insufficient {
					t.Errorf("the caller is told %+v", e)
				}
				if l := w.wantStatus("O1", lockstore.Confirming); l.Settled() || l.CaseReason == "" {
					t.Errorf("settled %v, case %q", l.Settled(), l.CaseReason)
				}
				time.Sleep(10 * time.Minute)
				w.wantStatus("O1", lockstore.Confirmed)
				if n := w.calls(simhis.OpPlaceOrder); n != 2 {
					t.Errorf("placed %d times", n)
				}
				w.wantSoundBooks()
			})
		})
	}
}

// A person may say that it was not applied; should it arrive after all, it is
// found, and is a case again.
func TestALostOrderIsLookedForAfterAPersonSettledIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.lostThenRefused(simhis.OpPlaceOrder, 45*time.Minute)
		_, _ = w.confirm("O1")
		time.Sleep(10 * time.Minute)
		l := w.wantStatus("O1", lockstore.Confirming)
		if _, err := w.g.Resolve(t.Context(), l.ID(), false, "", "cashier"); err != nil {
			t.Fatal(err)
		}
		if l := w.wantStatus("O1", lockstore.Released); !l.Settled() {
			t.Error("not settled")
		}
		w.restart()
		time.Sleep(2 * time.Hour)
		if l := w.wantStatus("O1", lockstore.Released); l.Settled() || l.CaseReason == "" {
			t.Errorf("deducted at the HIS; settled %v, case %q", l.Settled(), l.CaseReason)
		}
	})
}

// Where a deduct needs a freeze, giving the freeze back is proof enough.
func TestARefusalAfterALostOrderIsSettledByGivingTheFreezeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		w.lostThenRefused(simhis.OpPlaceOrder, 5*time.Minute)
		_, _ = w.confirm("O1")
		time.Sleep(2 * time.Minute)
		if l := w.wantStatus("O1", lockstore.Released); !l.Settled() || l.CaseReason != "" {
			t.Errorf("settled %v, case %q", l.Settled(), l.CaseReason)
		}
		time.Sleep(time.Hour)
		w.wantOrder("O1", hisadapter.Released)
	})
}

// What never left, or was turned away, is no doubt.
func TestARefusalAfterABusyHISSettles(t *testing.T) {
	for _, what := range []simhis.Trouble{simhis.BusyNow, simhis.Down} {
		t.Run(string(what), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: what, Times: 2})
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Refuse, Kind: hisadapter.Insufficient, Times: 1})
				_, _ = w.confirm("O1")
				time.Sleep(2 * time.Minute)
				if l := w.wantStatus("O1", lockstore.Released); !l.Settled() || l.Watch != 0 {
					t.Errorf("settled %v, %d looks", l.Settled(), l.Watch)
				}
			})
		})
	}
}

// A freeze that arrives after its repeat was refused is found and given back,
// whatever the HIS makes of repeats.
func TestALostFreezeIsFoundAfterItsRepeatWasRefused(t *testing.T) {
	for name, edit := range map[string]func(*hisadapter.Capabilities){
		"idempotent": func(*hisadapter.Capabilities) {}, "careless": careless,
	} {
		for how, interrupt := range interruptions {
			t.Run(name+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, with(with(freezingHIS, endless), edit))
					w.lostThenRefused(simhis.OpFreeze, 5*time.Minute)
					_, _ = w.lock(order("O1", "A", 3))
					time.Sleep(2 * time.Minute)
					w.wantStatus("O1", lockstore.Released)
					interrupt(w)
					time.Sleep(2 * time.Hour)
					w.wantOrder("O1", hisadapter.Released)
					if b, _ := w.his.Books().Of(key("A")); b.Frozen != 0 {
						t.Errorf("%d units stay frozen", b.Frozen)
					}
				})
			})
		}
	}
}
