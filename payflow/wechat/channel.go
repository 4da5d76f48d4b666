package wechat

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/signers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"

	"github.com/hisgate/hisgate/internal/skew"
	"github.com/hisgate/hisgate/internal/sparse"
	"github.com/hisgate/hisgate/payflow"
)

// Channel is WeChat Pay for one merchant. It is safe for concurrent use.
type Channel struct {
	mchID           string
	appIDs          []string
	merchantKey     *rsa.PrivateKey
	apiV3Key        string
	notifyURL       string
	refundNotifyURL string
	timeout         time.Duration
	now             func() time.Time
	log             *slog.Logger

	network http.RoundTripper // for bills, which have a client of their own
	base    *url.URL
	signer  auth.Signer
	billDir string

	client   *core.Client
	keys     *keyring
	answers  answerValidator
	skew     skew.Meter
	unsigned sparse.Lines           // callbacks that do not verify, in the log
	trouble  atomic.Pointer[string] // what went wrong with the last call; nil: nothing
}

var _ payflow.PayChannel = (*Channel)(nil)

// New opens the channel. It calls nobody: where platform certificates are needed, a goroutine fetches them until ctx ends,
// so that a start never fails because WeChat cannot be reached. After ctx has ended, the channel still works with the
// certificates it has.
//
// Errors: *OptionError for everything wrong with o, joined.
func New(ctx context.Context, o Options) (*Channel, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	base, err := o.base()
	if err != nil {
		return nil, &OptionError{"BaseURL", err.Error()}
	}
	network := o.HTTP
	if network == nil {
		network = newNetwork(o.Proxy)
	}
	rt := &transport{rebase{network, base}}
	signer := &signers.SHA256WithRSASigner{MchID: o.MchID, CertificateSerialNo: o.MerchantSerial, PrivateKey: o.MerchantKey}

	var certs *certificates
	if o.Mode != ModePublicKey {
		certs = newCertificates(downloadWith(signer, o.APIv3Key, rt, o.Timeout), o.Now, o.Logger)
	}
	c := &Channel{
		mchID: o.MchID, appIDs: slices.Clone(o.AppIDs), merchantKey: o.MerchantKey, apiV3Key: o.APIv3Key,
		notifyURL: o.NotifyURL, refundNotifyURL: o.RefundNotifyURL, timeout: o.Timeout, now: o.Now, log: o.Logger,
		keys: newKeyring(o, certs), network: network, base: base, signer: signer, billDir: o.BillDir,
	}
	c.answers = answerValidator{c.keys, c.now}
	if c.client, err = core.NewClientWithDialSettings(ctx, &core.DialSettings{
		HTTPClient: newHTTPClient(rt), Signer: signer, Validator: c.answers,
	}); err != nil {
		return nil, errors.New("wechat: the SDK does not take the settings")
	}
	if certs != nil {
		go certs.run(ctx)
	}
	return c, nil
}

// Skew returns how far this process's clock is ahead of WeChat's by the last answer; negative: behind. 0 before the first
// answer, and while both agree within a second. Past five minutes nothing works any more.
func (c *Channel) Skew() time.Duration {
	ahead, _ := c.skew.Ahead()
	return ahead
}

// Health returns nil while nothing is known to be wrong: keys that are missing, a clock that is off by 240 s or more, and
// how the last call failed to reach WeChat, to be verified or to be accepted as ours. It does not block; use Ping to ask.
func (c *Channel) Health() error {
	var errs []error
	if err := c.keys.health(); err != nil {
		errs = append(errs, err)
	}
	if d := c.Skew(); d >= maxSkew || d <= -maxSkew {
		errs = append(errs, fmt.Errorf("our clock is %s ahead of WeChat's", d))
	}
	if what := c.trouble.Load(); what != nil {
		errs = append(errs, errors.New(*what))
	}
	return errors.Join(errs...)
}

// pingOrderNo is an order number that is never ordered.
const pingOrderNo = "hisgate-ping"

// Ping asks WeChat for an order that does not exist and returns nil when the answer says so, verified: connection, clock
// and keys are good. Errors: *payflow.ChannelError. It blocks up to the timeout.
func (c *Channel) Ping(ctx context.Context) error {
	_, err := c.Query(ctx, pingOrderNo)
	var e *payflow.ChannelError
	if errors.As(err, &e) && e.Outcome == payflow.ChannelRefused {
		return nil
	}
	return err
}

// call sends one request and returns the body of a verified answer of the wanted status. body nil is a GET; other bodies
// go out byte by byte as given. Errors: *payflow.ChannelError, nothing else.
func (c *Channel) call(ctx context.Context, o op, path string, body []byte, want int) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	begun := c.now()
	answer, e := c.exchange(within, o, path, body, want)
	if ctx.Err() == nil { // a caller that gave up says nothing of the channel
		c.note(e)
	}
	attrs := []any{"op", string(o), "duration_ms", c.now().Sub(begun).Milliseconds()}
	if e == nil {
		c.log.DebugContext(ctx, "WeChat Pay call", append(attrs, "outcome", "done")...)
		return answer, nil
	}
	c.log.DebugContext(ctx, "WeChat Pay call", append(attrs, "outcome", outcomeText(e.Outcome), "status", e.Status, "code", e.Code)...)
	return nil, e
}

func (c *Channel) exchange(ctx context.Context, o op, path string, body []byte, want int) ([]byte, *payflow.ChannelError) {
	if err := ctx.Err(); err != nil {
		return nil, failure(o, payflow.ChannelNotSent, 0, "", "too late to send", err)
	}
	if err := c.keys.ready(ctx); err != nil {
		return nil, failure(o, payflow.ChannelNotSent, 0, "", "the answer could not be verified", err)
	}
	sent := c.now()
	var result *core.APIResult
	var err error
	if body == nil {
		result, err = c.client.Get(ctx, consts.WechatPayAPIServer+path)
	} else {
		result, err = c.client.Post(ctx, consts.WechatPayAPIServer+path, body)
	}
	switch {
	case result == nil:
		return nil, failure(o, payflow.ChannelNotSent, 0, "", "the request could not be signed", nil)
	case result.Response == nil && nothingSent(err):
		return nil, failure(o, payflow.ChannelNotSent, 0, "", "WeChat cannot be reached", networkCause(err))
	case result.Response == nil:
		return nil, failure(o, payflow.ChannelUnknown, 0, "", "no answer", networkCause(err))
	}
	resp := result.Response
	var refused *core.APIError
	if errors.As(err, &refused) {
		err = c.answers.Validate(ctx, resp) // the SDK verifies 2xx only
	}
	measureSkew(&c.skew, resp.Header, err == nil, sent, c.now())
	return judge(o, resp, err, want)
}

// judge turns an answer into its body or an error. unverified is why its signature is not believed, nil when it is.
func judge(o op, resp *http.Response, unverified error, want int) ([]byte, *payflow.ChannelError) {
	status := resp.StatusCode
	body, err := bodyOf(resp)
	if err != nil {
		return nil, failure(o, payflow.ChannelUnknown, status, "", "no answer", err)
	}
	switch {
	case unverified == nil && status == want:
		return body, nil
	case unverified == nil:
		b := parseErrorBody(body)
		if b.code == "" {
			b.message = "the answer is not the documented one"
		}
		return nil, failure(o, o.outcome(status, b.code), status, b.code, b.text(), nil)
	}
	b := parseErrorBody(body)
	said := "not verified"
	if b.code != "" {
		said = fmt.Sprintf("not verified: %s: %s", b.code, b.text())
	}
	outcome := payflow.ChannelUnknown
	if status == http.StatusUnauthorized && faultOf(unverified) == faultUnsigned {
		outcome = payflow.ChannelMisconfigured // WeChat does not sign for whom it does not know
	}
	return nil, failure(o, outcome, status, "", said, unverified)
}

// note keeps for Health what is wrong with the channel, not with an order. Probes and passing errors change nothing.
func (c *Channel) note(e *payflow.ChannelError) {
	switch {
	case e == nil, e.Outcome == payflow.ChannelRefused:
		c.trouble.Store(nil)
		return
	case e.Outcome == payflow.ChannelUnknown && e.Status != 0 && (e.Err == nil || faultOf(e.Err) == faultProbe):
		return
	}
	text := e.Error()
	c.trouble.Store(&text)
}

// outcomeText names an outcome in logs.
func outcomeText(o payflow.ChannelOutcome) string {
	switch o {
	case payflow.ChannelRefused:
		return "refused"
	case payflow.ChannelNotSent:
		return "not_sent"
	case payflow.ChannelMisconfigured:
		return "misconfigured"
	}
	return "unknown"
}
