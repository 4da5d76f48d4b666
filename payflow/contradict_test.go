package payflow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// disowned is late money for an order that the HIS had deducted for unpaid, and whose
// HIS order a person has seen to: NEEDS_ATTENTION.
func (h *house) disowned() {
	h.Helper()
	h.create("ORDER-1", payflow.Reserve)
	h.locks.appliedByHand("ORDER-1")
	h.wait(time.Hour)
	if _, err := h.svc.Settle(h.Context(), verb(h.onlyCase(payflow.CaseLockDoubt), "s1")); err != nil {
		h.Fatal(err)
	}
}

// The HIS order that a person has seen to, back on the shelf as it may be, is not what
// the late money bought: neither *recheck* nor the end of the tries takes it for that.
func TestNoOneIsGivenTheOrderThatAPersonSawTo(t *testing.T) {
	t.Run("by a recheck", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.disowned()
			h.callback(h.pay.pay("ORDER-1"))
			h.wait(time.Minute)
			h.is("ORDER-1", payflow.NeedsAttention)
			if _, err := h.svc.Recheck(h.Context(), verb(h.onlyCase(payflow.CaseLockDoubt), "r1")); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Hour)
			h.is("ORDER-1", payflow.NeedsAttention)
			h.onlyCase(payflow.CaseLockDoubt)
		})
	})
	t.Run("by giving up", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.disowned()
			h.locks.on("get", many(20, answer{err: payflow.ErrUnavailable})...)
			h.callback(h.pay.pay("ORDER-1"))
			h.wait(11 * time.Minute)
			h.is("ORDER-1", payflow.Paid)
			h.locks.forget("get")
			if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.onlyCase(payflow.CaseOverdue), "r1")}); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Hour)
			h.is("ORDER-1", payflow.NeedsAttention)
			h.pay.answerRefunds(payflow.RefundSuccess)
			if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.caseOf(payflow.CaseLockDoubt), "r2")}); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Hour)
			h.is("ORDER-1", payflow.Refunded)
			h.noCases()
		})
	})
}

// Who rechecks a case of doubt is told what stands at the HIS now, not what the ledger
// remembers: an order that was cancelled there fulfils nobody.
func TestRecheckAsksTheHISWhetherItsOrderStands(t *testing.T) {
	doubtful := func(h *house) payflow.Case {
		h.Helper()
		h.locks.on("confirm", many(5, answer{err: payflow.ErrPending})...)
		h.paid("ORDER-1", payflow.Reserve)
		h.wait(time.Second)
		h.locks.doubt("ORDER-1", "the HIS contradicts itself")
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		h.locks.appliedByHand("ORDER-1") // the answer came after all
		return h.onlyCase(payflow.CaseLockDoubt)
	}
	recheck := func(h *house, c payflow.Case, request string) {
		h.Helper()
		if _, err := h.svc.Recheck(h.Context(), verb(c, request)); err != nil {
			h.Fatal(err)
		}
		h.wait(time.Minute)
	}
	t.Run("it was cancelled there", func(t *testing.T) {
		inHouse(t, func(h *house) {
			c := doubtful(h)
			h.locks.cancelThere("ORDER-1")
			recheck(h, c, "r1")
			h.is("ORDER-1", payflow.NeedsAttention)
			h.pay.answerRefunds(payflow.RefundSuccess)
			h.decideRefund(payflow.CaseLockDoubt, "r2")
			h.is("ORDER-1", payflow.Refunded)
			h.noCases()
		})
	})
	t.Run("the HIS is away", func(t *testing.T) {
		inHouse(t, func(h *house) {
			c := doubtful(h)
			h.locks.on("standing", answer{err: payflow.ErrUnavailable})
			recheck(h, c, "r1")
			h.is("ORDER-1", payflow.NeedsAttention)
			recheck(h, h.onlyCase(payflow.CaseLockDoubt), "r2")
			h.is("ORDER-1", payflow.Fulfilled)
			h.noCases()
		})
	})
	t.Run("it cannot be asked", func(t *testing.T) {
		inHouse(t, func(h *house) {
			c := doubtful(h)
			h.locks.on("standing", answer{err: payflow.ErrForgotten}) // as the stock half has it
			recheck(h, c, "r1")
			h.is("ORDER-1", payflow.Fulfilled)
			h.noCases()
		}, func(s *payflow.Settings) { s.CanFind = false })
	})
}

// A refund in the merchant console that had come to nothing, so that the patient was
// given the drugs, is paid out after all: a person hears of it.
func TestARefundInTheConsoleThatIsPaidOutAfterAll(t *testing.T) {
	for _, first := range []payflow.RefundState{payflow.RefundAbnormal, payflow.RefundClosed} {
		t.Run(string(first), func(t *testing.T) {
			retried := func(h *house) {
				h.Helper()
				h.locks.on("confirm", answer{err: payflow.ErrUnavailable})
				h.paid("ORDER-1", payflow.Reserve)
				h.inConsole(1000, first)
				if _, err := h.svc.RetryFulfilment(h.Context(), verb(h.onlyCase(payflow.CaseConsoleRefund), "v1")); err != nil {
					h.Fatal(err)
				}
			}
			inHouse(t, func(h *house) {
				retried(h)
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Fulfilled)
				h.noCases()
				h.consoleSays(payflow.RefundSuccess)
				h.onlyCase(payflow.CaseConsoleRefund)
				h.consoleSays(payflow.RefundSuccess)
				if c := h.onlyCase(payflow.CaseConsoleRefund); c.Repeats > 0 {
					t.Errorf("%+v", c)
				}
			})
			inHouse(t, func(h *house) { // while the HIS is asked
				h.locks.on("get", many(3, answer{err: payflow.ErrUnavailable})...)
				retried(h)
				h.is("ORDER-1", payflow.Paid)
				h.consoleSays(payflow.RefundSuccess)
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.NeedsAttention)
				h.onlyCase(payflow.CaseConsoleRefund)
				if made := h.locks.made(); len(made) > 0 {
					t.Errorf("HIS orders %v", made)
				}
			})
		})
	}
	inHouse(t, func(h *house) { // it was to arrive when the person gave the drugs out: they knew
		h.locks.on("confirm", answer{err: payflow.ErrUnavailable})
		h.paid("ORDER-1", payflow.Reserve)
		h.inConsole(1000, payflow.RefundProcessing)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(h.onlyCase(payflow.CaseConsoleRefund), "v1")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		h.consoleSays(payflow.RefundSuccess)
		h.noCases()
	})
}

// WeChat says of a refund that it is closed, and when another one is on its way that it
// was paid out: a person hears of it at once, and no further one goes out.
func TestARefundThatIsPaidOutAfterItWasClosed(t *testing.T) {
	inHouse(t, func(h *house) {
		h.goneOrder("ORDER-1")
		h.wait(time.Second)
		h.pay.set("ORDER-1-R1", payflow.RefundClosed)
		h.wait(2 * time.Minute)
		h.refundCallback(h.pay.set("ORDER-1-R1", payflow.RefundSuccess))
		h.caseOf(payflow.CaseConsoleRefund)
		h.pay.set("ORDER-1-R2", payflow.RefundClosed)
		h.wait(time.Hour)
		if got := h.pay.sentRefunds(); len(got) > 2 {
			t.Errorf("refunds %v", got)
		}
	})
}

// Notices of our own refunds come in any order: the last word of WeChat stays.
func TestNoticesOfARefundInAnyOrder(t *testing.T) {
	for name, states := range map[string][]payflow.RefundState{
		"closed after success":      {payflow.RefundSuccess, payflow.RefundClosed, payflow.RefundAbnormal, payflow.RefundProcessing},
		"processing after abnormal": {payflow.RefundAbnormal, payflow.RefundProcessing, payflow.RefundSuccess},
		"abnormal after processing": {payflow.RefundProcessing, payflow.RefundAbnormal, payflow.RefundSuccess, payflow.RefundAbnormal},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.goneOrder("ORDER-1")
				h.wait(time.Second)
				for i, s := range states {
					a := h.pay.set("ORDER-1-R1", s)
					if slices.Contains(states[:i], payflow.RefundSuccess) {
						h.pay.set("ORDER-1-R1", payflow.RefundSuccess) // only the notice is late
					}
					h.refundCallback(a)
					h.wait(3 * time.Minute)
				}
				h.wait(2 * time.Hour)
				if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 || len(o.Refunds) != 1 {
					t.Errorf("%d fen, %+v", o.RefundedFen, o.Refunds)
				}
				h.noCases()
			})
		})
	}
}

// A ledger that has lost the lock of a paid order does not make it anew: the HIS may
// have deducted for the lost one.
func TestALockThatIsGoneIsNotMadeAnew(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{err: errLost, did: true})
		h.callback(h.pay.pay("ORDER-1"))
		h.locks.lose("ORDER-1")
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.NeedsAttention)
		h.onlyCase(payflow.CaseLockDoubt)
		if made := h.locks.made(); len(made) != 1 {
			t.Errorf("HIS orders %v", made)
		}
	})
}
