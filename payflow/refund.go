package payflow

import (
	"strconv"
	"strings"
	"time"
)

// RefundStatus is where one refund stands.
//
//	STORED ──► SENT ──► PROCESSING ──► DONE
//	             │           ├───────► CLOSED     (verified by query; a new generation may follow)
//	             │           │                    (or refused and verifiably never taken, when a person asks for another)
//	             └───────────┴───────► ABNORMAL   (a person must settle it)
type RefundStatus string

// The states of a refund.
const (
	RefundStored   RefundStatus = "STORED"     // durable, certainly not sent
	RefundSent     RefundStatus = "SENT"       // sent at least once, outcome unknown or refused
	RefundAccepted RefundStatus = "PROCESSING" // WeChat took it
	RefundDone     RefundStatus = "DONE"       // the money is back
	RefundEnded    RefundStatus = "CLOSED"     // a verified query says it will not be paid out
	RefundFailed   RefundStatus = "ABNORMAL"   // the patient's account cannot take it
)

// RefundRecord is one refund of an order. It is stored before it is sent, and its
// OutRefundNo never changes [D7].
type RefundRecord struct {
	Generation  int          `json:"gen"`
	OutRefundNo string       `json:"out_refund_no"`
	Fen         int64        `json:"fen"`
	Reason      string       `json:"reason"`
	Full        bool         `json:"full,omitempty"` // all that was left; the order ends REFUNDED with it
	By          string       `json:"by,omitempty"`   // the person, empty = automatic
	Status      RefundStatus `json:"status"`
	RefundID    string       `json:"refund_id,omitempty"` // WeChat's
	Refused     string       `json:"refused,omitempty"`   // WeChat's last refusal code
	StoredAt    time.Time    `json:"stored_at"`
	SentAt      time.Time    `json:"sent_at,omitzero"`
	AcceptedAt  time.Time    `json:"accepted_at,omitzero"`
	EndedAt     time.Time    `json:"ended_at,omitzero"`
	Evidence    string       `json:"evidence,omitempty"` // marked done by a person
	NextAt      time.Time    `json:"next_at,omitzero"`
	Tries       int          `json:"tries,omitempty"`
	AskNow      bool         `json:"ask_now,omitempty"` // a notice or a refusal must be confirmed by query

	// NeverTaken: WeChat refused it, and a query later verified that it knows no
	// such refund. A person may send it again, or give it up for another one.
	NeverTaken bool `json:"never_taken,omitempty"`
	// WrongFen is another amount that WeChat has under this number, 0 = none. A
	// person must find out whose refund that is.
	WrongFen int64 `json:"wrong_fen,omitempty"`
}

// open tells whether the refund may still pay out.
func (r *RefundRecord) open() bool { return r.Status != RefundDone && r.Status != RefundEnded }

// gaveUp is the operator's part that WeChat closed so often that no other
// generation followed, or -1. It waits for a person: another refund, or evidence.
func (o *Order) gaveUp() int {
	i := len(o.Refunds) - 1
	if i < 0 || o.State != Fulfilled {
		return -1
	}
	if r := &o.Refunds[i]; r.Full || r.Status != RefundEnded || r.AcceptedAt.IsZero() {
		return -1
	}
	return i
}

// numbers tells whether the out_refund_no is one that hisgate gives to the order's
// refunds.
func (o *Order) numbers(no string) bool {
	g, err := strconv.Atoi(strings.TrimPrefix(no, o.No+"-R"))
	return err == nil && no == outRefundNo(o.No, g)
}

// outRefundNo is the refund's number at WeChat: the order_no and the generation.
// No two orders can meet in one, because what follows the last "-R" is digits.
func outRefundNo(orderNo string, generation int) string {
	return orderNo + "-R" + strconv.Itoa(generation)
}
