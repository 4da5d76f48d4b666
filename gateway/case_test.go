package gateway_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// retried is a lock with a case of which a caller tries PlaceOrder once more; the
// HIS takes 3 s to answer that.
func retried(w *world) lockstore.Lock {
	w.t.Helper()
	w.mustLock(order("O1", "A", 3))
	w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Refuse, Kind: hisadapter.PriceChanged, Times: 1})
	if _, err := w.confirm("O1"); err == nil {
		w.t.Fatal("the order was to be refused")
	}
	l := w.get("O1")
	time.Sleep(time.Minute)
	w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Slow, After: 3 * time.Second, Times: 1})
	go func() { _, _ = w.confirm("O1") }()
	synctest.Wait()
	return l
}

// A person looked at the HIS before the call under way arrived there: their word
// must not give the money back of what is deducted a second later.
func TestAPersonsWordWaitsForTheCallUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		l := retried(w)
		if _, err := w.g.Resolve(t.Context(), l.ID(), false, "", "cashier"); !errors.Is(err, lockstore.ErrConfirmInProgress) {
			t.Errorf("resolve: %v", err)
		}
		w.wantStatus("O1", lockstore.Confirmed)
		w.wantOrder("O1", hisadapter.Deducted)
	})
}

func TestAPersonWhoLeavesWhileACallIsUnderWaySaidNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		l := retried(w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.g.Resolve(ctx, l.ID(), false, "", "cashier"); !errors.Is(err, lockstore.ErrConfirmInProgress) {
			t.Errorf("resolve: %v", err)
		}
		w.wantStatus("O1", lockstore.Confirming)
		time.Sleep(time.Minute)
		w.wantStatus("O1", lockstore.Confirmed)
	})
}

// The look of the resolver is a call too, but one that changed nothing.
func TestAPersonsWordAfterALookThatFoundNothingNew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, with(plainHIS, careless))
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
		_, _ = w.confirm("O1")
		time.Sleep(10 * time.Minute)
		if _, err := w.his.Inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.Slow, After: 2 * time.Second}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = w.confirm("O1") }() // looks
		synctest.Wait()
		seen := w.get("O1")
		l, err := w.g.Resolve(t.Context(), seen.ID(), false, "", "cashier")
		if err != nil || l.Status != lockstore.Released || !l.Settled() {
			t.Errorf("resolved as %v, %v", l.Status, err)
		}
	})
}

// A lost call may arrive within the grace time, whatever a person saw before.
func TestAPersonsWordWithinTheGraceTimeIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, with(plainHIS, func(c *hisadapter.Capabilities) { c.Find = false }))
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.LateApply, After: 20 * time.Second, Times: 1})
		if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Fatalf("confirm: %v", err)
		}
		l := w.get("O1")
		id := l.ID()
		if _, err := w.g.Resolve(t.Context(), id, false, "", "cashier"); !errors.Is(err, lockstore.ErrConfirmInProgress) {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(31 * time.Second)
		w.wantOrder("O1", hisadapter.Deducted)
		if l, err := w.g.Resolve(t.Context(), id, true, "CF1", "cashier"); err != nil || l.Status != lockstore.Confirmed {
			t.Errorf("later: %v, %v", l.Status, err)
		}
	})
}
