package payflow_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

func TestFiftyDuplicateCallbacksAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Verify)
		tx := h.pay.pay("ORDER-1")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := h.svc.PaymentCallback(h.Context(), notice(tx)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		o := h.is("ORDER-1", payflow.Fulfilled)
		if made := h.locks.made(); len(made) != 1 || h.locks.count("confirm") != 1 {
			t.Errorf("made %v, confirms %d", made, h.locks.count("confirm"))
		}
		for range 3 { // and late ones
			h.callback(tx)
		}
		if again := h.get("ORDER-1"); again.Version != o.Version {
			t.Error("a duplicate changed the order")
		}
		h.noCases()
		if st := h.svc.Stats(); st.Inbox != 0 {
			t.Errorf("%d letters left", st.Inbox)
		}
	})
}

// Copies that come while the first is on its way to the disk are one letter.
func TestCopiesOfANoticeAreOneLetter(t *testing.T) {
	slow := memengine.Options{Sync: func() { time.Sleep(10 * time.Millisecond) }}
	inDisk(t, slow, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		tx := h.pay.pay("ORDER-1")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := h.svc.PaymentCallback(h.Context(), notice(tx)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := h.svc.Stats().Callbacks; got["accepted"] != 1 || got["duplicate"] != 49 {
			t.Errorf("%v", got)
		}
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

// D3: the notice is answered once it is durable, whatever the HIS does, and it is
// there after a crash.
func TestD3CallbackNeverWaitsForTheHIS(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{hang: true})
		tx := h.pay.pay("ORDER-1")
		start := time.Now()
		h.callback(tx)
		if err := h.svc.PaymentCallback(h.Context(), notice(h.secondNotice(tx))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("answered after %v", took)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

// secondNotice says the same in other words: it is a letter of its own.
func (h *house) secondNotice(tx payflow.Transaction) payflow.Transaction {
	tx.AppID = ""
	return tx
}

func TestD3AcceptedCallbackSurvivesACrash(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{hang: true})
		h.callback(h.pay.pay("ORDER-1")) // the worker is stuck with it
		h.callback(h.secondNotice(h.pay.pay("ORDER-1")))
		h.crash()
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
		if st := h.svc.Stats(); st.Inbox != 0 {
			t.Errorf("%d letters left", st.Inbox)
		}
	})
}

// The time in which paid money must be proven counts from its notice, also where that
// reached a process which died before the order heard of it.
func TestD9MoneyIsKnownSinceItsNotice(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.pay.on("query", answer{hang: true})
		h.wait(6 * time.Second) // the order's worker is stuck
		noticed := time.Now()
		h.callback(h.pay.pay("ORDER-1"))
		if o := h.get("ORDER-1"); o.Payment != nil {
			t.Fatal("the order has heard of it already")
		}
		next := h.disk.Crash()
		h.close()
		h.disk = next
		time.Sleep(20 * time.Minute)
		h.locks.on("confirm", answer{err: payflow.ErrUnavailable}, answer{err: payflow.ErrUnavailable})
		h.open()
		h.wait(time.Second)
		if o := h.get("ORDER-1"); o.Payment == nil || !o.Payment.KnownAt.Equal(noticed) {
			t.Errorf("noticed at %s: %+v", noticed, o.Payment)
		}
		h.onlyCase(payflow.CaseOverdue)
	})
}

func TestCallbackIsRefusedWhenItCannotBeBelievedOrKept(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		c := notice(h.pay.pay("ORDER-1"))
		c.Signature = "bad"
		var refused *payflow.CallbackError
		if err := h.svc.PaymentCallback(h.Context(), c); !errors.As(err, &refused) {
			t.Errorf("bad signature: %v", err)
		}
		h.disk.FailNext(memengine.Fault{})
		if err := h.svc.PaymentCallback(h.Context(), notice(h.pay.pay("ORDER-1"))); !errors.Is(err, payflow.ErrStopped) || !errors.Is(err, engine.ErrOutcomeUnknown) {
			t.Errorf("failed storage: %v", err)
		}
		if err := <-h.ended; err == nil {
			t.Error("Run goes on with a failed storage")
		} else {
			h.ended <- err
		}
		next := h.disk.Reopen()
		h.close()
		h.disk = next
		h.open()
		h.wait(time.Minute) // polling finds it
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

func TestInboxIsBounded(t *testing.T) {
	inHouse(t, func(h *house) {
		gate := make(chan struct{})
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{call: func() { <-gate }})
		h.callback(h.pay.pay("ORDER-1"))
		busy := 0
		for i := range 10 {
			tx := h.pay.pay("ORDER-1")
			tx.TotalFen = int64(i)
			if err := h.svc.PaymentCallback(h.Context(), notice(tx)); errors.Is(err, payflow.ErrBusy) {
				busy++
			}
		}
		if busy != 5 {
			t.Errorf("%d of 10 refused, 5 fit", busy)
		}
		close(gate)
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	}, func(s *payflow.Settings) { s.MaxInbox = 5 })
}

// D4: money that does not fit is a case and never a confirmation.
func TestD4WrongPayment(t *testing.T) {
	for name, spoil := range map[string]func(*payflow.Transaction){
		"amount":         func(tx *payflow.Transaction) { tx.TotalFen = 1 },
		"currency":       func(tx *payflow.Transaction) { tx.Currency = "USD" },
		"merchant":       func(tx *payflow.Transaction) { tx.MchID = "M2" },
		"appid":          func(tx *payflow.Transaction) { tx.AppID = "wx2" },
		"no transaction": func(tx *payflow.Transaction) { tx.TransactionID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				h.pay.pay("ORDER-1")
				tx := h.pay.change("ORDER-1", spoil)
				h.callback(tx)
				h.callback(tx)
				h.is("ORDER-1", payflow.AwaitingPayment)
				h.onlyCase(payflow.CaseWrongPayment)
				h.wait(2 * time.Hour) // the query says the same; it can neither be closed nor confirmed
				h.is("ORDER-1", payflow.Closing)
				if len(h.locks.made()) != 0 || h.locks.left("A") != 7 {
					t.Errorf("made %v, left %d", h.locks.made(), h.locks.left("A"))
				}
				if tx.TransactionID == "" {
					return
				}
				c := h.onlyCase(payflow.CaseWrongPayment)
				if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "receipt 7"}); err != nil {
					t.Fatal(err)
				}
				h.wait(time.Second)
				h.is("ORDER-1", payflow.Closed)
				if h.locks.left("A") != 10 {
					t.Error("the stock did not come back")
				}
				h.noCases()
			})
		})
	}
}

func TestD4SecondTransaction(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		tx := h.pay.pay("ORDER-1")
		tx.TransactionID = "another"
		h.callback(tx)
		h.callback(tx)
		h.is("ORDER-1", payflow.Fulfilled)
		c := h.onlyCase(payflow.CaseSecondPayment)
		if c.TransactionID != "another" || c.Fen != 1000 {
			t.Errorf("%+v", c)
		}
		if len(h.locks.made()) != 1 {
			t.Errorf("made %v", h.locks.made())
		}
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "receipt 8"}); err != nil {
			t.Fatal(err)
		}
		h.noCases()
	})
}

func TestD4UnknownOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		tx := payflow.Transaction{OrderNo: "NOBODY-1", TransactionID: "tx9", State: payflow.TradeSuccess, TotalFen: 5, MchID: "M1"}
		for range 3 {
			h.callback(tx)
		}
		c := h.onlyCase(payflow.CaseUnknownOrder)
		if !slices.Equal(c.Allowed, []payflow.Verb{payflow.VerbClaim, payflow.VerbHandOver, payflow.VerbSettle, payflow.VerbMarkRefunded}) {
			t.Errorf("allowed %v", c.Allowed)
		}
		h.crash()
		c = h.onlyCase(payflow.CaseUnknownOrder)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "receipt 9"}); err != nil {
			t.Fatal(err)
		}
		h.callback(tx) // settled once, it does not come back
		h.noCases()
	})
}

func TestPaymentForRejectedOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.sell("A", 9)
		_, _ = h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
		h.is("ORDER-1", payflow.Rejected)
		h.callback(payflow.Transaction{OrderNo: "ORDER-1", TransactionID: "tx", State: payflow.TradeSuccess, TotalFen: 1000, MchID: "M1", AppID: "wx1", Currency: "CNY"})
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseRejectedPaid)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.wait(2 * time.Minute)
		if got := h.pay.sentRefunds(); len(got) != 1 {
			t.Errorf("refunds %v", got)
		}
	})
}

// Refunded in the merchant console: neither drugs nor a second refund before a
// person looked.
func TestRefundedInTheConsole(t *testing.T) {
	t.Run("before we knew of the payment", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.create("ORDER-1", payflow.Reserve)
			tx := h.pay.pay("ORDER-1")
			h.pay.change("ORDER-1", func(tx *payflow.Transaction) { tx.State = payflow.TradeRefund })
			h.wait(time.Minute)
			o := h.is("ORDER-1", payflow.NeedsAttention)
			if o.Payment == nil || o.Payment.TransactionID != tx.TransactionID || len(h.locks.made()) != 0 {
				t.Errorf("payment %+v, made %v", o.Payment, h.locks.made())
			}
			c := h.onlyCase(payflow.CaseConsoleRefund)
			if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "console refund 1"}); err != nil {
				t.Fatal(err)
			}
			h.is("ORDER-1", payflow.Refunded)
			if h.locks.left("A") != 10 {
				t.Error("the stock did not come back")
			}
			h.noCases()
		})
	})
	for by, tell := range map[string]func(*house, payflow.Case){
		"recheck": func(h *house, c payflow.Case) {
			if _, err := h.svc.Recheck(h.Context(), verb(c, "r1")); err != nil {
				h.Fatal(err)
			}
		},
		"notice": func(h *house, _ payflow.Case) {
			h.callback(h.pay.change("ORDER-1", func(*payflow.Transaction) {}))
		},
	} {
		t.Run("a paid order, by "+by, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
				h.paid("ORDER-1", payflow.Reserve)
				h.wait(11 * time.Minute)
				h.is("ORDER-1", payflow.Paid)
				c := h.onlyCase(payflow.CaseOverdue)
				h.pay.change("ORDER-1", func(tx *payflow.Transaction) { tx.State = payflow.TradeRefund })
				tell(h, c)
				tried := h.locks.count("confirm")
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.NeedsAttention)
				h.onlyCase(payflow.CaseConsoleRefund)
				if n := h.locks.count("confirm") - tried; n != 0 {
					t.Errorf("fulfilment was tried %d times more", n)
				}
			})
		})
	}
	t.Run("notice for a fulfilled order", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			a := payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "console-1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 1000}
			if err := h.svc.RefundCallback(h.Context(), notice(a)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			h.is("ORDER-1", payflow.Fulfilled)
			h.onlyCase(payflow.CaseConsoleRefund)
		})
	})
}
