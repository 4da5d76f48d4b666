package wechatsim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Op names a call, either way: the merchant's API calls and WeChat's notifications.
type Op string

// The calls that a Fault can name.
const (
	OpPrepay        Op = "prepay"   // POST /v3/pay/transactions/{jsapi,native,h5,app}
	OpQuery         Op = "query"    // GET /v3/pay/transactions/out-trade-no/{out_trade_no}
	OpQueryID       Op = "query_id" // GET /v3/pay/transactions/id/{transaction_id}
	OpClose         Op = "close"
	OpRefund        Op = "refund"
	OpRefundQuery   Op = "refund_query"
	OpCertificates  Op = "certificates"
	OpTradeBill     Op = "tradebill"
	OpBillDownload  Op = "bill_download"
	OpNotifyPayment Op = "notify_payment" // TRANSACTION.SUCCESS, by WeChat
	OpNotifyRefund  Op = "notify_refund"  // REFUND.SUCCESS, .CLOSED, .ABNORMAL, by WeChat
)

func (o Op) notice() bool { return o == OpNotifyPayment || o == OpNotifyRefund }

// FaultKind says what happens to a call that a Fault catches.
type FaultKind string

// What can happen to an API call. For notifications only KindPass and KindDrop apply.
const (
	KindPass        FaultKind = "pass"         // applied and answered as ever; for Fault.Delay, Sign and Copies
	KindHangBefore  FaultKind = "hang_before"  // not applied; no answer until the client gives up (or Delay)
	KindHangAfter   FaultKind = "hang_after"   // applied; no answer until the client gives up (or Delay)
	KindResetBefore FaultKind = "reset_before" // not applied; the connection is dropped at once
	KindResetAfter  FaultKind = "reset_after"  // applied; the connection is dropped at once
	KindLate        FaultKind = "late"         // the connection is dropped at once; applied Delay later
	KindStatus      FaultKind = "status"       // not applied; answered with Status, Code, Message
	KindStatusAfter FaultKind = "status_after" // applied; answered with Status, Code, Message
	KindUserPaying  FaultKind = "user_paying"  // close only: 202 USER_PAYING, not applied
	KindPayFirst    FaultKind = "pay_first"    // prepay, query, close: the patient pays just before it is applied
	KindPayAfter    FaultKind = "pay_after"    // prepay, query: the patient pays just after it was applied
	KindNotEnough   FaultKind = "not_enough"   // refund only: 403 NOT_ENOUGH, not applied
	KindEndClosed   FaultKind = "end_closed"   // refund only: accepted, ends CLOSED
	KindEndAbnormal FaultKind = "end_abnormal" // refund only: accepted, ends ABNORMAL
	KindWrongHash   FaultKind = "wrong_hash"   // tradebill only: the announced hash is not the file's
	KindCut         FaultKind = "cut"          // bill_download only: the file ends half-way
	KindDrop        FaultKind = "drop"         // notification only: this attempt is lost on the way
)

// Sign says how an answer or notification is signed.
type Sign string

// Ways to sign. The body is never altered, so that only a receiver that really verifies notices.
const (
	SignGood        Sign = ""             // as it should be
	SignProbe       Sign = "probe"        // WECHATPAY/SIGNTEST/…, WeChat's own test traffic
	SignTampered    Sign = "tampered"     // a signature over other bytes
	SignNone        Sign = "none"         // no Wechatpay-* headers at all
	SignStale       Sign = "stale"        // well signed, but 10 minutes old
	SignWrongSerial Sign = "wrong_serial" // well signed, under a serial number nobody knows
)

// Fault is a rule: the calls that match it misbehave. The first rule that matches a call takes it.
type Fault struct {
	Op         Op     // the call; empty: any API call (no notification)
	OutTradeNo string // only calls about this trade; empty: any
	Skip       int    // let this many matching calls pass first
	Times      int    // how many calls it takes; 0: one, negative: all until cleared

	Kind    FaultKind // default KindPass
	Delay   time.Duration
	Sign    Sign
	Status  int    // KindStatus, KindStatusAfter; default 500
	Code    string // their body's code; default SYSTEM_ERROR, at 429 FREQUENCY_LIMITED; "-": an HTML page, no JSON
	Message string
	Copies  int // notifications: this many more of the same, at once
}

func (f Fault) validate() error {
	var errs []error
	ops := []Op{
		"", OpPrepay, OpQuery, OpQueryID, OpClose, OpRefund, OpRefundQuery, OpCertificates, OpTradeBill, OpBillDownload,
		OpNotifyPayment, OpNotifyRefund,
	}
	if !slices.Contains(ops, f.Op) {
		errs = append(errs, fmt.Errorf("op %q is unknown", f.Op))
	}
	if !slices.Contains([]Sign{SignGood, SignProbe, SignTampered, SignNone, SignStale, SignWrongSerial}, f.Sign) {
		errs = append(errs, fmt.Errorf("sign %q is unknown", f.Sign))
	}
	only := func(ops ...Op) {
		if !slices.Contains(ops, f.Op) {
			errs = append(errs, fmt.Errorf("kind %q applies to %v, not to op %q", f.Kind, ops, f.Op))
		}
	}
	switch f.Kind {
	case KindPass, "":
	case KindHangBefore, KindHangAfter, KindResetBefore, KindResetAfter, KindStatus, KindStatusAfter:
		if f.Op.notice() {
			errs = append(errs, fmt.Errorf("kind %q does not apply to notifications", f.Kind))
		}
	case KindLate:
		if f.Delay <= 0 {
			errs = append(errs, fmt.Errorf("kind %q needs a delay", f.Kind))
		}
		if f.Op.notice() {
			errs = append(errs, fmt.Errorf("kind %q does not apply to notifications", f.Kind))
		}
	case KindUserPaying:
		only(OpClose)
	case KindPayFirst:
		only(OpPrepay, OpQuery, OpClose)
	case KindPayAfter:
		only(OpPrepay, OpQuery)
	case KindNotEnough, KindEndClosed, KindEndAbnormal:
		only(OpRefund)
	case KindWrongHash:
		only(OpTradeBill)
	case KindCut:
		only(OpBillDownload)
	case KindDrop:
		only(OpNotifyPayment, OpNotifyRefund)
	default:
		errs = append(errs, fmt.Errorf("kind %q is unknown", f.Kind))
	}
	if f.Skip < 0 || f.Copies < 0 || f.Delay < 0 {
		errs = append(errs, errors.New("skip, copies and delay must not be negative"))
	}
	if f.Copies > 0 && !f.Op.notice() {
		errs = append(errs, errors.New("copies applies to notifications"))
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		errs = append(errs, fmt.Errorf("status %d is no HTTP status of an answer", f.Status))
	}
	return errors.Join(errs...)
}

// Inject adds rules behind those present. All or nothing: an error names every rule that makes no sense.
func (s *Sim) Inject(faults ...Fault) error {
	var errs []error
	for i, f := range faults {
		if err := f.validate(); err != nil {
			errs = append(errs, fmt.Errorf("wechatsim: fault %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Kind == "" {
			f.Kind = KindPass
		}
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, f)
	}
	return nil
}

// ClearFaults drops all rules.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults returns the rules still in force, with Skip and Times counted down.
func (s *Sim) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// takeFault finds the rule for a call and counts it down. Under mu.
func (s *Sim) takeFault(op Op, outTradeNo string) Fault {
	for i := range s.faults {
		f := &s.faults[i]
		if f.Op != op && (f.Op != "" || op.notice()) {
			continue
		}
		if f.OutTradeNo != "" && f.OutTradeNo != outTradeNo {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		taken := *f
		if f.Times > 0 {
			f.Times--
		}
		if f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return taken
	}
	return Fault{Kind: KindPass}
}
