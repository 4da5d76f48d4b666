package payflow

import (
	"errors"
	"fmt"
)

// Errors of the Service. ErrNotFound, ErrUnavailable, ErrPending,
// ErrMisconfigured and *ShortError stand in ports.go.
var (
	// ErrDisabled: payment is switched off; only Check answers.
	ErrDisabled = errors.New("payment is disabled")
	// ErrBusy: a bound is reached (active orders, inbox, watchers); try later.
	ErrBusy = errors.New("too much is going on; try later")
	// ErrDiskReserve: the disk is nearly full; no order is begun, all others go
	// on [B10].
	ErrDiskReserve = errors.New("the disk is nearly full")
	// ErrRecovering: the store was restored from a backup, and it is not known yet
	// what WeChat Pay and the HIS did since: no order, prepay or refund begins [B9].
	ErrRecovering = errors.New("hisgate was restored from a backup, and what happened since is being found out")
	// ErrStopped: the service is shutting down or its storage has failed; what
	// became of the request is not known.
	ErrStopped = errors.New("the order service has stopped")
	// ErrPricingNotAllowed: amounts were given by a caller without the pricing role [E2].
	ErrPricingNotAllowed = errors.New("this caller may not set amounts")
)

// OrderNoReusedError: the order_no belongs to another order.
type OrderNoReusedError struct{ OrderNo string }

func (e *OrderNoReusedError) Error() string {
	return fmt.Sprintf("order_no %s belongs to another order", e.OrderNo)
}

// InvalidError names a field that cannot be taken; nothing was stored.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

// PriceChangedError: the caller's figures and the HIS prices do not agree [E2].
type PriceChangedError struct{ Gaps []PriceGap }

func (e *PriceChangedError) Error() string {
	return fmt.Sprintf("%d prices differ from the HIS", len(e.Gaps))
}

// The reasons of a PreconditionError.
const (
	ReasonUnknownDrug      = "UNKNOWN_DRUG"        // REJECTED: the HIS does not know a drug
	ReasonStopped          = "STOPPED"             // REJECTED: a drug is not to be sold
	ReasonNotDivisible     = "NOT_DIVISIBLE"       // REJECTED: not a multiple of the drug's step
	ReasonPriceUnknown     = "PRICE_UNKNOWN"       // REJECTED: no amounts given and the HIS tells no price
	ReasonAmountRange      = "AMOUNT_OUT_OF_RANGE" // REJECTED: the total is not between 1 fen and the limit
	ReasonHisRefused       = "HIS_REFUSED"         // REJECTED: the HIS refused the lock otherwise
	ReasonPrepayRefused    = "PREPAY_REFUSED"      // WeChat refused the prepay for good
	ReasonTooLate          = "TOO_LATE"            // less than 1 min before the pay deadline [D10]
	ReasonFreezeTooShort   = "FREEZE_TOO_SHORT"    // the HIS lets its freeze lapse before a payment could end
	ReasonLockLost         = "LOCK_LOST"           // the held stock is gone before payment
	ReasonDeadline         = "DEADLINE"            // the pay deadline has passed
	ReasonCancelled        = "CANCELLED"           // cancelled by the client
	ReasonOtherPayer       = "OTHER_PAYER"         // PrepayOrder with another payer or method
	ReasonPaymentMissing   = "PAYMENT_MISSING"     // no payment terms were ever given
	ReasonNotPayable       = "NOT_PAYABLE"         // the order is past the point where it can be paid
	ReasonAlreadyPaid      = "ALREADY_PAID"        // a paid order cannot be cancelled; ask for a refund
	ReasonNotPaid          = "NOT_PAID"            // nothing to refund
	ReasonRefundInProgress = "REFUND_IN_PROGRESS"  // one refund at a time
	ReasonRefundTooMuch    = "REFUND_TOO_MUCH"     // more than is left of what was paid [D7]
	ReasonBeingFulfilled   = "BEING_FULFILLED"     // the HIS is being asked; wait for the outcome
	ReasonKnowingly        = "FULFILLED_REFUND"    // a FULFILLED order's refund must be asked for as such
	ReasonRefundSent       = "REFUND_SENT"         // money may be on its way back already [D7]
	ReasonWasFulfilled     = "WAS_FULFILLED"       // the HIS order exists; fulfilment cannot be retried
	ReasonLockUnsettled    = "LOCK_UNSETTLED"      // the HIS could still apply the lock [D1]
	ReasonVerbNotAllowed   = "VERB_NOT_ALLOWED"    // not with this case, or it is closed
)

// PreconditionError: the order does not stand where this can be done. Nothing
// changed, save that a REJECTED order was stored.
type PreconditionError struct {
	Reason string // one of the Reason… constants
	State  State
	Detail string
}

func (e *PreconditionError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%s (order is %s)", e.Reason, e.State)
	}
	return fmt.Sprintf("%s (order is %s): %s", e.Reason, e.State, e.Detail)
}

// AbortedError: something that must settle first is under way; ask again.
type AbortedError struct {
	Reason string // ReasonBeingFulfilled
	State  State
}

func (e *AbortedError) Error() string { return fmt.Sprintf("%s (order is %s)", e.Reason, e.State) }

// NotYetError: the order is durable and goes on by itself, but it has not got as
// far as was asked. A repeat of the same request joins it. Cause is
// ErrUnavailable, ErrMisconfigured or ErrPending (everything unknown).
type NotYetError struct {
	Order Order
	Cause error
}

func (e *NotYetError) Error() string {
	return fmt.Sprintf("order %s is %s, not further yet: %v", e.Order.No, e.Order.State, e.Cause)
}

// Unwrap returns the cause.
func (e *NotYetError) Unwrap() error { return e.Cause }

// EtagMismatchError: the record changed since the caller read it.
type EtagMismatchError struct{ Current string }

func (e *EtagMismatchError) Error() string { return "changed meanwhile; etag is now " + e.Current }

// RequestReusedError: the request_id was used for something else.
type RequestReusedError struct{ RequestID string }

func (e *RequestReusedError) Error() string {
	return fmt.Sprintf("request_id %s was used for another request", e.RequestID)
}
