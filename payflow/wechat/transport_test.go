package wechat_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// over opens a channel that goes over a real connection to a base URL.
func over(t *testing.T, base string) *wechat.Channel {
	t.Helper()
	return open(t, nil, func(o *wechat.Options) { o.BaseURL = base })
}

// The SDK's host is a constant; everything, certificates included, goes to the base URL, below its path.
func TestBaseURLReachesAnotherHost(t *testing.T) {
	sim := newSim(t, simMode(wechatsim.ModeBoth))
	for _, prefix := range []string{"", "/", "/wechat/pay/"} {
		server := httptest.NewServer(http.StripPrefix(strings.TrimRight(prefix, "/"), sim.Handler()))
		defer server.Close()
		c := open(t, nil, mode(wechat.ModeCertificate), func(o *wechat.Options) { o.BaseURL = server.URL + prefix })
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	if sim.Calls(wechatsim.OpQuery) != 3 || sim.Calls(wechatsim.OpCertificates) != 3 {
		t.Error("the simulator was not reached")
	}
}

func TestWithoutBaseURLRequestsGoToWeChat(t *testing.T) {
	sent := &record{next: newSim(t).RoundTripper()}
	for name, call := range calls {
		if err := call(open(t, sent), "RX20261122001"); name == "prepay" && err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range sent.all() {
		if !strings.HasPrefix(r.url, "https://api.mch.weixin.qq.com/v3/") {
			t.Errorf("sent to %s", r.url)
		}
	}
}

// Nothing left this process: the caller may conclude that nothing happened.
func TestNoConnectionIsNotSent(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := over(t, "http://"+address)
	for name, call := range calls {
		if e := channelError(t, call(c, "RX20261122001"), notSent); e.Status != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if c.Health() == nil {
		t.Error("nothing can be reached, and health is good")
	}
	for name, err := range map[string]error{
		"dns":   &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.mch.weixin.qq.com"}},
		"proxy": &net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED},
	} {
		c := open(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, err }))
		t.Run(name, func(t *testing.T) { channelError(t, calls["refund"](c, "RX20261122001"), notSent) })
	}
	broken := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	c = open(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, broken }))
	channelError(t, calls["refund"](c, "RX20261122001"), unknown)

	untrusted := httptest.NewUnstartedServer(newSim(t).Handler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	channelError(t, calls["refund"](over(t, untrusted.URL), "RX20261122001"), notSent)
}

func TestCallAfterItsContextEndedIsNotSent(t *testing.T) {
	sent := &record{next: newSim(t).RoundTripper()}
	c := open(t, sent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Refund(ctx, refundOf("RX20261122001"))
	if channelError(t, err, notSent); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(sent.all()) != 0 {
		t.Fatal("it was sent")
	}
	if err := c.Health(); err != nil {
		t.Fatalf("a caller that gave up makes the channel ill: %v", err)
	}
}

// A connection that breaks after sending proves nothing.
func TestLostAnswerIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t)
		c := open(t, sim.RoundTripper())
		for _, kind := range []wechatsim.FaultKind{
			wechatsim.KindResetBefore, wechatsim.KindResetAfter, wechatsim.KindHangBefore, wechatsim.KindHangAfter,
		} {
			for name, call := range calls {
				if err := sim.Inject(wechatsim.Fault{Op: simOps[name], Kind: kind}); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				if e := channelError(t, call(c, "RX20261122001"), unknown); e.Status != 0 {
					t.Errorf("%s, %s: %+v", name, kind, e)
				}
				hangs := kind == wechatsim.KindHangBefore || kind == wechatsim.KindHangAfter
				if took := time.Since(begun); hangs && took != 5*time.Second {
					t.Errorf("%s, %s: gave up after %s", name, kind, took)
				}
			}
		}
		synctest.Wait()
	})
}

// A signed request must not travel to another host, nor a 3xx pass for WeChat's word (design §7).
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, call := range calls {
			sent := &record{next: roundTrip(func(r *http.Request) (*http.Response, error) {
				h := http.Header{"Location": {"https://elsewhere.example/"}}
				return &http.Response{StatusCode: status, Header: h, Body: http.NoBody, Request: r}, nil
			})}
			if e := channelError(t, call(open(t, sent), "RX20261122001"), unknown); e.Status != status {
				t.Errorf("%s, %d: %+v", name, status, e)
			}
			if n := len(sent.all()); n != 1 {
				t.Errorf("%s, %d: %d requests", name, status, n)
			}
		}
	}
}

// No write is repeated by the transport, also on a kept connection that breaks (design §6, C2).
func TestPostIsSentOnce(t *testing.T) {
	sim := newSim(t)
	var posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}
		sim.Handler().ServeHTTP(w, r)
	}))
	defer server.Close()
	c := over(t, server.URL)
	for range 3 {
		if err := c.Ping(t.Context()); err != nil { // leaves a connection to use again
			t.Fatal(err)
		}
		channelError(t, calls["refund"](c, "RX20261122001"), unknown)
	}
	if n := posts.Load(); n != 3 {
		t.Fatalf("3 refunds were sent %d times", n)
	}
}

func TestAnswerIsBoundedAndWhole(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"endless": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"code":"`+strings.Repeat("A", 2<<20)+`"}`)
		},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"code":"ORDER_NOT_EXIST"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
			defer server.Close()
			if e := channelError(t, calls["query"](over(t, server.URL), "RX20261122001"), unknown); e.Status != 0 {
				t.Fatalf("%+v", e)
			}
		})
	}
}

// Errors and logs hold no header, key, openid or body (design §7: the SDK's errors print whole headers).
func TestErrorsAndLogsTellNoSecrets(t *testing.T) {
	k := keys(t)
	sim := newSim(t)
	sent := &record{next: sim.RoundTripper()}
	var book logBook
	c := open(t, sent, func(o *wechat.Options) { o.Logger = book.logger() })
	var said strings.Builder
	for name, call := range calls {
		for _, f := range []wechatsim.Fault{
			{},
			{Sign: wechatsim.SignTampered},
			{Sign: wechatsim.SignNone},
			{Sign: wechatsim.SignProbe},
			{Sign: wechatsim.SignWrongSerial},
			{Kind: wechatsim.KindStatus, Status: 500},
			{Kind: wechatsim.KindStatus, Status: 403, Code: "NO_AUTH", Sign: wechatsim.SignNone},
			{Kind: wechatsim.KindStatus, Status: 502, Code: "-"},
			{Kind: wechatsim.KindResetAfter},
		} {
			f.Op = simOps[name]
			if err := sim.Inject(f); err != nil {
				t.Fatal(err)
			}
			if err := call(c, "RX20261122001"); err != nil {
				said.WriteString(err.Error() + "\n")
			}
		}
	}
	detail := `{"code":"PARAM_ERROR","message":"参数错误","detail":{"field":"/payer/openid","value":"` + openID + `"}}`
	err := calls["prepay"](open(t, says(t, 400, detail, wechatsim.SignGood)), "RX20261122001")
	if !strings.Contains(err.Error(), "/payer/openid") {
		t.Errorf("the field is not named: %v", err)
	}
	said.WriteString(err.Error())
	_, err = c.ParsePayment(t.Context(), payflow.Callback{Timestamp: "1", Nonce: "n", Signature: "c2ln", Serial: k.PublicKeyID, Body: []byte(`{"secret":1}`)})
	said.WriteString(err.Error() + errors.Unwrap(err).Error())
	if err := c.Health(); err != nil {
		said.WriteString(err.Error())
	}
	secrets := []string{k.APIv3Key, openID, "Authorization", "Wechatpay-", "Header", "SIGNTEST", `{"secret"`, "api.mch.weixin"}
	for _, r := range sent.all() {
		secrets = append(secrets, r.header.Get("Authorization"))
	}
	for _, secret := range secrets {
		if strings.Contains(said.String(), secret) || strings.Contains(book.String(), secret) {
			t.Errorf("errors or logs tell %q", secret)
		}
	}
	if book.String() == "" || said.Len() == 0 {
		t.Error("nothing was said at all")
	}
}
