package wechat_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

const (
	mchID  = "1900000109"
	appID  = "wxd678efh567hg6787"
	openID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
)

// generated keys serve every test: making them is slow under the race detector.
var generated = sync.OnceValues(wechatsim.GenerateKeys)

// others are another merchant's keys, or WeChat's next ones.
var others = sync.OnceValues(wechatsim.GenerateKeys)

func keys(t testing.TB) wechatsim.Keys { return must(generated())(t) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newSim opens a simulator of our merchant's WeChat Pay.
func newSim(t testing.TB, change ...func(*wechatsim.Options)) *wechatsim.Sim {
	t.Helper()
	o := wechatsim.Options{MchID: mchID, AppIDs: []string{appID}, Keys: keys(t), RefundDelay: -1, RefundSpacing: -1}
	for _, c := range change {
		c(&o)
	}
	sim := must(wechatsim.New(o))(t)
	t.Cleanup(sim.Close)
	return sim
}

// options are those of our merchant in public-key mode, through rt.
func options(t testing.TB, rt http.RoundTripper) wechat.Options {
	t.Helper()
	k := keys(t)
	return wechat.Options{
		MchID: mchID, AppIDs: []string{"wx0000000000000001", appID},
		MerchantSerial: k.MerchantSerial, MerchantKeyPEM: []byte(k.MerchantPrivateKey), APIv3Key: k.APIv3Key,
		PublicKeyID: k.PublicKeyID, PublicKeyPEM: []byte(k.PublicKey),
		NotifyURL: "https://hospital.example/wechat/v1/payment", RefundNotifyURL: "https://hospital.example/wechat/v1/refund",
		HTTP: rt,
	}
}

// open opens a channel through rt, in public-key mode unless changed.
func open(t testing.TB, rt http.RoundTripper, change ...func(*wechat.Options)) *wechat.Channel {
	t.Helper()
	o := options(t, rt)
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return must(wechat.New(ctx, o))(t)
}

func mode(m wechat.Mode) func(*wechat.Options) { return func(o *wechat.Options) { o.Mode = m } }

func simMode(m wechatsim.Mode) func(*wechatsim.Options) {
	return func(o *wechatsim.Options) { o.Mode = m }
}

// intent is a prepay that WeChat takes.
func intent(no string, m payflow.Method) payflow.PrepayIntent {
	return payflow.PrepayIntent{
		Method: m, OrderNo: no, AppID: appID, OpenID: openID, ClientIP: "203.0.113.7", Description: "互联网医院药费",
		Attach: "a", TotalFen: 1600, TimeExpire: time.Now().Add(30 * time.Minute),
	}
}

// prepay orders and returns WeChat's answer.
func prepay(t testing.TB, c *wechat.Channel, no string) payflow.Prepay {
	t.Helper()
	body := must(c.BuildPrepay(intent(no, payflow.JSAPI)))(t)
	return must(c.Prepay(context.Background(), payflow.JSAPI, body))(t)
}

func refundOf(no string) payflow.RefundIntent {
	return payflow.RefundIntent{OrderNo: no, OutRefundNo: no + "-1", RefundFen: 1600, TotalFen: 1600, Reason: "缺货"}
}

// calls are the five calls, each about an order that was prepaid and paid as wished.
var calls = map[string]func(*wechat.Channel, string) error{
	"prepay": func(c *wechat.Channel, no string) error {
		body, err := c.BuildPrepay(intent(no, payflow.JSAPI))
		if err != nil {
			return err
		}
		_, err = c.Prepay(context.Background(), payflow.JSAPI, body)
		return err
	},
	"query": func(c *wechat.Channel, no string) error { _, err := c.Query(context.Background(), no); return err },
	"close": func(c *wechat.Channel, no string) error { return c.Close(context.Background(), no) },
	"refund": func(c *wechat.Channel, no string) error {
		_, err := c.Refund(context.Background(), refundOf(no))
		return err
	},
	"query_refund": func(c *wechat.Channel, no string) error {
		_, err := c.QueryRefund(context.Background(), no+"-1")
		return err
	},
}

// simOps are the simulator's names of the calls.
var simOps = map[string]wechatsim.Op{
	"prepay": wechatsim.OpPrepay, "query": wechatsim.OpQuery, "close": wechatsim.OpClose, "refund": wechatsim.OpRefund,
	"query_refund": wechatsim.OpRefundQuery,
}

// channelError demands a *payflow.ChannelError of the given outcome.
func channelError(t testing.TB, err error, want payflow.ChannelOutcome) *payflow.ChannelError {
	t.Helper()
	var e *payflow.ChannelError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *ChannelError", err)
	}
	if e.Outcome != want {
		t.Fatalf("outcome %v, want %v: %v", e.Outcome, want, err)
	}
	return e
}

// callbackError demands a *payflow.CallbackError with the given reason.
func callbackError(t testing.TB, err error, want string) {
	t.Helper()
	var e *payflow.CallbackError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *CallbackError", err)
	}
	if e.Reason != want {
		t.Fatalf("refused with %s (%v), want %s", e.Reason, e.Err, want)
	}
}

// roundTrip is a RoundTripper as a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// says is a WeChat that gives one answer to everything, signed as wished with the public key.
func says(t testing.TB, status int, body string, how wechatsim.Sign) http.RoundTripper {
	t.Helper()
	sealer := must(wechatsim.NewSealer(keys(t)))(t)
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: sealer.Header([]byte(body), time.Now(), wechatsim.ModePublicKey, how),
			Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r,
		}, nil
	})
}

// record keeps a copy of every request that goes through.
type record struct {
	next http.RoundTripper
	mu   sync.Mutex
	reqs []sentRequest
}

type sentRequest struct {
	method, url string
	header      http.Header
	body        string
}

func (k *record) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	k.mu.Lock()
	k.reqs = append(k.reqs, sentRequest{r.Method, r.URL.String(), r.Header.Clone(), string(body)})
	k.mu.Unlock()
	return k.next.RoundTrip(r)
}

func (k *record) all() []sentRequest {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]sentRequest(nil), k.reqs...)
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
