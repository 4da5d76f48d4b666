package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// refundsKnown has WeChat say of the transaction that some of it went back.
func (h *house) refundsKnown(no string) {
	h.pay.change(no, func(tx *payflow.Transaction) { tx.State = payflow.TradeRefund })
}

// An operator's part that WeChat closed, and paid out under the next number, since
// the backup: what came to its end there is not made up for once more.
func TestB9APartThatWasPaidOutUnderTheNextNumber(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		backup := h.backup()
		if err := h.part("q1", 300); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.pay.set("ORDER-1-R1", payflow.RefundClosed)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.wait(10 * time.Minute)
		h.refundsKnown("ORDER-1")
		h.restored(backup)
		h.recovered()
		if err := h.part("q2", 100); err == nil {
			t.Error("a part just after another was found")
		}
		h.wait(2 * time.Minute)
		if err := h.part("q2", 100); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		o := h.is("ORDER-1", payflow.Fulfilled)
		if got := h.pay.sentRefunds(); o.RefundedFen != 400 || len(got) != 3 || got["ORDER-1-R2"] != 300 || got["ORDER-1-R3"] != 100 {
			t.Errorf("%d fen went back: %v", o.RefundedFen, got)
		}
		h.noCases()
	})
}

// Whole refunds that WeChat closed again and again since the backup count as that:
// one goes on under the next number, and no more.
func TestB9WholeRefundsThatWereClosed(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		backup := h.backup()
		h.locks.sell("A", 9) // the counter
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Second)
		for _, no := range []string{"ORDER-1-R1", "ORDER-1-R2"} {
			h.pay.set(no, payflow.RefundClosed)
			h.wait(2 * time.Minute)
		}
		h.pay.set("ORDER-1-R3", payflow.RefundClosed)
		h.refundsKnown("ORDER-1")
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.restored(backup)
		h.recovered()
		h.wait(time.Hour)
		o := h.is("ORDER-1", payflow.Refunded)
		if got := h.pay.sentRefunds(); len(got) != 4 || o.RefundedFen != 1000 {
			t.Errorf("%d fen went back: %v", o.RefundedFen, got)
		}
		h.noCases()
	})
}

// A refund found after a restore stands in the bill of a day long before: no day
// misses it.
func TestB9ABillOfARefundThatTheBackupDoesNotKnow(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		backup := h.backup()
		h.locks.sell("A", 9)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Minute)
		h.refundsKnown("ORDER-1")
		h.wait(50 * time.Hour)
		h.restored(backup)
		h.recovered()
		h.is("ORDER-1", payflow.Refunded)
		for range 2 {
			h.compared(h.morning())
		}
		h.noCases()
		h.oneRefund("ORDER-1-R1", 1000)
	})
}

// What a backup was about to give back was fulfilled since: the fence is asked anew,
// and a person is told (I5).
func TestB9FulfilledSinceTheBackupThatWasToRefund(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		h.locks.sell("A", 9)
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Refunding)
		backup := h.backup()

		h.pay.set("ORDER-1-R1", payflow.RefundClosed)
		console := payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "console-1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 100}
		h.pay.on("refund_query", answer{call: func() {
			if err := h.svc.RefundCallback(h.Context(), notice(console)); err != nil {
				t.Error(err)
			}
		}})
		h.wait(2 * time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		h.locks.sell("A", -9) // there is stock again
		c := h.onlyCase(payflow.CaseConsoleRefund)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "v1")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)

		h.restored(backup)
		h.recovered()
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.NeedsAttention)
		h.onlyCase(payflow.CaseLockDoubt)
		if got := h.pay.sentRefunds(); len(got) != 1 {
			t.Errorf("given, and refunded: %v", got)
		}
	})
}

// A refund of ours that the backup does not know was made by hisgate, also when a
// notice or a bill speaks of it before WeChat was asked about the order.
func TestB9ANoticeOfARefundThatTheBackupDoesNotKnow(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		backup := h.backup()
		h.locks.sell("A", 9)
		tx := h.pay.pay("ORDER-1")
		h.callback(tx)
		h.wait(time.Second)
		h.oneRefund("ORDER-1-R1", 1000)
		refund := h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
		h.refundsKnown("ORDER-1")
		h.pay.on("query", answer{err: channelFailure(payflow.ChannelUnknown)})
		h.restored(backup)
		h.callback(tx)
		if err := h.svc.RefundCallback(h.Context(), notice(refund)); err != nil {
			t.Fatal(err)
		}
		h.recovered()
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.oneRefund("ORDER-1-R1", 1000)
		h.noCases()
	})
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		backup := h.backup()
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q1", 300); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.refundsKnown("ORDER-1")
		h.restored(backup)
		h.recovered()
		if r := h.compared(h.morning()); r.Open() != 0 {
			t.Errorf("%+v", r.Differences)
		}
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 300 {
			t.Errorf("%d fen went back", o.RefundedFen)
		}
		h.noCases()
	})
}

// The patient waits for a refund since WeChat took it, not since hisgate knows of it
// again.
func TestB9ARefundThatIsStuckSinceBeforeTheRestore(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		backup := h.backup()
		h.locks.sell("A", 9)
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Minute)
		h.oneRefund("ORDER-1-R1", 1000)
		h.refundsKnown("ORDER-1")
		h.wait(50 * time.Hour)
		h.restored(backup)
		h.recovered()
		h.is("ORDER-1", payflow.Refunding)
		h.noCases()
		h.wait(21 * time.Hour)
		h.noCases()
		h.wait(2 * time.Hour)
		h.onlyCase(payflow.CaseRefundStuck)
		h.pay.payOutAll()
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
		for range 4 {
			h.compared(h.morning())
		}
		h.noCases()
	})
}
