package wechat_test

import (
	"encoding/json"
	"fmt"
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
		"moved border": func(c *payflow.Callback) {
			c.Nonce, c.Body = "", append([]byte(c.Nonce+"\n"), c.Body...)
		},
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
	for _, size := range []int{0, 64<<10 + 1, 1 << 20} {
		_, err := c.ParsePayment(t.Context(), post(t, []byte(strings.Repeat(" ", size)), wechatsim.ModePublicKey))
		callbackError(t, err, "MALFORMED")
	}
	body := seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey).Body
	body = append(body, strings.Repeat(" ", 64<<10-len(body))...)
	if _, err := c.ParsePayment(t.Context(), post(t, body, wechatsim.ModePublicKey)); err != nil {
		t.Fatal(err)
	}
}

// The SDK's ParseNotifyRequest panics on these genuine bodies (design §7).
func TestSignedBodiesThatPanicTheSDKAreMalformed(t *testing.T) {
	var book logBook
	c := bare(t, func(o *wechat.Options) { o.Logger = book.logger() })
	whole := payment(t, "RX20261122001")
	for name, change := range map[string]func(*wechatsim.Notification){
		"no resource":   func(n *wechatsim.Notification) { n.OmitResource = true },
		"null resource": func(n *wechatsim.Notification) { n.NullResource = true },
		"empty nonce":   func(n *wechatsim.Notification) { n.Nonce = "-" },
		"short nonce":   func(n *wechatsim.Notification) { n.Nonce = "01234567890" },
		"long nonce":    func(n *wechatsim.Notification) { n.Nonce = "0123456789012" },
		"null inside":   func(n *wechatsim.Notification) { n.Plaintext = nil },
		"list inside":   func(n *wechatsim.Notification) { n.Plaintext = []byte("[]") },
		"text inside":   func(n *wechatsim.Notification) { n.Plaintext = []byte(`"x"`) },
		"empty inside":  func(n *wechatsim.Notification) { n.Plaintext = []byte(" ") },
		"cut inside":    func(n *wechatsim.Notification) { n.Plaintext = n.Plaintext[:20] },
		"algorithm":     func(n *wechatsim.Notification) { n.Algorithm = "AEAD_SM4_GCM" },
		"resource type": func(n *wechatsim.Notification) { n.ResourceType = "plain" },
	} {
		n := whole
		change(&n)
		_, err := c.ParsePayment(t.Context(), seal(t, n, wechatsim.ModePublicKey))
		t.Run(name, func(t *testing.T) { callbackError(t, err, "MALFORMED") })
	}
	for _, body := range []string{
		`null`, `[]`, `"x"`, `7`, `{`, `{}`, `{"resource":{}}x`, `{"event_type":"TRANSACTION.SUCCESS","resource":7}`,
		`{"event_type":"TRANSACTION.SUCCESS","resource_type":"encrypt-resource","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"012345678901","ciphertext":""}}`,
		`{"event_type":"TRANSACTION.SUCCESS","resource_type":"encrypt-resource","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"012345678901","ciphertext":"%"}}`,
	} {
		_, err := c.ParsePayment(t.Context(), post(t, []byte(body), wechatsim.ModePublicKey))
		callbackError(t, err, "MALFORMED")
		_, err = c.ParseRefund(t.Context(), post(t, []byte(body), wechatsim.ModePublicKey))
		if err == nil {
			t.Errorf("%s is taken for a refund", body)
		}
	}
	if strings.Contains(book.String(), "panic") {
		t.Errorf("they were caught as panics: %s", book.String())
	}
}

// A refund inside TRANSACTION.SUCCESS is no payment, nor the reverse (design §7).
func TestCrossedTypesAreRefused(t *testing.T) {
	c := bare(t)
	paid, back := payment(t, "RX20261122001"), refunded(t, "RX20261122001")
	as := func(n wechatsim.Notification, event string) payflow.Callback {
		n.EventType = event
		return seal(t, n, wechatsim.ModePublicKey)
	}
	both := payment(t, "RX20261122001", set("out_refund_no", "RX20261122001-1"), set("refund_status", "SUCCESS"), amount("refund", 1))
	for name, cb := range map[string]payflow.Callback{
		"refund as payment":     as(back, "TRANSACTION.SUCCESS"),
		"refund's event":        as(back, "REFUND.SUCCESS"),
		"payment, wrong event":  as(paid, "REFUND.SUCCESS"),
		"another event":         as(paid, "TRANSACTION.CLOSED"),
		"no event":              as(paid, ""),
		"both at once":          as(both, "TRANSACTION.SUCCESS"),
		"refund original type":  seal(t, func() wechatsim.Notification { n := paid; n.OriginalType = "refund"; return n }(), wechatsim.ModePublicKey),
		"payment with a refund": as(payment(t, "RX20261122001", set("refund_status", "SUCCESS")), "TRANSACTION.SUCCESS"),
	} {
		_, err := c.ParsePayment(t.Context(), cb)
		t.Run(name, func(t *testing.T) { callbackError(t, err, "EVENT_TYPE") })
	}
	for name, cb := range map[string]payflow.Callback{
		"payment as refund":      as(paid, "REFUND.SUCCESS"),
		"payment's event":        as(paid, "TRANSACTION.SUCCESS"),
		"refund, wrong event":    as(back, "TRANSACTION.SUCCESS"),
		"both at once":           as(both, "REFUND.SUCCESS"),
		"status says otherwise":  as(refunded(t, "RX20261122001", set("refund_status", "CLOSED")), "REFUND.SUCCESS"),
		"processing is no event": as(refunded(t, "RX20261122001", set("refund_status", "PROCESSING")), "REFUND.PROCESSING"),
	} {
		_, err := c.ParseRefund(t.Context(), cb)
		t.Run(name, func(t *testing.T) { callbackError(t, err, "EVENT_TYPE") })
	}
}

// What was sealed is checked before it is believed: merchant, appid, currency, number, amount, state (design §7.3).
func TestCallbackContentIsChecked(t *testing.T) {
	c := bare(t)
	for _, x := range []struct {
		reason string // "" = taken
		change func(map[string]any)
	}{
		{"", func(map[string]any) {}},
		{"", set("appid", "wx0000000000000001")},
		{"", set("trade_state", "REFUND")},
		{"", drop("payer")},
		{"", set("success_time", "yesterday")}, // an odd time must not hide money
		{"", set("out_trade_no", "A|1*")},      // not our number: a case, not a refusal
		{"MERCHANT", set("mchid", "1900000110")},
		{"MERCHANT", drop("mchid")},
		{"MERCHANT", set("appid", "wxsomebodyelse")},
		{"MERCHANT", drop("appid")},
		{"MERCHANT", amount("currency", "USD")},
		{"MERCHANT", amount("currency", "")},
		{"MALFORMED", set("out_trade_no", "")},
		{"MALFORMED", drop("out_trade_no")},
		{"MALFORMED", set("out_trade_no", strings.Repeat("1", 33))},
		{"MALFORMED", set("out_trade_no", "RX 1\n")},
		{"MALFORMED", set("out_trade_no", 20261122001)},
		{"MALFORMED", drop("transaction_id")},
		{"MALFORMED", drop("amount")},
		{"MALFORMED", amount("total", 0)},
		{"MALFORMED", amount("total", -1600)},
		{"MALFORMED", amount("total", 16.5)},
		{"MALFORMED", amount("total", "1600")},
		{"MALFORMED", set("trade_state", "NOTPAY")},
		{"MALFORMED", set("trade_state", "CLOSED")},
		{"MALFORMED", set("trade_state", "BEWILDERED")},
		{"MALFORMED", drop("trade_state")},
	} {
		n := payment(t, "RX20261122001", x.change)
		_, err := c.ParsePayment(t.Context(), seal(t, n, wechatsim.ModePublicKey))
		if x.reason == "" && err != nil {
			t.Errorf("%s is refused: %v", n.Plaintext, err)
		} else if x.reason != "" {
			t.Run(x.reason, func(t *testing.T) { callbackError(t, err, x.reason) })
		}
	}
	for _, x := range []struct {
		reason string
		change func(map[string]any)
	}{
		{"", drop("success_time")},
		{"", amount("currency", "CNY")},
		{"MERCHANT", set("mchid", "1900000110")},
		{"MERCHANT", amount("currency", "USD")},
		{"MALFORMED", drop("refund_status")},
		{"MALFORMED", func(m map[string]any) { m["status"] = m["refund_status"]; delete(m, "refund_status") }},
		{"MALFORMED", drop("out_refund_no")},
		{"MALFORMED", drop("out_trade_no")},
		{"MALFORMED", amount("refund", 0)},
		{"MALFORMED", set("amount", nil)},
	} {
		n := refunded(t, "RX20261122001", x.change)
		_, err := c.ParseRefund(t.Context(), seal(t, n, wechatsim.ModePublicKey))
		if x.reason == "" && err != nil {
			t.Errorf("%s is refused: %v", n.Plaintext, err)
		} else if x.reason != "" {
			t.Run(x.reason, func(t *testing.T) { callbackError(t, err, x.reason) })
		}
	}
}

// A genuine callback that does not open was sealed with another APIv3 key than ours: put off, with words.
func TestCallbackUnderAnotherAPIv3KeyIsPutOff(t *testing.T) {
	c := bare(t, func(o *wechat.Options) { o.APIv3Key = strings.Repeat("k", 32) })
	_, err := c.ParsePayment(t.Context(), seal(t, payment(t, "RX20261122001"), wechatsim.ModePublicKey))
	callbackError(t, err, "KEYS_UNAVAILABLE")
	if text := fmt.Sprintf("%v", err.(interface{ Unwrap() error }).Unwrap()); !strings.Contains(text, "APIv3 key") {
		t.Error(text)
	}
}

// JSON numbers above 2^53 stay exact.
func TestAmountsStayExact(t *testing.T) {
	n := payment(t, "RX20261122001", amount("total", int64(1)<<53+1))
	got := must(bare(t).ParsePayment(t.Context(), seal(t, n, wechatsim.ModePublicKey)))(t)
	if got.TotalFen != 1<<53+1 {
		t.Fatalf("%d fen", got.TotalFen)
	}
}

// Whatever is sealed or signed is an error or a payment of our merchant, and never a panic.
func FuzzCallback(f *testing.F) {
	f.Add([]byte(`{"mchid":"1900000109"}`), []byte(`{"resource":null}`), "012345678901", "TRANSACTION.SUCCESS")
	f.Add([]byte(`null`), []byte(`null`), "", "REFUND.SUCCESS")
	f.Add(payment(f, "RX20261122001").Plaintext, []byte(`{}`), "0123456789ab", "TRANSACTION.SUCCESS")
	f.Add(refunded(f, "RX20261122001").Plaintext, []byte(`{"resource":{}}`), "0123456789ab", "REFUND.SUCCESS")
	var book logBook
	c := bare(f, func(o *wechat.Options) { o.Logger = book.logger() })
	f.Fuzz(func(t *testing.T, plain, body []byte, nonce, event string) {
		callbacks := []payflow.Callback{post(t, body, wechatsim.ModePublicKey)}
		if nonce != "" && len(plain) < 32<<10 {
			n := wechatsim.Notification{EventType: event, Plaintext: plain, Nonce: nonce}
			callbacks = append(callbacks, seal(t, n, wechatsim.ModePublicKey))
		}
		for _, cb := range callbacks {
			if got, err := c.ParsePayment(t.Context(), cb); err == nil && (got.MchID != mchID || got.OrderNo == "" || got.TotalFen <= 0) {
				t.Errorf("taken: %+v", got)
			}
			if got, err := c.ParseRefund(t.Context(), cb); err == nil && (got.MchID != mchID || got.OutRefundNo == "" || got.RefundFen <= 0) {
				t.Errorf("taken: %+v", got)
			}
		}
		if strings.Contains(book.String(), "panic") {
			t.Fatal(book.String())
		}
	})
}
