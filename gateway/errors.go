package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// Errors of the gateway itself; those of the ledger are passed on as they are.
var (
	// ErrOutcomeUnknown: the lock is PENDING or CONFIRMING and is being found
	// out. Ask again with the same order_no.
	ErrOutcomeUnknown = errors.New("the outcome at the HIS is being found out; repeat with the same order_no")
	// ErrCannotBeAsked: the ledger was restored from a backup not long ago, knows
	// nothing of the number, and this HIS cannot be asked whether it does. A person
	// must look there. It is a lockstore.ErrRecovering.
	ErrCannotBeAsked = fmt.Errorf("%w: this HIS cannot be asked whether it made an order for the number before that", lockstore.ErrRecovering)
	// ErrTooManyWatchers refuses a WatchStock.
	ErrTooManyWatchers = errors.New("too many stock watchers")
	// ErrOverloaded: too many readers wait for the HIS already; nothing was asked.
	ErrOverloaded = errors.New("too many readers are waiting for the HIS")
	// ErrClosed: the gateway is shutting down.
	ErrClosed = errors.New("the gateway is shutting down")
)

// UnknownDrugError: the HIS does not know the drug.
type UnknownDrugError struct{ Key hisadapter.Key }

func (e *UnknownDrugError) Error() string {
	return fmt.Sprintf("pharmacy %q does not know drug %q", e.Key.PharmacyID, e.Key.DrugID)
}

// HISError: the HIS could not be asked, or did not give a usable answer. Busy,
// NotSent and Unknown mean unavailable; Misconfigured means that it refuses our
// calls as such, and asking again does not help until somebody acts.
type HISError struct {
	Op            string // QueryStock, Freeze, …
	Outcome       hisadapter.Outcome
	Code, Message string // verbatim from the HIS, if it spoke
	RetryAfter    time.Duration
	Err           error // the cause, for logs
}

func (e *HISError) Error() string {
	s := fmt.Sprintf("the HIS cannot be used (%s: %s)", e.Op, e.Outcome)
	if e.Code != "" || e.Message != "" {
		s += fmt.Sprintf(": [%s] %s", e.Code, e.Message)
	}
	return s
}

// Unwrap returns the cause.
func (e *HISError) Unwrap() error { return e.Err }

// HISRefusedError is the HIS's refusal of an order's freeze or deduction, or of a
// drug that it does not know or has stopped.
type HISRefusedError struct {
	Kind          hisadapter.Kind
	Code, Message string // verbatim from the HIS, if it spoke
	Shortages     []hisadapter.Shortage
	// ForGood: the same order cannot succeed. Otherwise a person must settle it,
	// and the lock stays as it is.
	ForGood bool
}

func (e *HISRefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the HIS refused (%s)", e.Kind)
	if e.Code != "" || e.Message != "" {
		fmt.Fprintf(&b, ": [%s] %s", e.Code, e.Message)
	}
	for i, s := range e.Shortages {
		if i == 3 {
			b.WriteString(", …")
			break
		}
		fmt.Fprintf(&b, "; drug %s", s.DrugID)
	}
	return b.String()
}

// hisError reads the end of a call that was not a refusal.
func hisError(op string, err error) *HISError {
	e := &HISError{Op: op, Outcome: hisadapter.OutcomeOf(err), Err: err}
	if h, ok := errors.AsType[*hisadapter.Error](err); ok {
		e.Code, e.Message, e.RetryAfter = h.Code, h.Message, h.RetryAfter
	}
	return e
}

// refusal returns the refusal that err is, or nil.
func refusal(err error) *hisadapter.Error {
	if h, ok := errors.AsType[*hisadapter.Error](err); ok && h.Outcome == hisadapter.Refused {
		return h
	}
	return nil
}

func refusedError(h *hisadapter.Error) *HISRefusedError {
	return &HISRefusedError{
		Kind: h.Kind, Code: h.Code, Message: h.Message, Shortages: h.Shortages, ForGood: h.Kind.ForGood(),
	}
}
