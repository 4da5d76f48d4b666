package payflow_test

import (
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
	}{
		"a part":            {fen: 300, rest: 700, state: payflow.RefundSuccess},
		"all":               {fen: 1000, state: payflow.RefundSuccess},
		"came to nothing":   {fen: 300, rest: 1000, state: payflow.RefundClosed},
		"waits for WeChat":  {fen: 300, rest: 700, state: payflow.RefundProcessing},
		"cannot be paid":    {fen: 300, rest: 700, state: payflow.RefundAbnormal},
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
