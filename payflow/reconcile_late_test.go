package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestWhatOnlyTheNextBillHad: a refund that WeChat's bill of its day missed and the next one has is a case for a day, and no
// further run over the first day begins it again.
func TestWhatOnlyTheNextBillHad(t *testing.T) {
	inHouse(t, func(h *house) {
		h.wait(10 * time.Hour)
		h.refunded("ORDER-1")
		h.pay.mu.Lock()
		h.pay.takenAt["ORDER-1-R1"] = h.pay.takenAt["ORDER-1-R1"].Add(12 * time.Hour)
		h.pay.mu.Unlock()
		day := h.morning()
		h.onlyCase(payflow.CaseBillMissing)
		h.compared(h.morning())
		h.noCases()
		for range 2 {
			if r := h.again(day); r.Open() != 0 {
				t.Errorf("%+v", r.Differences)
			}
			h.noCases()
		}
	})
}
