package payflow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// [B9] [D1] A HIS that cannot be asked may have deducted for an order that a restored
// ledger never heard of: that nothing is held proves nothing then, and only a person
// who looked there gives the money back.
func TestB9AForgottenOrderWhereTheHISCannotBeAsked(t *testing.T) {
	doubtful := func(h *house) payflow.Case {
		h.Helper()
		h.locks.on("lock", answer{err: &payflow.ShortError{}}) // it went into this very order
		h.locks.on("release", many(3, answer{err: errors.Join(payflow.ErrForgotten, errors.New("as the stock half has it"))})...)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.paid("ORDER-1", payflow.Reserve, func(r *payflow.CreateRequest) { r.Strategy = payflow.Verify })
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		if got := h.pay.sentRefunds(); len(got) != 0 {
			h.Errorf("refunds %v before anybody looked", got)
		}
		c := h.onlyCase(payflow.CaseLockDoubt)
		if !strings.Contains(c.Text.EN, "Look in the HIS first") || !strings.Contains(c.Text.ZH, "请先在 HIS 核对") {
			h.Errorf("the text before is %+v", c.Text)
		}
		return c
	}
	inHouse(t, func(h *house) {
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(doubtful(h), "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
		h.oneRefund("ORDER-1-R1", 1000)
		h.noCases()
	})
	inHouse(t, func(h *house) {
		r := payflow.MarkRefundedRequest{VerbRequest: verb(doubtful(h), "r1"), Evidence: "cash"}
		if _, err := h.svc.MarkRefunded(h.Context(), r); err != nil {
			t.Fatal(err)
		}
		h.is("ORDER-1", payflow.Refunded)
	})
	inHouse(t, func(h *house) {
		r := payflow.MarkFulfilledRequest{VerbRequest: verb(doubtful(h), "r1"), HisOrderNo: "HIS-9"}
		if _, err := h.svc.MarkFulfilled(h.Context(), r); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		h.noCases()
	})
}

// [B9] After a restore "no stock" may say that the HIS has given it to this order:
// the fence is asked before a person is told to restock.
func TestB9StockThatWentIntoTheForgottenOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		backup := h.backup()
		h.paid("ORDER-1", payflow.Reserve)
		his := h.is("ORDER-1", payflow.Fulfilled).HisOrderNo
		h.restored(backup)
		h.recovered()
		h.locks.on("get", answer{err: payflow.ErrNotFound})
		h.locks.on("lock", answer{err: &payflow.ShortError{}})
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		if o := h.is("ORDER-1", payflow.Fulfilled); o.HisOrderNo != his {
			t.Errorf("HIS order %s, made was %s", o.HisOrderNo, his)
		}
		h.noCases()
	}, func(s *payflow.Settings) { s.OnGone = payflow.PolicyCase })
}

// [D4] Money for an order that is not here is a case, until the order is: two cases
// would be two refunds. The patient waits since the first.
func TestD4AnOrderThatComesToBeKnownEndsTheCaseOfItsMoney(t *testing.T) {
	inHouse(t, func(h *house) {
		backup := h.backup()
		h.create("ORDER-1", payflow.Reserve)
		h.restored(backup)
		h.recovered()
		tx := h.pay.pay("ORDER-1")
		h.callback(tx)
		known := time.Now()
		c := h.onlyCase(payflow.CaseUnknownOrder)
		h.wait(5 * time.Minute)
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		if o := h.is("ORDER-1", payflow.Fulfilled); !o.Payment.KnownAt.Equal(known) {
			t.Errorf("known at %v, told at %v", o.Payment.KnownAt, known)
		}
		h.noCases()
		closed, err := h.svc.GetCase(h.Context(), c.ID)
		if err != nil || closed.Outcome == "" || closed.OutcomeZH == "" {
			t.Errorf("it does not say why it ended: %+v, %v", closed, err)
		}
	})
}

// An order that the HIS made under the number of an attempt that nobody remembers,
// and that our order names, agrees with it.
func TestTheHISOrderOfAForgottenAttemptAgrees(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		h.locks.lists(func(_ string, list []payflow.HISOrder) []payflow.HISOrder {
			for i := range list {
				list[i].HisNo, list[i].OrderNo = "ORDER-1-2", ""
			}
			return list
		})
		r := h.compared(h.morning())
		if len(r.Differences) > 0 || r.HISMatched != 1 {
			t.Errorf("%+v", r)
		}
		h.noCases()
	})
}

// A refund that WeChat could not pay out, and that a person paid out there, as the
// case asks for, is no difference.
func TestARefundPaidOutByHandAgrees(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.answerRefunds(payflow.RefundAbnormal)
		h.goneOrder("ORDER-1")
		c := h.onlyCase(payflow.CaseRefundAbnormal)
		h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
		r := payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "异常退款 50300"}
		if _, err := h.svc.MarkRefunded(h.Context(), r); err != nil {
			t.Fatal(err)
		}
		day := h.morning()
		if r := h.compared(day); r.Open() > 0 || r.Matched != 2 {
			t.Errorf("%+v", r)
		}
		h.noCases()
	})
}
