package wechat_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// payment is what TRANSACTION.SUCCESS carries.
func payment(t testing.TB, no string, change ...func(map[string]any)) wechatsim.Notification {
	t.Helper()
	plain := map[string]any{
		"appid": appID, "mchid": mchID, "out_trade_no": no, "transaction_id": "4200001234202611220000000001",
		"trade_type": "JSAPI", "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "a",
		"success_time": "2026-11-22T13:14:15+08:00", "payer": map[string]any{"openid": openID},
		"amount": map[string]any{"total": 1600, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
	}
	for _, c := range change {
		c(plain)
	}
	return wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", Plaintext: must(json.Marshal(plain))(t)}
}

// refunded is what REFUND.SUCCESS carries.
func refunded(t testing.TB, no string, change ...func(map[string]any)) wechatsim.Notification {
	t.Helper()
	plain := map[string]any{
		"mchid": mchID, "out_trade_no": no, "transaction_id": "4200001234202611220000000001", "out_refund_no": no + "-1",
		"refund_id": "50200207182018070300011301001", "refund_status": "SUCCESS", "success_time": "2026-11-22T13:15:15+08:00",
		"user_received_account": "支付用户零钱",
		"amount":                map[string]any{"total": 1600, "refund": 1500, "payer_total": 1000, "payer_refund": 900},
	}
	for _, c := range change {
		c(plain)
	}
	return wechatsim.Notification{EventType: "REFUND.SUCCESS", Plaintext: must(json.Marshal(plain))(t)}
}

func set(key string, value any) func(map[string]any) {
	return func(m map[string]any) { m[key] = value }
}

func drop(key string) func(map[string]any) { return func(m map[string]any) { delete(m, key) } }

func amount(key string, value any) func(map[string]any) {
	return func(m map[string]any) { m["amount"].(map[string]any)[key] = value }
}

// seal makes a callback of n, signed now with the key named, as wished.
func seal(t testing.TB, n wechatsim.Notification, with wechatsim.Mode, how ...wechatsim.Sign) payflow.Callback {
	t.Helper()
	sealer := must(wechatsim.NewSealer(keys(t)))(t)
	return post(t, must(sealer.Seal(n))(t), with, how...)
}

// post makes a callback of a body, signed.
func post(t testing.TB, body []byte, with wechatsim.Mode, how ...wechatsim.Sign) payflow.Callback {
	t.Helper()
	sealer := must(wechatsim.NewSealer(keys(t)))(t)
	how = append(how, wechatsim.SignGood)
	return received(sealer.Header(body, time.Now(), with, how[0]), body)
}

func received(h http.Header, body []byte) payflow.Callback {
	return payflow.Callback{
		Timestamp: h.Get("Wechatpay-Timestamp"), Nonce: h.Get("Wechatpay-Nonce"), Signature: h.Get("Wechatpay-Signature"),
		Serial: h.Get("Wechatpay-Serial"), Body: body, ReceivedAt: time.Now(),
	}
}

// bare is a channel that calls nobody.
func bare(t testing.TB, change ...func(*wechat.Options)) *wechat.Channel {
	return open(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, unreachable }), change...)
}

func TestPaymentCallback(t *testing.T) {
	got := must(bare(t).ParsePayment(t.Context(), seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey)))(t)
	if !got.PaidAt.Equal(time.Date(2026, 11, 22, 5, 14, 15, 0, time.UTC)) {
		t.Errorf("paid at %s", got.PaidAt)
	}
	got.PaidAt = time.Time{}
	if want := (payflow.Transaction{
		OrderNo: "RX20261122001", TransactionID: "4200001234202611220000000001", MchID: mchID, AppID: appID, OpenID: openID,
		State: payflow.TradeSuccess, TotalFen: 1600, Currency: "CNY",
	}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A refund notice carries refund_status, not status (design §7).
func TestRefundCallback(t *testing.T) {
	for event, state := range map[string]payflow.RefundState{
		"REFUND.SUCCESS": payflow.RefundSuccess, "REFUND.CLOSED": payflow.RefundClosed, "REFUND.ABNORMAL": payflow.RefundAbnormal,
	} {
		n := refunded(t, "RX20261122001", set("refund_status", state))
		n.EventType = event
		got := must(bare(t).ParseRefund(t.Context(), seal(t, n, wechatsim.ModePublicKey)))(t)
		if got.SuccessAt.IsZero() {
			t.Error("no success time")
		}
		got.SuccessAt = time.Time{}
		if want := (payflow.RefundAnswer{
			OrderNo: "RX20261122001", OutRefundNo: "RX20261122001-1", RefundID: "50200207182018070300011301001", MchID: mchID,
			State: state, RefundFen: 1500, TotalFen: 1600,
		}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// The notices that the simulator itself sends are taken.
func TestCallbacksOfASimulatedPaymentAndRefund(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	prepay(t, c, "RX20261122001")
	id := must(sim.Pay(t.Context(), "RX20261122001"))(t)
	if _, err := c.Refund(t.Context(), refundOf("RX20261122001")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.QueryRefund(t.Context(), "RX20261122001-1"); err != nil { // the refund is done
		t.Fatal(err)
	}
	notices := sim.Ledger().Notices
	if len(notices) != 2 {
		t.Fatalf("%d notices", len(notices))
	}
	paid := must(c.ParsePayment(t.Context(), post(t, notices[0].Body, wechatsim.ModePublicKey)))(t)
	if paid.TransactionID != id || paid.TotalFen != 1600 || paid.PaidAt.IsZero() {
		t.Errorf("payment: %+v", paid)
	}
	back := must(c.ParseRefund(t.Context(), post(t, notices[1].Body, wechatsim.ModePublicKey)))(t)
	if back.State != payflow.RefundSuccess || back.RefundFen != 1600 || back.OutRefundNo != "RX20261122001-1" {
		t.Errorf("refund: %+v", back)
	}
	_, err := c.ParsePayment(t.Context(), post(t, notices[1].Body, wechatsim.ModePublicKey))
	callbackError(t, err, "EVENT_TYPE")
	_, err = c.ParseRefund(t.Context(), post(t, notices[0].Body, wechatsim.ModePublicKey))
	callbackError(t, err, "EVENT_TYPE")
}

// Callbacks whose signature is not good are refused, a probe first of all: WeChat sends it to see just that (design §7).
func TestCallbackSignatureMustBeGood(t *testing.T) {
	c := bare(t)
	for how, reason := range map[wechatsim.Sign]string{
		wechatsim.SignProbe: "PROBE", wechatsim.SignTampered: "SIGNATURE", wechatsim.SignNone: "SIGNATURE",
		wechatsim.SignStale: "STALE", wechatsim.SignWrongSerial: "KEYS_UNAVAILABLE",
	} {
		_, err := c.ParsePayment(t.Context(), seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey, how))
		callbackError(t, err, reason)
		_, err = c.ParseRefund(t.Context(), seal(t, refunded(t, "RX20261122001"), wechatsim.ModePublicKey, how))
		callbackError(t, err, reason)
	}
	good := seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey)
	for name, change := range map[string]func(*payflow.Callback){
		"no timestamp":     func(c *payflow.Callback) { c.Timestamp = "" },
		"no nonce":         func(c *payflow.Callback) { c.Nonce = "" },
		"no signature":     func(c *payflow.Callback) { c.Signature = "" },
		"no serial":        func(c *payflow.Callback) { c.Serial = "" },
		"two timestamps":   func(c *payflow.Callback) { c.Timestamp += "," + c.Timestamp },
		"two nonces":       func(c *payflow.Callback) { c.Nonce += ", " + c.Nonce },
		"two signatures":   func(c *payflow.Callback) { c.Signature += "," + c.Signature },
		"two serials":      func(c *payflow.Callback) { c.Serial += "," + c.Serial },
		"signed timestamp": func(c *payflow.Callback) { c.Timestamp = "+" + c.Timestamp },
		"padded timestamp": func(c *payflow.Callback) { c.Timestamp = "0" + c.Timestamp },
		"broken line":      func(c *payflow.Callback) { c.Nonce += "\n" },
		"not base64":       func(c *payflow.Callback) { c.Signature = "!" },
		"other body":       func(c *payflow.Callback) { c.Body = append([]byte(" "), c.Body...) },
		"other nonce":      func(c *payflow.Callback) { c.Nonce += "a" },
	} {
		bad := good
		change(&bad)
		_, err := c.ParsePayment(t.Context(), bad)
		t.Run(name, func(t *testing.T) { callbackError(t, err, "SIGNATURE") })
	}
	if _, err := c.ParsePayment(t.Context(), good); err != nil {
		t.Fatal(err)
	}
}

func TestCallbackIsTakenWithinFiveMinutes(t *testing.T) {
	c := bare(t)
	cb := seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey)
	stamp := time.Unix(must(strconv.ParseInt(cb.Timestamp, 10, 64))(t), 0)
	for age, fresh := range map[time.Duration]bool{
		0: true, 299 * time.Second: true, -299 * time.Second: true, 300 * time.Second: false, -300 * time.Second: false, time.Hour: false,
	} {
		cb.ReceivedAt = stamp.Add(age)
		if _, err := c.ParsePayment(t.Context(), cb); fresh && err != nil {
			t.Errorf("%s old: %v", age, err)
		} else if !fresh {
			callbackError(t, err, "STALE")
		}
	}
	cb.ReceivedAt = time.Time{} // then the channel's clock
	if _, err := c.ParsePayment(t.Context(), cb); err != nil {
		t.Error(err)
	}
	late := bare(t, func(o *wechat.Options) { o.Now = func() time.Time { return stamp.Add(time.Hour) } })
	_, err := late.ParsePayment(t.Context(), cb)
	callbackError(t, err, "STALE")
}

func TestCallbackIsBounded(t *testing.T) {
	c := bare(t)
	body := seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey).Body
	body = append(body, strings.Repeat(" ", 64<<10-len(body))...)
	if _, err := c.ParsePayment(t.Context(), post(t, body, wechatsim.ModePublicKey)); err != nil {
		t.Fatal(err)
	}
	for _, tooMuch := range [][]byte{nil, append(body, ' ')} {
		_, err := c.ParsePayment(t.Context(), post(t, tooMuch, wechatsim.ModePublicKey))
		callbackError(t, err, "MALFORMED")
	}
}

// What is signed is timestamp, nonce and body joined by line ends: a nonce that holds one could take over the beginning of
// a body.
func TestNonceCannotTakeOverTheBody(t *testing.T) {
	body := seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey).Body
	cb := post(t, append([]byte("prefix\n"), body...), wechatsim.ModePublicKey)
	cb.Nonce, cb.Body = cb.Nonce+"\nprefix", body
	_, err := bare(t).ParsePayment(t.Context(), cb)
	callbackError(t, err, "SIGNATURE")
}
