package payflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

func canCancel(s *payflow.Settings) { s.CanCancel = true }

func takeBack(h *house, fen int64) error {
	_, err := h.svc.Refund(h.Context(), payflow.RefundRequest{
		OrderNo: "ORDER-1", Fen: fen, Reason: "退货", Fulfilled: true, CancelHIS: true, Actor: "p", RequestID: "R1",
	})
	return err
}

// [C1] The money of a fulfilled order follows the HIS's word that its order is
// taken back, whatever becomes of the answers and of hisgate in between.
func TestC1TheRefundFollowsTheCancelledHISOrder(t *testing.T) {
	for name, answers := range map[string][]answer{
		"at once":         nil,
		"not known yet":   {{err: payflow.ErrPending}, {err: payflow.ErrPending, did: true}},
		"the HIS is away": {{err: payflow.ErrUnavailable}, {err: errLost}},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.is("ORDER-1", payflow.Fulfilled)
				h.locks.on("cancel", answers...)
				h.pay.answerRefunds(payflow.RefundSuccess)
				if err := takeBack(h, 0); err != nil {
					t.Fatal(err)
				}
				if len(answers) > 0 {
					h.wait(10 * time.Millisecond)
					if n := len(h.pay.sentRefunds()); n != 0 {
						t.Errorf("%d refunds before the HIS's word", n)
					}
					h.crash()
				}
				if err := takeBack(h, 0); err != nil { // a repeat
					t.Fatal(err)
				}
				h.wait(5 * time.Minute)
				h.is("ORDER-1", payflow.Refunded)
				h.oneRefund("ORDER-1-R1", 1000)
				h.noCases()
			}, canCancel)
		})
	}
}

// A HIS that does not take its order back makes a case; a person may refund all
// the same.
func TestC1AHISThatDoesNotCancelMakesACase(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.on("cancel", answer{err: &payflow.RefusedError{Kind: "other", ForGood: true, Code: "E9", Message: "已发药"}})
		if err := takeBack(h, 0); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseRefused)
		if n := len(h.pay.sentRefunds()); n != 0 {
			t.Errorf("%d refunds after the HIS refused", n)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "V1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
		h.oneRefund("ORDER-1-R1", 1000)
	}, canCancel)
}

func TestCancellingAtTheHISIsForWholeRefundsWhereItCan(t *testing.T) {
	wrong := func(t *testing.T, h *house, fen int64) {
		t.Helper()
		h.paid("ORDER-1", payflow.Reserve)
		if e, ok := errors.AsType[*payflow.InvalidError](takeBack(h, fen)); !ok || e.Field != "cancel_his_order" {
			t.Errorf("answered %v", e)
		}
		h.is("ORDER-1", payflow.Fulfilled)
	}
	inHouse(t, func(h *house) { wrong(t, h, 0) }) // cannot
	inHouse(t, func(h *house) { wrong(t, h, 300) }, canCancel)
}

// A HIS that does not answer keeps no patient's money for ever: a person may end the
// waiting, and who asks again changes nothing.
func TestC1AHISThatDoesNotAnswerKeepsNoMoney(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.on("cancel", many(100, answer{err: payflow.ErrPending})...)
		if err := takeBack(h, 0); err != nil {
			t.Fatal(err)
		}
		h.wait(5 * time.Minute)
		h.noCases()
		h.wait(10 * time.Minute)
		c := h.onlyCase(payflow.CaseOverdue)
		if n := len(h.pay.sentRefunds()); n != 0 {
			t.Errorf("%d refunds without a word of the HIS or of a person", n)
		}
		h.pay.answerRefunds(payflow.RefundSuccess)
		refund := payflow.RefundCaseRequest{VerbRequest: verb(c, "V1")}
		for range 2 {
			if _, err := h.svc.RefundCase(h.Context(), refund); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
		}
		h.is("ORDER-1", payflow.Refunded)
		h.oneRefund("ORDER-1-R1", 1000)
		h.noCases()
		tried := h.locks.count("cancel")
		h.wait(time.Hour)
		if n := h.locks.count("cancel") - tried; n != 0 {
			t.Errorf("the HIS was asked %d times more", n)
		}
	}, canCancel)
}
