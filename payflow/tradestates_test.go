package payflow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestD2EveryTradeStateAtTheDeadline plays what a verified query can say of a trade
// while its time to pay ends, against each answer to the close. Only CLOSED, and a
// 204, release; every state that is no money may still become money.
func TestD2EveryTradeStateAtTheDeadline(t *testing.T) {
	states := []payflow.TradeState{
		payflow.TradeNotPay, payflow.TradeUserPaying, payflow.TradePayError, payflow.TradeRevoked, payflow.TradeClosed, "SOMETHING_NEW",
	}
	closings := map[string]answer{
		"204":          {},
		"USER_PAYING":  {err: refusal("close", "USERPAYING")},
		"ORDER_CLOSED": {err: refusal("close", "ORDERCLOSED")},
		"lost":         {err: errLost},
		"done, lost":   {err: errLost, did: true},
	}
	for _, state := range states {
		for name, closing := range closings {
			for _, pays := range []bool{false, true} {
				t.Run(string(state)+" "+name+map[bool]string{true: " paid after"}[pays], func(t *testing.T) {
					t.Parallel()
					inHouse(t, func(h *house) {
						h.create("ORDER-1", payflow.Reserve)
						h.wait(30*time.Minute - 10*time.Second)
						h.pay.change("ORDER-1", func(tx *payflow.Transaction) { tx.State = state })
						h.pay.on("close", closing)
						h.wait(10*time.Second + time.Millisecond)
						certain := state == payflow.TradeClosed || name == "204"
						if left := h.locks.left("A"); (left == 10) != certain {
							t.Errorf("right after the deadline %d are left", left)
						}
						if pays {
							h.pay.pay("ORDER-1")
							h.callback(h.pay.change("ORDER-1", func(*payflow.Transaction) {}))
						}
						h.wait(time.Hour)
						if !pays {
							h.is("ORDER-1", payflow.Closed)
							if h.locks.left("A") != 10 {
								t.Errorf("%d left", h.locks.left("A"))
							}
							return
						}
						h.is("ORDER-1", payflow.Fulfilled)
						if made := h.locks.made(); !slices.Equal(made, []string{"ORDER-1"}) {
							t.Errorf("made %v", made)
						}
					})
				})
			}
		}
	}
}
