package payflow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// cancelledSince is an order that is FULFILLED by the backup; since then somebody began
// to refund it knowingly, the HIS order was cancelled for that, and the disk was lost
// before any money moved.
func (h *house) cancelledSince() {
	h.Helper()
	h.paid("ORDER-1", payflow.Reserve)
	h.is("ORDER-1", payflow.Fulfilled)
	backup := h.backup()
	h.locks.cancelOrder("ORDER-1")
	h.restored(backup)
}

// [B9] What the HIS took back since the backup is a case, though nobody asks for the
// order any more, the HIS cannot list its orders and no bill tells of it.
func TestB9AFulfilledOrderThatWasCancelledSinceTheBackup(t *testing.T) {
	alone := func(s *payflow.Settings) { s.Reconcile = false }
	inHouse(t, func(h *house) {
		h.cancelledSince()
		h.recovered()
		c := h.onlyCase(payflow.CaseHISCancelled)
		if c.Severity != payflow.P0 || !strings.Contains(c.Detail, "restore") || !strings.Contains(c.Text.ZH, "作废") {
			t.Errorf("%+v", c)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q1", 0); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
		if _, err := h.svc.Settle(h.Context(), verb(c, "v1")); err != nil {
			t.Fatal(err)
		}
		h.crash() // and what a person has settled stays settled
		h.wait(time.Hour)
		h.noCases()
	}, alone)
	t.Run("its money went back since", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			backup := h.backup()
			h.pay.answerRefunds(payflow.RefundSuccess)
			if err := h.part("q1", 0); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
			h.is("ORDER-1", payflow.Refunded)
			h.locks.cancelOrder("ORDER-1")
			h.refundsKnown("ORDER-1")
			h.restored(backup)
			h.recovered()
			h.is("ORDER-1", payflow.Refunded)
			h.noCases()
			h.oneRefund("ORDER-1-R1", 1000)
		}, alone)
	})
	t.Run("the HIS is away", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.locks.sell("A", -80)
			for n := range 8 {
				h.paid(fmt.Sprintf("OTHER-%d", n), payflow.Verify)
			}
			h.locks.on("standing", many(5, answer{err: payflow.ErrUnavailable})...)
			h.locks.on("standing", answer{did: true, err: errLost})
			h.cancelledSince()
			h.recovered()
			h.wait(time.Minute)
			h.onlyCase(payflow.CaseHISCancelled)
			if got := h.locks.count("standing"); got != 9+6 {
				t.Errorf("asked %d times about 9 orders, 6 of them in vain", got)
			}
		}, alone)
	})
	t.Run("a HIS that cannot be asked", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.cancelledSince()
			h.recovered()
			h.wait(time.Hour)
			h.noCases()
			if got := h.locks.count("standing"); got != 0 {
				t.Errorf("asked %d times", got)
			}
		}, alone, func(s *payflow.Settings) { s.CanFind = false })
	})
	t.Run("one of long ago, and one of a person's word", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-OLD", payflow.Reserve)
			h.wait(31 * 24 * time.Hour)
			c := h.parked("ORDER-1")
			if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "v1"), HisOrderNo: "HIS-9"}); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
			h.is("ORDER-1", payflow.Fulfilled)
			backup := h.backup()
			h.locks.cancelOrder("ORDER-OLD")
			h.locks.cancelOrder("ORDER-1")
			h.restored(backup)
			h.recovered()
			h.wait(time.Hour)
			h.noCases()
			if got := h.locks.count("standing"); got != 1 {
				t.Errorf("asked %d times", got)
			}
		}, alone)
	})
}
