package payflow

import (
	"maps"
	"slices"
	"time"
)

// Strategy says when an order takes its stock (design §1).
type Strategy string

// The four strategies.
const (
	Reserve Strategy = "RESERVE" // hold the stock, then prepay at once
	Hold    Strategy = "HOLD"    // hold the stock, prepay later after a second, live check
	Verify  Strategy = "VERIFY"  // live check at order time, lock after payment
	Refund  Strategy = "REFUND"  // cached check at order time, lock after payment, money back when short
)

// holds tells whether the strategy locks before the patient pays.
func (s Strategy) holds() bool { return s == Reserve || s == Hold }

// State is where an order stands; see the picture in the package comment. Only
// transition.go changes it.
type State string

// The states.
const (
	Created         State = "CREATED"          // recorded; price and stock are being judged
	Locked          State = "LOCKED"           // stock held, no prepay asked for yet
	AwaitingPayment State = "AWAITING_PAYMENT" // a prepay is on its way or at the patient
	Closing         State = "CLOSING"          // to be closed; money may still arrive, the stock is still held
	Closed          State = "CLOSED"           // verified: nothing was paid and, as far as WeChat says, nothing can be
	Rejected        State = "REJECTED"         // never held anything, see Order.Rejection
	Paid            State = "PAID"             // verified money, fulfilment under way
	Fulfilled       State = "FULFILLED"        // the HIS order exists
	Refunding       State = "REFUNDING"        // the whole rest of the money goes back
	Refunded        State = "REFUNDED"         // the money is back
	NeedsAttention  State = "NEEDS_ATTENTION"  // the worker waits for a person; a case is open
)

// Next tells the client what to do.
type Next string

// The hints.
const (
	NextWait   Next = "WAIT"   // hisgate is at work; ask again or watch
	NextPrepay Next = "PREPAY" // call PrepayOrder before the pay deadline
	NextPay    Next = "PAY"    // show the payment to the patient
	NextPerson Next = "PERSON" // the hospital's staff settles it
	NextNone   Next = "NONE"   // nothing is left to do
)

// Amount is what an order costs, in fen. DrugsFen + OtherFen = TotalFen; the
// HIS is told DrugsFen only.
type Amount struct {
	DrugsFen int64 `json:"drugs"`
	OtherFen int64 `json:"other,omitempty"` // freight and fees
	TotalFen int64 `json:"total"`
}

// PaymentTerms is who pays how.
type PaymentTerms struct {
	Method      Method `json:"method"`
	AppID       string `json:"appid"`
	OpenID      string `json:"openid,omitempty"`    // JSAPI only; never logged
	ClientIP    string `json:"client_ip,omitempty"` // H5 only
	Description string `json:"description"`         // ≤ 127 characters
	Attach      string `json:"attach,omitempty"`    // ≤ 128 characters
}

// samePayer tells whether two terms name the same payer and method (§7.11).
func (p PaymentTerms) samePayer(q PaymentTerms) bool {
	return p.Method == q.Method && p.AppID == q.AppID && p.OpenID == q.OpenID
}

// PrepayRecord is the durable intent to ask WeChat for a prepay, and the answer.
// The bytes never change: a repeat is byte-identical.
type PrepayRecord struct {
	Body       []byte    `json:"body"`
	MchID      string    `json:"mch_id,omitempty"` // the merchant that it is for; "" = not known
	TimeExpire time.Time `json:"time_expire"`      // WeChat takes no money after it
	StoredAt   time.Time `json:"stored_at"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	PrepayID   string    `json:"prepay_id,omitempty"`
	CodeURL    string    `json:"code_url,omitempty"`
	H5URL      string    `json:"h5_url,omitempty"`
}

// Payment is the verified money of an order.
type Payment struct {
	TransactionID string    `json:"transaction_id"`
	TotalFen      int64     `json:"total_fen"`
	PaidAt        time.Time `json:"paid_at"`  // WeChat's clock
	KnownAt       time.Time `json:"known_at"` // when hisgate learned it, by its own clock
	Source        string    `json:"source"`   // callback, query
	AppID         string    `json:"appid,omitempty"`
}

// Rejection says why an order was never begun, or why its prepay was blocked. An
// identical CreateOrder answers the same error again.
type Rejection struct {
	Reason    string     `json:"reason"` // one of the Reason… constants of PreconditionError, or STOCK_INSUFFICIENT, PRICE_CHANGED
	Detail    string     `json:"detail,omitempty"`
	Shortages []Shortage `json:"shortages,omitempty"`
	Prices    []PriceGap `json:"prices,omitempty"`
	At        time.Time  `json:"at"`
}

// PriceGap is a figure of the caller that the HIS price contradicts. DrugID is
// empty when it is the sum of the drugs.
type PriceGap struct {
	DrugID   string `json:"drug_id,omitempty"`
	GivenFen int64  `json:"given_fen"`
	HisFen   int64  `json:"his_fen"`
}

// Trouble is the last thing that kept an order from its next step. It is gone
// when a step succeeds.
type Trouble struct {
	Op     string    `json:"op"`             // lock, check, prepay, query, close, confirm, release, refund, refund_query, worker
	Kind   string    `json:"kind"`           // pending, unavailable, misconfigured, unsettled, unknown, refused, not_enough, panic
	Code   string    `json:"code,omitempty"` // the HIS's or WeChat's code
	Text   string    `json:"text,omitempty"`
	Since  time.Time `json:"since"`
	LastAt time.Time `json:"last_at"`
	Count  int       `json:"count"`
}

// HistoryEntry is one thing that happened to an order. Repeats are folded into
// Count and LastAt.
type HistoryEntry struct {
	At     time.Time `json:"at"`
	From   State     `json:"from,omitempty"`
	To     State     `json:"to,omitempty"`
	Event  string    `json:"event"`
	Actor  string    `json:"actor,omitempty"` // the person, for what persons did
	Detail string    `json:"detail,omitempty"`
	Count  int       `json:"count,omitempty"` // 0 and 1 mean once
	LastAt time.Time `json:"last_at,omitzero"`
}

// Dispute is verified money that must not count as the order's payment: wrong
// amount, wrong merchant or appid, or a second transaction. A case stands for it.
type Dispute struct {
	Reason        CaseReason `json:"reason"`
	TransactionID string     `json:"transaction_id"`
	TotalFen      int64      `json:"total_fen"`
	At            time.Time  `json:"at"`
	Settled       bool       `json:"settled,omitempty"`  // a person gave evidence that it went back
	Unpriced      bool       `json:"unpriced,omitempty"` // what the order costs was not known yet: it may fit after all [B9]
}

// ForeignRefund is a refund of the order that was not made by hisgate.
type ForeignRefund struct {
	OutRefundNo string      `json:"out_refund_no"`
	Fen         int64       `json:"fen"`
	State       RefundState `json:"state,omitempty"` // as WeChat said last; "" counts as paid out
	CaseID      string      `json:"case_id,omitempty"`
}

// elsewhereFen is what refunds that hisgate did not make have taken of the payment,
// as far as their sums are known. Beside other money of the order nobody can tell of
// which payment they were.
func (o *Order) elsewhereFen() int64 {
	var sum int64
	for i := range o.Elsewhere {
		if f := &o.Elsewhere[i]; f.State != RefundClosed && len(o.Disputes) == 0 {
			sum += f.Fen
		}
	}
	return sum
}

// elsewhereFlying tells whether a refund that hisgate did not make has yet to arrive.
func (o *Order) elsewhereFlying() bool {
	return slices.ContainsFunc(o.Elsewhere, func(f ForeignRefund) bool { return f.State == RefundProcessing || f.State == RefundAbnormal })
}

// allBack tells whether all of the payment has come back: by refunds that are done,
// by ones elsewhere that WeChat has paid out, or by a person's word. One that is
// still on its way, or cannot be paid out, is counted when a refund is sent, and is
// not back.
func (o *Order) allBack() bool {
	if o.PersonRefund != "" {
		return true
	}
	sum := o.RefundedFen
	for i := range o.Elsewhere {
		if f := &o.Elsewhere[i]; (f.State == RefundSuccess || f.State == "") && len(o.Disputes) == 0 {
			sum += f.Fen
		}
	}
	return sum >= o.Payment.TotalFen
}

// RefundAsked is an operator's refund request that was carried out.
type RefundAsked struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

// Order is a durable order. Values handed out are the caller's own copies.
type Order struct {
	Format     int               `json:"v"`
	No         string            `json:"no"`
	Principal  string            `json:"principal"`
	Strategy   Strategy          `json:"strategy"`
	PharmacyID string            `json:"pharmacy"`
	Items      []Item            `json:"items"` // merged and sorted by drug; LineFen is filled in once priced
	Amount     Amount            `json:"amount"`
	Priced     bool              `json:"priced,omitempty"`     // Amount is final
	Given      bool              `json:"given,omitempty"`      // the caller gave the amounts [E2]
	Uncompared bool              `json:"uncompared,omitempty"` // nor could they be compared with the HIS prices yet: before any prepay they are
	Terms      *PaymentTerms     `json:"terms,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`

	State       State     `json:"state"`
	Version     int64     `json:"version"` // raised by each durable change; the etag
	Fingerprint string    `json:"fingerprint"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	PayDeadline time.Time `json:"pay_deadline"` // whole seconds
	NextAt      time.Time `json:"next_at,omitzero"`
	Tries       int       `json:"tries,omitempty"` // of the present step
	Polls       int       `json:"polls,omitempty"` // queries since the prepay was sent

	Lock         LockRecord    `json:"lock,omitzero"`
	Prepay       *PrepayRecord `json:"prepay,omitempty"`
	PrepayWanted bool          `json:"prepay_wanted,omitempty"` // HOLD: PrepayOrder was called
	Payment      *Payment      `json:"payment,omitempty"`
	Disputes     []Dispute     `json:"disputes,omitempty"`

	Cancelled    bool       `json:"cancelled,omitempty"` // by the patient or the client
	EndReason    string     `json:"end_reason,omitempty"`
	Rejection    *Rejection `json:"rejection,omitempty"`
	Gone         *Rejection `json:"gone,omitempty"`          // after payment: why it cannot be fulfilled
	WasFulfilled bool       `json:"was_fulfilled,omitempty"` // the refund is made knowingly, in spite of the HIS order
	HisOrderNo   string     `json:"his_order_no,omitempty"`
	FulfilledAt  time.Time  `json:"fulfilled_at,omitzero"`
	ByHand       bool       `json:"by_hand,omitempty"` // a person said it was fulfilled; its lock is still to be given back

	Refunds        []RefundRecord `json:"refunds,omitempty"`
	RefundedFen    int64          `json:"refunded_fen,omitempty"` // sum of the refunds that are done
	RefundWantedAt time.Time      `json:"refund_wanted_at,omitzero"`
	RefundReason   string         `json:"refund_reason,omitempty"`
	RefundByPerson bool           `json:"refund_by_person,omitempty"` // the hourly limit does not gate it
	CancelHIS      bool           `json:"cancel_his,omitempty"`       // the HIS order is to be taken back before the refund
	RefundBy       string         `json:"refund_by,omitempty"`        // that person
	RefundRequests []RefundAsked  `json:"refund_requests,omitempty"`  // operators' request_ids, for repeats
	PersonRefund   string         `json:"person_refund,omitempty"`    // evidence of a refund made outside hisgate

	RecalledFor     time.Time       `json:"recalled_for,omitzero"`      // the restore after which WeChat was asked about it [B9]
	Elsewhere       []ForeignRefund `json:"elsewhere,omitempty"`        // refunds made in the merchant console, as far as they are known
	ElsewhereUntold bool            `json:"elsewhere_untold,omitempty"` // one of them is known by the trade state alone, its case was opened

	OpenCases   []string              `json:"open_cases,omitempty"`   // ids
	CaseReasons map[string]CaseReason `json:"case_reasons,omitempty"` // of the open cases, by id
	CaseSeq     int                   `json:"case_seq,omitempty"`
	Compared    []string              `json:"compared,omitempty"`  // cases that reconciliation opened, by their ids
	DecidedAt   time.Time             `json:"decided_at,omitzero"` // when a person last sent it on from NEEDS_ATTENTION
	Trouble     *Trouble              `json:"trouble,omitempty"`
	History     []HistoryEntry        `json:"history"`

	// Invoke is filled in on answers only: what wx.requestPayment (JSAPI) or the
	// OpenSDK's PayReq (APP) wants, signed afresh (§7.12).
	Invoke map[string]string `json:"-"`

	extra map[string]rawField // fields of a newer hisgate, kept as they came
}

// LockRecord is what the order last heard of its lock.
type LockRecord struct {
	Attempt    int       `json:"attempt,omitempty"`
	HisNo      string    `json:"his_no,omitempty"`
	Held       bool      `json:"held,omitempty"`     // as far as this order knows
	Degraded   bool      `json:"degraded,omitempty"` // to be checked live before any prepay [A10]
	Settled    bool      `json:"settled,omitempty"`  // released, and the HIS cannot apply it any more [D1]
	NewAttempt bool      `json:"new_attempt,omitempty"`
	Checked    bool      `json:"checked,omitempty"`  // a person looked at a HIS that cannot be asked, and says what it had deducted before a restore [C1]
	Disowned   bool      `json:"disowned,omitempty"` // the HIS deducted for the unpaid order, and a person has seen to that: later money needs a person
	FreezeEnds time.Time `json:"freeze_ends,omitzero"`
}

// Etag is the order's version as a string.
func (o *Order) Etag() string { return etag(o.Version) }

// Next tells the client what to do now.
func (o *Order) Next() Next {
	switch o.State {
	case Locked:
		if o.Strategy == Hold && !o.PrepayWanted {
			return NextPrepay
		}
		return NextWait
	case AwaitingPayment:
		if o.Prepay != nil && !o.Prepay.AnsweredAt.IsZero() {
			return NextPay
		}
		return NextWait
	case Created, Closing, Paid, Refunding:
		return NextWait
	case NeedsAttention:
		return NextPerson
	default:
		return NextNone
	}
}

// clone is a deep copy.
func (o *Order) clone() *Order {
	c := *o
	c.Items = slices.Clone(o.Items)
	c.Terms = clonePtr(o.Terms)
	c.Attributes = maps.Clone(o.Attributes)
	c.Prepay = clonePtr(o.Prepay)
	c.Payment = clonePtr(o.Payment)
	c.Disputes = slices.Clone(o.Disputes)
	c.Rejection = o.Rejection.clone()
	c.Gone = o.Gone.clone()
	c.Refunds = slices.Clone(o.Refunds)
	c.RefundRequests = slices.Clone(o.RefundRequests)
	c.Elsewhere = slices.Clone(o.Elsewhere)
	c.OpenCases = slices.Clone(o.OpenCases)
	c.CaseReasons = maps.Clone(o.CaseReasons)
	c.Compared = slices.Clone(o.Compared)
	c.Trouble = clonePtr(o.Trouble)
	c.History = slices.Clone(o.History)
	c.Invoke = nil
	return &c
}

func (r *Rejection) clone() *Rejection {
	if r == nil {
		return nil
	}
	c := *r
	c.Shortages = slices.Clone(r.Shortages)
	c.Prices = slices.Clone(r.Prices)
	return &c
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
