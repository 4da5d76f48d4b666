package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/simhis"
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

// The patient pays in the moment in which hisgate closes: first the query, then
// the close itself, finds money. It counts.
func TestPaidAtTheMomentOfClosing(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	for no, op := range map[string]wechatsim.Op{"E2E-AT-QUERY": wechatsim.OpQuery, "E2E-AT-CLOSE": wechatsim.OpClose} {
		h.create(no, "RESERVE", "D1", 2)
		// Without the notice, so that only the closing can find out.
		h.wechatFault(wechatsim.Fault{Op: wechatsim.OpNotifyPayment, OutTradeNo: no, Kind: wechatsim.KindDrop, Times: -1})
		h.wechatFault(wechatsim.Fault{Op: op, OutTradeNo: no, Kind: wechatsim.KindPayFirst})
		h.post("/v1/orders/"+no+":cancel", `{}`).order(t)
		h.await(no, hisgatev1.Order_FULFILLED)
	}
	h.audit(h.api)
}

// The close is answered 202 USER_PAYING, which is no close: the hold stays until
// WeChat's word is final.
func TestCloseThatIsNoCloseKeepsTheStock(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-PAYING", "RESERVE", "D1", 3)
	h.wechatFault(wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindUserPaying})
	second := h.gate.hold(t, `close$`, beforeIt)
	h.post("/v1/orders/E2E-PAYING:cancel", `{}`).order(t)
	second.wait(t) // the first close has reached the gate
	second.release()
	third := h.gate.hold(t, `close$`, beforeIt)
	third.wait(t) // the 202 was not believed
	if s := h.live("D1"); s.GetAvailable() != 7 {
		t.Errorf("while WeChat has not closed, %d of 10 are available", s.GetAvailable())
	}
	third.release()
	h.await("E2E-PAYING", hisgatev1.Order_CLOSED)
	h.audit(h.api)
}

func TestFiftyCallbacksAtOnceFulfilOnce(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-FIFTY", "RESERVE", "D1", 3)
	first := h.gate.hold(t, "POST /wechat/v1/payment", afterIt)
	h.pay("E2E-FIFTY")
	first.wait(t) // one callback was taken, and its answer is on the way
	notice, body := h.gate.lastCallback(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			resp, err := resend(notice, body, "http://"+h.program.WebhookAddr)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
				t.Errorf("a duplicate was answered %s", resp.Status)
			}
		})
	}
	wg.Wait()
	first.release()
	o := h.await("E2E-FIFTY", hisgatev1.Order_FULFILLED)
	fulfilled := 0
	for _, step := range o.GetHistory() {
		if step.GetTo() == hisgatev1.Order_FULFILLED && step.GetFrom() != step.GetTo() {
			fulfilled++
		}
	}
	if fulfilled != 1 {
		t.Errorf("the history has %d fulfilments: %v", fulfilled, o.GetHistory())
	}
	if calls := h.sims.HIS.Counters(); calls.Ops[simhis.OpPlaceOrder].Calls != 1 {
		t.Errorf("the HIS was asked to deduct %d times", calls.Ops[simhis.OpPlaceOrder].Calls)
	}
	h.audit(h.api)
}

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

// A lost callback: the order is asked about, at once when the mini-program says
// that it paid.
func TestLostCallbackIsFoundBySync(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-LOST", "RESERVE", "D1", 3)
	h.wechatFault(wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindDrop, Times: -1})
	h.pay("E2E-LOST")
	if o := h.post("/v1/orders/E2E-LOST:sync", `{}`).order(t); o.GetTransactionId() == "" {
		t.Errorf("asked about, the paid order is %s without a transaction", o.GetStatus())
	}
	h.await("E2E-LOST", hisgatev1.Order_FULFILLED)
	h.audit(h.api)
}

// WeChat does not answer the prepay, before or after it took it: the same bytes
// are sent again, and the patient can pay.
func TestPrepayWithoutAnswerIsRepeated(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	for no, kind := range map[string]wechatsim.FaultKind{"E2E-PRE-B": wechatsim.KindResetBefore, "E2E-PRE-A": wechatsim.KindResetAfter} {
		h.wechatFault(wechatsim.Fault{Op: wechatsim.OpPrepay, OutTradeNo: no, Kind: kind})
		h.post("/v1/orders", orderJSON(no, "RESERVE", "D1", 2))
		eventually(t, no, func() error {
			return want("next", h.get("/v1/orders/"+no).order(t).GetNext(), hisgatev1.Order_PAY)
		})
		h.pay(no)
		h.await(no, hisgatev1.Order_FULFILLED)
	}
	h.audit(h.api)
}

// Old merchants verify with platform certificates, those in the change-over with
// either; certificates are fetched by hisgate itself.
func TestCertificatesVerifyAsWellAsThePublicKey(t *testing.T) {
	t.Parallel()
	for _, mode := range []wechatsim.Mode{wechatsim.ModeCertificate, wechatsim.ModeBoth} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			h := newWorldOf(t, simOptions{Capabilities: simCapabilities(false), Mode: mode}).open()
			for _, no := range []string{"E2E-CERT-1", "E2E-CERT-2"} { // in the change-over callbacks are signed in turns
				h.shelve(no, 3)
				h.create(no, "VERIFY", no, 3)
				if no == "E2E-CERT-2" {
					h.sell(no, 3)
				}
				h.pay(no)
			}
			h.await("E2E-CERT-1", hisgatev1.Order_FULFILLED)
			h.await("E2E-CERT-2", hisgatev1.Order_REFUNDED)
			for _, n := range h.sims.WeChat.Ledger().Notices {
				for _, a := range n.Attempts {
					if a.Status == http.StatusUnauthorized {
						t.Errorf("a callback %s under %s was not verified", n.EventType, a.Serial)
					}
				}
			}
			h.audit(h.api)
		})
	}
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

// What the device gets to pay with is what WeChat's own client takes.
func TestPatientPaysWithWhatTheDeviceGets(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	o := h.create("E2E-INVOKE", "RESERVE", "D1", 2)
	invoke := o.GetPayment().GetInvoke()
	for _, key := range []string{"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"} {
		if invoke[key] == "" {
			t.Errorf("invoke has no %s", key)
		}
	}
	if len(invoke) != 6 || !strings.HasPrefix(invoke["package"], "prepay_id=") || invoke["signType"] != "RSA" {
		t.Errorf("invoke is %v", invoke)
	}
	again := h.get("/v1/orders/E2E-INVOKE").order(t).GetPayment().GetInvoke()
	if again["paySign"] == invoke["paySign"] || again["package"] != invoke["package"] {
		t.Errorf("read again, invoke is not signed afresh for the same prepay: %v, %v", invoke, again)
	}
	if _, err := h.sims.WeChat.PayInvoke(t.Context(), again); err != nil {
		t.Errorf("WeChat's client refuses invoke: %v", err)
	}
	native := h.post("/v1/orders", strings.Replace(orderJSON("E2E-NATIVE", "RESERVE", "D1", 2), jsapiJSON,
		`{"method":"NATIVE","appid":"wx8888888888888888","description":"互联网医院药费"}`, 1)).order(t)
	if len(native.GetPayment().GetInvoke()) != 0 {
		t.Errorf("a Native order has invoke %v", native.GetPayment().GetInvoke())
	}
	if _, err := h.sims.WeChat.PayCodeURL(t.Context(), native.GetPayment().GetCodeUrl()); err != nil {
		t.Errorf("the QR code cannot be paid: %v", err)
	}
	h.await("E2E-INVOKE", hisgatev1.Order_FULFILLED)
	h.await("E2E-NATIVE", hisgatev1.Order_FULFILLED)
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
