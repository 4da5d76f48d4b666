package payflow_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// part is an operator's refund of 100 fen of a fulfilled order; fen 0 = all.
func (h *house) part(request string, fen int64) error {
	_, err := h.svc.Refund(h.Context(), payflow.RefundRequest{
		OrderNo: "ORDER-1", Fen: fen, Reason: "破损", Fulfilled: true, Actor: "li", RequestID: request,
	})
	return err
}

// closedPart is a partial refund that WeChat closed for good.
func (h *house) closedPart() payflow.Case {
	h.Helper()
	h.paid("ORDER-1", payflow.Reserve)
	h.wait(time.Second)
	h.is("ORDER-1", payflow.Fulfilled)
	h.pay.answerRefunds(payflow.RefundClosed)
	if err := h.part("q1", 100); err != nil {
		h.Fatal(err)
	}
	h.wait(time.Hour)
	if o := h.is("ORDER-1", payflow.Fulfilled); len(o.Refunds) != 4 || o.RefundedFen != 0 {
		h.Fatalf("%d refunds, %d fen", len(o.Refunds), o.RefundedFen)
	}
	return h.onlyCase(payflow.CaseRefundRefused)
}

// WeChat closes an operator's part again and again: its case stays until a person
// decides, across a restart too.
func TestClosedPartKeepsItsCase(t *testing.T) {
	inHouse(t, func(h *house) {
		h.closedPart()
		h.crash()
		h.wait(24 * time.Hour)
		c := h.onlyCase(payflow.CaseRefundRefused)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "cash"}); err != nil {
			t.Fatalf("%v; allowed %v", err, c.Allowed)
		}
		h.noCases()
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 100 {
			t.Errorf("refunded %d", o.RefundedFen)
		}
		precondition(t, h.part("q2", 901), payflow.ReasonRefundTooMuch) // the cash counts
	})
	inHouse(t, func(h *house) {
		h.closedPart()
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q2", 100); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 100 {
			t.Errorf("refunded %d", o.RefundedFen)
		}
		h.noCases()
	})
}

// refusedPart is a partial refund that WeChat refuses, and verifiably never took.
func (h *house) refusedPart() payflow.Case {
	h.Helper()
	h.paid("ORDER-1", payflow.Reserve)
	h.wait(time.Second)
	h.pay.on("refund", answer{err: refusal("refund", "INVALIDREQUEST")})
	if err := h.part("q1", 100); err != nil {
		h.Fatal(err)
	}
	h.wait(48 * time.Hour)
	return h.onlyCase(payflow.CaseRefundRefused)
}

// A refused part is no dead end: it can be sent again, give way to another
// refund, or be settled by evidence.
func TestRefusedPartIsNoDeadEnd(t *testing.T) {
	inHouse(t, func(h *house) {
		h.refusedPart()
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q2", 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		o := h.is("ORDER-1", payflow.Refunded)
		if got := h.pay.sentRefunds(); o.RefundedFen != 1000 || len(got) != 1 || got["ORDER-1-R2"] != 1000 {
			t.Errorf("refunded %d: %v", o.RefundedFen, got)
		}
		h.noCases()
	})
	inHouse(t, func(h *house) {
		c := h.refusedPart()
		if !slices.Contains(c.Allowed, payflow.VerbMarkRefunded) {
			t.Errorf("allowed %v", c.Allowed)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		o := h.is("ORDER-1", payflow.Fulfilled)
		if got := h.pay.sentRefunds(); o.RefundedFen != 100 || len(got) != 1 || got["ORDER-1-R1"] != 100 {
			t.Errorf("refunded %d: %v", o.RefundedFen, got)
		}
		h.noCases()
	})
}

// A person gives the part by hand while WeChat, which refuses it now, may have taken an
// earlier try of it: their word is not taken before WeChat was asked, or both arrive.
func TestNoWordOfAPersonWhileARefusedRefundMayArrive(t *testing.T) {
	for _, code := range []string{"INVALIDREQUEST", "NOTENOUGH"} {
		for _, taken := range []bool{true, false} {
			t.Run(fmt.Sprint(code, ", taken ", taken), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.paid("ORDER-1", payflow.Reserve)
					h.wait(time.Second)
					h.pay.on("refund", answer{err: errLost, did: taken})
					h.pay.on("refund", many(10, answer{err: refusal("refund", code)})...)
					h.pay.on("refund_query", many(40, answer{err: channelFailure(payflow.ChannelUnknown)})...)
					if err := h.part("q1", 100); err != nil {
						t.Fatal(err)
					}
					h.wait(11 * time.Minute)
					mark := func() error {
						_, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(h.onlyCase(payflow.CaseOverdue), "v1"), Evidence: "cash"})
						return err
					}
					precondition(t, mark(), payflow.ReasonRefundSent) // nobody knows
					h.pay.forget("refund_query")
					if !taken {
						if err := mark(); err != nil {
							t.Fatal(err)
						}
						h.wait(24 * time.Hour)
					} else {
						precondition(t, mark(), payflow.ReasonRefundSent)
						h.pay.forget("refund")
						h.pay.payOutAll()
						h.wait(3 * time.Hour)
					}
					o := h.is("ORDER-1", payflow.Fulfilled)
					if got := h.pay.sentRefunds(); o.RefundedFen != 100 || (len(got) == 1) != taken {
						t.Errorf("%d fen are booked, WeChat has %v", o.RefundedFen, got)
					}
					h.noCases()
				})
			})
		}
	}
}

// A part given up as never taken pays out after all: a person hears of it.
func TestDroppedPartThatPaysOut(t *testing.T) {
	inHouse(t, func(h *house) {
		h.refusedPart()
		h.pay.answerRefunds(payflow.RefundSuccess)
		if err := h.part("q2", 50); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.noCases()
		a := payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "ORDER-1-R1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 100}
		if err := h.svc.RefundCallback(h.Context(), notice(a)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Fulfilled)
		h.onlyCase(payflow.CaseConsoleRefund)
	})
}

// WeChat has another amount under our number: one case, that stays, and is not
// opened anew with each answer.
func TestRefundOfAnotherAmount(t *testing.T) {
	other := func(h *house) {
		h.pay.mu.Lock()
		defer h.pay.mu.Unlock()
		for _, r := range h.pay.refunds {
			r.RefundFen--
		}
	}
	mark := func(h *house) {
		h.wait(9 * time.Minute)
		c := h.onlyCase(payflow.CaseRefundRefused)
		h.wait(24 * time.Hour)
		again := h.onlyCase(payflow.CaseRefundRefused)
		if again.ID != c.ID || again.Repeats != 0 || h.alerted("case_opened") != 1 {
			h.Errorf("%s, then %s with %d repeats, %d alerts", c.ID, again.ID, again.Repeats, h.alerted("case_opened"))
		}
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(again, "r1"), Evidence: "1 fen in cash"}); err != nil {
			h.Fatalf("%v; allowed %v", err, again.Allowed)
		}
		h.noCases()
	}
	t.Run("all", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.pay.on("refund", answer{err: errLost, did: true})
			h.goneOrder("ORDER-1")
			other(h)
			mark(h)
			h.is("ORDER-1", payflow.Refunded)
		})
	})
	t.Run("part", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			h.wait(time.Second)
			h.pay.on("refund", answer{err: errLost, did: true})
			if err := h.part("q1", 100); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			other(h)
			mark(h)
			if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 100 {
				t.Errorf("refunded %d", o.RefundedFen)
			}
		})
	})
	t.Run("found to fit", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.pay.on("refund", answer{err: errLost, did: true})
			h.pay.answerRefunds(payflow.RefundSuccess)
			h.goneOrder("ORDER-1")
			other(h)
			h.wait(9 * time.Minute)
			h.onlyCase(payflow.CaseRefundRefused)
			h.pay.mu.Lock()
			for _, r := range h.pay.refunds {
				r.RefundFen++
			}
			h.pay.mu.Unlock()
			h.wait(2 * time.Hour)
			h.is("ORDER-1", payflow.Refunded)
			h.noCases()
		})
	})
}
