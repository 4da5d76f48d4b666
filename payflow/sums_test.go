package payflow_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// Parts add up to what was paid, and no fen more [D7]; the last of them ends the order.
func TestD7PartsThatAddUp(t *testing.T) {
	for name, tt := range map[string]struct {
		parts []int64
		over  int64 // one more would be too much
		end   payflow.State
	}{
		"to the fen":           {parts: []int64{1, 998, 1}, over: 1, end: payflow.Refunded},
		"all but one fen":      {parts: []int64{400, 599}, over: 2, end: payflow.Fulfilled},
		"all at once, by name": {parts: []int64{1000}, over: 1, end: payflow.Refunded},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.paid("ORDER-1", payflow.Reserve)
				sum := int64(0)
				for i, fen := range tt.parts {
					if err := h.part(fmt.Sprint("q", i), fen); err != nil {
						t.Fatal(err)
					}
					h.wait(2 * time.Minute)
					if sum += fen; h.get("ORDER-1").RefundedFen != sum {
						t.Errorf("%d fen went back, %d were asked for", h.get("ORDER-1").RefundedFen, sum)
					}
				}
				h.is("ORDER-1", tt.end)
				if err := h.part("over", tt.over); err == nil {
					t.Errorf("%d fen beside %d were taken", tt.over, sum)
				}
				h.wait(time.Hour)
				h.is("ORDER-1", tt.end)
				sent := int64(0)
				for _, fen := range h.pay.sentRefunds() {
					sent += fen
				}
				if sent != sum {
					t.Errorf("WeChat took refunds of %d fen, asked for were %d", sent, sum)
				}
				h.noCases()
			})
		})
	}
}

// The least that can be paid: there is no part of one fen.
func TestAnOrderOfOneFen(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.price["A"] = "0.0034" // for 3: 1.02 fen
		h.pay.answerRefunds(payflow.RefundSuccess)
		if o := h.create("ORDER-1", payflow.Reserve); o.Amount.TotalFen != 1 {
			t.Fatalf("%+v", o.Amount)
		}
		tx := h.pay.pay("ORDER-1")
		wrong := tx
		wrong.TotalFen, wrong.TransactionID = 2, "tx-wrong"
		h.callback(wrong)
		h.is("ORDER-1", payflow.AwaitingPayment)
		h.onlyCase(payflow.CaseWrongPayment)
		h.callback(tx)
		h.is("ORDER-1", payflow.Fulfilled)
		precondition(t, h.part("q1", 2), payflow.ReasonRefundTooMuch)
		if err := h.part("q1", 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Refunded)
		precondition(t, h.part("q2", 1), payflow.ReasonRefundTooMuch)
		h.oneRefund("ORDER-1-R1", 1)
	})
}

// WeChat refunds for 365 days: to the second, by itself and by an operator.
func TestTheLastSecondOfAYear(t *testing.T) {
	for name, tt := range map[string]struct {
		age  time.Duration
		sent int
	}{
		"on the day":    {age: 365 * 24 * time.Hour, sent: 1},
		"a second on":   {age: 365*24*time.Hour + time.Second},
		"a year of 366": {age: 366 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.create("ORDER-1", payflow.Verify)
				h.locks.sell("A", 9)
				tx := h.pay.pay("ORDER-1")
				tx.PaidAt = time.Now().Add(-tt.age)
				h.callback(tx)
				if n := len(h.pay.sentRefunds()); n != tt.sent {
					t.Errorf("%d refunds", n)
				}
				if tt.sent == 0 {
					h.is("ORDER-1", payflow.NeedsAttention)
					h.onlyCase(payflow.CaseRefundRefused)
				}
			})
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.create("ORDER-1", payflow.Reserve)
				tx := h.pay.pay("ORDER-1")
				tx.PaidAt = time.Now().Add(-tt.age)
				h.callback(tx)
				h.is("ORDER-1", payflow.Fulfilled)
				err := h.part("q1", 100)
				synctest.Wait()
				if n := len(h.pay.sentRefunds()); n != tt.sent || (err == nil) != (tt.sent == 1) {
					t.Errorf("%d refunds, %v", n, err)
				}
			})
		})
	}
}
