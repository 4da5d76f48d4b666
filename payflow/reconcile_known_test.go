package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestAnOrderThatComesWhileItsMoneyIsLookedAt: the bill has money for an order that is not here; while WeChat is asked about
// it the client sends the order. It sees to its money: a case beside it would be a second refund.
func TestAnOrderThatComesWhileItsMoneyIsLookedAt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.stranger("ORDER-9", "tx9", 1000)
		h.pay.on("query", answer{call: func() {
			if _, err := h.svc.Create(h.Context(), request("ORDER-9", payflow.Reserve)); err != nil {
				t.Error(err)
			}
		}})
		day := h.morning()
		h.is("ORDER-9", payflow.Fulfilled)
		h.noCases()
		r := h.compared(day)
		if len(r.Differences) != 1 || r.Differences[0].Kind != payflow.DiffUnnoticed || r.Differences[0].CaseID != "" {
			t.Errorf("%+v", r.Differences)
		}
		if r = h.again(day); r.Open() != 0 || r.Matched != 1 {
			t.Errorf("%+v", r)
		}
	})
	inHouse(t, func(h *house) {
		h.pay.console("ORDER-9", "CONSOLE-1", 5)
		h.pay.on("refund_query", answer{call: func() { h.create("ORDER-9", payflow.Reserve) }})
		h.morning()
		h.onlyCase(payflow.CaseConsoleRefund)
		h.callback(h.pay.pay("ORDER-9"))
		h.wait(time.Minute)
		h.is("ORDER-9", payflow.NeedsAttention) // money of which some went back waits for a person
	})
}
