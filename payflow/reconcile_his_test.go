package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestWhatTheHISSaidBeforeStands: a HIS that cannot list its orders any more, or not to the end, has not taken back what an
// earlier run found there; and each thing is told once.
func TestWhatTheHISSaidBeforeStands(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.paid("ORDER-2", payflow.Reserve)
		h.locks.cancelOrder("ORDER-1")
		h.locks.mu.Lock()
		h.locks.locks["ORDER-2"].madeAt = time.Now().Add(-20 * time.Hour) // on the day before: that is listed too
		h.locks.mu.Unlock()
		day := h.morning()
		h.onlyCase(payflow.CaseHISCancelled)
		first := h.compared(day)

		h.locks.on("his_orders", answer{}, answer{err: payflow.ErrUnavailable})
		if r, err := h.svc.RunReconciliation(h.Context(), day, "cashier Wu"); err != nil || r.Status != payflow.ReconciliationIncomplete || len(r.Differences) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		h.onlyCase(payflow.CaseHISCancelled)

		h.locks.on("his_orders", answer{err: payflow.ErrUnsupported})
		if r := h.again(day); len(r.Differences) != 1 || r.Open() != 1 || r.HISListed {
			t.Errorf("%+v", r)
		}
		h.onlyCase(payflow.CaseHISCancelled)
		h.same(first, h.again(day))
	})
}
