package gateway_test

import (
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// [B5] The second attempt of RX1 is RX1-2 at the HIS; an order that is called so
// itself must be another one there, or two orders would share one deduction.
func TestNamesakesDoNotShareAnOrderAtTheHIS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Refuse, Kind: hisadapter.Insufficient, Times: 1})
		if _, err := w.lock(order("RX1", "A", 3)); err == nil {
			t.Fatal("the freeze was to be refused")
		}
		theirs := order("RX1-2", "A", 3)
		theirs.Principal = "q"
		w.mustLock(theirs)
		if l := w.mustLock(order("RX1", "A", 3)); l.HISNo == "RX1-2" {
			t.Errorf("attempt %d has the other order's number", l.Attempt)
		}
		mine := w.mustConfirm("RX1")
		other, err := w.g.Confirm(t.Context(), "q", "RX1-2", lockstore.Reference{TransactionID: "T2"})
		if err != nil || other.HISOrderNo == mine.HISOrderNo {
			t.Errorf("orders %q and %q, %v", mine.HISOrderNo, other.HISOrderNo, err)
		}
		if b, _ := w.his.Books().Of(key("A")); b.Deducted != 6 {
			t.Errorf("the HIS deducted %d for two orders of 3", b.Deducted)
		}
	})
}
