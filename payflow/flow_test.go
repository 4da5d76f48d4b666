package payflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

var strategies = []payflow.Strategy{payflow.Reserve, payflow.Hold, payflow.Verify, payflow.Refund}

func TestPaidIsFulfilled(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				o := h.create("ORDER-1", s)
				if o.Amount.TotalFen != 1000 || o.Items[0].LineFen != 1000 {
					h.Errorf("amount %+v, lines %+v", o.Amount, o.Items)
				}
				if o.Invoke["package"] != "prepay_id=wx-ORDER-1" {
					h.Errorf("invoke %v", o.Invoke)
				}
				held := h.locks.left("A") == 7
				if wants := s == payflow.Reserve || s == payflow.Hold; held != wants {
					h.Errorf("stock held before payment: %v, want %v", held, wants)
				}
				h.callback(h.pay.pay("ORDER-1"))
				o = h.is("ORDER-1", payflow.Fulfilled)
				if o.HisOrderNo != "HIS-ORDER-1-1" || len(h.locks.made()) != 1 || h.locks.left("A") != 7 {
					h.Errorf("HIS order %q, made %v, left %d", o.HisOrderNo, h.locks.made(), h.locks.left("A"))
				}
				if h.locks.paidReq["ORDER-1"] == held {
					h.Error("a lock taken after payment must say so [A8], [B1]")
				}
				h.noCases()
			})
		})
	}
}

func TestUnpaidExpiresAndGivesStockBack(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", s)
				window := 30 * time.Minute
				if s == payflow.Hold {
					window = 15 * time.Minute
				}
				h.wait(window - time.Second)
				h.is("ORDER-1", payflow.AwaitingPayment)
				h.wait(2 * time.Second)
				o := h.is("ORDER-1", payflow.Closed)
				if o.EndReason != payflow.ReasonDeadline || h.locks.left("A") != 10 || h.pay.count("close") != 1 {
					h.Errorf("end %s, left %d, closes %d", o.EndReason, h.locks.left("A"), h.pay.count("close"))
				}
			})
		})
	}
}

func TestShortIsRejectedAndRepeatsTheSame(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.sell("A", 8)
				for range 2 {
					_, err := h.svc.Create(h.Context(), request("ORDER-1", s))
					var short *payflow.ShortError
					if !errors.As(err, &short) || len(short.Shortages) != 1 || short.Shortages[0] != (payflow.Shortage{DrugID: "A", Requested: 3, Available: 2}) {
						h.Fatalf("answer %v", err)
					}
					h.locks.sell("A", -8) // a repeat answers the same, whatever the stock is now
				}
				h.is("ORDER-1", payflow.Rejected)
				h.create("ORDER-2", s)
			})
		})
	}
}

func TestGoneAfterPayment(t *testing.T) {
	for _, tt := range []struct {
		strategy payflow.Strategy
		policy   payflow.Policy
		want     payflow.State
	}{
		{payflow.Verify, payflow.PolicyCase, payflow.Refunded},
		{payflow.Refund, payflow.PolicyCase, payflow.Refunded},
		{payflow.Reserve, payflow.PolicyRefund, payflow.Refunded},
		{payflow.Hold, payflow.PolicyRefund, payflow.Refunded},
		{payflow.Reserve, payflow.PolicyCase, payflow.NeedsAttention},
		{payflow.Hold, payflow.PolicyCase, payflow.NeedsAttention},
	} {
		t.Run(string(tt.strategy)+" "+string(tt.policy), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", tt.strategy)
				if tt.strategy == payflow.Reserve || tt.strategy == payflow.Hold {
					h.locks.on("confirm", h.locks.refuseConfirm("ORDER-1", "insufficient"))
				} else {
					h.locks.sell("A", 9)
				}
				h.callback(h.pay.pay("ORDER-1"))
				if tt.want == payflow.NeedsAttention {
					h.is("ORDER-1", tt.want)
					h.onlyCase(payflow.CaseGone)
					if len(h.pay.sentRefunds()) != 0 {
						h.Error("refunded in spite of the policy")
					}
					return
				}
				h.is("ORDER-1", payflow.Refunding)
				if got := h.pay.sentRefunds(); len(got) != 1 || got["ORDER-1-R1"] != 1000 {
					h.Fatalf("refunds %v", got)
				}
				h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
				h.wait(59 * time.Second)
				h.is("ORDER-1", payflow.Refunding) // accepted is not done; asked from 1 min on
				h.wait(2 * time.Second)
				if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 {
					h.Errorf("refunded %d", o.RefundedFen)
				}
				h.noCases()
			}, func(s *payflow.Settings) { s.OnGone = tt.policy })
		})
	}
}
