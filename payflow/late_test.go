package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// closedOrder makes an order of the prescription and lets it expire.
func (h *house) closedOrder(no, rx string, s payflow.Strategy) {
	h.Helper()
	h.create(no, s, withRx(rx))
	h.wait(31 * time.Minute)
	h.is(no, payflow.Closed)
}

func withRx(rx string) func(*payflow.CreateRequest) {
	return func(r *payflow.CreateRequest) { r.Attributes = map[string]string{"rx_no": rx} }
}

func TestD5LateMoneyTakesTheStockAgain(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.closedOrder("ORDER-1", "CF1", s)
				h.crash() // an ended order is still found by its number
				h.callback(h.pay.pay("ORDER-1"))
				o := h.is("ORDER-1", payflow.Fulfilled)
				if want := map[bool]int{true: 2, false: 1}[s == payflow.Reserve || s == payflow.Hold]; o.Lock.Attempt != want {
					t.Errorf("attempt %d, want %d [B5]", o.Lock.Attempt, want)
				}
				if h.locks.left("A") != 7 {
					t.Errorf("left %d", h.locks.left("A"))
				}
				h.noCases()
			})
		})
	}
}

func TestD5LateMoneyGoesBack(t *testing.T) {
	tests := map[string]func(h *house){
		"cancelled": func(h *house) {
			h.create("ORDER-1", payflow.Reserve)
			if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
				h.Fatal(err)
			}
		},
		"cancelled after it closed": func(h *house) {
			h.closedOrder("ORDER-1", "CF1", payflow.Reserve)
			if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
				h.Fatal(err)
			}
		},
		"prescription waits for payment elsewhere": func(h *house) {
			h.closedOrder("ORDER-1", "CF1", payflow.Reserve)
			h.create("ORDER-2", payflow.Reserve, withRx("CF1"))
		},
		"prescription fulfilled elsewhere": func(h *house) {
			h.closedOrder("ORDER-1", "CF1", payflow.Reserve)
			h.paid("ORDER-2", payflow.Verify, withRx("CF1"))
			h.crash()
		},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				before(h)
				h.is("ORDER-1", payflow.Closed)
				made := len(h.locks.made())
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.callback(h.pay.pay("ORDER-1"))
				h.is("ORDER-1", payflow.Refunded)
				if got := h.pay.sentRefunds(); len(got) != 1 || got["ORDER-1-R1"] != 1000 || len(h.locks.made()) != made {
					t.Errorf("refunds %v, made %v", got, h.locks.made())
				}
			})
		})
	}
}

// What no longer lives does not count: closed, and refunded.
func TestD5DeadOrdersDoNotCount(t *testing.T) {
	inHouse(t, func(h *house) {
		h.closedOrder("ORDER-1", "CF1", payflow.Reserve)
		h.closedOrder("ORDER-2", "CF1", payflow.Reserve)
		h.create("ORDER-3", payflow.Verify, withRx("CF1"))
		h.locks.sell("A", 9)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.callback(h.pay.pay("ORDER-3"))
		h.is("ORDER-3", payflow.Refunded)
		h.locks.sell("A", -9)
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)
		h.callback(h.pay.pay("ORDER-2")) // now the first one does
		h.is("ORDER-2", payflow.Refunded)
		var rx []string
		if err := h.disk.Scan([]byte("o/x/"), []byte("o/y"), func(key, _ []byte) error {
			rx = append(rx, string(key))
			return nil
		}); err != nil || len(rx) != 1 {
			t.Errorf("stored index %q, %v", rx, err)
		}
	})
}

// While the last attempt is not settled at the HIS no next one begins [B5].
func TestLateMoneyWaitsForTheLastAttempt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.settles(false)
		h.wait(31 * time.Minute)
		h.is("ORDER-1", payflow.Closed)
		locks := h.locks.count("lock")
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Paid)
		if n := h.locks.count("lock"); n != locks {
			t.Errorf("%d attempts meanwhile", n-locks)
		}
		h.locks.settles(true)
		h.wait(2 * time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

func TestLateMoneyAndTheStockIsGone(t *testing.T) {
	inHouse(t, func(h *house) {
		h.closedOrder("ORDER-1", "", payflow.Reserve)
		h.locks.sell("A", 9)
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Refunded)
	})
}
