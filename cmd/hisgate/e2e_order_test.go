package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The words of the README, as they stand there.
func TestOrderOfTheREADMEIsPaidAndFulfilled(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	o := h.post("/v1/orders", `{"order_no":"RX0002","strategy":"RESERVE","pharmacy_id":"HLWYF",
  "items":[{"drug_id":"00010041","quantity":"30","line_fen":"100"}],"amount":{"drugs_fen":"100","other_fen":"1500","total_fen":"1600"},
  "payment":{"method":"JSAPI","appid":"wx8888888888888888","payer_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","description":"互联网医院药费"}}`).order(t)
	if o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT || o.GetNext() != hisgatev1.Order_PAY {
		t.Fatalf("the order is %s, next %s", o.GetStatus(), o.GetNext())
	}
	if s := h.live("00010041"); s.GetAvailable() != 970 {
		t.Errorf("with 30 of 1000 held, %d are available", s.GetAvailable())
	}
	h.pay("RX0002")
	o = h.await("RX0002", hisgatev1.Order_FULFILLED)
	placed, ok := h.sims.HIS.Books().Order("RX0002")
	if !ok || len(placed.Orders) != 1 {
		t.Fatalf("the HIS's account of the order: %+v", placed)
	}
	his, trade := placed.Orders[0], h.trade("RX0002")
	if his.OrderNo != o.GetHisOrderNo() || his.TransactionID != trade.TransactionID || o.GetTransactionId() != trade.TransactionID {
		t.Errorf("HIS has order %s for transaction %s; hisgate says %s, %s; WeChat %s",
			his.OrderNo, his.TransactionID, o.GetHisOrderNo(), o.GetTransactionId(), trade.TransactionID)
	}
	if his.DrugsFen != 100 || trade.Total != 1600 {
		t.Errorf("the HIS was told %d fen, WeChat took %d", his.DrugsFen, trade.Total)
	}
	if s := h.live("00010041"); s.GetOnHand() != 970 || s.GetHeld() != 0 {
		t.Errorf("after the order: %d on hand, %d held", s.GetOnHand(), s.GetHeld())
	}
	h.audit(h.api)
}

func (w *world) trade(no string) wechatsim.Trade {
	w.t.Helper()
	trade, ok := w.sims.WeChat.Ledger().Trade(no)
	if !ok {
		w.t.Fatalf("WeChat does not know %s", no)
	}
	return trade
}

func TestEachStrategyOverRESTPaidAndFulfilled(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 100)
		left := int64(100)
		for _, strategy := range []string{"VERIFY", "RESERVE", "HOLD", "REFUND"} {
			no := "E2E-" + strategy
			o := h.create(no, strategy, "D1", 3)
			if strategy == "HOLD" {
				if o.GetStatus() != hisgatev1.Order_LOCKED || o.GetNext() != hisgatev1.Order_PREPAY {
					t.Errorf("a HOLD order is %s, next %s", o.GetStatus(), o.GetNext())
				}
				o = h.post("/v1/orders/"+no+":prepay", `{"payment":`+jsapiJSON+`}`).order(t)
			}
			if o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT || o.GetAmount().GetTotalFen() != 3750 {
				t.Errorf("%s is %s over %d fen", no, o.GetStatus(), o.GetAmount().GetTotalFen())
			}
			available := left
			if strategy == "RESERVE" || strategy == "HOLD" {
				available -= 3
			}
			if s := h.live("D1"); s.GetAvailable() != available {
				t.Errorf("%s awaits payment: %d on hand, %d held, %d available, want %d", no, s.GetOnHand(), s.GetHeld(), s.GetAvailable(), available)
			}
			h.pay(no)
			h.await(no, hisgatev1.Order_FULFILLED)
			if left -= 3; h.live("D1").GetAvailable() != left {
				t.Errorf("%s is fulfilled: %d available, want %d", no, h.live("D1").GetAvailable(), left)
			}
		}
		h.audit(h.api)
	})
}

func TestUnpaidOrderIsClosedAtWeChatAndItsStockReleased(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze, func(_ *Config, s *settings) {
			s.orders.LeastToPay, s.orders.ReserveWindow = 100*time.Millisecond, 5*time.Second
		})
		h.shelve("D1", 10)
		h.create("E2E-UNPAID", "RESERVE", "D1", 3)
		if s := h.live("D1"); s.GetAvailable() != 7 {
			t.Errorf("with 3 of 10 held, %d are available", s.GetAvailable())
		}
		o := h.await("E2E-UNPAID", hisgatev1.Order_CLOSED)
		if trade := h.trade("E2E-UNPAID"); trade.State != wechatsim.TradeClosed {
			t.Errorf("WeChat's order is %s", trade.State)
		}
		if o.GetUpdateTime().AsTime().Before(o.GetPayDeadline().AsTime()) {
			t.Errorf("closed at %s, before the deadline %s", o.GetUpdateTime().AsTime(), o.GetPayDeadline().AsTime())
		}
		h.audit(h.api)
		if s := h.live("D1"); s.GetAvailable() != 10 {
			t.Errorf("after the release %d are available", s.GetAvailable())
		}
	})
}

func TestCancelledOrderIsClosedAndItsStockReleased(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-CANCEL", "RESERVE", "D1", 3)
	for range 2 { // a repeat is the same
		if o := h.post("/v1/orders/E2E-CANCEL:cancel", `{}`).order(t); !o.GetCancelRequested() {
			t.Errorf("the cancelled order is %s, and nothing says that it is cancelled", o.GetStatus())
		}
	}
	h.await("E2E-CANCEL", hisgatev1.Order_CLOSED)
	if trade := h.trade("E2E-CANCEL"); trade.State != wechatsim.TradeClosed {
		t.Errorf("WeChat's order is %s", trade.State)
	}
	// A HOLD order of which WeChat never heard needs no word from there.
	h.create("E2E-HOLD-CANCEL", "HOLD", "D1", 3)
	h.post("/v1/orders/E2E-HOLD-CANCEL:cancel", `{}`).order(t)
	h.await("E2E-HOLD-CANCEL", hisgatev1.Order_CLOSED)
	h.audit(h.api)
	if s := h.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("after the release %d are available", s.GetAvailable())
	}
	h.post("/v1/orders/E2E-CANCEL:prepay", `{}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_CANCELLED)
}

// Sold out before the order: told so before paying, with what is left.
func TestShortOrderIsRejectedWithItsShortages(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	for _, strategy := range []string{"VERIFY", "RESERVE", "HOLD", "REFUND"} {
		no, drug := "E2E-SHORT-"+strategy, "D"+strategy
		h.shelve(drug, 10)
		h.sell(drug, 8)
		for range 2 { // an identical repeat answers the same
			f := h.post("/v1/orders", orderJSON(no, strategy, drug, 3)).refused(t, http.StatusBadRequest, hisgatev1.Reason_STOCK_INSUFFICIENT)
			if !f.short(drug, "3", "2") {
				t.Errorf("%s: no shortage of 3 against 2 in %+v", no, f)
			}
		}
		if o := h.get("/v1/orders/" + no).order(t); o.GetStatus() != hisgatev1.Order_REJECTED {
			t.Errorf("%s is %s", no, o.GetStatus())
		}
	}
	h.audit(h.api)
}

// Payment switched off: the stock half and CheckOrder work, the rest says so.
func TestStockHalfWithoutPayment(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, func(c *Config, _ *settings) {
		c.Payment.Enabled = false
		c.WeChat = WeChat{}
	})
	h.shelve("D1", 10)
	h.post("/v1/orders", orderJSON("E2E-OFF", "RESERVE", "D1", 3)).refused(t, http.StatusBadRequest, hisgatev1.Reason_PAYMENT_DISABLED)
	h.get("/v1/orders/E2E-OFF").refused(t, http.StatusBadRequest, hisgatev1.Reason_PAYMENT_DISABLED)
	check := &hisgatev1.CheckOrderResponse{}
	h.post("/v1/orders:check", `{"pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"11"}]}`).into(t, check)
	if check.GetPayable() || check.GetLines()[0].GetResult() != hisgatev1.CheckOrderResponse_INSUFFICIENT {
		t.Errorf("11 of 10: %v", check)
	}
	h.post("/v1/orders:check", `{"pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"10"}]}`).into(t, check)
	if !check.GetPayable() {
		t.Errorf("10 of 10: %v", check)
	}
	if l := h.post("/v1/locks", lockJSON("SHOP-1", "D1", 4, "60s")).lock(t); l.GetStatus() != hisgatev1.Lock_LOCKED {
		t.Errorf("the lock is %s", l.GetStatus())
	}
	l := h.post("/v1/locks/SHOP-1:confirm", `{"payment":{"transaction_id":"T1","drugs_fen":"5000"}}`).lock(t)
	if l.GetStatus() != hisgatev1.Lock_CONFIRMED || l.GetHisOrderNo() == "" {
		t.Errorf("the lock is %s with HIS order %q", l.GetStatus(), l.GetHisOrderNo())
	}
	if s := h.live("D1"); s.GetOnHand() != 6 || s.GetAvailable() != 6 {
		t.Errorf("%d on hand, %d available", s.GetOnHand(), s.GetAvailable())
	}
	h.audit(h.api)
}

// A HOLD order whose stock went while it waited is blocked at the second check,
// before anything is paid.
func TestHoldIsCheckedAgainBeforePaying(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false) // a HIS that cannot freeze, so the counter may take it
	h.shelve("D1", 10)
	h.create("E2E-SECOND", "HOLD", "D1", 3)
	h.sell("D1", 8)
	h.post("/v1/orders/E2E-SECOND:prepay", `{"payment":`+jsapiJSON+`}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_STOCK_INSUFFICIENT)
	if _, known := h.sims.WeChat.Ledger().Trade("E2E-SECOND"); known {
		t.Error("WeChat was asked for a prepay all the same")
	}
	if err := h.sims.HIS.SetStock(keyOf("D1"), 10); err != nil { // a delivery
		t.Fatal(err)
	}
	h.post("/v1/orders/E2E-SECOND:prepay", `{"payment":`+jsapiJSON+`}`).order(t)
	h.pay("E2E-SECOND")
	h.await("E2E-SECOND", hisgatev1.Order_FULFILLED)
	h.audit(h.api)
}

// The order can be followed while it goes its way, over gRPC and over REST.
func TestOrderCanBeWatched(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-WATCH", "RESERVE", "D1", 3)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := h.orders.WatchOrder(ctx, &hisgatev1.WatchOrderRequest{OrderNo: "E2E-WATCH"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || first.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT {
		t.Fatalf("the first version is %s: %v", first.GetStatus(), err)
	}
	rest := openStream(t, ctx, h.base+"/v1/orders/E2E-WATCH:watch")
	if got := rest.next(t, &hisgatev1.Order{}).(*hisgatev1.Order); got.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT {
		t.Errorf("over REST the first version is %s", got.GetStatus())
	}
	h.pay("E2E-WATCH")
	for last := first; last.GetStatus() != hisgatev1.Order_FULFILLED; {
		if last, err = stream.Recv(); err != nil {
			t.Fatalf("the stream ended before FULFILLED: %v", err)
		}
	}
	for status := hisgatev1.Order_AWAITING_PAYMENT; status != hisgatev1.Order_FULFILLED; {
		status = rest.next(t, &hisgatev1.Order{}).(*hisgatev1.Order).GetStatus()
	}
	h.audit(h.api)
}

// A price that moved at the HIS is told before the patient pays.
func TestAmountThatContradictsTheHISIsRefused(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	body := strings.Replace(orderJSON("E2E-PRICE", "RESERVE", "D1", 2), `"payment"`,
		`"amount":{"drugs_fen":"2400","total_fen":"2400"},"payment"`, 1)
	h.post("/v1/orders", body).refused(t, http.StatusBadRequest, hisgatev1.Reason_PRICE_CHANGED)
	check := &hisgatev1.CheckOrderResponse{}
	h.post("/v1/orders:check", `{"pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"2","line_fen":"2400"}]}`).into(t, check)
	if check.GetPayable() || check.GetLines()[0].GetResult() != hisgatev1.CheckOrderResponse_PRICE_CHANGED {
		t.Errorf("a changed price: %v", check)
	}
	h.audit(h.api)
}
