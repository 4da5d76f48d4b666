package gateway_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// Whether a confirmed order stands is the HIS's word alone: that it does not know of one
// any more, or cannot be asked, cancels nothing.
func TestStandingBelievesOnlyThatItWasCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("RX1", "A", 3))
		if l, err := w.g.Standing(t.Context(), "p", "RX1"); err != nil || l.Status != lockstore.Locked || w.calls(simhis.OpFindOrder) != 0 {
			t.Errorf("of one that is not confirmed: %+v, %v", l, err)
		}
		w.mustConfirm("RX1")
		for _, no := range []string{"RX2", "RX1"} {
			if _, err := w.g.Standing(t.Context(), "stranger", no); !errors.Is(err, lockstore.ErrNotFound) {
				t.Errorf("a stranger asks about %s: %v", no, err)
			}
		}
		w.his.SetDown(true)
		_, err := w.g.Standing(t.Context(), "p", "RX1")
		wantError[*gateway.HISError](t, err)
		w.his.SetDown(false)
		if l, err := w.g.Standing(t.Context(), "p", "RX1"); err != nil || !l.CancelledAt.IsZero() {
			t.Errorf("one that stands: %+v, %v", l, err)
		}
		l := w.wantStatus("RX1", lockstore.Confirmed)
		if err := w.his.Driver().CancelOrder(t.Context(), l.HISNo, l.HISOrderNo); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time the ledger knows
			if l, err := w.g.Standing(t.Context(), "p", "RX1"); err != nil || l.CancelledAt.IsZero() || !l.Settled() {
				t.Errorf("one that was cancelled: %+v, %v", l, err)
			}
		}
		w.wantSoundBooks()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, with(plainHIS, func(c *hisadapter.Capabilities) { c.Find = false }))
		if _, err := w.g.Standing(t.Context(), "p", "RX1"); !errors.Is(err, gateway.ErrCannotBeAsked) {
			t.Errorf("a HIS that cannot be asked: %v", err)
		}
	})
}
