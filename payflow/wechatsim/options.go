package wechatsim

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Mode says which of its keys the platform signs with. It is one word in configuration files, hence a string.
type Mode string

const (
	// ModePublicKey is the mode of new merchants: PUB_KEY_ID_… signs, and /v3/certificates answers 404.
	ModePublicKey Mode = "public_key"
	// ModeCertificate is the mode of old merchants: the platform certificate signs.
	ModeCertificate Mode = "certificate"
	// ModeBoth is the change-over: an answer is signed with the key that the request's Wechatpay-Serial asks for (the
	// certificate when it asks for none), and notifications with either (Options.NotifyWith).
	ModeBoth Mode = "both"
)

// Options describe a simulated merchant account and WeChat's habits. The zero value of each field but MchID and Keys is
// the documented default.
type Options struct {
	MchID  string   // the merchant; required
	AppIDs []string // appids bound to it; empty: any
	Keys   Keys     // required; see GenerateKeys
	Mode   Mode     // default ModePublicKey

	// NotifyWith is, under ModeBoth, the key that signs notifications: ModePublicKey, ModeCertificate, or empty: in
	// turns, the certificate first. Sim.SetNotifyWith changes it while running.
	NotifyWith Mode

	// Now is the clock; default time.Now. Delays inside Run and of faults use timers of package time, which follow the
	// clock of testing/synctest; with a clock of another kind, use DeliverDue instead of Run.
	Now func() time.Time

	NotifyClient *http.Client  // sends notifications; default: a client without redirects. An attempt has 5 s
	NotifyScale  float64       // factor on the repeat schedule; default 1
	RefundDelay  time.Duration // from PROCESSING to the end of a refund; default 3 s, negative: at once

	// RefundSpacing is the least time between two refunds of one trade under different out_refund_no (otherwise 429
	// FREQUENCY_LIMITED); default 1 min, negative: none.
	RefundSpacing time.Duration

	// BareCodes spells the order codes as the older pages do: ORDERPAID, ORDERCLOSED, ORDERNOTEXIST, USERPAYING.
	BareCodes bool

	// UnsignedErrors leaves the signature off every answer outside 2xx. (401, and 404 or 405 for unknown paths and
	// methods, are unsigned in any case, as at WeChat.)
	UnsignedErrors bool

	// CloseBurnsUnknown makes the close of a number never ordered answer 204 and burn the number: a later prepay of it
	// is refused with INVALID_REQUEST. This was seen at WeChat; by the documents (the default) it is 404 ORDER_NOT_EXIST.
	CloseBurnsUnknown bool

	// OnCall, if set, is called for every authentic API call, before it is applied and after (outside any lock, in the
	// goroutine of the request). It may call any method of the Sim, for instance Pay. A call that a fault keeps from
	// being applied, or applies late, is not shown.
	OnCall func(Call)

	BaseURL        string       // scheme and host of bill download links; default https://api.mch.weixin.qq.com
	Seed           uint64       // makes the ids of this instance reproducible; 0: random
	DisableControl bool         // leaves /sim/ out of Handler
	Logger         *slog.Logger // refused requests and deliveries at Debug; default: discarded
}

// Call is an API call as Options.OnCall sees it.
type Call struct {
	Op          Op
	OutTradeNo  string // empty where the call names none
	OutRefundNo string
	After       bool // the call was applied; false: it is about to be
	Status      int  // HTTP status of the answer, when After
}

func (o Options) withDefaults() (Options, error) {
	var errs []error
	if o.MchID == "" {
		errs = append(errs, errors.New("wechatsim: MchID is empty"))
	}
	if o.Mode == "" {
		o.Mode = ModePublicKey
	}
	if o.Mode != ModePublicKey && o.Mode != ModeCertificate && o.Mode != ModeBoth {
		errs = append(errs, fmt.Errorf("wechatsim: unknown mode %q", o.Mode))
	}
	if o.NotifyWith != "" && o.NotifyWith != ModePublicKey && o.NotifyWith != ModeCertificate {
		errs = append(errs, fmt.Errorf("wechatsim: NotifyWith %q is neither %q nor %q", o.NotifyWith, ModePublicKey, ModeCertificate))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NotifyClient == nil {
		o.NotifyClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.NotifyScale < 0 {
		errs = append(errs, fmt.Errorf("wechatsim: NotifyScale %v is negative", o.NotifyScale))
	}
	if o.NotifyScale == 0 {
		o.NotifyScale = 1
	}
	o.RefundDelay = defaultDuration(o.RefundDelay, 3*time.Second)
	o.RefundSpacing = defaultDuration(o.RefundSpacing, time.Minute)
	if o.OnCall == nil {
		o.OnCall = func(Call) {}
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://api.mch.weixin.qq.com"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(errs...)
}

// defaultDuration reads 0 as the default and a negative value as none.
func defaultDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}
