package wechat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

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
