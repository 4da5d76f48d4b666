package wechat_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

func TestPrepayGivesWhatEachMethodPaysWith(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	for method, pay := range map[payflow.Method]func(payflow.Prepay) error{
		payflow.JSAPI: func(p payflow.Prepay) error {
			invoke, err := c.Invoke(payflow.JSAPI, appID, p.PrepayID)
			if err != nil {
				return err
			}
			_, err = sim.PayInvoke(context.Background(), invoke)
			return err
		},
		payflow.Native: func(p payflow.Prepay) error {
			_, err := sim.PayCodeURL(context.Background(), p.CodeURL)
			return err
		},
		payflow.H5: func(p payflow.Prepay) error {
			if !strings.HasPrefix(p.H5URL, "https://") {
				return errors.New("h5_url is " + p.H5URL)
			}
			_, err := sim.Pay(context.Background(), "RX-H5-1")
			return err
		},
		payflow.App: func(p payflow.Prepay) error {
			if _, err := c.Invoke(payflow.App, appID, p.PrepayID); err != nil {
				return err
			}
			_, err := sim.Pay(context.Background(), "RX-APP-1")
			return err
		},
	} {
		t.Run(string(method), func(t *testing.T) {
			no := "RX-" + string(method) + "-1"
			body := must(c.BuildPrepay(intent(no, method)))(t)
			p := must(c.Prepay(t.Context(), method, body))(t)
			if err := pay(p); err != nil {
				t.Fatal(err)
			}
			got := must(c.Query(t.Context(), no))(t)
			if got.State != payflow.TradeSuccess || got.TotalFen != 1600 {
				t.Fatalf("after paying: %+v", got)
			}
		})
	}
}

// A repeated prepay that differs in one byte is refused, so what is built once is sent as it is (design §7).
func TestRepeatedPrepayIsByteIdentical(t *testing.T) {
	sim := newSim(t)
	sent := &record{next: sim.RoundTripper()}
	c := open(t, sent)
	p := intent("RX20261122001", payflow.JSAPI)
	p.Description = `<药费> & "x" ` + strings.Repeat("药", 100)
	body := must(c.BuildPrepay(p))(t)
	if again := must(open(t, sent).BuildPrepay(p))(t); string(again) != string(body) {
		t.Fatalf("the same intent gives\n%s\nand\n%s", body, again)
	}
	first := must(c.Prepay(t.Context(), payflow.JSAPI, body))(t)
	second := must(c.Prepay(t.Context(), payflow.JSAPI, body))(t)
	if first != second {
		t.Fatalf("a repeat gives %+v, not %+v", second, first)
	}
	for _, r := range sent.all() {
		if r.body != string(body) {
			t.Fatalf("sent %q, built %q", r.body, body)
		}
	}
	p.Attach = "b"
	_, err := c.Prepay(t.Context(), payflow.JSAPI, must(c.BuildPrepay(p))(t))
	if e := channelError(t, err, payflow.ChannelRefused); e.Code != "INVALIDREQUEST" {
		t.Fatalf("another body is refused with %s", e.Code)
	}
}

func TestPrepayBodyIsWhatWeChatDocuments(t *testing.T) {
	c := open(t, newSim(t).RoundTripper())
	p := intent("RX20261122001", payflow.H5)
	p.TimeExpire = time.Now().Add(time.Hour).Truncate(time.Second).Add(999 * time.Millisecond)
	var got struct {
		TimeExpire string `json:"time_expire"`
		NotifyURL  string `json:"notify_url"`
		Payer      any    `json:"payer"`
		Amount     struct{ Currency string }
		SceneInfo  struct {
			PayerClientIP string                `json:"payer_client_ip"`
			H5Info        struct{ Type string } `json:"h5_info"`
		} `json:"scene_info"`
	}
	if err := json.Unmarshal(must(c.BuildPrepay(p))(t), &got); err != nil {
		t.Fatal(err)
	}
	expire := must(time.Parse(time.RFC3339, got.TimeExpire))(t)
	if !expire.Equal(p.TimeExpire.Truncate(time.Second)) || !strings.HasSuffix(got.TimeExpire, "+08:00") {
		t.Errorf("time_expire is %s for %s", got.TimeExpire, p.TimeExpire)
	}
	if got.Payer != nil {
		t.Error("an openid is sent for H5")
	}
	if got.NotifyURL != "https://hospital.example/wechat/v1/payment" || got.Amount.Currency != "CNY" ||
		got.SceneInfo.PayerClientIP != "203.0.113.7" || got.SceneInfo.H5Info.Type == "" {
		t.Errorf("body: %+v", got)
	}
}

// WeChat's field limits are checked before anything is stored or sent (design §7).
func TestBuildPrepayChecksFieldLimits(t *testing.T) {
	sent := &record{next: newSim(t).RoundTripper()}
	c := open(t, sent)
	for _, x := range []struct {
		field  string // "" = taken
		change func(*payflow.PrepayIntent)
	}{
		{"", func(*payflow.PrepayIntent) {}},
		{"", func(p *payflow.PrepayIntent) { p.OrderNo = "a-_9Z0" }},
		{"", func(p *payflow.PrepayIntent) { p.OrderNo = strings.Repeat("a", 32) }},
		{"order_no", func(p *payflow.PrepayIntent) { p.OrderNo = "12345" }},
		{"order_no", func(p *payflow.PrepayIntent) { p.OrderNo = strings.Repeat("a", 33) }},
		{"order_no", func(p *payflow.PrepayIntent) { p.OrderNo = "RX*0001" }},
		{"order_no", func(p *payflow.PrepayIntent) { p.OrderNo = "RX/../0001" }},
		{"order_no", func(p *payflow.PrepayIntent) { p.OrderNo = "RX0001\n" }},
		{"", func(p *payflow.PrepayIntent) { p.Description = strings.Repeat("药", 127) }},
		{"description", func(p *payflow.PrepayIntent) { p.Description = strings.Repeat("药", 128) }},
		{"description", func(p *payflow.PrepayIntent) { p.Description = "" }},
		{"description", func(p *payflow.PrepayIntent) { p.Description = "a\xffb" }},
		{"description", func(p *payflow.PrepayIntent) { p.Description = "a\nb" }},
		{"", func(p *payflow.PrepayIntent) { p.Attach = strings.Repeat("药", 128) }},
		{"", func(p *payflow.PrepayIntent) { p.Attach = "" }},
		{"attach", func(p *payflow.PrepayIntent) { p.Attach = strings.Repeat("药", 129) }},
		{"total_fen", func(p *payflow.PrepayIntent) { p.TotalFen = 0 }},
		{"total_fen", func(p *payflow.PrepayIntent) { p.TotalFen = -1 }},
		{"payer_openid", func(p *payflow.PrepayIntent) { p.OpenID = "" }},
		{"payer_openid", func(p *payflow.PrepayIntent) { p.OpenID = strings.Repeat("o", 129) }},
		{"", func(p *payflow.PrepayIntent) { p.Method, p.OpenID = payflow.Native, "" }},
		{"client_ip", func(p *payflow.PrepayIntent) { p.Method, p.ClientIP = payflow.H5, "" }},
		{"client_ip", func(p *payflow.PrepayIntent) { p.Method, p.ClientIP = payflow.H5, "203.0.113" }},
		{"client_ip", func(p *payflow.PrepayIntent) { p.Method, p.ClientIP = payflow.H5, "fe80::1%eth0" }},
		{"", func(p *payflow.PrepayIntent) { p.Method, p.ClientIP = payflow.H5, "2001:db8::7" }},
		{"appid", func(p *payflow.PrepayIntent) { p.AppID = "wxsomebodyelse" }},
		{"appid", func(p *payflow.PrepayIntent) { p.AppID = "" }},
		{"method", func(p *payflow.PrepayIntent) { p.Method = "MICROPAY" }},
		{"time_expire", func(p *payflow.PrepayIntent) { p.TimeExpire = time.Time{} }},
		{"time_expire", func(p *payflow.PrepayIntent) { p.TimeExpire = time.Now().Add(-time.Second) }},
	} {
		p := intent("RX20261122001", payflow.JSAPI)
		x.change(&p)
		_, err := c.BuildPrepay(p)
		var e *payflow.FieldError
		switch {
		case x.field == "" && err != nil:
			t.Errorf("%+v is refused: %v", p, err)
		case x.field != "" && (!errors.As(err, &e) || e.Field != x.field):
			t.Errorf("%+v: got %v, want a *FieldError of %s", p, err, x.field)
		}
	}
	if n := len(sent.all()); n != 0 {
		t.Errorf("building sent %d requests", n)
	}
}

func TestNumbersThatWeChatCannotHaveAreNotSent(t *testing.T) {
	sent := &record{next: newSim(t).RoundTripper()}
	c := open(t, sent)
	bad := map[string]error{}
	for _, no := range []string{"", "12345", "a/../../b", strings.Repeat("a", 33), "RX 00001", "RX?mchid=1"} {
		_, bad["query "+no] = c.Query(t.Context(), no)
		bad["close "+no] = c.Close(t.Context(), no)
		r := refundOf("RX20261122001")
		r.OrderNo = no
		_, bad["refund "+no] = c.Refund(t.Context(), r)
	}
	for name, change := range map[string]func(*payflow.RefundIntent){
		"no number":     func(r *payflow.RefundIntent) { r.OutRefundNo = "" },
		"long number":   func(r *payflow.RefundIntent) { r.OutRefundNo = strings.Repeat("1", 65) },
		"odd number":    func(r *payflow.RefundIntent) { r.OutRefundNo = "1/2" },
		"nothing":       func(r *payflow.RefundIntent) { r.RefundFen = 0 },
		"less":          func(r *payflow.RefundIntent) { r.RefundFen = -1 },
		"more than all": func(r *payflow.RefundIntent) { r.RefundFen = 1601 },
	} {
		r := refundOf("RX20261122001")
		change(&r)
		_, bad[name] = c.Refund(t.Context(), r)
	}
	_, bad["query refund"] = c.QueryRefund(t.Context(), "a/b")
	_, bad["method"] = c.Prepay(t.Context(), "MICROPAY", []byte("{}"))
	_, bad["body"] = c.Prepay(t.Context(), payflow.JSAPI, nil)
	for name, err := range bad {
		var field *payflow.FieldError
		if channelError(t, err, payflow.ChannelMisconfigured); !errors.As(err, &field) {
			t.Errorf("%s: %v names no field", name, err)
		}
	}
	if n := len(sent.all()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if err := c.Health(); err != nil {
		t.Errorf("a caller's mistake makes the channel ill: %v", err)
	}
}

// wx.requestPayment is given exactly its six keys, signed afresh each time (design §7.12).
func TestInvokeHasExactlyTheKeysOfRequestPayment(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	p := prepay(t, c, "RX20261122001")
	first := must(c.Invoke(payflow.JSAPI, appID, p.PrepayID))(t)
	want := []string{"appId", "nonceStr", "package", "paySign", "signType", "timeStamp"}
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Fatalf("keys %v, want %v", got, want)
	}
	if first["signType"] != "RSA" || first["package"] != "prepay_id="+p.PrepayID || first["appId"] != appID {
		t.Fatalf("invoke: %v", first)
	}
	if second := must(c.Invoke(payflow.JSAPI, appID, p.PrepayID))(t); second["nonceStr"] == first["nonceStr"] || second["paySign"] == first["paySign"] {
		t.Fatal("invoke is not signed afresh")
	}
	if _, err := sim.PayInvoke(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"wxsomebodyelse", p.PrepayID}, {appID, ""}, {appID, "a\nb"}} {
		var e *payflow.FieldError
		if _, err := c.Invoke(payflow.JSAPI, x[0], x[1]); !errors.As(err, &e) {
			t.Errorf("Invoke(%q, %q): %v", x[0], x[1], err)
		}
	}
}

func TestInvokeAppIsSignedOverTheBarePrepayID(t *testing.T) {
	c := open(t, newSim(t).RoundTripper())
	got := must(c.Invoke(payflow.App, appID, "wx201410272009395522657a690389285100"))(t)
	want := []string{"appid", "noncestr", "package", "partnerid", "prepayid", "sign", "timestamp"}
	if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, want) {
		t.Fatalf("keys %v, want %v", have, want)
	}
	block, _ := pem.Decode([]byte(keys(t).MerchantCertificate))
	cert := must(x509.ParseCertificate(block.Bytes))(t)
	sum := sha256.Sum256([]byte(appID + "\n" + got["timestamp"] + "\n" + got["noncestr"] + "\n" + got["prepayid"] + "\n"))
	sign := must(base64.StdEncoding.DecodeString(got["sign"]))(t)
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], sign); err != nil {
		t.Fatal(err)
	}
	if got["partnerid"] != mchID || got["package"] != "Sign=WXPay" {
		t.Fatalf("invoke: %v", got)
	}
}

func TestInvokeIsForThoseThatPayInAnApp(t *testing.T) {
	c := open(t, newSim(t).RoundTripper())
	for _, method := range []payflow.Method{payflow.Native, payflow.H5, ""} {
		var e *payflow.FieldError
		if _, err := c.Invoke(method, appID, "wx201410272009395522657a690389285100"); !errors.As(err, &e) || e.Field != "method" {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestPrepayThatNamesNothingToPayWithIsUnknown(t *testing.T) {
	for _, body := range []string{`{}`, `null`, `[]`, `{"prepay_id":""}`, `{"code_url":"weixin://x"}`, `{"prepay_id":1}`, ``, `{`} {
		c := open(t, says(t, 200, body, wechatsim.SignGood))
		err := calls["prepay"](c, "RX20261122001")
		channelError(t, err, payflow.ChannelUnknown)
	}
}
