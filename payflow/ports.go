package payflow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Locks is the stock half as payflow needs it: it holds, confirms and releases
// the stock of an order. All locks made through it belong to payflow and expire
// by asking payflow (Service.LockOwner), never by the clock alone [B6].
//
// Its methods block until the step is durable, and until the HIS answered where
// one is asked. They return the typed errors below, and otherwise an error that
// stands for an unknown outcome: nothing may be concluded from it but "ask again".
type Locks interface {
	// Lock holds all items of the order or none. Repeats are harmless.
	// Errors: *ShortError (nothing is held), *RefusedError, ErrPending (being
	// found out; ask again), ErrUnavailable (nothing happened), ErrEnded (this
	// attempt is over; a new one needs LockRequest.NewAttempt), ErrUnsettled.
	Lock(ctx context.Context, r LockRequest) (Lock, error)

	// Confirm makes the HIS deduct and create its order. Errors: *RefusedError
	// (ForGood tells whether asking again may help), ErrPending (CONFIRMING, its
	// outcome is being found out), ErrUnavailable, ErrMisconfigured, ErrEnded
	// (released: take a new attempt), ErrNotFound.
	Confirm(ctx context.Context, orderNo string, r Reference) (Lock, error)

	// Release gives the stock back; a repeat or an order never locked is fine
	// (a tombstone stays). Errors: ErrPending (CONFIRMING is not settled),
	// ErrConfirmed (too late), ErrUnavailable, ErrNotFound (the order_no is that
	// of somebody else's lock; no tombstone can be left), ErrForgotten.
	Release(ctx context.Context, orderNo string) (Lock, error)

	// Cancel has the HIS take the order of a confirmed lock back; nil means that it
	// did, durably. A repeat is harmless. Errors: *RefusedError (a person must see
	// to it), ErrPending (not known yet; ask again), ErrUnavailable,
	// ErrMisconfigured, ErrEnded (there is no HIS order), ErrNotFound.
	Cancel(ctx context.Context, orderNo string) (Lock, error)

	// Get returns the latest attempt. Errors: ErrNotFound.
	Get(ctx context.Context, orderNo string) (Lock, error)

	// Check compares items with the stock without holding it. For an order that
	// holds a lock, only holds older than its own count [A9]. Errors:
	// ErrUnavailable when nothing could be read at all.
	Check(ctx context.Context, r CheckStock) ([]StockLine, error)

	// HISOrders lists the orders that the HIS has of a Beijing day, for
	// reconciliation. What it finds cancelled there the stock half has noted when it
	// returns. Errors: ErrUnsupported, ErrUnavailable, ErrMisconfigured.
	HISOrders(ctx context.Context, day time.Time) ([]HISOrder, error)

	// Standing asks the HIS whether the order of a confirmed lock stands there, and
	// answers the lock; one whose order is cancelled there is Cancelled from then on,
	// durably. Errors: ErrUnavailable, ErrMisconfigured, ErrNotFound.
	Standing(ctx context.Context, orderNo string) (Lock, error)

	// LookAgain asks the HIS once more about calls of that day that were given up;
	// a freeze that is found is given back. It returns how many were asked about
	// and of how many the HIS knew something. Errors: ErrUnavailable,
	// ErrMisconfigured.
	LookAgain(ctx context.Context, day time.Time) (looked, found int, err error)
}

// Errors of the Locks port.
var (
	ErrPending       = errors.New("being found out at the HIS")
	ErrUnavailable   = errors.New("the HIS cannot be asked now; nothing happened")
	ErrMisconfigured = errors.New("the HIS refuses our calls as such: signature, permission or parameters")
	ErrEnded         = errors.New("this attempt has ended")
	ErrUnsettled     = errors.New("the last attempt is not settled at the HIS")
	ErrConfirmed     = errors.New("the HIS has deducted already")
	ErrNotFound      = errors.New("not found")
	ErrUnsupported   = errors.New("the HIS cannot do this")
	// ErrForgotten: there is no lock, but before a restore from a backup there may
	// have been one, and the HIS cannot be asked whether it has deducted [B9].
	ErrForgotten = errors.New("hisgate was restored from a backup, and this HIS cannot be asked whether it has deducted for the order before")
)

// Shortage is one line that cannot be served, in smallest dispensing units.
type Shortage struct {
	DrugID    string
	Requested int64
	Available int64 // -1 = not told
}

// ShortError: the stock does not suffice, and nothing is held.
type ShortError struct{ Shortages []Shortage }

func (e *ShortError) Error() string {
	return fmt.Sprintf("stock insufficient for %d drugs", len(e.Shortages))
}

// RefusedError is the HIS's refusal.
type RefusedError struct {
	Kind          string // insufficient, unknown_drug, stopped, not_divisible, price_changed, amount_mismatch, other
	ForGood       bool   // the lock is released or being released; asking again with this order cannot help
	Code, Message string // verbatim from the HIS
	Shortages     []Shortage
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the HIS refused (%s): [%s] %s", e.Kind, e.Code, e.Message)
}

// LockRequest asks to hold an order's stock.
type LockRequest struct {
	OrderNo    string
	PharmacyID string
	Items      []Item
	TTL        time.Duration
	Attributes map[string]string
	Paid       bool // a paid order: safety stock does not count [A8]
	NewAttempt bool // the last attempt ended and is settled: begin the next [B5]
}

// Lock is what payflow needs to know of an order's lock.
type Lock struct {
	Attempt       int
	HisNo         string
	HisOrderNo    string
	Held          bool      // the stock is held and not yet deducted
	Confirmed     bool      // the HIS order exists
	Cancelled     bool      // the HIS order was cancelled afterwards
	Released      bool      // over
	Settled       bool      // the HIS cannot apply anything of it any more [D1]
	Degraded      bool      // judged on an old reading: check live before prepay [A10]
	FreezeExpires time.Time // the HIS lets its freeze lapse then; zero = never
	Case          string    // why a person must look at the lock, "" = no need
}

// HISOrder is an order that the HIS has.
type HISOrder struct {
	HisNo      string
	HisOrderNo string
	OrderNo    string // of the lock with this his_no; "" = there is none
	Foreign    bool   // that lock belongs to a caller of the stock half, not to an order
	DrugsFen   int64  // 0 = the HIS does not tell
	Cancelled  bool
}

// Reference is what the HIS is told of the payment.
type Reference struct {
	TransactionID string
	PaidAt        time.Time
	DrugsFen      int64
	Attributes    map[string]string
}

// CheckStock asks for a comparison. OrderNo may be empty.
type CheckStock struct {
	OrderNo    string
	PharmacyID string
	Items      []Item
	Live       bool // ask the HIS now; else a cached figure will do
}

// StockLine is the comparison of one drug.
type StockLine struct {
	DrugID    string
	Requested int64
	Available int64
	Unknown   bool   // the HIS does not know the drug
	Stopped   bool   // not to be sold
	Multiple  int64  // step in which it is sold
	Price     string // exact decimal yuan for PricePer units, "" = not told
	PricePer  int64
	Checked   bool // false: no reading could be had
	Stale     bool // an old figure, because the HIS cannot be asked
	AsOf      time.Time
}

// LockVerdict answers a lock whose expire_time has come.
type LockVerdict struct {
	Known     bool // payflow knows the order; an unknown one becomes a case
	Release   bool
	KeepUntil time.Time // set when neither Release nor unknown
}

// PayChannel is WeChat Pay, or a channel like it. Methods block until it answered
// or ctx ended; none repeats a write by itself. Errors are *ChannelError; any
// other error stands for an unknown outcome.
type PayChannel interface {
	// BuildPrepay turns an order into the exact bytes to be sent and checks all
	// field limits. Errors: *FieldError. Nothing is sent.
	BuildPrepay(p PrepayIntent) ([]byte, error)
	// Prepay sends bytes that BuildPrepay made; a repeat must be byte-identical.
	Prepay(ctx context.Context, method Method, body []byte) (Prepay, error)
	// Query asks for the transaction of an order. Refused with Code
	// ORDERNOTEXIST when WeChat does not know it.
	Query(ctx context.Context, orderNo string) (Transaction, error)
	// QueryTransaction asks for one transaction by WeChat's own number, also when it is
	// not the one that Query tells of. Refused with Code ORDERNOTEXIST when WeChat does
	// not know it.
	QueryTransaction(ctx context.Context, transactionID string) (Transaction, error)
	// Close returns nil only for a verified 204.
	Close(ctx context.Context, orderNo string) error
	// Refund sends a stored refund; the same out_refund_no is the same refund.
	Refund(ctx context.Context, r RefundIntent) (RefundAnswer, error)
	// QueryRefund asks what became of a refund.
	QueryRefund(ctx context.Context, outRefundNo string) (RefundAnswer, error)
	// Invoke signs afresh what the patient's device pays with: JSAPI the keys of
	// wx.requestPayment, APP those of the OpenSDK's PayReq. Errors: *FieldError, also
	// for other methods. Nothing is sent.
	Invoke(method Method, appID, prepayID string) (map[string]string, error)
	// ParsePayment verifies and opens a payment callback. Errors: *CallbackError.
	ParsePayment(ctx context.Context, c Callback) (Transaction, error)
	// ParseRefund verifies and opens a refund callback. Errors: *CallbackError.
	ParseRefund(ctx context.Context, c Callback) (RefundAnswer, error)
}

// Method is how the patient pays.
type Method string

// The methods of direct-merchant WeChat Pay.
const (
	JSAPI  Method = "JSAPI"
	Native Method = "NATIVE"
	H5     Method = "H5"
	App    Method = "APP"
)

// PrepayIntent is what a prepay is made of.
type PrepayIntent struct {
	Method      Method
	OrderNo     string // out_trade_no, 6–32 of [0-9A-Za-z_-]
	AppID       string
	OpenID      string // JSAPI only
	ClientIP    string // H5 only
	Description string // ≤ 127 characters
	Attach      string // ≤ 128 characters
	TotalFen    int64
	TimeExpire  time.Time
}

// Prepay is WeChat's answer: one of the three, by method (APP: PrepayID).
type Prepay struct {
	PrepayID string
	CodeURL  string
	H5URL    string
}

// TradeState is WeChat's word on a transaction.
type TradeState string

// The trade states that WeChat documents.
const (
	TradeSuccess    TradeState = "SUCCESS"
	TradeRefund     TradeState = "REFUND" // paid, then refunded in part or whole
	TradeNotPay     TradeState = "NOTPAY"
	TradeClosed     TradeState = "CLOSED"
	TradeRevoked    TradeState = "REVOKED"
	TradeUserPaying TradeState = "USERPAYING"
	TradePayError   TradeState = "PAYERROR"
)

// Transaction is a verified word of WeChat about an order's payment.
type Transaction struct {
	OrderNo       string
	TransactionID string
	MchID         string
	AppID         string
	OpenID        string
	State         TradeState
	TotalFen      int64 // amount.total; a coupon lowers payer_total only
	Currency      string
	PaidAt        time.Time
}

// RefundIntent is a refund as it is stored before it is sent.
type RefundIntent struct {
	OrderNo     string
	OutRefundNo string // order_no + generation, ≤ 64
	RefundFen   int64
	TotalFen    int64
	Reason      string // ≤ 80 characters
}

// RefundState is WeChat's word on a refund.
type RefundState string

// The refund states that WeChat documents.
const (
	RefundSuccess    RefundState = "SUCCESS"
	RefundClosed     RefundState = "CLOSED"
	RefundProcessing RefundState = "PROCESSING"
	RefundAbnormal   RefundState = "ABNORMAL"
)

// RefundAnswer is a verified word of WeChat about a refund.
type RefundAnswer struct {
	OrderNo     string
	OutRefundNo string
	RefundID    string
	MchID       string // set in callbacks
	State       RefundState
	RefundFen   int64
	TotalFen    int64
	TakenAt     time.Time // when WeChat took it, by its clock; zero = not told, as in callbacks
	SuccessAt   time.Time
}

// Callback is a notification as it came: bounded, not yet verified.
type Callback struct {
	Timestamp, Nonce, Signature, Serial string // the Wechatpay-* headers
	Body                                []byte
	ReceivedAt                          time.Time
}

// CallbackError refuses a callback; nothing of it was believed.
type CallbackError struct {
	Reason string // SIGNATURE, STALE, PROBE, MALFORMED, EVENT_TYPE, MERCHANT, KEYS_UNAVAILABLE
	Err    error
}

func (e *CallbackError) Error() string { return "callback refused: " + e.Reason }
func (e *CallbackError) Unwrap() error { return e.Err }

// FieldError names a field of a prepay that WeChat would not take.
type FieldError struct{ Field, Reason string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// ChannelOutcome is how a call to the channel ended when it did not succeed.
type ChannelOutcome uint8

// The outcomes. Only Refused, with a verified signature, is WeChat's word.
const (
	ChannelUnknown       ChannelOutcome = iota // timeout, 5xx, bad or probe signature, unsigned error body, 429, garbage
	ChannelRefused                             // a verified refusal with Code
	ChannelNotSent                             // nothing left this process
	ChannelMisconfigured                       // our signature, certificate, permission or parameter is wrong
)

// String returns the outcome's name in lower case.
func (o ChannelOutcome) String() string {
	switch o {
	case ChannelUnknown:
		return "outcome unknown"
	case ChannelRefused:
		return "refused"
	case ChannelNotSent:
		return "not sent"
	case ChannelMisconfigured:
		return "misconfigured"
	default:
		return "invalid"
	}
}

// ChannelError is a call to the channel that did not succeed. Its text holds no
// headers, keys or personal data.
type ChannelError struct {
	Op      string
	Outcome ChannelOutcome
	Status  int    // HTTP status, 0 = none
	Code    string // WeChat's code without underscores, upper case: ORDERPAID, NOTENOUGH
	Message string
	Err     error
}

func (e *ChannelError) Error() string {
	s := fmt.Sprintf("wechat %s: %s, status %d, code %q: %s", e.Op, e.Outcome, e.Status, e.Code, e.Message)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ChannelError) Unwrap() error { return e.Err }
