package payflow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// openByReason are the order's open cases, by reason.
func (h *house) openByReason(no string) map[payflow.CaseReason]payflow.Case {
	h.Helper()
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true, OrderNo: no})
	if err != nil {
		h.Fatal(err)
	}
	byReason := map[payflow.CaseReason]payflow.Case{}
	for _, c := range cs {
		byReason[c.Reason] = c
	}
	return byReason
}

// wantsOverdue fails the test unless OVERDUE is open, is P0 and offers the ways out.
func (h *house) wantsOverdue(no string) payflow.Case {
	h.Helper()
	c, open := h.openByReason(no)[payflow.CaseOverdue]
	if !open || c.Severity != payflow.P0 || !slices.Contains(c.Allowed, payflow.VerbRefund) {
		h.Fatalf("open cases %+v", h.openByReason(no))
	}
	return c
}

// [D9] Money in dispute has its case, and that is not the case of an order whose
// patient waits.
func TestD9ACaseOfDisputedMoneyHidesNoOverdueOrder(t *testing.T) {
	for name, second := range map[string]func(*payflow.Transaction){
		"a second payment": func(tx *payflow.Transaction) { tx.TransactionID = "T-SECOND" },
		"a wrong amount":   func(tx *payflow.Transaction) { tx.TransactionID, tx.TotalFen = "T-WRONG", 999 },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("lock", many(2000, answer{err: errors.New("something that no rule knows")})...)
				h.paid("ORDER-1", payflow.Verify)
				tx := h.pay.pay("ORDER-1")
				second(&tx)
				h.callback(tx)
				disputed := h.onlyCase(payflow.CaseSecondPayment)
				h.wait(11 * time.Minute)
				h.is("ORDER-1", payflow.Paid)
				late := h.wantsOverdue("ORDER-1")
				h.crash() // the same of the record alone
				h.wait(time.Minute)
				if got := h.openByReason("ORDER-1"); len(got) != 2 {
					t.Fatalf("open cases %+v", got)
				}
				again, err := h.svc.GetCase(h.Context(), disputed.ID)
				if err != nil || !strings.Contains(again.Text.EN, late.ID) || !strings.Contains(again.Text.ZH, late.ID) {
					t.Errorf("who reads the one does not hear of the other: %+v, %v", again.Text, err)
				}
				h.pay.answerRefunds(payflow.RefundSuccess)
				if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.wantsOverdue("ORDER-1"), "r1")}); err != nil {
					t.Fatal(err)
				}
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.Refunded)
				h.onlyCase(payflow.CaseSecondPayment) // which its own evidence ends
			})
		})
	}
}

// [D9] Once a person has sent an order back to the HIS its case is past: should
// the HIS hang then, the patient waits, and that is another case. For a while the
// old one stands.
func TestD9ADecidedCaseHidesNoOverdueOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", h.locks.refuseConfirm("ORDER-1", "insufficient"))
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseGone)
		h.wait(2 * time.Hour)
		h.locks.on("lock", many(2000, answer{err: errors.New("something that no rule knows")})...)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r1")); err != nil {
			t.Fatal(err)
		}
		h.wait(5 * time.Minute)
		h.proven()
		h.onlyCase(payflow.CaseGone)
		h.wait(6 * time.Minute)
		h.is("ORDER-1", payflow.Paid)
		h.wantsOverdue("ORDER-1")
		if got := h.openByReason("ORDER-1"); len(got) != 1 {
			t.Errorf("open cases %+v", got)
		}
	}, func(s *payflow.Settings) { s.OnGone = payflow.PolicyCase })
}

// [D9] A refund that is accepted and stays away is told of, whatever else is open.
func TestD9ADisputeHidesNoStuckRefund(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		tx := h.pay.pay("ORDER-1")
		tx.TransactionID = "T-SECOND"
		h.callback(tx)
		h.pay.answerRefunds(payflow.RefundProcessing)
		if err := h.part("q1", 0); err != nil {
			t.Fatal(err)
		}
		h.wait(73 * time.Hour)
		if got := h.openByReason("ORDER-1"); len(got) != 2 || got[payflow.CaseRefundStuck].ID == "" {
			t.Errorf("open cases %+v", got)
		}
	})
}

// Whoever ends the waiting for a HIS that was to cancel its order reads before what
// they do: the money goes back, and the HIS order stands. Nothing is deducted by it
// any more, so no fence is passed over: the order was fulfilled, and is refunded
// knowingly.
func TestRefundWithoutWaitingForTheHISSaysThatItsOrderStands(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		his := h.is("ORDER-1", payflow.Fulfilled).HisOrderNo
		h.locks.on("cancel", many(100, answer{err: payflow.ErrPending})...)
		if err := takeBack(h, 0); err != nil {
			t.Fatal(err)
		}
		h.wait(15 * time.Minute)
		c := h.onlyCase(payflow.CaseOverdue)
		if !strings.Contains(c.Text.EN, "order "+his) || !strings.Contains(c.Text.EN, "stands") || !strings.Contains(c.Text.ZH, "仍然有效") {
			t.Errorf("the text before is %+v", c.Text)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		a, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "V1")})
		if err != nil || !strings.Contains(a.Next.EN, "stands") || !strings.Contains(a.Next.ZH, "仍然有效") {
			t.Errorf("the text after is %+v, %v", a.Next, err)
		}
	}, canCancel)
	inHouse(t, func(h *house) { // and where it refused to
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.on("cancel", answer{err: &payflow.RefusedError{Kind: "other", ForGood: true, Message: "已发药"}})
		if err := takeBack(h, 0); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		c := h.onlyCase(payflow.CaseRefused)
		if !strings.Contains(c.Text.EN, "stands") || !strings.Contains(c.Text.ZH, "仍然有效") {
			t.Errorf("the text before is %+v", c.Text)
		}
		a, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "V1")})
		if err != nil || !strings.Contains(a.Next.EN, "stands") {
			t.Errorf("the text after is %+v, %v", a.Next, err)
		}
	}, canCancel)
}
