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

// So does a part that a person paid back by another way, because WeChat could not or
// would not.
func TestAPartPaidBackByHandAgrees(t *testing.T) {
	by := func(h *house, c payflow.Case) {
		h.Helper()
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "cash"}); err != nil {
			h.Fatal(err)
		}
		if r := h.compared(h.morning()); r.Open() > 0 {
			h.Errorf("%+v", r.Differences)
		}
		h.noCases()
	}
	t.Run("closed", func(t *testing.T) {
		inHouse(t, func(h *house) { by(h, h.closedPart()) })
	})
	t.Run("abnormal", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			h.pay.answerRefunds(payflow.RefundAbnormal)
			if err := h.part("q1", 100); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
			by(h, h.onlyCase(payflow.CaseRefundAbnormal))
		})
	})
}

// [B9] After a restore the client sends its order once more, and WeChat its notice,
// while WeChat itself cannot be asked: what the order costs is not known again yet,
// so that nobody can say whether the money fits. It does, and buys the drugs.
func TestB9ANoticeOvertakesTheQuestionAboutItsOrder(t *testing.T) {
	given := func(fen int64) func(*payflow.CreateRequest) {
		return func(r *payflow.CreateRequest) {
			r.Pricing, r.Amount = true, payflow.Amount{DrugsFen: fen, TotalFen: fen}
		}
	}
	for name, tt := range map[string]struct {
		change func(*payflow.CreateRequest)
		fits   bool
	}{
		"prices of the HIS":    {change: func(*payflow.CreateRequest) {}, fits: true},
		"amounts given":        {change: given(1000), fits: true},
		"other amounts given":  {change: given(999)},
		"restarted in between": {change: func(*payflow.CreateRequest) {}, fits: true},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				backup := h.backup()
				h.create("ORDER-1", payflow.Reserve)
				tx := h.pay.pay("ORDER-1")
				h.restored(backup)
				h.recovered()
				h.pay.on("query", many(8, answer{err: channelFailure(payflow.ChannelUnknown)})...)
				r := request("ORDER-1", payflow.Reserve)
				tt.change(&r)
				if _, err := h.svc.Create(h.Context(), r); err == nil {
					t.Error("answered before WeChat was")
				}
				h.callback(tx)
				told := time.Now()
				h.proven()
				if name == "restarted in between" {
					h.crash()
				}
				h.wait(30 * time.Minute)
				if !tt.fits {
					h.is("ORDER-1", payflow.Closing) // until the money went back, nothing can be closed
					h.onlyCase(payflow.CaseWrongPayment)
					return
				}
				o := h.is("ORDER-1", payflow.Fulfilled)
				if !o.Payment.KnownAt.Equal(told) || len(o.Disputes) != 0 {
					t.Errorf("known at %v, told at %v; in dispute %+v", o.Payment.KnownAt, told, o.Disputes)
				}
				if len(h.locks.made()) != 1 || len(h.pay.sentRefunds()) != 0 {
					t.Errorf("HIS orders %v, refunds %v", h.locks.made(), h.pay.sentRefunds())
				}
				h.noCases()
			})
		})
	}
}

// [D4] Money for an order that is not here, which a person gave back, does not buy the
// drugs when the client sends the order after all (I5).
func TestMoneyThatAPersonGaveBackBuysNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		backup := h.backup()
		h.create("ORDER-1", payflow.Reserve)
		h.restored(backup)
		h.recovered()
		h.callback(h.pay.pay("ORDER-1"))
		c := h.onlyCase(payflow.CaseUnknownOrder)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v1"), Evidence: "receipt 17"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.NeedsAttention)
		c = h.onlyCase(payflow.CaseConsoleRefund)
		if !strings.Contains(c.Detail, "receipt 17") || len(h.locks.made()) != 0 {
			t.Errorf("%q, HIS orders %v", c.Detail, h.locks.made())
		}
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v2"), Evidence: "receipt 17"}); err != nil {
			t.Fatal(err)
		}
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
		if got := h.pay.sentRefunds(); len(got) != 0 {
			t.Errorf("refunds %v", got)
		}
	})
}

// [B9] [I4] Where the HIS cannot be asked, money of before a restore may have been
// fulfilled under the number of an attempt that nobody remembers, and the number that
// the order would use now is a new one there: a person looks first.
func TestB9AForgottenPaymentWhereTheHISCannotBeAsked(t *testing.T) {
	blind := func(s *payflow.Settings) { s.CanFind = false }
	back := func(h *house, since time.Duration) {
		h.Helper()
		backup := h.backup()
		h.create("ORDER-1", payflow.Reserve)
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)
		h.wait(since)
		h.restored(backup)
		h.locks.forgets("ORDER-1") // the ledger was thrown back, too
		h.recovered()
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			h.Fatal(err)
		}
		h.wait(time.Minute)
	}
	inHouse(t, func(h *house) {
		back(h, time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseLockDoubt)
		if made := h.locks.made(); len(made) != 1 || !strings.Contains(c.Text.EN, "RETRY and REFUND say that you have looked") {
			t.Fatalf("HIS orders %v, %+v", made, c)
		}
		if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "v1"), HisOrderNo: "HIS-ORDER-1-2"}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		h.noCases()
	}, blind)
	t.Run("a person saw that it had not", func(t *testing.T) {
		inHouse(t, func(h *house) {
			back(h, time.Minute)
			if _, err := h.svc.RetryFulfilment(h.Context(), verb(h.onlyCase(payflow.CaseLockDoubt), "v1")); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
			h.is("ORDER-1", payflow.Fulfilled)
			h.noCases()
		}, blind)
	})
	t.Run("paid after the restore", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.restored(h.backup())
			h.recovered()
			h.paid("ORDER-1", payflow.Reserve)
			h.is("ORDER-1", payflow.Fulfilled)
			h.noCases()
		}, blind)
	})
}

// [B9] [D1] An order of the backup that waits for a person may have been sent on since,
// and deducted under its next number: at a HIS that cannot be asked whoever decides is
// told to look, and that somebody looked before the backup says nothing.
func TestB9WhoDecidesLooksAgainAfterARestore(t *testing.T) {
	blind := func(s *payflow.Settings) { s.CanFind = false }
	inHouse(t, func(h *house) {
		h.locks.on("confirm", answer{err: payflow.ErrPending})
		h.create("ORDER-1", payflow.Reserve)
		h.locks.doubt("ORDER-1", "nobody knows what became of the call")
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.NeedsAttention)
		before := h.onlyCase(payflow.CaseLockDoubt)
		h.restored(h.backup())
		h.recovered()
		c := h.onlyCase(payflow.CaseLockDoubt)
		if c.ID != before.ID || c.Detail == before.Detail || !strings.Contains(c.Text.EN, "restored from a backup") {
			t.Errorf("%+v", c)
		}
		stale := payflow.RefundCaseRequest{VerbRequest: verb(before, "v1")}
		if _, err := h.svc.RefundCase(h.Context(), stale); err == nil {
			t.Error("a decision by the case of before was taken")
		}
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.NeedsAttention)
		c = h.onlyCase(payflow.CaseLockDoubt) // its deadline has passed meanwhile
		if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "v2"), HisOrderNo: "HIS-9"}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
	}, blind)
	inHouse(t, func(h *house) {
		refused := h.parked("ORDER-1")
		h.restored(h.backup())
		h.recovered()
		cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
		if err != nil || len(cs) != 2 {
			t.Fatalf("%+v, %v", cs, err)
		}
		for _, c := range cs {
			if c.Reason == payflow.CaseLockDoubt && c.Detail != payflow.ErrForgotten.Error() || c.Reason != payflow.CaseLockDoubt && c.ID != refused.ID {
				t.Errorf("%+v", c)
			}
		}
	}, blind)
}
