package wechatsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// served opens a simulator behind a real listener and points an SDK client at it.
func served(t *testing.T, change ...func(*wechatsim.Options)) (*wechatsim.Sim, string, *merchant) {
	t.Helper()
	sim := open(t, change...)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	m := merchantOver(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
		there := r.Clone(r.Context())
		there.URL.Scheme, there.URL.Host, there.Host = base.Scheme, base.Host, ""
		return transport.RoundTrip(there)
	}), wechatsim.ModePublicKey)
	return sim, server.URL, m
}

// post sends JSON to a control and returns status and answer.
func post(t *testing.T, method, url, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s %s: %d, no JSON: %s", method, url, resp.StatusCode, raw)
	}
	return resp.StatusCode, v
}

// The demo's path: API, controls and callback over real connections.
func TestWholeWayOverHTTP(t *testing.T) {
	box := newMailbox(t)
	arrived := make(chan struct{}, 10)
	callbacks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := box.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(resp.StatusCode)
		arrived <- struct{}{}
	}))
	t.Cleanup(callbacks.Close)
	sim, base, m := served(t)
	running(t, sim)

	// A number with every mark that WeChat allows, which travels escaped in paths.
	no := "ORDER_0001-|*"
	r := order(no)
	callback := callbacks.URL + "/wechat/v1/payment"
	r.NotifyUrl = &callback
	if _, _, err := m.jsapi().Prepay(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if status, v := post(t, http.MethodPost, base+"/sim/pay", `{"out_trade_no":"`+no+`"}`); status != 200 || v["transaction_id"] == "" {
		t.Fatalf("pay: %d %v", status, v)
	}
	<-arrived
	if got := box.all(); got[0].content["out_trade_no"] != no || !got[0].verified {
		t.Errorf("callback: %+v", got[0])
	}
	if status, v := post(t, http.MethodPost, base+"/sim/refund", `{"out_trade_no":"`+no+`","amount_fen":600,"reason":"退药"}`); status != 200 || v["refund_id"] == "" {
		t.Errorf("refund: %d %v", status, v)
	}
	if got := m.state(no); got != "REFUND" {
		t.Errorf("state %s", got)
	}
	status, v := post(t, http.MethodGet, base+"/sim/ledger", "")
	trade := v["trades"].([]any)[0].(map[string]any)
	if status != 200 || trade["state"] != "REFUND" || trade["refunding"] != 600.0 || len(v["refunds"].([]any)) != 1 {
		t.Errorf("ledger: %d %v", status, v)
	}
	if status, v := post(t, http.MethodPost, base+"/sim/redeliver", `{"out_trade_no":"`+no+`"}`); status != 200 || v["queued"] != 1.0 {
		t.Errorf("redeliver: %d %v", status, v)
	}
	<-arrived
}

func TestControlsSayWhatIsWrong(t *testing.T) {
	sim, base, m := served(t)
	m.prepay("ORDER0001")
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/sim/pay", `{"out_trade_no":"UNKNOWN1"}`, 404, "no such trade"},
		{"POST", "/sim/pay", `{}`, 400, "give out_trade_no"},
		{"POST", "/sim/pay", `{"order":"ORDER0001"}`, 400, "unknown field"},
		{"POST", "/sim/pay", `{"out_trade_no":"ORDER0001","coupon_fen":9999}`, 409, "coupon"},
		{"POST", "/sim/pay", `{"invoke":{"appId":"x"}}`, 400, "is missing"},
		{"POST", "/sim/pay", `nonsense`, 400, "invalid character"},
		{"POST", "/sim/pay", `{} {}`, 400, "more than one"},
		{"POST", "/sim/refund", `{"out_trade_no":"ORDER0001","amount_fen":1}`, 409, "RESOURCE_NOT_EXISTS"},
		{"POST", "/sim/faults", `{"faults":[{"op":"close","kind":"hung"}]}`, 400, `fault 0: kind "hung" is unknown`},
		{"POST", "/sim/faults", `{"faults":[{"op":"close","delay":"3"}]}`, 400, "no duration"},
		{"PUT", "/sim/pay", `{}`, 404, "no such control"},
		{"GET", "/sim/nothing", ``, 404, "no such control"},
	} {
		status, v := post(t, tt.method, base+tt.path, tt.body)
		if says, _ := v["error"].(string); status != tt.status || !strings.Contains(says, tt.says) {
			t.Errorf("%s %s %s: %d %v, want %d with %q", tt.method, tt.path, tt.body, status, v, tt.status, tt.says)
		}
	}
	if len(sim.Faults()) != 0 {
		t.Error("refused rules stayed")
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	sim, base, m := served(t)
	m.prepay("ORDER0001")
	status, v := post(t, http.MethodPost, base+"/sim/faults",
		`{"clear":true,"faults":[{"op":"query","kind":"status","status":503},{"op":"notify_payment","times":-1,"delay":"1.5s","copies":2}]}`)
	if status != 200 || len(v["faults"].([]any)) != 2 {
		t.Fatalf("%d %v", status, v)
	}
	if got := sim.Faults()[1]; got.Delay != 1500*time.Millisecond || got.Copies != 2 || got.Times != -1 {
		t.Errorf("rule: %+v", got)
	}
	if _, err := m.query("ORDER0001"); code(err) != "Service Unavailable SYSTEM_ERROR" {
		t.Errorf("query: %v", err)
	}
	status, v = post(t, http.MethodGet, base+"/sim/faults", "")
	if left := v["faults"].([]any); status != 200 || len(left) != 1 || left[0].(map[string]any)["delay"] != "1.5s" {
		t.Errorf("left: %d %v", status, v)
	}
	if status, v = post(t, http.MethodDelete, base+"/sim/faults", ""); status != 200 || len(v["faults"].([]any)) != 0 {
		t.Errorf("cleared: %d %v", status, v)
	}
}

// Over a real connection a dropped call is an error, and a hanging one ends with its client; both were applied.
func TestBrokenConnections(t *testing.T) {
	applied := make(chan struct{}, 1)
	sim, _, m := served(t, func(o *wechatsim.Options) {
		o.OnCall = func(c wechatsim.Call) {
			if c.Op == wechatsim.OpClose && c.After {
				applied <- struct{}{}
			}
		}
	})
	m.prepay("ORDER0001")
	m.prepay("ORDER0002")
	inject(t, sim, wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindResetAfter}, wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindHangAfter})
	if _, err := m.close("ORDER0001"); err == nil {
		t.Error("an answer came through a dropped connection")
	}
	<-applied
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-applied
		cancel()
	}()
	no, id := "ORDER0002", mchID
	if _, err := m.jsapi().CloseOrder(ctx, jsapi.CloseOrderRequest{OutTradeNo: &no, Mchid: &id}); err == nil {
		t.Error("an answer came from a hanging call")
	}
	for _, no := range []string{"ORDER0001", "ORDER0002"} {
		if got := m.state(no); got != "CLOSED" {
			t.Errorf("%s is %s", no, got)
		}
	}
}

func TestDisabledControls(t *testing.T) {
	_, base, _ := served(t, func(o *wechatsim.Options) { o.DisableControl = true })
	resp, err := http.Get(base + "/sim/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestOversizedBody(t *testing.T) {
	sim := open(t)
	r, err := http.NewRequest(http.MethodPost, "https://api.mch.weixin.qq.com/v3/pay/transactions/jsapi", bytes.NewReader(make([]byte, 2<<20)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := sim.RoundTripper().RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %v", resp, err)
	}
}
