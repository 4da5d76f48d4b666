package lockstore

import (
	"errors"
	"fmt"
)

// The refusals of the ledger. Each leaves the ledger as it was.
var (
	ErrNotFound = errors.New("lock not found")
	// ErrOrderNoReused: also for an order_no that stands at the HIS for a later
	// attempt of another order (RX1-2 for the second of RX1) [B5].
	ErrOrderNoReused     = errors.New("order_no is in use for other items or by someone else")
	ErrLockEnded         = errors.New("the lock has ended")
	ErrLockPending       = errors.New("the lock is not held yet")
	ErrConfirmInProgress = errors.New("the HIS is being asked to deduct; release is not possible until that is settled")
	ErrAlreadyConfirmed  = errors.New("the lock is confirmed")
	ErrNotSettled        = errors.New("the last attempt is not settled at the HIS")
	ErrDiskReserve       = errors.New("the disk is nearly full; only confirm, release and callbacks are taken")
	ErrTooManyLocks      = errors.New("too many records for this principal")
	// ErrRecovering: the folder was restored from a backup, and it is not known
	// yet what the HIS did since: with anything (no attempt begins) or with this
	// order (it is neither confirmed nor released) [B9].
	ErrRecovering = errors.New("hisgate was restored from a backup, and what happened since is being found out")
	// ErrClosed: the ledger or its committer was closed; nothing was done.
	ErrClosed = errors.New("the ledger is closed")
	// ErrOutcomeUnknown: the write may or may not be durable. The process ends
	// after it; the caller repeats with the same order_no.
	ErrOutcomeUnknown = errors.New("the ledger could not make the record durable; its outcome is unknown")
)

// ShortageError refuses a Lock for stock. The same order_no may be tried again.
type ShortageError struct{ Shortages []Shortage }

func (e *ShortageError) Error() string {
	s := e.Shortages[0]
	return fmt.Sprintf("stock insufficient for %d of the order's drugs: drug %s: %d wanted, %d available",
		len(e.Shortages), s.DrugID, s.Requested, s.Available)
}

// NotDivisibleError refuses a quantity that is not a multiple of the drug's step.
type NotDivisibleError struct {
	DrugID             string
	Quantity, Multiple int64
}

func (e *NotDivisibleError) Error() string {
	return fmt.Sprintf("drug %s is sold in steps of %d; %d is not a multiple", e.DrugID, e.Multiple, e.Quantity)
}

// StaleReadingError refuses readings that are missing or older than one against
// which holds were dropped already [A1]. The caller reloads these drugs live.
type StaleReadingError struct{ DrugIDs []string }

func (e *StaleReadingError) Error() string {
	return fmt.Sprintf("readings of %d drugs are missing or too old to judge by", len(e.DrugIDs))
}

// InvalidError refuses a request that breaks a rule of the ledger. Field names
// the request's field as the API spells it.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

// FaultError refuses an event that cannot happen in the lock's state: a bug of
// the caller, or a HIS that contradicts itself. It is logged, and nothing changes.
type FaultError struct {
	ID     ID
	Status Status // 0 = there is no such lock
	Event  EventKind
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("event %s cannot happen to lock %s attempt %d in status %s",
		e.Event, e.ID.OrderNo, e.ID.Attempt, e.Status)
}
