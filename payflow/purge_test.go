package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// A closed case is kept as long as its order: nobody finds it missing.
func TestACaseIsKeptAsLongAsItsOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.inConsole(100, payflow.RefundSuccess)
		c := h.onlyCase(payflow.CaseConsoleRefund)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v1"), Evidence: "seen"}); err != nil {
			t.Fatal(err)
		}
		h.wait(24 * time.Hour)
		if err := h.part("q1", 100); err != nil {
			t.Fatal(err)
		}
		h.wait(36 * time.Hour)
		h.verified()
		h.wait(72 * time.Hour)
		h.verified()
		if _, err := h.svc.GetCase(h.Context(), c.ID); err == nil {
			t.Error("the case outlived its order")
		}
	}, func(s *payflow.Settings) { s.Retention = 48 * time.Hour })
}
