package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// A second payment of an order of which no notice came is known by the bill alone, and
// WeChat tells of it when asked by its own number: it is what its notice would have made
// of it, once, whenever the day is compared and the notice comes.
func TestASecondPaymentThatTheBillAloneTellsOf(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		h.wait(time.Minute)
		again := h.pay.payAgain("ORDER-1")
		day := h.morning()
		r := h.compared(day)
		c := h.onlyCase(payflow.CaseSecondPayment)
		if c.TransactionID != again.TransactionID || c.Fen != again.TotalFen || len(r.Differences) != 1 || r.Differences[0].Kind != payflow.DiffUnnoticed {
			t.Errorf("case %+v, differences %+v", c, r.Differences)
		}
		h.callback(again)
		if r = h.again(day); r.Open() != 0 {
			t.Errorf("the next run: %+v", r.Differences)
		}
		h.onlyCase(payflow.CaseSecondPayment)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v1"), Evidence: "in the merchant console"}); err != nil {
			t.Fatal(err)
		}
		h.again(day)
		h.noCases()
		if o := h.is("ORDER-1", payflow.Fulfilled); len(o.Disputes) != 1 || !o.Disputes[0].Settled {
			t.Errorf("%+v", o.Disputes)
		}
	})
	inHouse(t, func(h *house) { // two, for an order that nobody knows here
		h.pay.stranger("NOBODY-1", "tx9", 77)
		h.pay.payAgain("NOBODY-1")
		h.morning()
		for _, id := range []string{"X.tx9", "X.tx9-again"} {
			if c, err := h.svc.GetCase(h.Context(), id); err != nil || c.Reason != payflow.CaseUnknownOrder {
				t.Errorf("case %s: %+v, %v", id, c, err)
			}
		}
	})
}
