package wechatsim_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

const (
	mchID = "1900000109"
	appID = "wxd678efh567hg6787"
	payer = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
)

// generated keys serve every test: making them is slow under the race detector.
var generated = sync.OnceValues(wechatsim.GenerateKeys)

func keys(t *testing.T) wechatsim.Keys {
	t.Helper()
	k, err := generated()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t *testing.T, change ...func(*wechatsim.Options)) *wechatsim.Sim {
	t.Helper()
	o := wechatsim.Options{MchID: mchID, AppIDs: []string{appID}, Keys: keys(t)}
	for _, c := range change {
		c(&o)
	}
	sim, err := wechatsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

func mode(m wechatsim.Mode) func(*wechatsim.Options) {
	return func(o *wechatsim.Options) { o.Mode = m }
}

// merchant is the SDK's side of the account, through the simulator's RoundTripper.
type merchant struct {
	t      *testing.T
	client *core.Client
	key    *rsa.PrivateKey
	keys   wechatsim.Keys
}

// newMerchant opens an SDK client that verifies with the public key, or with the downloaded certificate.
func newMerchant(t *testing.T, sim *wechatsim.Sim, m wechatsim.Mode) *merchant {
	t.Helper()
	return merchantOver(t, sim.RoundTripper(), m)
}

func merchantOver(t *testing.T, rt http.RoundTripper, m wechatsim.Mode) *merchant {
	t.Helper()
	k := keys(t)
	key, err := utils.LoadPrivateKey(k.MerchantPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	public, err := utils.LoadPublicKey(k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// No Timeout: the SDK does not close bodies, and the timer goroutine that http.Client starts would outlive a bubble.
	httpClient := &http.Client{Transport: rt}
	ctx := t.Context()
	auth := option.WithWechatPayPublicKeyAuthCipher(mchID, k.MerchantSerial, key, k.PublicKeyID, public)
	if m == wechatsim.ModeCertificate {
		bootstrap, err := core.NewClient(ctx, option.WithMerchantCredential(mchID, k.MerchantSerial, key),
			option.WithHTTPClient(httpClient), option.WithoutValidator())
		if err != nil {
			t.Fatal(err)
		}
		mgr := downloader.NewCertificateDownloaderMgr(ctx)
		t.Cleanup(mgr.Stop)
		if err := mgr.RegisterDownloaderWithClient(ctx, bootstrap, mchID, k.APIv3Key); err != nil {
			t.Fatal(err)
		}
		auth = option.WithWechatPayAutoAuthCipherUsingDownloaderMgr(mchID, k.MerchantSerial, key, mgr)
	}
	client, err := core.NewClient(ctx, auth, option.WithHTTPClient(httpClient))
	if err != nil {
		t.Fatal(err)
	}
	return &merchant{t, client, key, k}
}

func order(no string) jsapi.PrepayRequest {
	return jsapi.PrepayRequest{
		Appid: core.String(appID), Mchid: core.String(mchID), Description: core.String("互联网医院药费"),
		OutTradeNo: core.String(no), NotifyUrl: core.String("https://merchant.example/wechat/v1/payment"),
		Attach: core.String("a"), Amount: &jsapi.Amount{Total: core.Int64(1600), Currency: core.String("CNY")},
		Payer: &jsapi.Payer{Openid: core.String(payer)},
	}
}

func (m *merchant) jsapi() *jsapi.JsapiApiService { return &jsapi.JsapiApiService{Client: m.client} }

func (m *merchant) prepay(no string) string {
	m.t.Helper()
	resp, _, err := m.jsapi().Prepay(m.t.Context(), order(no))
	if err != nil {
		m.t.Fatal(err)
	}
	return *resp.PrepayId
}

func (m *merchant) query(no string) (*payments.Transaction, error) {
	tx, _, err := m.jsapi().QueryOrderByOutTradeNo(m.t.Context(),
		jsapi.QueryOrderByOutTradeNoRequest{OutTradeNo: &no, Mchid: core.String(mchID)})
	return tx, err
}

func (m *merchant) state(no string) string {
	m.t.Helper()
	tx, err := m.query(no)
	if err != nil {
		m.t.Fatal(err)
	}
	return *tx.TradeState
}

func (m *merchant) close(no string) (int, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Second)
	defer cancel()
	result, err := m.jsapi().CloseOrder(ctx, jsapi.CloseOrderRequest{OutTradeNo: &no, Mchid: core.String(mchID)})
	if result != nil && result.Response != nil {
		return result.Response.StatusCode, err
	}
	return 0, err
}

func (m *merchant) refund(no, refundNo string, fen int64) (*refunddomestic.Refund, error) {
	service := refunddomestic.RefundsApiService{Client: m.client}
	rf, _, err := service.Create(m.t.Context(), refunddomestic.CreateRequest{
		OutTradeNo: &no, OutRefundNo: &refundNo, Reason: core.String("库存不足"),
		NotifyUrl: core.String("https://merchant.example/wechat/v1/refund"),
		Amount:    &refunddomestic.AmountReq{Refund: &fen, Total: core.Int64(1600), Currency: core.String("CNY")},
	})
	return rf, err
}

func (m *merchant) refundState(refundNo string) string {
	m.t.Helper()
	service := refunddomestic.RefundsApiService{Client: m.client}
	rf, _, err := service.QueryByOutRefundNo(m.t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: &refundNo})
	if err != nil {
		m.t.Fatal(err)
	}
	return string(*rf.Status)
}

// code is the WeChat error code in err, with the HTTP status before it.
func code(err error) string {
	var e *core.APIError
	if errors.As(err, &e) {
		return http.StatusText(e.StatusCode) + " " + e.Code
	}
	if err != nil {
		return "other error: " + err.Error()
	}
	return ""
}

// mailbox is the merchant's callback endpoint, in process: it parses with the SDK and keeps what came.
type mailbox struct {
	handler *notify.Handler
	mu      sync.Mutex
	got     []delivery
	answer  func(n int, verified bool) int // status for the n-th callback, from 0
}

type delivery struct {
	at       time.Time
	url      string
	event    string
	verified bool
	content  map[string]any
	serial   string
	id       string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	k := keys(t)
	public, err := utils.LoadPublicKey(k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := utils.LoadCertificate(k.PlatformCertificate)
	if err != nil {
		t.Fatal(err)
	}
	certs := core.NewCertificateMapWithList(nil)
	certs.Reset(map[string]*x509.Certificate{k.PlatformSerial: cert})
	handler, err := notify.NewRSANotifyHandler(k.APIv3Key, verifiers.NewSHA256WithRSACombinedVerifier(certs, k.PublicKeyID, *public))
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox{handler: handler, answer: func(_ int, verified bool) int {
		if verified {
			return http.StatusNoContent
		}
		return http.StatusUnauthorized
	}}
}

func (b *mailbox) RoundTrip(r *http.Request) (*http.Response, error) {
	d := delivery{at: time.Now(), url: r.URL.String(), serial: r.Header.Get("Wechatpay-Serial")}
	parsed, err := b.handler.ParseNotifyRequest(context.Background(), r, &d.content)
	if d.verified = err == nil; d.verified {
		d.event, d.id = parsed.EventType, parsed.ID
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	status := b.answer(len(b.got), d.verified)
	b.got = append(b.got, d)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(http.NoBody), Request: r}, nil
}

func (b *mailbox) all() []delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]delivery(nil), b.got...)
}

func (b *mailbox) into(o *wechatsim.Options) { o.NotifyClient = &http.Client{Transport: b} }
