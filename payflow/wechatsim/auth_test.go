package wechatsim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// The SDK signs only well; these requests are altered on their way.
func TestBadRequestsAreUnauthorized(t *testing.T) {
	k := keys(t)
	stranger, err := utils.LoadPrivateKey(k.PlatformPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	own, err := utils.LoadPrivateKey(k.MerchantPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	sim := open(t)
	later := open(t, func(o *wechatsim.Options) {
		o.Now = func() time.Time { return time.Now().Add(5*time.Minute + 10*time.Second) }
	})
	type change func(*http.Request)
	body := func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(`{"mchid":"` + mchID + `","extra":1}`))
	}
	for _, tt := range []struct {
		name   string
		sim    *wechatsim.Sim
		cred   core.ClientOption
		change change
		want   string
	}{
		{"untouched", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(*http.Request) {}, "Not Found ORDER_NOT_EXIST"},
		{"body altered", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), body, "Unauthorized SIGN_ERROR"},
		{"path altered", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "ORDER", "OTHER", 1)
		}, "Unauthorized SIGN_ERROR"},
		{"another key", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, stranger), func(*http.Request) {}, "Unauthorized SIGN_ERROR"},
		{"another serial", sim, option.WithMerchantCredential(mchID, "00", own), func(*http.Request) {}, "Unauthorized SIGN_ERROR"},
		{"another merchant", sim, option.WithMerchantCredential("1", k.MerchantSerial, own), func(*http.Request) {}, "Unauthorized SIGN_ERROR"},
		{"no authorization", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(r *http.Request) {
			r.Header.Del("Authorization")
		}, "Unauthorized SIGN_ERROR"},
		{"no nonce", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "nonce_str", "nonce", 1))
		}, "Unauthorized SIGN_ERROR"},
		{"five minutes old", later, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(*http.Request) {}, "Unauthorized SIGN_ERROR"},
		{"no user agent", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(r *http.Request) {
			r.Header.Del("User-Agent")
		}, "Bad Request INVALID_REQUEST"},
		{"unknown platform serial", sim, option.WithMerchantCredential(mchID, k.MerchantSerial, own), func(r *http.Request) {
			r.Header.Set("Wechatpay-Serial", "PUB_KEY_ID_000")
		}, "Bad Request PARAM_ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rt := roundTripFunc(func(r *http.Request) (*http.Response, error) {
				tt.change(r)
				return tt.sim.RoundTripper().RoundTrip(r)
			})
			client, err := core.NewClient(t.Context(), tt.cred, option.WithoutValidator(), option.WithHTTPClient(&http.Client{Transport: rt}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Post(t.Context(), "https://api.mch.weixin.qq.com/v3/pay/transactions/out-trade-no/ORDER0001/close",
				map[string]string{"mchid": mchID})
			if code(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if n := sim.Calls(wechatsim.OpClose); n != 1 {
		t.Errorf("%d closes were counted, want the untouched one", n)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
