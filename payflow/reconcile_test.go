package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// morning lets time pass until a quarter past ten in Beijing on the next day, when yesterday has been compared.
func (h *house) morning() string {
	h.Helper()
	now := time.Now().In(beijing)
	y, m, d := now.Date()
	h.wait(time.Date(y, m, d+1, 10, 15, 0, 0, beijing).Sub(now))
	return dayOf(now)
}

func (h *house) reportOf(day string) payflow.Reconciliation {
	h.Helper()
	r, err := h.svc.GetReconciliation(h.Context(), day)
	if err != nil {
		h.Fatalf("report of %s: %v", day, err)
	}
	return r
}

// compared wants the day DONE and returns its report.
func (h *house) compared(day string) payflow.Reconciliation {
	h.Helper()
	r := h.reportOf(day)
	if r.Status != payflow.ReconciliationDone {
		h.Fatalf("%s is %s: %s", day, r.Status, r.Failure)
	}
	return r
}

func TestADayThatAgrees(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.paid("ORDER-2", payflow.Verify)
		h.create("ORDER-3", payflow.Reserve) // never paid
		day := h.morning()
		r := h.compared(day)
		if len(r.Differences) > 0 || len(r.NotCompared) > 0 {
			t.Errorf("%+v", r)
		}
		two := payflow.Sum{Count: 2, Fen: 2000}
		if r.Payments != two || r.BillPayments != two || r.Fulfilled != two || r.HISOrders != two || r.Matched != 2 || r.HISMatched != 2 || !r.HISListed {
			t.Errorf("%+v", r)
		}
		h.noCases()
	})
}
