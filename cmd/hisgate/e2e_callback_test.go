package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// callback sends what WeChat might, and checks that anything but 200 is answered
// in WeChat's own form.
func (h *house) callback(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var word struct{ Code, Message string }
	if resp.StatusCode >= 300 && (json.Unmarshal(b, &word) != nil || word.Code != "FAIL" || word.Message == "") {
		t.Errorf("refused with %s and %s", resp.Status, b)
	}
	return resp.StatusCode, string(b)
}

// sealed is a callback about a payment, sealed with WeChat's keys, with what
// change makes of the transaction.
func (h *house) sealed(t *testing.T, no string, how wechatsim.Sign, change func(map[string]any)) *http.Request {
	t.Helper()
	tx := map[string]any{
		"appid": simAppID, "mchid": simMchID, "out_trade_no": no, "transaction_id": "4200000000202611220000000" + fmt.Sprint(len(no)),
		"trade_type": "JSAPI", "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "",
		"success_time": time.Now().Format(time.RFC3339), "payer": map[string]any{"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
		"amount": map[string]any{"total": 3750, "payer_total": 3750, "currency": "CNY", "payer_currency": "CNY"},
	}
	if change != nil {
		change(tx)
	}
	plain, err := json.Marshal(tx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.sims.WeChat.Sealer().Request("http://"+h.program.WebhookAddr+paymentPath,
		wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", Plaintext: plain}, time.Now(), wechatsim.ModePublicKey, how)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBadCallbacksAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-BADCALL", "RESERVE", "D1", 3)
	for _, how := range []wechatsim.Sign{
		wechatsim.SignProbe, wechatsim.SignTampered, wechatsim.SignNone, wechatsim.SignStale, wechatsim.SignWrongSerial,
	} {
		if status, body := h.callback(t, h.sealed(t, "E2E-BADCALL", how, nil)); status < 400 {
			t.Errorf("sign %s: answered %d %s", how, status, body)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"another merchant": func(tx map[string]any) { tx["mchid"] = "1900000110" },
		"another appid":    func(tx map[string]any) { tx["appid"] = "wx9999999999999999" },
		"dollars":          func(tx map[string]any) { tx["amount"].(map[string]any)["currency"] = "USD" },
		"not paid":         func(tx map[string]any) { tx["trade_state"] = "NOTPAY" },
		"no order":         func(tx map[string]any) { delete(tx, "out_trade_no") },
	} {
		if status, body := h.callback(t, h.sealed(t, "E2E-BADCALL", wechatsim.SignGood, change)); status < 400 {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	genuine := func() *http.Request { return h.sealed(t, "E2E-BADCALL", wechatsim.SignGood, nil) }
	for name, r := range map[string]*http.Request{
		"at the refund's address": func() *http.Request { r := genuine(); r.URL.Path = refundPath; return r }(),
		"GET":                     func() *http.Request { r := genuine(); r.Method = http.MethodGet; return r }(),
		"a body not signed":       func() *http.Request { r := genuine(); setBody(r, []byte(`{}`)); return r }(),
		"oversized":               func() *http.Request { r := genuine(); setBody(r, bytes.Repeat([]byte("A"), 65<<10)); return r }(),
		"two signatures": func() *http.Request {
			r := genuine()
			r.Header.Add("Wechatpay-Signature", r.Header.Get("Wechatpay-Signature"))
			return r
		}(),
	} {
		if status, body := h.callback(t, r); status < 400 {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	if o := h.get("/v1/orders/E2E-BADCALL").order(t); o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT || o.GetTransactionId() != "" {
		t.Errorf("after bad callbacks the order is %s with transaction %q", o.GetStatus(), o.GetTransactionId())
	}
	h.pay("E2E-BADCALL") // the true one still counts
	h.await("E2E-BADCALL", hisgatev1.Order_FULFILLED)
	h.audit(h.api)
}

func setBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// Genuine money that fits no order here becomes a case, and is never taken for a
// payment.
func TestMoneyThatFitsNoOrderBecomesACase(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-WRONG", "RESERVE", "D1", 3)
	for _, r := range []*http.Request{
		h.sealed(t, "E2E-STRANGER", wechatsim.SignGood, nil),
		h.sealed(t, "E2E-WRONG", wechatsim.SignGood, func(tx map[string]any) { tx["amount"].(map[string]any)["total"] = 1 }),
	} {
		if status, body := h.callback(t, r); status != http.StatusOK {
			t.Errorf("answered %d %s", status, body)
		}
	}
	eventually(t, "the cases", func() error {
		cases := &hisgatev1.ListCasesResponse{}
		h.get("/v1/cases").into(t, cases)
		return want("the number of cases", len(cases.GetCases()), 2)
	})
	if o := h.get("/v1/orders/E2E-WRONG").order(t); o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT {
		t.Errorf("paid with 1 fen, the order is %s", o.GetStatus())
	}
	if calls := len(h.sims.HIS.Books().Orders[0].Orders); calls != 0 {
		t.Errorf("the HIS gave it out")
	}
}

// A replay of a notice that was taken long ago is harmless.
func TestReplayedCallbackChangesNothing(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-REPLAY", "RESERVE", "D1", 3)
	h.pay("E2E-REPLAY")
	before := h.await("E2E-REPLAY", hisgatev1.Order_FULFILLED)
	notice, body := h.gate.lastCallback(t)
	for range 3 {
		resp, err := resend(notice.WithContext(t.Context()), body, "http://"+h.program.WebhookAddr)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the replay was answered %s", resp.Status)
		}
	}
	if h.sims.WeChat.Redeliver("E2E-REPLAY") != 1 {
		t.Error("WeChat has nothing to repeat")
	}
	eventually(t, "the repeat", func() error {
		n := h.sims.WeChat.Ledger().Notices[0]
		return want("attempts", len(n.Attempts) >= 2 && n.Delivered, true)
	})
	after := h.get("/v1/orders/E2E-REPLAY").order(t)
	if after.GetStatus() != hisgatev1.Order_FULFILLED || after.GetHisOrderNo() != before.GetHisOrderNo() || len(after.GetOpenCaseIds()) != 0 {
		t.Errorf("after replays the order is %v", after)
	}
	h.audit(h.api)
}
