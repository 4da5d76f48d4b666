package payflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// backup returns a copy of the store as it is durable now.
func (h *house) backup() *memengine.Engine {
	h.Helper()
	copied := memengine.New(memengine.Options{})
	var all []engine.Write
	if err := h.disk.Scan(nil, nil, func(k, v []byte) error {
		all = append(all, engine.Write{Key: append([]byte(nil), k...), Value: append([]byte(nil), v...)})
		return nil
	}); err != nil {
		h.Fatal(err)
	}
	if len(all) > 0 {
		if err := copied.Apply(all); err != nil {
			h.Fatal(err)
		}
	}
	return copied
}

// restored goes on with the backup, in recovery.
func (h *house) restored(backup *memengine.Engine) {
	h.Helper()
	h.close()
	h.disk = backup.Reopen()
	h.restore = payflow.Restore{At: time.Now()}
	h.open()
}

// recovered lets the orders be asked about and ends the recovery.
func (h *house) recovered() {
	h.Helper()
	h.wait(time.Minute)
	h.restore.AskUntil = time.Now().Add(72 * time.Hour)
	if err := h.svc.Recovered(h.restore.AskUntil); err != nil {
		h.Fatalf("%v: %+v", err, h.svc.Recovery())
	}
	h.wait(time.Minute)
}

func (h *house) oneRefund(no string, fen int64) {
	h.Helper()
	if got := h.pay.sentRefunds(); len(got) != 1 || got[no] != fen {
		h.Errorf("WeChat has the refunds %v, want %s of %d", got, no, fen)
	}
}

func TestB9APaymentThatTheBackupDoesNotKnow(t *testing.T) {
	for _, s := range []payflow.Strategy{payflow.Reserve, payflow.Hold, payflow.Verify, payflow.Refund} {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", s)
				backup := h.backup()
				h.callback(h.pay.pay("ORDER-1"))
				h.is("ORDER-1", payflow.Fulfilled)
				h.restored(backup)
				if _, err := h.svc.Create(h.Context(), request("ORDER-2", s)); !errors.Is(err, payflow.ErrRecovering) {
					t.Errorf("a new order in the recovery: %v", err)
				}
				h.recovered()
				h.is("ORDER-1", payflow.Fulfilled)
				if made := h.locks.made(); len(made) != 1 {
					t.Errorf("HIS orders %v", made)
				}
			})
		})
	}
}

// What went back since the backup is neither given out nor refunded again.
func TestB9ARefundThatTheBackupDoesNotKnow(t *testing.T) {
	for _, end := range []payflow.RefundState{payflow.RefundSuccess, payflow.RefundProcessing} {
		t.Run(string(end), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", payflow.Verify)
				backup := h.backup()
				h.locks.sell("A", 9) // the counter
				h.pay.answerRefunds(end)
				h.callback(h.pay.pay("ORDER-1"))
				h.wait(time.Second)
				h.oneRefund("ORDER-1-R1", 1000)
				h.pay.change("ORDER-1", func(tx *payflow.Transaction) { tx.State = payflow.TradeRefund })
				h.locks.sell("A", -9) // there is stock again
				h.restored(backup)
				h.recovered()
				h.pay.payOutAll()
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.Refunded)
				h.oneRefund("ORDER-1-R1", 1000)
				h.noCases()
				if made := h.locks.made(); len(made) != 0 {
					t.Errorf("HIS orders %v", made)
				}
			})
		})
	}
}

func TestB9AnOperatorsPartThatTheBackupDoesNotKnow(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		backup := h.backup()
		h.pay.answerRefunds(payflow.RefundSuccess)
		part := payflow.RefundRequest{OrderNo: "ORDER-1", Fen: 300, Reason: "破损", Fulfilled: true, Actor: "p", RequestID: "R1"}
		if _, err := h.svc.Refund(h.Context(), part); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.oneRefund("ORDER-1-R1", 300)
		h.restored(backup)
		if _, err := h.svc.Refund(h.Context(), part); !errors.Is(err, payflow.ErrRecovering) {
			t.Errorf("a refund in the recovery: %v", err)
		}
		h.recovered()
		rest := payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "退货", Fulfilled: true, Actor: "p", RequestID: "R2"}
		if _, err := h.svc.Refund(h.Context(), rest); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 {
			t.Errorf("%d fen refunded", o.RefundedFen)
		}
		if got := h.pay.sentRefunds(); got["ORDER-1-R1"] != 300 || got["ORDER-1-R2"] != 700 {
			t.Errorf("WeChat has %v", got)
		}
	})
}

// A prepay whose bytes nobody remembers is closed, and never asked for again.
func TestB9APrepayThatTheBackupDoesNotKnow(t *testing.T) {
	inHouse(t, func(h *house) {
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold)); err != nil {
			t.Fatal(err)
		}
		backup := h.backup()
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
			t.Fatal(err)
		}
		h.create("ORDER-2", payflow.Reserve)
		prepays := h.pay.count("prepay")
		h.restored(backup)
		h.recovered()
		h.is("ORDER-1", payflow.Closed)
		_, err := h.svc.Create(h.Context(), request("ORDER-2", payflow.Reserve))
		if e, ok := errors.AsType[*payflow.PreconditionError](err); !ok || e.Reason != payflow.ReasonNotPayable {
			t.Errorf("the order was answered %v", err)
		}
		h.wait(time.Minute)
		h.is("ORDER-2", payflow.Closed)
		for _, no := range []string{"ORDER-1", "ORDER-2"} {
			if tx, err := h.pay.Query(t.Context(), no); err != nil || tx.State != payflow.TradeClosed {
				t.Errorf("at WeChat %s is %s, %v", no, tx.State, err)
			}
		}
		if n := h.pay.count("prepay"); n != prepays {
			t.Errorf("%d further prepays", n-prepays)
		}
	})
}

// An order made and paid between backup and restore: the client, who was not
// answered, asks for it again.
func TestB9AnOrderThatTheBackupDoesNotKnow(t *testing.T) {
	inHouse(t, func(h *house) {
		backup := h.backup()
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		h.restored(backup)
		h.recovered()
		prepays := h.pay.count("prepay")
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		if made := h.locks.made(); len(made) != 1 || h.pay.count("prepay") != prepays {
			t.Errorf("HIS orders %v, %d further prepays", made, h.pay.count("prepay")-prepays)
		}
		h.wait(72 * time.Hour)
		queries := h.pay.count("query")
		h.create("ORDER-3", payflow.Verify)
		if h.pay.count("query") != queries {
			t.Error("long after the restore new orders are asked about still")
		}
	})
}

// WeChat holds up the recovery as long as it does not answer, and a restart does
// not end it.
func TestB9TheRecoveryWaitsForWeChat(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.create("ORDER-2", payflow.Reserve)
		backup := h.backup()
		for range 6 {
			h.pay.on("query", answer{err: channelFailure(payflow.ChannelUnknown)})
		}
		h.restored(backup)
		h.wait(5 * time.Second)
		if r := h.svc.Recovery(); !r.Recovering || r.Left != 2 || r.Example == "" || r.Why == "" {
			t.Errorf("%+v", r)
		}
		if err := h.svc.Recovered(time.Now()); !errors.Is(err, payflow.ErrRecovering) {
			t.Errorf("the recovery ended without WeChat: %v", err)
		}
		h.crash()
		if !h.svc.Recovery().Recovering {
			t.Error("a restart ended the recovery")
		}
		h.recovered()
		if r := h.svc.Recovery(); r.Recovering || r.Left != 0 {
			t.Errorf("%+v", r)
		}
		h.create("ORDER-3", payflow.Reserve)
	})
}

// oneRefundOf wants one of the refunds at WeChat to be that.
func (h *house) oneRefundOf(no string, fen int64) {
	h.Helper()
	if got := h.pay.sentRefunds(); got[no] != fen {
		h.Errorf("WeChat has the refunds %v, want %s of %d", got, no, fen)
	}
}
