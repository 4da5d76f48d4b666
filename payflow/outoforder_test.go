package payflow_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

func (h *house) refundCallback(a payflow.RefundAnswer) {
	h.Helper()
	if err := h.svc.RefundCallback(h.Context(), notice(a)); err != nil {
		h.Fatal(err)
	}
	synctest.Wait()
}

// The news of a refund in the merchant console overtakes that of its payment.
// Whichever way the payment becomes known then, and although its old notice says
// SUCCESS, nothing is given out before a person looked (I5).
func TestARefundNoticeBeforeThePayment(t *testing.T) {
	for name, hear := range map[string]func(*house, payflow.Transaction){
		"by the payment's notice": func(h *house, tx payflow.Transaction) { h.callback(tx) },
		"by a query":              func(h *house, _ payflow.Transaction) { h.wait(time.Minute) },
		"after a crash":           func(h *house, tx payflow.Transaction) { h.crash(); h.callback(tx) },
		"at the deadline":         func(h *house, _ payflow.Transaction) { h.wait(31 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				back := payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "console-1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 1000}
				h.refundCallback(back)
				h.is("ORDER-1", payflow.AwaitingPayment)
				h.onlyCase(payflow.CaseConsoleRefund)
				hear(h, h.pay.pay("ORDER-1"))
				h.wait(time.Hour)
				o := h.is("ORDER-1", payflow.NeedsAttention)
				if o.Payment == nil || len(h.locks.made()) != 0 {
					t.Fatalf("payment %+v, made %v", o.Payment, h.locks.made())
				}
				h.refundCallback(back) // again
				c := h.onlyCase(payflow.CaseConsoleRefund)
				if c.TransactionID != o.Payment.TransactionID {
					t.Errorf("the case is about %q", c.TransactionID)
				}
				if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "console refund 1"}); err != nil {
					t.Fatal(err)
				}
				h.wait(time.Second)
				h.is("ORDER-1", payflow.Refunded)
				if h.locks.left("A") != 10 || len(h.pay.sentRefunds()) != 0 {
					t.Errorf("left %d, refunds %v", h.locks.left("A"), h.pay.sentRefunds())
				}
				h.noCases()
			})
		})
	}
}

// The notice of our own refund overtakes the answer to the request, which is lost.
func TestARefundNoticeBeforeTheAnswerToItsRequest(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: errLost, did: true})
		h.goneOrder("ORDER-1")
		h.refundCallback(h.pay.set("ORDER-1-R1", payflow.RefundSuccess))
		h.wait(time.Hour)
		if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 || len(h.pay.sentRefunds()) != 1 {
			t.Errorf("%d fen back, refunds %v", o.RefundedFen, h.pay.sentRefunds())
		}
		h.noCases()
	})
}
