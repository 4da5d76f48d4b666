package hisadapter

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Outcome is how a call to the HIS ended. See the package documentation.
type Outcome uint8

// The outcomes of a call.
const (
	Done Outcome = iota
	Refused
	Find
	Busy
	Misconfigured
	NotSent
	Unknown
)

// String returns the outcome's name as it stands in logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Refused:
		return "refused"
	case Find:
		return "find"
	case Busy:
		return "busy"
	case Misconfigured:
		return "misconfigured"
	case NotSent:
		return "not_sent"
	case Unknown:
		return "unknown"
	default:
		return "invalid"
	}
}

// Kind says why a HIS refused.
type Kind uint8

// The kinds of refusal. Insufficient, UnknownDrug, Stopped and NotDivisible are
// "for good": the same order will not be taken by asking again. The others are
// settled by a person or, for FreezeLapsed, by freezing again.
const (
	KindOther Kind = iota
	Insufficient
	FreezeLapsed
	PriceChanged
	AmountMismatch
	UnknownDrug
	Stopped
	NotDivisible
)

// String returns the kind's name as it stands in logs and metrics.
func (k Kind) String() string {
	switch k {
	case KindOther:
		return "other"
	case Insufficient:
		return "insufficient"
	case FreezeLapsed:
		return "lapsed"
	case PriceChanged:
		return "price_changed"
	case AmountMismatch:
		return "amount_mismatch"
	case UnknownDrug:
		return "unknown_drug"
	case Stopped:
		return "stopped"
	case NotDivisible:
		return "not_divisible"
	default:
		return "invalid"
	}
}

// ForGood reports whether asking again with the same order cannot succeed.
func (k Kind) ForGood() bool {
	switch k {
	case Insufficient, UnknownDrug, Stopped, NotDivisible:
		return true
	default:
		return false
	}
}

// Shortage is one line that the HIS could not serve.
type Shortage struct {
	DrugID    string
	Requested int64
	Available int64 // -1 when the HIS did not say
}

// Error is any end of a call other than Done.
type Error struct {
	Op         string // QueryStock, Freeze, …
	Outcome    Outcome
	Kind       Kind       // of a refusal
	Shortages  []Shortage // of Refused(Insufficient), where the HIS names them
	Code       string     // the HIS's own code, verbatim
	Message    string     // the HIS's own words, verbatim
	RetryAfter time.Duration
	Err        error // the cause within our process, if any
}

// Error says the outcome in words, with the HIS's code and words.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "his %s: %s", e.Op, e.Outcome)
	if e.Outcome == Refused {
		fmt.Fprintf(&b, " (%s)", e.Kind)
	}
	if e.Code != "" || e.Message != "" {
		fmt.Fprintf(&b, ": [%s] %s", e.Code, e.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrUnsupported is returned, inside a Misconfigured *Error, for an operation
// that the driver does not declare.
var ErrUnsupported = errors.New("the HIS driver does not offer this operation")

// Unsupported is the answer of a driver to an operation that it does not offer.
func Unsupported(op string) error {
	return &Error{Op: op, Outcome: Misconfigured, Err: ErrUnsupported}
}

// OutcomeOf reads the outcome of a call from its error. An error that no driver
// classified is Unknown.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Done
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	return Unknown
}
