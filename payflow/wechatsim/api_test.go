package wechatsim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/app"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/h5"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// The SDK verifies every answer: in each key mode an order's whole life goes through it.
func TestOrderLifeInEveryKeyMode(t *testing.T) {
	for _, tt := range []struct{ sim, sdk wechatsim.Mode }{
		{wechatsim.ModePublicKey, wechatsim.ModePublicKey},
		{wechatsim.ModeCertificate, wechatsim.ModeCertificate},
		{wechatsim.ModeBoth, wechatsim.ModePublicKey},
		{wechatsim.ModeBoth, wechatsim.ModeCertificate},
	} {
		t.Run(fmt.Sprintf("sim=%s/sdk=%s", tt.sim, tt.sdk), func(t *testing.T) {
			sim := open(t, mode(tt.sim))
			m := newMerchant(t, sim, tt.sdk)

			if id := m.prepay("RX2026112200123"); len(id) != 36 || id[:2] != "wx" {
				t.Errorf("prepay_id %q", id)
			}
			if got := m.state("RX2026112200123"); got != "NOTPAY" {
				t.Errorf("state %s, want NOTPAY", got)
			}
			txID, err := sim.Pay(t.Context(), "RX2026112200123")
			if err != nil {
				t.Fatal(err)
			}
			tx, err := m.query("RX2026112200123")
			if err != nil {
				t.Fatal(err)
			}
			if *tx.TradeState != "SUCCESS" || *tx.TransactionId != txID || len(txID) != 28 || *tx.Amount.Total != 1600 ||
				*tx.Payer.Openid != payer || *tx.Mchid != mchID || *tx.Appid != appID || *tx.TradeType != "JSAPI" {
				t.Errorf("paid trade: %v", tx)
			}
			byID, _, err := m.jsapi().QueryOrderById(t.Context(), jsapi.QueryOrderByIdRequest{TransactionId: &txID, Mchid: core.String(mchID)})
			if err != nil || *byID.OutTradeNo != "RX2026112200123" {
				t.Errorf("by transaction id: %v, %v", byID, err)
			}
			if _, err := m.close("RX2026112200123"); code(err) != "Bad Request ORDER_PAID" {
				t.Errorf("close of a paid order: %v", err)
			}

			m.prepay("RX2026112200124")
			for range 2 { // a close may be repeated
				if status, err := m.close("RX2026112200124"); err != nil || status != http.StatusNoContent {
					t.Fatalf("close: %d, %v", status, err)
				}
			}
			if got := m.state("RX2026112200124"); got != "CLOSED" {
				t.Errorf("state %s, want CLOSED", got)
			}
			if _, err := m.query("RX2026112200125"); code(err) != "Not Found ORDER_NOT_EXIST" {
				t.Errorf("query of an unknown order: %v", err)
			}
			if _, err := m.close("RX2026112200125"); code(err) != "Not Found ORDER_NOT_EXIST" {
				t.Errorf("close of an unknown order: %v", err)
			}
		})
	}
}

func TestNoPlatformCertificateInPublicKeyMode(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	_, err := m.client.Get(t.Context(), "https://api.mch.weixin.qq.com/v3/certificates")
	if code(err) != "Not Found RESOURCE_NOT_EXISTS" {
		t.Errorf("certificates: %v", err)
	}
}

func TestEveryWayToPay(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	url := core.String("https://merchant.example/cb")

	nat, _, err := (&native.NativeApiService{Client: m.client}).Prepay(t.Context(), native.PrepayRequest{
		Appid: core.String(appID), Mchid: core.String(mchID), Description: core.String("x"), OutTradeNo: core.String("NATIVE01"),
		NotifyUrl: url, Amount: &native.Amount{Total: core.Int64(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.PayCodeURL(t.Context(), *nat.CodeUrl); err != nil {
		t.Errorf("scan %s: %v", *nat.CodeUrl, err)
	}
	web, _, err := (&h5.H5ApiService{Client: m.client}).Prepay(t.Context(), h5.PrepayRequest{
		Appid: core.String(appID), Mchid: core.String(mchID), Description: core.String("x"), OutTradeNo: core.String("H5ORDER1"),
		NotifyUrl: url, Amount: &h5.Amount{Total: core.Int64(1)},
		SceneInfo: &h5.SceneInfo{PayerClientIp: core.String("10.0.0.1"), H5Info: &h5.H5Info{Type: core.String("Wap")}},
	})
	if err != nil || !strings.HasPrefix(*web.H5Url, "https://wx.tenpay.com/") {
		t.Errorf("h5: %v, %v", web, err)
	}
	if _, _, err := (&app.AppApiService{Client: m.client}).Prepay(t.Context(), app.PrepayRequest{
		Appid: core.String(appID), Mchid: core.String(mchID), Description: core.String("x"), OutTradeNo: core.String("APPORDER1"),
		NotifyUrl: url, Amount: &app.Amount{Total: core.Int64(1)},
	}); err != nil {
		t.Error(err)
	}
	for no, want := range map[string]string{"NATIVE01": "NATIVE", "H5ORDER1": "MWEB", "APPORDER1": "APP"} {
		if trade, ok := sim.Ledger().Trade(no); !ok || trade.TradeType != want {
			t.Errorf("%s: %+v", no, trade)
		}
	}
}

func TestPrepayIsIdempotentAndNothingElse(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	id := m.prepay("ORDER0001")
	if again := m.prepay("ORDER0001"); again != id {
		t.Errorf("the same prepay gave %s, then %s", id, again)
	}
	other := order("ORDER0001")
	other.Amount.Total = core.Int64(1)
	if _, _, err := m.jsapi().Prepay(t.Context(), other); code(err) != "Bad Request INVALID_REQUEST" {
		t.Errorf("other amount: %v", err)
	}
	_, _, err := (&native.NativeApiService{Client: m.client}).Prepay(t.Context(), native.PrepayRequest{
		Appid: core.String(appID), Mchid: core.String(mchID), Description: core.String("x"), OutTradeNo: core.String("ORDER0001"),
		NotifyUrl: core.String("https://merchant.example/cb"), Amount: &native.Amount{Total: core.Int64(1600)},
	})
	if code(err) != "Forbidden OUT_TRADE_NO_USED" {
		t.Errorf("other method: %v", err)
	}
	if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.jsapi().Prepay(t.Context(), order("ORDER0001")); code(err) != "Bad Request ORDER_PAID" {
		t.Errorf("paid: %v", err)
	}
	m.prepay("ORDER0002")
	if _, err := m.close("ORDER0002"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.jsapi().Prepay(t.Context(), order("ORDER0002")); code(err) != "Bad Request ORDER_CLOSED" {
		t.Errorf("closed: %v", err)
	}
}

func TestBareCodes(t *testing.T) {
	sim := open(t, func(o *wechatsim.Options) { o.BareCodes = true })
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	if _, err := m.query("UNKNOWN1"); code(err) != "Not Found ORDERNOTEXIST" {
		t.Errorf("unknown: %v", err)
	}
	m.prepay("ORDER0001")
	if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.close("ORDER0001"); code(err) != "Bad Request ORDERPAID" {
		t.Errorf("paid: %v", err)
	}
}

func TestCloseBurnsUnknown(t *testing.T) {
	sim := open(t, func(o *wechatsim.Options) { o.CloseBurnsUnknown = true })
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	if status, err := m.close("ORDER0001"); err != nil || status != http.StatusNoContent {
		t.Fatalf("close of an unknown order: %d, %v", status, err)
	}
	if _, _, err := m.jsapi().Prepay(t.Context(), order("ORDER0001")); code(err) != "Bad Request INVALID_REQUEST" {
		t.Errorf("prepay of a burned number: %v", err)
	}
	if _, err := sim.Pay(t.Context(), "ORDER0001"); !errors.Is(err, wechatsim.ErrNoTrade) {
		t.Errorf("pay: %v", err)
	}
}

func TestPrepayFieldRules(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	long := func(n int) *string { return core.String(strings.Repeat("药", n)) }
	for _, tt := range []struct {
		name   string
		change func(*jsapi.PrepayRequest)
		want   string // "" accepted
	}{
		{"all well", func(*jsapi.PrepayRequest) {}, ""},
		{"number too short", func(r *jsapi.PrepayRequest) { r.OutTradeNo = core.String("ABC12") }, "PARAM_ERROR"},
		{"number of 32", func(r *jsapi.PrepayRequest) { r.OutTradeNo = core.String(strings.Repeat("A", 28) + "_-|*") }, ""},
		{"number of 33", func(r *jsapi.PrepayRequest) { r.OutTradeNo = core.String(strings.Repeat("A", 33)) }, "PARAM_ERROR"},
		{"number with a slash", func(r *jsapi.PrepayRequest) { r.OutTradeNo = core.String("ORDER/0001") }, "PARAM_ERROR"},
		{"number with a letter beyond ASCII", func(r *jsapi.PrepayRequest) { r.OutTradeNo = core.String("订单ORDER01") }, "PARAM_ERROR"},
		{"description of 127", func(r *jsapi.PrepayRequest) { r.Description = long(127) }, ""},
		{"description of 128", func(r *jsapi.PrepayRequest) { r.Description = long(128) }, "PARAM_ERROR"},
		{"no description", func(r *jsapi.PrepayRequest) { r.Description = core.String("") }, "PARAM_ERROR"},
		{"attach of 128", func(r *jsapi.PrepayRequest) { r.Attach = long(128) }, ""},
		{"attach of 129", func(r *jsapi.PrepayRequest) { r.Attach = long(129) }, "PARAM_ERROR"},
		{"notify_url with a query", func(r *jsapi.PrepayRequest) { r.NotifyUrl = core.String("https://m.example/cb?a=1") }, "PARAM_ERROR"},
		{"notify_url over http", func(r *jsapi.PrepayRequest) { r.NotifyUrl = core.String("http://m.example/cb") }, "PARAM_ERROR"},
		{"notify_url over http on loopback", func(r *jsapi.PrepayRequest) { r.NotifyUrl = core.String("http://127.0.0.1:8080/cb") }, ""},
		{"notify_url of 256", func(r *jsapi.PrepayRequest) {
			r.NotifyUrl = core.String("https://m.example/" + strings.Repeat("a", 238))
		}, "PARAM_ERROR"},
		{"nothing to pay", func(r *jsapi.PrepayRequest) { r.Amount.Total = core.Int64(0) }, "PARAM_ERROR"},
		{"dollars", func(r *jsapi.PrepayRequest) { r.Amount.Currency = core.String("USD") }, "PARAM_ERROR"},
		{"no openid", func(r *jsapi.PrepayRequest) { r.Payer.Openid = core.String("") }, "PARAM_ERROR"},
		{"appid of another", func(r *jsapi.PrepayRequest) { r.Appid = core.String("wx0000000000000000") }, "APPID_MCHID_NOT_MATCH"},
		{"merchant of another", func(r *jsapi.PrepayRequest) { r.Mchid = core.String("1900000999") }, "INVALID_REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := order("FIELDS" + fmt.Sprintf("%d", len(sim.Ledger().Trades)))
			tt.change(&r)
			want := tt.want
			if want != "" {
				want = "Bad Request " + want
			}
			if _, _, err := m.jsapi().Prepay(t.Context(), r); code(err) != want {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestUnknownPathsAnswerLikeWeChat(t *testing.T) {
	sim := open(t)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/v3/nothing/here", http.StatusNotFound},
		{http.MethodGet, "/v3/refund/domestic/refunds", http.StatusMethodNotAllowed},
	} {
		r, err := http.NewRequest(tt.method, "https://api.mch.weixin.qq.com"+tt.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := sim.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tt.want || len(body) > 0 || resp.Header.Get("Wechatpay-Signature") != "" {
			t.Errorf("%s %s: %d %q %v", tt.method, tt.path, resp.StatusCode, bytes.TrimSpace(body), resp.Header)
		}
	}
}
