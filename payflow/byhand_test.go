package payflow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

func many(n int, a answer) []answer { return slices.Repeat([]answer{a}, n) }

// byHandWhileConfirming brings an order to FULFILLED by a person's word while the
// HIS may still apply its lock, and has a person refund all of it.
func (h *house) byHandWhileConfirming(no string) {
	h.Helper()
	h.locks.on("confirm", many(5, answer{err: payflow.ErrPending})...)
	h.paid(no, payflow.Reserve)
	h.callback(h.pay.change(no, func(tx *payflow.Transaction) { tx.State = payflow.TradeRefund }))
	h.is(no, payflow.NeedsAttention)
	c := h.onlyCase(payflow.CaseConsoleRefund)
	h.locks.on("release", many(20, answer{err: payflow.ErrPending})...)
	if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "by-hand"), HisOrderNo: "COUNTER-1"}); err != nil {
		h.Fatal(err)
	}
	h.wait(2 * time.Minute)
	if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: no, Reason: "all", Fulfilled: true, Actor: "li", RequestID: "all"}); err != nil {
		h.Fatal(err)
	}
	h.wait(5 * time.Minute)
}

// D1: an order that a person called fulfilled has its own lock still out. Its
// money does not go back before the HIS can no longer apply it.
func TestD1FulfilledByHandKeepsTheFence(t *testing.T) {
	inHouse(t, func(h *house) {
		h.byHandWhileConfirming("ORDER-1")
		h.is("ORDER-1", payflow.Refunding)
		if n := len(h.pay.sentRefunds()); n > 0 {
			t.Fatalf("%d refunds sent while the HIS may still apply the lock", n)
		}
		if v := h.svc.LockOwner("ORDER-1", 1); !v.Release {
			t.Errorf("the refund waits for the lock, and its owner says %+v", v)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.wait(time.Hour) // the release is found out
		h.is("ORDER-1", payflow.Refunded)
		if h.locks.left("A") != 10 {
			t.Error("the stock did not come back")
		}
	})
}

// The HIS deducted for the lock meanwhile, beside what the person gave out: they
// must hear of it before the money goes; once they decide again, nothing is in
// flight and it goes.
func TestD1FulfilledByHandAndDeductedBeforeTheRefund(t *testing.T) {
	for named, first := range map[string]payflow.State{"HIS-ORDER-1-1": payflow.Refunded, "COUNTER-1": payflow.NeedsAttention} {
		inHouse(t, func(h *house) {
			c := h.parked("ORDER-1")
			h.locks.on("release", answer{err: payflow.ErrPending})
			if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r1"), HisOrderNo: named}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.locks.Confirm(h.Context(), "ORDER-1", payflow.Reference{}); err != nil {
				t.Fatal(err)
			}
			h.pay.answerRefunds(payflow.RefundSuccess)
			if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "all", Fulfilled: true, Actor: "li", RequestID: "q"}); err != nil {
				t.Fatal(err)
			}
			h.wait(10 * time.Second)
			h.is("ORDER-1", first)
			if first == payflow.Refunded {
				return
			}
			if n := len(h.pay.sentRefunds()); n > 0 {
				t.Fatalf("%d refunds sent for an order with two HIS orders", n)
			}
			c = h.onlyCase(payflow.CaseLockDoubt)
			if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r2")}); err != nil {
				t.Fatal(err)
			}
			h.wait(10 * time.Second)
			h.is("ORDER-1", payflow.Refunded)
		})
	}
}
