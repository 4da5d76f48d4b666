package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// listing is a HIS that lists its orders.
func listing(caps hisadapter.Capabilities) hisadapter.Capabilities {
	caps.List, caps.Cancel = true, true
	return caps
}

func (w *world) hisOrders() map[string]gateway.HISOrder {
	w.t.Helper()
	list, err := w.g.HISOrders(w.t.Context(), time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]gateway.HISOrder{}
	for _, o := range list {
		out[o.HisNo] = o
	}
	return out
}

// cancelAtHIS is somebody who cancels an order at the HIS.
func (w *world) cancelAtHIS(l lockstore.Lock) {
	w.t.Helper()
	if err := w.his.Driver().CancelOrder(w.t.Context(), l.HISNo, l.HISOrderNo); err != nil {
		w.t.Fatal(err)
	}
}

func TestHISOrdersKnowTheirLocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, listing(plainHIS))
		for _, no := range []string{"O1", "O2"} {
			w.mustLock(order(no, "A", 1))
		}
		l := w.mustConfirm("O1")
		if _, err := w.his.Driver().PlaceOrder(t.Context(), hisadapter.PlaceOrderRequest{
			HisNo: "STRANGE-7", PharmacyID: pharmacy, Lines: []hisadapter.Line{{DrugID: "A", Quantity: 1}},
		}); err != nil {
			t.Fatal(err)
		}
		got := w.hisOrders()
		if o := got["O1"]; len(got) != 2 || !o.Known || o.Lock.OrderNo != "O1" || o.OrderNo != l.HISOrderNo || o.Canceled {
			t.Errorf("%+v", got)
		}
		if o := got["STRANGE-7"]; o.Known {
			t.Errorf("known: %+v", o)
		}
	})
}

func TestHISOrdersNeedAList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		if _, err := w.g.HISOrders(t.Context(), time.Now()); !errors.Is(err, gateway.ErrNoList) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHISOrdersOfAHISThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, listing(plainHIS))
		w.inject(simhis.Fault{Op: simhis.OpListOrders, What: simhis.TimeoutBefore})
		_, err := w.g.HISOrders(t.Context(), time.Now())
		wantError[*gateway.HISError](t, err)
	})
}

// TestCancelledAtTheHIS: cancelled_at is recorded once, the lock counts as settled, and its stock is free.
func TestCancelledAtTheHIS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, listing(plainHIS))
		w.mustLock(order("O1", "A", 3))
		l := w.mustConfirm("O1")
		w.cancelAtHIS(l)
		if o := w.hisOrders()["O1"]; !o.Canceled || o.Lock.CancelledAt.IsZero() {
			t.Errorf("%+v", o)
		}
		after := w.wantStatus("O1", lockstore.Confirmed)
		if after.CancelledAt.IsZero() || !after.Settled() || after.Word != lockstore.WordCancelled {
			t.Errorf("%+v", after)
		}
		if o := w.hisOrders()["O1"]; !o.Canceled || o.Lock.Version != after.Version {
			t.Errorf("a second look changed something: %+v", o)
		}
		time.Sleep(time.Minute)
		wantFigures(t, w.stock("A"), 10, 0, 10)
	})
}

// TestCancellationNeedsFindOrdersWord: a list that says cancelled while FindOrder says deducted is not believed.
func TestCancellationNeedsFindOrdersWord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, listing(plainHIS), func(w *world) {
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return liar{d} }
		})
		w.mustLock(order("O1", "A", 3))
		w.mustConfirm("O1")
		if o := w.hisOrders()["O1"]; o.Canceled {
			t.Errorf("%+v", o)
		}
		if l := w.wantStatus("O1", lockstore.Confirmed); !l.CancelledAt.IsZero() {
			t.Errorf("cancelled: %+v", l)
		}
	})
}

// liar is a HIS whose list says that all orders were cancelled.
type liar struct{ hisadapter.Driver }

func (l liar) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	list, err := l.Driver.ListOrders(ctx, day)
	for i := range list {
		list[i].Canceled = true
	}
	return list, err
}

// TestAFreezeThatTurnsUpAfterTheLastLook: reconciliation finds what arrived when nobody looked any more.
func TestAFreezeThatTurnsUpAfterTheLastLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, with(freezingHIS, endless))
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.LateApply, After: 40 * time.Hour, Times: 1})
		day := time.Now()
		_, _ = w.lock(order("O1", "A", 3))
		_, _ = w.g.Release(t.Context(), "p", "O1")
		w.mustLock(order("O2", "A", 1))
		_, _ = w.g.Release(t.Context(), "p", "O2")
		look := func(wantLooked, wantFound int) {
			t.Helper()
			looked, found, err := w.g.LookAgain(t.Context(), day)
			if err != nil || looked != wantLooked || found != wantFound {
				t.Errorf("%d looked at, %d found, %v; want %d, %d", looked, found, err, wantLooked, wantFound)
			}
		}
		time.Sleep(39 * time.Hour)
		w.wantStatus("O1", lockstore.Released)
		look(1, 0) // O2 leaves no doubt
		time.Sleep(2 * time.Hour)
		w.wantOrder("O1", hisadapter.Frozen)
		look(1, 1)
		time.Sleep(time.Minute)
		w.wantOrder("O1", hisadapter.Released)
		w.wantStatus("O1", lockstore.Released)
		w.wantSoundBooks()
	})
}
