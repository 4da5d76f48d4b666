package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// WeChat takes refunds of one order a minute apart (§7 facts): all that is left,
// asked for right after a part, and the successor of a refund that was closed at
// once, wait for it.
func TestRefundsOfOneOrderLeaveAMinuteApart(t *testing.T) {
	apart := func(h *house, first, second string) {
		h.Helper()
		h.pay.mu.Lock()
		defer h.pay.mu.Unlock()
		if gap := h.pay.takenAt[second].Sub(h.pay.takenAt[first]); gap < time.Minute {
			h.Errorf("%s left %v after %s", second, gap, first)
		}
	}
	ask := func(h *house, fen int64, id string) {
		h.Helper()
		if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Fen: fen, Reason: "破损", Fulfilled: true, Actor: "cashier", RequestID: id}); err != nil {
			h.Fatal(err)
		}
	}
	t.Run("a part, then the rest", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			h.pay.answerRefunds(payflow.RefundSuccess)
			ask(h, 300, "r1")
			h.wait(time.Second)
			ask(h, 0, "r2")
			h.wait(10 * time.Minute)
			if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 {
				t.Errorf("%d fen back", o.RefundedFen)
			}
			apart(h, "ORDER-1-R1", "ORDER-1-R2")
		})
	})
	t.Run("closed at once", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.goneOrder("ORDER-1")
			closed := h.pay.set("ORDER-1-R1", payflow.RefundClosed)
			h.pay.answerRefunds(payflow.RefundSuccess)
			h.refundCallback(closed)
			h.wait(10 * time.Minute)
			h.is("ORDER-1", payflow.Refunded)
			apart(h, "ORDER-1-R1", "ORDER-1-R2")
		})
	})
}
