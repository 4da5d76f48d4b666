package payflow

import (
	"slices"
	"time"
)

// CaseReason says why a person is needed.
type CaseReason string

// The reasons, with the state of the order in brackets.
const (
	CaseGone           CaseReason = "STOCK_GONE"         // [NEEDS_ATTENTION] paid, the HIS refused for good, and the policy is "case"
	CaseRefundLimit    CaseReason = "REFUND_LIMIT"       // [NEEDS_ATTENTION] the hourly limit of automatic refunds is used up [D6]
	CasePrice          CaseReason = "PRICE_REFUSED"      // [NEEDS_ATTENTION] the HIS refused price or amount after payment
	CaseRefused        CaseReason = "HIS_REFUSED"        // [NEEDS_ATTENTION] the HIS refused for a reason that no rule knows
	CaseLockDoubt      CaseReason = "LOCK_DOUBT"         // lock and order contradict each other, or the lock itself needs a person
	CaseTwoOrders      CaseReason = "TWO_HIS_ORDERS"     // [FULFILLED] fulfilled by a person's word, and the HIS made its order too
	CaseOverdue        CaseReason = "OVERDUE"            // paid longer than proof.grace ago and not at its end; goes by itself when it gets there, or a person ends the tries
	CaseRefundAbnormal CaseReason = "REFUND_ABNORMAL"    // [NEEDS_ATTENTION, FULFILLED] WeChat cannot pay the refund out
	CaseRefundRefused  CaseReason = "REFUND_REFUSED"     // [NEEDS_ATTENTION, FULFILLED] WeChat refuses the refund, closes it each time, has another amount, or it is older than 365 days
	CaseRefundStuck    CaseReason = "REFUND_STUCK"       // accepted longer than 72 h ago and not done
	CaseConsoleRefund  CaseReason = "REFUNDED_ELSEWHERE" // [NEEDS_ATTENTION, any] refunded in the merchant console
	CaseWrongPayment   CaseReason = "WRONG_PAYMENT"      // [any, kept] wrong amount, currency, merchant or appid [D4]
	CaseSecondPayment  CaseReason = "SECOND_PAYMENT"     // [any, kept] a second transaction [D4]
	CaseUnknownOrder   CaseReason = "UNKNOWN_ORDER"      // verified money, or a refund notice, for an order that is not ours [D4]
	CaseRejectedPaid   CaseReason = "REJECTED_PAID"      // [NEEDS_ATTENTION] money for a REJECTED order
	CaseBillMissing    CaseReason = "BILL_MISSING"       // [any, kept] paid or refunded here, and not in WeChat's bill of the day
	CaseBillMismatch   CaseReason = "BILL_MISMATCH"      // [any, kept] WeChat's bill contradicts us, or WeChat itself
	CaseHISMissing     CaseReason = "HIS_MISSING"        // [FULFILLED] the HIS has no such order
	CaseHISCancelled   CaseReason = "HIS_CANCELLED"      // [FULFILLED] the HIS order was cancelled there
	CaseHISUnmatched   CaseReason = "HIS_UNMATCHED"      // [any, kept] the HIS has an order that is not fulfilled here
	CaseHISAmount      CaseReason = "HIS_AMOUNT"         // [FULFILLED] the HIS order has another amount
	CaseWorker         CaseReason = "WORKER_FAULT"       // the worker fails on this order again and again
)

// Severity orders cases.
type Severity string

// The severities.
const (
	P0 Severity = "P0"
	P1 Severity = "P1"
	P2 Severity = "P2"
)

// Verb is what a person may do with a case.
type Verb string

// The verbs.
const (
	VerbClaim         Verb = "CLAIM"
	VerbHandOver      Verb = "HAND_OVER"
	VerbRecheck       Verb = "RECHECK"
	VerbRetry         Verb = "RETRY_FULFILMENT"
	VerbRefund        Verb = "REFUND"
	VerbMarkFulfilled Verb = "MARK_FULFILLED"
	VerbMarkRefunded  Verb = "MARK_REFUNDED"
	VerbResume        Verb = "RESUME_REFUNDS"
	VerbSettle        Verb = "SETTLE"
)

// AuditEntry is one verb, or one thing the worker did to a case.
type AuditEntry struct {
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"` // "hisgate" for the worker
	Verb      Verb      `json:"verb,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Digest    string    `json:"digest,omitempty"` // of the request, to tell a repeat from a reuse
	Note      string    `json:"note,omitempty"`
	Next      Words     `json:"next,omitzero"` // what the person was told happens next
}

// Words is a text in both languages.
type Words struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

// Case is something that a person must settle. Values handed out are copies.
type Case struct {
	Format    int          `json:"v"`
	ID        string       `json:"id"`
	OrderNo   string       `json:"order_no"`
	Reason    CaseReason   `json:"reason"`
	Severity  Severity     `json:"severity"`
	Detail    string       `json:"detail,omitempty"`
	Owner     string       `json:"owner"`    // a person, or the duty role until someone claims it
	Deadline  time.Time    `json:"deadline"` // a person should have settled it by then
	Open      bool         `json:"open"`
	OpenedAt  time.Time    `json:"opened_at"`
	ClosedAt  time.Time    `json:"closed_at,omitzero"`
	Outcome   string       `json:"outcome,omitempty"`
	OutcomeZH string       `json:"outcome_zh,omitempty"` // "" = as Outcome
	Escalated bool         `json:"escalated,omitempty"`  // the deadline passed and was reported
	Repeats   int          `json:"repeats,omitempty"`
	Version   int64        `json:"version"`
	Audit     []AuditEntry `json:"audit,omitempty"`

	TransactionID string `json:"transaction_id,omitempty"` // of the money that the case is about
	Fen           int64  `json:"fen,omitempty"`

	// Filled in on answers only.
	OrderState State  `json:"-"`
	Allowed    []Verb `json:"-"`
	Text       Words  `json:"-"` // what happened and what to do
}

// Etag is the case's version as a string.
func (c *Case) Etag() string { return etag(c.Version) }

func (c *Case) clone() *Case {
	d := *c
	d.Audit = slices.Clone(c.Audit)
	d.Allowed = slices.Clone(c.Allowed)
	return &d
}
