package gateway_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// The HIS takes a confirmed order back once, however often it is asked and
// whatever becomes of the answer.
func TestCancelTakesAConfirmedOrderBack(t *testing.T) {
	for name, fault := range map[string]simhis.Fault{
		"well":                     {},
		"applied, the answer lost": {Op: simhis.OpCancelOrder, What: simhis.Reset, Apply: true, Times: 1},
		"lost on its way":          {Op: simhis.OpCancelOrder, What: simhis.HTTP500, Times: 1},
		"busy":                     {Op: simhis.OpCancelOrder, What: simhis.BusyNow, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, freezingHIS)
				w.mustLock(order("RX1", "A", 3))
				w.mustConfirm("RX1")
				if fault.Op != "" {
					w.inject(fault)
				}
				l, err := w.g.Cancel(t.Context(), "p", "RX1")
				if (err != nil) != (fault.Op != "") {
					t.Fatalf("the first answer: %v", err)
				}
				if err != nil {
					if l = w.wantStatus("RX1", lockstore.Confirmed); l.Settled() {
						t.Error("taken for cancelled without the HIS's word")
					}
					w.crash()
					l, err = w.g.Cancel(t.Context(), "p", "RX1")
				}
				if err != nil || l.CancelledAt.IsZero() || !l.Settled() {
					t.Fatalf("%+v, %v", l, err)
				}
				calls := w.calls(simhis.OpCancelOrder)
				if _, err := w.g.Cancel(t.Context(), "p", "RX1"); err != nil || w.calls(simhis.OpCancelOrder) != calls {
					t.Errorf("a repeat: %v, %d calls", err, w.calls(simhis.OpCancelOrder)-calls)
				}
				w.wantOrder("RX1", hisadapter.Released)
				if s, err := w.g.GetStock(t.Context(), key("A"), gateway.Live); err != nil || s.Available != 10 {
					t.Errorf("%d are available, %v", s.Available, err)
				}
				w.wantSoundBooks()
			})
		})
	}
}

func TestCancelOfWhatIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("RX1", "A", 3))
		for no, want := range map[string]error{"RX1": lockstore.ErrLockEnded, "RX2": lockstore.ErrNotFound} {
			if _, err := w.g.Cancel(t.Context(), "p", no); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", no, err, want)
			}
		}
		w.mustConfirm("RX1")
		if _, err := w.g.Cancel(t.Context(), "stranger", "RX1"); !errors.Is(err, lockstore.ErrNotFound) {
			t.Errorf("a stranger: %v", err)
		}
		w.inject(simhis.Fault{Op: simhis.OpCancelOrder, What: simhis.Refuse})
		_, err := w.g.Cancel(t.Context(), "p", "RX1")
		wantError[*gateway.HISRefusedError](t, err)
		if l := w.wantStatus("RX1", lockstore.Confirmed); l.Settled() {
			t.Error("a refused cancellation settled the lock")
		}
		w.his.ClearFaults()
		w.his.SetDown(true)
		_, err = w.g.Cancel(t.Context(), "p", "RX1")
		wantError[*gateway.HISError](t, err)
		time.Sleep(time.Minute)
		w.wantOrder("RX1", hisadapter.Deducted)
	})
	synctest.Test(t, func(t *testing.T) {
		if _, err := newWorld(t, plainHIS).g.Cancel(t.Context(), "p", "RX1"); !errors.Is(err, gateway.ErrNoCancel) {
			t.Errorf("a HIS that cannot cancel: %v", err)
		}
	})
}

// A HIS that cannot be asked what became of a lost cancel may answer the repeat
// with "wrong state" for ever: it is not asked to cancel at all [C3].
func TestNoCancelWhereALostOneCannotBeFoundOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, with(plainHIS, func(c *hisadapter.Capabilities) { c.Cancel, c.Find = true, false }))
		w.mustLock(order("O1", "A", 3))
		w.mustConfirm("O1")
		if _, err := w.g.Cancel(t.Context(), "p", "O1"); !errors.Is(err, gateway.ErrNoCancel) || w.g.CanCancel() {
			t.Errorf("cancel: %v, can cancel %v", err, w.g.CanCancel())
		}
		w.wantOrder("O1", hisadapter.Deducted)
	})
}

// A person may name an order that stands under another number of the HIS than the
// lock's, of which the HIS says "released": that is no word on the order.
func TestCancelIsNotDoneWhereAPersonNamedTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		l := w.mustLock(order("RX1", "A", 3))
		driver := w.his.Driver()
		if err := driver.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{HisNo: l.HISNo, LockID: l.HISLockID, PharmacyID: pharmacy}); err != nil {
			t.Fatal(err)
		}
		w.restore(w.backup())
		if _, err := w.ledger.Record(t.Context(), l.ID(), lockstore.Event{Kind: lockstore.EvCase, Message: "look there"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.g.Resolve(t.Context(), l.ID(), true, "CF-2", "pharmacist"); err != nil {
			t.Fatal(err)
		}
		w.wantStatus("RX1", lockstore.Confirmed)
		got, err := w.g.Cancel(t.Context(), "p", "RX1")
		wantError[*gateway.HISRefusedError](t, err)
		if now := w.get("RX1"); !got.CancelledAt.IsZero() || now.Settled() {
			t.Errorf("taken for cancelled: %+v", now)
		}
	})
}
