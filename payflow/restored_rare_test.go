package payflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// A part in the merchant console, and hisgate gave back the rest, since the backup: by
// which the order was about to be fulfilled. It is not fulfilled any more; the rest of
// the money is asked of WeChat, which knows that there is none.
func TestB9TheRestOfARefundInTheConsoleWentBackSinceTheBackup(t *testing.T) {
	for _, policy := range []payflow.Policy{payflow.PolicyRefund, payflow.PolicyCase} {
		t.Run(string(policy), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
				h.paid("ORDER-1", payflow.Reserve)
				h.is("ORDER-1", payflow.Paid)
				backup := h.backup()
				h.inConsole(300, payflow.RefundSuccess)
				h.decideRefund(payflow.CaseConsoleRefund, "v1")
				h.is("ORDER-1", payflow.Refunded)
				h.oneRefundOf("ORDER-1-R1", 700)
				h.refundsKnown("ORDER-1")
				h.locks.forget("confirm")

				h.pay.on("refund", many(9, answer{err: refusal("refund", "INVALIDREQUEST")})...)
				h.restored(backup)
				h.recovered()
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.NeedsAttention)
				if made := h.locks.made(); len(made) > 0 {
					t.Errorf("refunded, and the HIS made %v", made)
				}
				h.caseOf(payflow.CaseRefundRefused)
			}, func(s *payflow.Settings) { s.OnGone = policy })
		})
	}
}

// The same with the order fulfilled since, and an operator's part: the HIS says so.
func TestB9APartOfAnOrderThatWasFulfilledSinceTheBackup(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.on("confirm", answer{err: payflow.ErrUnavailable})
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Paid)
		backup := h.backup()
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q1", 300); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.refundsKnown("ORDER-1")
		h.restored(backup)
		h.recovered()
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 300 {
			t.Errorf("%d fen went back", o.RefundedFen)
		}
		h.noCases()
	})
}

// An operator's request for a part whose answer was lost with the disk comes again after
// the restore, where nobody remembers the request: the part that WeChat knows is it,
// until somebody who has seen the order asks for another one.
func TestB9ARequestForAPartThatComesAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.is("ORDER-1", payflow.Fulfilled)
		backup := h.backup()
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q1", 300); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.refundsKnown("ORDER-1")
		h.restored(backup)
		h.recovered()
		_ = h.part("q1", 300)
		h.wait(10 * time.Minute)
		var mismatch *payflow.EtagMismatchError
		if err := h.part("q1", 300); !errors.As(err, &mismatch) {
			t.Fatalf("the part again: %v", err)
		}
		h.wait(time.Minute)
		h.oneRefund("ORDER-1-R1", 300)
		o := h.is("ORDER-1", payflow.Fulfilled)
		if o.RefundedFen != 300 {
			t.Errorf("%d fen went back", o.RefundedFen)
		}
		if err := h.part("q2", 100); err != nil {
			t.Errorf("another part: %v", err)
		}
		h.wait(2 * time.Minute)
		o = h.is("ORDER-1", payflow.Fulfilled)
		if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{
			OrderNo: "ORDER-1", Fen: 300, Reason: "破损", Fulfilled: true, Actor: "li", RequestID: "q3", Etag: o.Etag(),
		}); err != nil {
			t.Errorf("the same part once more, knowingly: %v", err)
		}
		h.wait(time.Minute)
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 700 {
			t.Errorf("%d fen went back", o.RefundedFen)
		}
	})
}

// What a person saw at the HIS before one loss of the disk says nothing about what it
// did before the next.
func TestB9WhatAPersonSawIsOldAfterASecondLoss(t *testing.T) {
	inHouse(t, func(h *house) {
		forgotten := errors.Join(payflow.ErrForgotten, errors.New("as the stock half has it"))
		h.locks.on("lock", answer{err: &payflow.ShortError{}})
		h.locks.on("release", answer{err: forgotten})
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.paid("ORDER-1", payflow.Verify)
		h.wait(time.Minute)
		h.locks.on("release", many(40, answer{err: payflow.ErrUnavailable})...)
		h.decideRefund(payflow.CaseLockDoubt, "v1")
		h.is("ORDER-1", payflow.Refunding)
		backup := h.backup()
		h.wait(20 * time.Minute)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(h.onlyCase(payflow.CaseOverdue), "v2")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)

		h.locks.forget("release")
		h.locks.on("release", many(3, answer{err: forgotten})...)
		h.locks.on("get", many(3, answer{err: payflow.ErrNotFound})...)
		h.restored(backup)
		h.recovered()
		h.wait(time.Hour)
		if got := h.pay.sentRefunds(); len(got) > 0 {
			t.Errorf("fulfilled, and refunded: %v", got)
		}
		h.is("ORDER-1", payflow.NeedsAttention)
		h.onlyCase(payflow.CaseLockDoubt)
	})
}

// The disk is lost again while the recovery from its first loss goes on, or just after
// it: from the old backup, and from one that was taken in between.
func TestB9ASecondLossOfTheDisk(t *testing.T) {
	for name, second := range map[string]bool{"from the same backup": false, "from one of the recovery": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", payflow.Verify)
				h.create("ORDER-2", payflow.Reserve)
				first, again := h.backup(), h.backup()
				h.locks.sell("A", h.locks.left("A"))
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.callback(h.pay.pay("ORDER-1"))
				h.callback(h.pay.pay("ORDER-2"))
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Refunded)
				h.is("ORDER-2", payflow.Fulfilled)
				h.refundsKnown("ORDER-1")
				h.pay.on("query", many(2, answer{err: channelFailure(payflow.ChannelUnknown)})...)
				h.restored(first)
				h.wait(100 * time.Millisecond)
				if second {
					again = h.backup()
				}
				h.wait(30 * time.Second)
				h.restored(again)
				h.recovered()
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.Refunded)
				h.is("ORDER-2", payflow.Fulfilled)
				h.oneRefund("ORDER-1-R1", 1000)
				if made := h.locks.made(); len(made) != 1 {
					t.Errorf("HIS orders %v", made)
				}
				h.compared(h.morning())
				h.noCases()
			})
		})
	}
}
