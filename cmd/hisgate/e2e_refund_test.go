package main

import (
	"net/http"
	"testing"

	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The counter sells between order and payment, which VERIFY and REFUND do not
// prevent, nor RESERVE before a HIS that cannot freeze: the money goes back.
func TestStockGoneAfterPaymentIsRefunded(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false)
	for _, strategy := range []string{"VERIFY", "REFUND", "RESERVE"} {
		no, drug := "E2E-GONE-"+strategy, "D"+strategy
		h.shelve(drug, 10)
		h.create(no, strategy, drug, 3)
		if sold := h.sell(drug, 8); sold != 8 {
			t.Fatalf("the counter sold %d", sold)
		}
		h.pay(no)
		o := h.await(no, hisgatev1.Order_REFUNDED)
		if o.GetRefundedFen() != 3750 || len(o.GetRefunds()) != 1 {
			t.Errorf("%s: %d fen back in %d refunds", no, o.GetRefundedFen(), len(o.GetRefunds()))
		}
	}
	h.audit(h.api)
}

func TestOperatorRefundsAFulfilledOrder(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	for _, no := range []string{"E2E-WHOLE", "E2E-PART"} {
		h.create(no, "RESERVE", "D1", 2)
		h.pay(no)
		h.await(no, hisgatev1.Order_FULFILLED)
	}
	refund := func(no, more string) answer {
		return h.post("/v1/orders/"+no+":refund", `{"reason":"药品破损","request_id":"R-`+no+`"`+more+`}`)
	}
	refund("E2E-WHOLE", "").refused(t, http.StatusBadRequest, hisgatev1.Reason_FULFILLED_REFUND)
	for range 2 { // the same request_id is the same refund
		refund("E2E-WHOLE", `,"fulfilled":true`).order(t)
	}
	o := h.await("E2E-WHOLE", hisgatev1.Order_REFUNDED)
	if len(o.GetRefunds()) != 1 || o.GetRefundedFen() != 2500 {
		t.Errorf("%d refunds, %d fen back", len(o.GetRefunds()), o.GetRefundedFen())
	}
	refund("E2E-PART", `,"fulfilled":true,"amount_fen":"2501"`).refused(t, http.StatusBadRequest, hisgatev1.Reason_REFUND_TOO_MUCH)
	h.post("/v1/orders/E2E-PART:refund", `{"reason":"一盒破损","request_id":"R2","fulfilled":true,"amount_fen":"1250"}`).order(t)
	eventually(t, "the partial refund", func() error {
		return want("refunded_fen", h.get("/v1/orders/E2E-PART").order(t).GetRefundedFen(), 1250)
	})
	if o := h.get("/v1/orders/E2E-PART").order(t); o.GetStatus() != hisgatev1.Order_FULFILLED {
		t.Errorf("after a partial refund the order is %s", o.GetStatus())
	}
	h.audit(h.api, "E2E-WHOLE", "E2E-PART")
}

// The refund is refused for want of money, then lost on the way: it is made once.
func TestRefundIsMadeOnceWhateverWeChatAnswers(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false)
	for no, kind := range map[string]wechatsim.FaultKind{
		"E2E-REF-B": wechatsim.KindResetBefore, "E2E-REF-A": wechatsim.KindResetAfter, "E2E-REF-500": wechatsim.KindStatusAfter,
	} {
		h.shelve(no, 3)
		h.create(no, "VERIFY", no, 3)
		h.sell(no, 3)
		h.wechatFault(wechatsim.Fault{Op: wechatsim.OpRefund, OutTradeNo: no, Kind: kind})
		h.pay(no)
		h.await(no, hisgatev1.Order_REFUNDED)
		if n := len(h.sims.WeChat.Ledger().RefundsOf(no)); n != 1 {
			t.Errorf("%s: WeChat has %d refunds", no, n)
		}
	}
	h.audit(h.api)
}

// The HIS takes its order back before the money goes: in the books nothing was
// given out, and the stock is there again.
func TestOperatorTakesTheHISOrderBackFirst(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-BACK", "RESERVE", "D1", 2)
	h.pay("E2E-BACK")
	h.await("E2E-BACK", hisgatev1.Order_FULFILLED)
	h.post("/v1/orders/E2E-BACK:refund", `{"reason":"退货","request_id":"R1","fulfilled":true,"cancel_his_order":true}`).order(t)
	h.await("E2E-BACK", hisgatev1.Order_REFUNDED)
	h.audit(h.api)
	if s := h.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
}
