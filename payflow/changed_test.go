package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// The program is started with another merchant while orders of the old one are open.
// That merchant's WeChat knows none of them, which says nothing about the old one's:
// nothing is closed, given back or concluded, and a person is told.
func TestAnotherMerchantKnowsNothingOfTheOrdersOfTheFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.create("ORDER-2", payflow.Reserve)
		h.pay.answerRefunds(payflow.RefundProcessing)
		h.callback(h.pay.pay("ORDER-2"))
		h.wait(time.Second)
		if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{
			OrderNo: "ORDER-2", Fen: 300, Reason: "破损", Fulfilled: true, Actor: "li", RequestID: "q1",
		}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.close()
		h.set.MchID = "M2"
		h.pay.change("ORDER-1", func(tx *payflow.Transaction) {
			tx.State, tx.TransactionID, tx.PaidAt = payflow.TradeSuccess, "tx-1", time.Now()
		})
		h.pay.on("query", many(100, answer{err: refusal("query", "ORDERNOTEXIST")})...)
		h.pay.on("refund_query", many(100, answer{err: refusal("refund_query", "RESOURCENOTEXISTS")})...)
		h.open()
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Closing)
		if h.locks.left("A") != 4 {
			t.Errorf("%d units are left: stock was given back that may be paid", h.locks.left("A"))
		}
		if h.alerted("misconfigured") == 0 {
			t.Error("nobody was told")
		}
		h.pay.bills(func(string, []payflow.BillRow) []payflow.BillRow { return nil }) // of the other merchant
		if r := h.compared(h.morning()); len(r.Differences) > 0 || len(r.NotCompared) == 0 || r.NotCompared[0].What != "OTHER_MERCHANT" {
			t.Errorf("%+v, %+v", r.Differences, r.NotCompared)
		}
		h.close()
		h.pay.bills(nil)
		h.set.MchID = "M1"
		h.pay.forget("query")
		h.pay.forget("refund_query")
		h.pay.payOutAll()
		h.open()
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		if o := h.is("ORDER-2", payflow.Fulfilled); o.RefundedFen != 300 {
			t.Errorf("%+v", o.Refunds)
		}
		h.noCases()
	})
}

// A client that asks again and again about an order that is over does not keep its
// stock from going back.
func TestWhoAsksAboutAClosedOrderHoldsNoStock(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("release", many(4, answer{err: payflow.ErrUnavailable})...)
		if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			h.wait(2 * time.Second)
			if _, err := h.svc.Sync(h.Context(), "web", "ORDER-1"); err != nil {
				t.Fatal(err)
			}
		}
		h.is("ORDER-1", payflow.Closed)
		if h.locks.left("A") != 10 {
			t.Errorf("two minutes after its end %d units are left", h.locks.left("A"))
		}
	})
}

// The hospital stops comparing by itself, and begins again: the days in between are
// made up for.
func TestDaysWithoutReconciliationAreMadeUpFor(t *testing.T) {
	inHouse(t, func(h *house) {
		h.close()
		h.set.Reconcile = false
		h.open()
		h.paid("ORDER-1", payflow.Reserve)
		day := h.morning()
		h.wait(72 * time.Hour)
		if _, err := h.svc.GetReconciliation(h.Context(), day); err == nil {
			t.Error("it was compared")
		}
		h.close()
		h.set.Reconcile = true
		h.open()
		h.wait(time.Hour)
		h.compared(day)
	})
}
