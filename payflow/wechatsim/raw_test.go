package wechatsim_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// What the SDK's types would not let through is refused with the field's name.
func TestRawRequestRules(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	const (
		prepay = "/v3/pay/transactions/jsapi"
		h5     = "/v3/pay/transactions/h5"
		closes = "/v3/pay/transactions/out-trade-no/ORDER0001/close"
		refund = "/v3/refund/domestic/refunds"
		head   = `{"appid":"` + appID + `","mchid":"` + mchID + `","description":"x","out_trade_no":"ORDER0001","notify_url":"https://m.example/cb"`
		part   = `{"out_trade_no":"ORDER0001","out_refund_no":"R1"`
		amount = `,"amount":{"refund":1,"total":1,"currency":"CNY"}}`
	)
	for _, tt := range []struct {
		name, method, path, body string
		want, field              string
	}{
		{"no JSON", "POST", prepay, `{`, "Bad Request INVALID_REQUEST", ""},
		{"amount as text", "POST", prepay, head + `,"amount":{"total":"1"}}`, "Bad Request PARAM_ERROR", "/amount/total"},
		{"amount as fraction", "POST", prepay, head + `,"amount":{"total":1.5}}`, "Bad Request PARAM_ERROR", "/amount/total"},
		{"no amount", "POST", prepay, head + `,"payer":{"openid":"o"}}`, "Bad Request PARAM_ERROR", "/amount"},
		{"no payer", "POST", prepay, head + `,"amount":{"total":1}}`, "Bad Request PARAM_ERROR", "/payer/openid"},
		{"bad time_expire", "POST", prepay, head + `,"amount":{"total":1},"payer":{"openid":"o"},"time_expire":"tomorrow"}`, "Bad Request PARAM_ERROR", "/time_expire"},
		{"h5 without scene", "POST", h5, head + `,"amount":{"total":1}}`, "Bad Request PARAM_ERROR", "/scene_info/payer_client_ip"},
		{"h5 without type", "POST", h5, head + `,"amount":{"total":1},"scene_info":{"payer_client_ip":"10.0.0.1"}}`, "Bad Request PARAM_ERROR", "/scene_info/h5_info/type"},
		{"unknown way to pay", "POST", "/v3/pay/transactions/cash", `{}`, "Not Found RESOURCE_NOT_EXISTS", ""},
		{"close for another", "POST", closes, `{"mchid":"1"}`, "Bad Request INVALID_REQUEST", ""},
		{"close of a bad number", "POST", "/v3/pay/transactions/out-trade-no/A/close", `{"mchid":"` + mchID + `"}`, "Bad Request PARAM_ERROR", "/out_trade_no"},
		{"query for another", "GET", "/v3/pay/transactions/out-trade-no/ORDER0001?mchid=1", "", "Bad Request INVALID_REQUEST", ""},
		{"query for nobody", "GET", "/v3/pay/transactions/id/4200", "", "Bad Request PARAM_ERROR", "mchid"},
		{"refund of nothing", "POST", refund, `{"out_refund_no":"R1"` + amount, "Bad Request PARAM_ERROR", "/out_trade_no"},
		{"refund without amount", "POST", refund, part + `}`, "Bad Request PARAM_ERROR", "/amount"},
		{"refund without total", "POST", refund, part + `,"amount":{"refund":1,"currency":"CNY"}}`, "Bad Request PARAM_ERROR", "/amount/total"},
		{"refund without currency", "POST", refund, part + `,"amount":{"refund":1,"total":1}}`, "Bad Request PARAM_ERROR", "/amount/currency"},
		{"refund with a bad url", "POST", refund, part + `,"notify_url":"cb"` + amount, "Bad Request PARAM_ERROR", "/notify_url"},
		{"refund query of a bad number", "GET", "/v3/refund/domestic/refunds/R%201", "", "Bad Request PARAM_ERROR", "/out_refund_no"},
		{"refund query of an unknown one", "GET", "/v3/refund/domestic/refunds/R1", "", "Not Found RESOURCE_NOT_EXISTS", ""},
		{"unknown members are ignored", "POST", closes, `{"mchid":"` + mchID + `","new":1}`, "Not Found ORDER_NOT_EXIST", ""},
	} {
		var err error
		if tt.method == http.MethodGet {
			_, err = m.client.Get(t.Context(), "https://api.mch.weixin.qq.com"+tt.path)
		} else {
			_, err = m.client.Post(t.Context(), "https://api.mch.weixin.qq.com"+tt.path, tt.body)
		}
		field := ""
		if e := (*core.APIError)(nil); errors.As(err, &e) {
			if d, ok := e.Detail.(map[string]any); ok {
				field, _ = d["field"].(string)
			}
		}
		if code(err) != tt.want || field != tt.field {
			t.Errorf("%s: %s at %q (%v), want %s at %q", tt.name, code(err), field, err, tt.want, tt.field)
		}
	}
}
