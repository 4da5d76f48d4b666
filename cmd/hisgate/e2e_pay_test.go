package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

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
	if p := h.await("E2E-NATIVE", hisgatev1.Order_FULFILLED).GetPayment(); p.GetCodeUrl() != "" {
		t.Errorf("a paid order still shows the code %s", p.GetCodeUrl())
	}
	h.audit(h.api)
}
