package wechat_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

const (
	unknown       = payflow.ChannelUnknown
	refused       = payflow.ChannelRefused
	notSent       = payflow.ChannelNotSent
	misconfigured = payflow.ChannelMisconfigured
)

// Every documented code of every call, verified: refusals are about the order, what is wrong with us never is, and "not
// now" is unknown.
func TestVerifiedErrorsAreJudgedByOperation(t *testing.T) {
	all := []string{"prepay", "query", "close", "refund", "query_refund"}
	for _, x := range []struct {
		ops    []string
		status int
		code   string
		want   payflow.ChannelOutcome
	}{
		{all, 400, "PARAM_ERROR", misconfigured},
		{all, 403, "NO_AUTH", misconfigured},
		{all, 403, "NOAUTH", misconfigured},
		{all, 401, "SIGN_ERROR", misconfigured},
		{all, 400, "SIGN_ERROR", misconfigured},
		{all, 400, "MCH_NOT_EXISTS", misconfigured},
		{all, 400, "APPID_MCHID_NOT_MATCH", misconfigured},
		{all, 403, "REQUEST_BLOCKED", misconfigured},
		{all, 500, "SYSTEM_ERROR", unknown},
		{all, 500, "SYSTEMERROR", unknown},
		{all, 400, "SYSTEM_ERROR", unknown},
		{all, 500, "BANK_ERROR", unknown},
		{all, 500, "ORDER_PAID", unknown},
		{all, 502, "NOT_ENOUGH", unknown},
		{all, 429, "FREQUENCY_LIMITED", unknown},
		{all, 429, "RATELIMIT_EXCEEDED", unknown},
		{all, 429, "ORDER_CLOSED", unknown},
		{all, 403, "FREQUENCY_LIMITED", unknown},
		{all, 202, "USER_PAYING", unknown},
		{all, 202, "USERPAYING", unknown},
		{all, 400, "USER_PAYING", unknown},
		{all, 400, "SOMETHING_NEW", refused},
		{all, 302, "ORDER_PAID", unknown},
		{[]string{"prepay", "refund"}, 400, "INVALID_REQUEST", refused},
		{[]string{"query", "close", "query_refund"}, 400, "INVALID_REQUEST", misconfigured},
		{[]string{"prepay", "close"}, 400, "ORDERPAID", refused},
		{[]string{"prepay", "close"}, 400, "ORDER_PAID", refused},
		{[]string{"prepay", "close"}, 400, "ORDER_CLOSED", refused},
		{[]string{"prepay"}, 403, "OUT_TRADE_NO_USED", refused},
		{[]string{"prepay"}, 403, "RULE_LIMIT", refused},
		{[]string{"prepay"}, 403, "TRADE_ERROR", refused},
		{[]string{"prepay"}, 403, "ACCOUNT_ERROR", refused},
		{[]string{"prepay"}, 500, "OPENID_MISMATCH", refused}, // documented so; useless to repeat
		{[]string{"query", "close", "refund", "query_refund"}, 500, "OPENID_MISMATCH", unknown},
		{[]string{"query", "close"}, 404, "ORDER_NOT_EXIST", refused},
		{[]string{"query", "close"}, 404, "ORDERNOTEXIST", refused},
		{[]string{"refund", "query_refund"}, 404, "RESOURCE_NOT_EXISTS", refused},
		{[]string{"refund"}, 403, "NOT_ENOUGH", refused},
		{[]string{"refund"}, 403, "USER_ACCOUNT_ABNORMAL", refused},
	} {
		for _, name := range x.ops {
			body := fmt.Sprintf(`{"code":%q,"message":"为什么"}`, x.code)
			c := open(t, says(t, x.status, body, wechatsim.SignGood))
			err := calls[name](c, "RX20261122001")
			e := channelError(t, err, x.want)
			if want := strings.ReplaceAll(x.code, "_", ""); e.Code != want || e.Status != x.status || e.Op != name || e.Message != "为什么" {
				t.Errorf("%s %d %s: %+v", name, x.status, x.code, e)
			}
		}
	}
}

// Codes are compared without underscores, whichever way WeChat spells them (design §7).
func TestCodesAreComparedWithoutUnderscores(t *testing.T) {
	for _, bare := range []bool{false, true} {
		sim := newSim(t, func(o *wechatsim.Options) { o.BareCodes = bare })
		c := open(t, sim.RoundTripper())
		prepay(t, c, "RX20261122001")
		if _, err := sim.Pay(t.Context(), "RX20261122001"); err != nil {
			t.Fatal(err)
		}
		if e := channelError(t, c.Close(t.Context(), "RX20261122001"), refused); e.Code != "ORDERPAID" {
			t.Errorf("close of a paid order: %s", e.Code)
		}
		_, err := c.Query(t.Context(), "RX20261122002")
		if e := channelError(t, err, refused); e.Code != "ORDERNOTEXIST" {
			t.Errorf("query of no order: %s", e.Code)
		}
	}
}

// 202 USER_PAYING is 2xx, and the SDK takes it for success: only a verified 204 closes (design §7).
func TestCloseIsDoneByVerified204Alone(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	prepay(t, c, "RX20261122001")
	if err := sim.Inject(wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindUserPaying}); err != nil {
		t.Fatal(err)
	}
	if e := channelError(t, c.Close(t.Context(), "RX20261122001"), unknown); e.Code != "USERPAYING" || e.Status != 202 {
		t.Fatalf("user is paying: %+v", e)
	}
	if err := c.Close(t.Context(), "RX20261122001"); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Query(t.Context(), "RX20261122001"))(t); got.State != payflow.TradeClosed {
		t.Fatalf("after closing: %+v", got)
	}
	for status, how := range map[int][]wechatsim.Sign{
		200: {wechatsim.SignGood},
		201: {wechatsim.SignGood},
		202: {wechatsim.SignGood},
		204: {wechatsim.SignNone, wechatsim.SignProbe, wechatsim.SignTampered, wechatsim.SignStale, wechatsim.SignWrongSerial},
	} {
		for _, how := range how {
			channelError(t, open(t, says(t, status, "", how)).Close(t.Context(), "RX20261122001"), unknown)
		}
	}
}

// What is not verified is unknown, with success and refusal alike, and its code is not even repeated (design §7: the SDK
// verifies 2xx only; probes come on API answers).
func TestAnswersThatDoNotVerifyAreUnknown(t *testing.T) {
	signs := []wechatsim.Sign{
		wechatsim.SignNone, wechatsim.SignProbe, wechatsim.SignTampered, wechatsim.SignStale, wechatsim.SignWrongSerial,
	}
	for name, call := range calls {
		for _, how := range signs {
			for _, paid := range []bool{false, true} { // success for some, a refusal for others
				sim := newSim(t)
				c := open(t, sim.RoundTripper())
				prepay(t, c, "RX20261122001")
				if paid {
					if _, err := sim.Pay(t.Context(), "RX20261122001"); err != nil {
						t.Fatal(err)
					}
				}
				if err := sim.Inject(wechatsim.Fault{Op: simOps[name], Sign: how}); err != nil {
					t.Fatal(err)
				}
				if e := channelError(t, call(c, "RX20261122001"), unknown); e.Code != "" {
					t.Errorf("%s, %s: an unverified code is handed on: %+v", name, how, e)
				}
			}
		}
	}
}

func TestUnsignedRefusalsAreUnknown(t *testing.T) {
	sim := newSim(t, func(o *wechatsim.Options) { o.UnsignedErrors = true })
	c := open(t, sim.RoundTripper())
	_, err := c.Query(t.Context(), "RX20261122001")
	channelError(t, err, unknown)
	_, err = c.Refund(t.Context(), refundOf("RX20261122001"))
	channelError(t, err, unknown)
	channelError(t, c.Close(t.Context(), "RX20261122001"), unknown)
}

// A 401 is unsigned, since WeChat does not know whom to sign for. It means that our key, serial number or clock is wrong:
// stop asking, and never refund because of it.
func TestUnsigned401IsMisconfigured(t *testing.T) {
	k := must(others())(t)
	c := open(t, newSim(t).RoundTripper(), func(o *wechat.Options) { o.MerchantKeyPEM = []byte(k.MerchantPrivateKey) })
	for name, call := range calls {
		if e := channelError(t, call(c, "RX20261122001"), misconfigured); e.Status != 401 || e.Code != "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if err := c.Health(); err == nil || !strings.Contains(err.Error(), "SIGNERROR") {
		t.Errorf("health: %v", err)
	}
	for _, how := range []wechatsim.Sign{wechatsim.SignTampered, wechatsim.SignProbe, wechatsim.SignWrongSerial} {
		err := calls["query"](open(t, says(t, 401, `{"code":"SIGN_ERROR"}`, how)), "RX20261122001")
		channelError(t, err, unknown)
	}
}

// The SDK decodes an error body into its error struct, so that a body can replace the status.
func TestErrorBodyCannotReplaceTheStatus(t *testing.T) {
	body := `{"code":"ORDER_NOT_EXIST","message":"m","StatusCode":404,"Header":{"Wechatpay-Serial":["x"]},"Body":"y"}`
	e := channelError(t, calls["query"](open(t, says(t, 500, body, wechatsim.SignGood)), "RX20261122001"), unknown)
	if e.Status != 500 {
		t.Fatalf("status %d", e.Status)
	}
}

func TestGarbageIsUnknown(t *testing.T) {
	for _, status := range []int{200, 204, 400, 403, 404, 500} {
		for _, body := range []string{"", "null", "[]", "<html>bad gateway</html>", `{"code":7}`, `{"message":"m"}`, `{`, `"ORDER_PAID"`, `{"code":null}`} {
			for name, call := range calls {
				if name == "close" && status == 204 {
					continue
				}
				channelError(t, call(open(t, says(t, status, body, wechatsim.SignGood)), "RX20261122001"), unknown)
			}
		}
	}
}

// A header that comes twice is no header.
func TestAnswerWithTwoSignaturesIsUnknown(t *testing.T) {
	sim := newSim(t).RoundTripper()
	for _, name := range []string{"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"} {
		c := open(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := sim.RoundTrip(r)
			if err == nil {
				resp.Header.Add(name, resp.Header.Get(name))
			}
			return resp, err
		}))
		channelError(t, calls["query"](c, "RX20261122001"), unknown)
	}
}
