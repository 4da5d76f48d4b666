package payflow_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// inConsole is somebody who refunds in the merchant console, and WeChat's notice.
func (h *house) inConsole(fen int64, state payflow.RefundState) {
	h.Helper()
	h.pay.console("ORDER-1", "console-1", fen)
	if err := h.svc.RefundCallback(h.Context(), notice(h.pay.set("console-1", state))); err != nil {
		h.Fatal(err)
	}
	synctest.Wait()
}

func (h *house) decideRefund(reason payflow.CaseReason, request string) {
	h.Helper()
	if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.onlyCase(reason), request)}); err != nil {
		h.Fatal(err)
	}
	h.wait(time.Minute)
}

// What went back in the merchant console has gone back: only the rest follows it,
// and never more than was paid [D7].
func TestD7OnlyTheRestFollowsARefundInTheConsole(t *testing.T) {
	for name, c := range map[string]struct {
		fen, rest int64
		state     payflow.RefundState
		waits     bool // not all is back yet
	}{
		"a part":            {fen: 300, rest: 700, state: payflow.RefundSuccess},
		"all":               {fen: 1000, state: payflow.RefundSuccess},
		"came to nothing":   {fen: 300, rest: 1000, state: payflow.RefundClosed},
		"waits for WeChat":  {fen: 300, rest: 700, state: payflow.RefundProcessing, waits: true},
		"cannot be paid":    {fen: 300, rest: 700, state: payflow.RefundAbnormal, waits: true},
		"all but one fen":   {fen: 999, rest: 1, state: payflow.RefundSuccess},
		"more than was due": {fen: 1001, state: payflow.RefundSuccess}, // nobody can, and nothing breaks
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.paid("ORDER-1", payflow.Reserve)
				h.inConsole(c.fen, c.state)
				h.is("ORDER-1", payflow.NeedsAttention)
				h.decideRefund(payflow.CaseConsoleRefund, "v1")
				h.is("ORDER-1", payflow.Refunded)
				if got := h.pay.sentRefunds(); got["ORDER-1-R1"] != c.rest {
					t.Errorf("refunds %v", got)
				}
				if c.waits {
					h.onlyCase(payflow.CaseConsoleRefund)
					h.consoleSays(payflow.RefundSuccess)
				}
				h.noCases()
			})
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.paid("ORDER-1", payflow.Reserve)
				h.inConsole(c.fen, c.state)
				h.is("ORDER-1", payflow.Fulfilled)
				err := h.part("q1", 0)
				if c.rest == 0 {
					precondition(t, err, payflow.ReasonRefundTooMuch)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Refunded)
				if got := h.pay.sentRefunds(); got["ORDER-1-R1"] != c.rest {
					t.Errorf("refunds %v", got)
				}
			})
		})
	}
}

// A refund of all that WeChat refuses, because some went back in the console, gives
// way to one of the rest as soon as the bill tells how much.
func TestD7TheBillTellsWhatTheConsoleRefunded(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
		h.paid("ORDER-1", payflow.Reserve)
		h.pay.console("ORDER-1", "console-1", 300)
		h.refundsKnown("ORDER-1")
		h.callback(h.pay.change("ORDER-1", func(*payflow.Transaction) {}))
		h.is("ORDER-1", payflow.NeedsAttention)
		h.pay.on("refund", answer{err: refusal("refund", "INVALIDREQUEST")})
		h.decideRefund(payflow.CaseConsoleRefund, "v1")
		h.is("ORDER-1", payflow.NeedsAttention)
		h.morning()
		cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
		if err != nil || len(cs) == 0 {
			t.Fatalf("%+v, %v", cs, err)
		}
		for _, c := range cs {
			if c.Reason == payflow.CaseRefundRefused {
				if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "v2")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
		if got := h.pay.sentRefunds(); len(got) != 2 || got["ORDER-1-R2"] != 700 {
			t.Errorf("refunds %v", got)
		}
	})
}

// consoleSays is WeChat's notice of how the refund in the merchant console ended.
func (h *house) consoleSays(state payflow.RefundState) {
	h.Helper()
	h.refundCallback(h.pay.set("console-1", state))
	synctest.Wait()
}

// halfInConsole is an order of which 300 fen are on their way back from the merchant
// console, and hisgate gave back the rest: REFUNDED.
func (h *house) halfInConsole() {
	h.Helper()
	h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
	h.pay.answerRefunds(payflow.RefundSuccess)
	h.paid("ORDER-1", payflow.Reserve)
	h.inConsole(300, payflow.RefundProcessing)
	h.decideRefund(payflow.CaseConsoleRefund, "v1")
	h.is("ORDER-1", payflow.Refunded)
}

// What was counted as gone back, because it was on its way, and comes to nothing: a
// person hears of it, and the case stays until they say that the money went back.
func TestARefundInTheConsoleThatComesToNothing(t *testing.T) {
	for _, end := range []payflow.RefundState{payflow.RefundClosed, payflow.RefundAbnormal} {
		t.Run(string(end), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.halfInConsole()
				if c := h.onlyCase(payflow.CaseConsoleRefund); !strings.Contains(c.Text.EN, "still on its way") || !strings.Contains(c.Text.ZH, "尚未到账") {
					t.Errorf("on its way: %+v", c.Text)
				}
				h.consoleSays(end)
				h.crash()
				h.wait(72 * time.Hour)
				h.verified()
				c := h.onlyCase(payflow.CaseConsoleRefund)
				if !strings.Contains(c.Text.EN, "does not have that money") || !strings.Contains(c.Text.ZH, "尚未退回患者") {
					t.Errorf("came to nothing: %+v", c.Text)
				}
				if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v2"), Evidence: "3 yuan in cash"}); err != nil {
					t.Fatalf("%v; allowed %v", err, c.Allowed)
				}
				if o := h.is("ORDER-1", payflow.Refunded); o.PersonRefund == "" {
					t.Error("the evidence is not noted")
				}
				h.consoleSays(end) // WeChat repeats its notices
				h.noCases()
				h.consoleSays(payflow.RefundSuccess)
				h.consoleSays(end) // in any order
				h.noCases()
			})
		})
	}
	t.Run("of an order that is fulfilled", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			h.inConsole(300, payflow.RefundProcessing)
			c := h.onlyCase(payflow.CaseConsoleRefund)
			if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v1"), Evidence: "console-1"}); err != nil {
				t.Fatal(err)
			}
			h.noCases()
			h.consoleSays(payflow.RefundClosed)
			if again := h.onlyCase(payflow.CaseConsoleRefund); again.ID == c.ID || !strings.Contains(again.Text.EN, "did not arrive") {
				t.Errorf("%+v", again)
			}
		})
	})
	t.Run("while the rest is on its way", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
			h.paid("ORDER-1", payflow.Reserve)
			h.inConsole(300, payflow.RefundProcessing)
			h.decideRefund(payflow.CaseConsoleRefund, "v1")
			h.is("ORDER-1", payflow.Refunding)
			h.consoleSays(payflow.RefundClosed)
			h.pay.answerRefunds(payflow.RefundSuccess)
			h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
			h.wait(2 * time.Hour)
			o := h.is("ORDER-1", payflow.Refunded)
			if got := h.pay.sentRefunds(); o.RefundedFen != 1000 || got["ORDER-1-R1"] != 700 || got["ORDER-1-R2"] != 300 {
				t.Errorf("%d fen went back: %v", o.RefundedFen, got)
			}
			h.noCases()
		})
	})
}

// The notice that such a refund has arrived got lost: the bill of the day tells, or
// WeChat when a person has it asked.
func TestARefundInTheConsoleThatArrivedUnnoticed(t *testing.T) {
	inHouse(t, func(h *house) {
		h.halfInConsole()
		h.pay.set("console-1", payflow.RefundSuccess)
		r := h.compared(h.morning())
		h.noCases()
		h.same(r, h.again(r.Day))
	})
	inHouse(t, func(h *house) {
		h.halfInConsole()
		h.pay.set("console-1", payflow.RefundSuccess)
		if _, err := h.svc.Recheck(h.Context(), verb(h.onlyCase(payflow.CaseConsoleRefund), "v2")); err != nil {
			t.Fatal(err)
		}
		h.noCases()
	})
}

// A person has said that the money went back, and then WeChat tells of a refund that
// came to nothing, of which hisgate had not heard: maybe they meant that one.
func TestARefundThatAPersonMayHaveMeantComesToNothing(t *testing.T) {
	for end, heard := range map[payflow.RefundState]bool{payflow.RefundClosed: true, payflow.RefundAbnormal: true, payflow.RefundSuccess: false} {
		t.Run(string(end), func(t *testing.T) {
			inHouse(t, func(h *house) {
				c := h.parked("ORDER-1")
				if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v1"), Evidence: "console"}); err != nil {
					t.Fatal(err)
				}
				h.is("ORDER-1", payflow.Refunded)
				h.inConsole(1000, end)
				if heard {
					h.onlyCase(payflow.CaseConsoleRefund)
				} else {
					h.noCases()
				}
			})
		})
	}
}

// A refund of a part in the console that cannot be paid out; a person had the order
// fulfilled all the same, and later all of it refunded. What hisgate can send is back,
// and the rest is a case until it is.
func TestARefundInTheConsoleThatHoldsTheRest(t *testing.T) {
	for end, waits := range map[payflow.RefundState]bool{payflow.RefundAbnormal: true, payflow.RefundProcessing: true, payflow.RefundSuccess: false} {
		t.Run(string(end), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("confirm", many(40, answer{err: payflow.ErrUnavailable})...)
				h.paid("ORDER-1", payflow.Reserve)
				h.inConsole(300, end)
				h.locks.forget("confirm")
				if _, err := h.svc.RetryFulfilment(h.Context(), verb(h.onlyCase(payflow.CaseConsoleRefund), "v1")); err != nil {
					t.Fatal(err)
				}
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Fulfilled)
				h.noCases()
				h.pay.answerRefunds(payflow.RefundSuccess)
				if err := h.part("q1", 0); err != nil {
					t.Fatal(err)
				}
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Refunded)
				if got := h.pay.sentRefunds(); got["ORDER-1-R1"] != 700 {
					t.Errorf("refunds %v", got)
				}
				if waits {
					if c := h.onlyCase(payflow.CaseConsoleRefund); c.Fen != 300 {
						t.Errorf("%+v", c)
					}
					h.consoleSays(payflow.RefundSuccess)
				}
				h.noCases()
			})
		})
	}
}
