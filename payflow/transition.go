package payflow

import "fmt"

// event is what may happen to an order's state.
type event string

const (
	evLocked          event = "LOCKED"           // the stock is held
	evChecked         event = "CHECKED"          // VERIFY, REFUND: the stock suffices and the prepay intent is stored
	evRejected        event = "REJECTED"         // short, refused or wrongly priced before anything was held
	evIntent          event = "PREPAY_INTENT"    // the bytes of the prepay are stored
	evPrepayRefused   event = "PREPAY_REFUSED"   // for good
	evEndedThere      event = "CLOSED_AT_WECHAT" // closed by someone else
	evCancel          event = "CANCEL"           // by the client
	evDeadline        event = "DEADLINE"         // the pay deadline, or no time left to pay
	evLockLost        event = "LOCK_LOST"        // the stock can no longer be had before payment
	evPaid            event = "PAID"             // verified money, right in every respect
	evPaidUnwanted    event = "PAID_UNWANTED"    // late money that must go back [D5]
	evPaidElsewhere   event = "PAID_AND_REFUNDED_ELSEWHERE"
	evPaidAgain       event = "PAID_AGAIN"   // a second transaction
	evPaidWrong       event = "PAID_WRONG"   // wrong amount, merchant, appid or currency
	evClosed          event = "CLOSED"       // verified, or WeChat cannot hold money [D2]
	evConfirmed       event = "HIS_ORDER"    // the HIS deducted and created its order
	evGone            event = "GONE"         // cannot be fulfilled, lock settled, policy refund
	evPark            event = "PARK"         // a person must decide
	evRefundFound     event = "REFUND_FOUND" // after a restore: all of the money is on its way back already [B9]
	evMoneyBack       event = "MONEY_BACK"   // all refunded
	evRetry           event = "RETRY"        // a person: try the fulfilment again
	evResume          event = "RESUME"       // a person opened the refund brake
	evGiveUp          event = "GIVE_UP"      // a person: no further try to fulfil; the money goes back once the lock is settled
	evPersonRefund    event = "REFUND"       // a person: give everything back
	evPersonPart      event = "REFUND_PART"
	evPersonFulfilled event = "MARK_FULFILLED"
	evPersonRefunded  event = "MARK_REFUNDED"
)

type cellKind uint8

const (
	fault   cellKind = iota // cannot happen: logged, nothing changes
	stay                    // nothing changes, answered as done
	move                    // to another state
	refer                   // a case, the state is kept
	refuse                  // *PreconditionError with the reason
	aborted                 // *AbortedError with the reason
)

// cell is what one event does in one state.
type cell struct {
	kind   cellKind
	to     State
	reason string                       // of refuse and aborted
	guard  func(*Order) (reason string) // "" = allowed; else as refuse
}

func to(s State) cell           { return cell{kind: move, to: s} }
func no(reason string) cell     { return cell{kind: refuse, reason: reason} }
func notNow(reason string) cell { return cell{kind: aborted, reason: reason} }

func toIf(s State, guard func(*Order) string) cell {
	return cell{kind: move, to: s, guard: guard}
}

// next is the table of transitions, the only place where a state is chosen. The
// guards look at the order alone.
func next(s State, e event) cell {
	same, person := cell{kind: stay}, cell{kind: refer}
	switch s {
	case Created:
		switch e {
		case evLocked:
			return to(Locked)
		case evChecked:
			return to(AwaitingPayment)
		case evRejected:
			return to(Rejected)
		case evCancel, evDeadline, evLockLost:
			return to(Closing)
		}
	case Locked:
		switch e {
		case evIntent:
			return to(AwaitingPayment)
		case evCancel, evDeadline, evLockLost:
			return to(Closing)
		}
	case AwaitingPayment:
		switch e {
		case evPrepayRefused, evEndedThere, evCancel, evDeadline:
			return to(Closing)
		}
	case Closing:
		switch e {
		case evClosed:
			return to(Closed)
		case evCancel, evDeadline:
			return same
		}
	case Closed:
		switch e {
		case evPaidUnwanted:
			return to(Refunding)
		case evCancel:
			return same
		}
	case Rejected:
		switch e {
		case evPaid:
			return to(NeedsAttention)
		case evCancel:
			return same
		}
	case Paid:
		switch e {
		case evConfirmed:
			return to(Fulfilled)
		case evGone:
			return to(Refunding)
		case evPark:
			return to(NeedsAttention)
		case evRefundFound:
			return to(Refunding)
		case evGiveUp:
			return same
		case evPersonFulfilled:
			return toIf(Fulfilled, lockOver)
		case evPersonRefunded:
			return toIf(Refunded, lockOver)
		case evCancel, evPersonRefund, evPersonPart:
			return notNow(ReasonBeingFulfilled)
		}
	case Fulfilled:
		switch e {
		case evConfirmed, evPersonPart:
			return same
		case evPersonRefund, evRefundFound:
			return to(Refunding)
		case evPark:
			return person
		case evRetry:
			return no(ReasonWasFulfilled)
		}
	case Refunding:
		switch e {
		case evMoneyBack:
			return to(Refunded)
		case evRefundFound:
			return same
		case evPark, evConfirmed:
			return to(NeedsAttention)
		case evRetry:
			return toIf(Paid, fulfilmentOpen)
		case evPersonRefund, evPersonPart:
			return no(ReasonRefundInProgress)
		}
	case Refunded:
		switch e {
		case evMoneyBack, evRefundFound:
			return same
		case evConfirmed:
			return person
		case evPersonRefund, evPersonPart:
			return no(ReasonRefundTooMuch)
		}
	case NeedsAttention:
		switch e {
		case evConfirmed:
			return toIf(Fulfilled, notAllOut)
		case evMoneyBack:
			return to(Refunded)
		case evPark, evRefundFound:
			return same
		case evRetry:
			return toIf(Paid, fulfilmentOpen)
		case evResume, evPersonRefund:
			return toIf(Refunding, refundCanGo)
		case evPersonPart:
			return no(ReasonVerbNotAllowed)
		case evPersonFulfilled:
			return toIf(Fulfilled, notAllOut)
		case evPersonRefunded:
			return toIf(Refunded, noMoneyFlying)
		}
	}
	return common(s, e)
}

// common holds the rows that are the same for many states.
func common(s State, e event) cell {
	unpaid := s == Created || s == Locked || s == AwaitingPayment || s == Closing || s == Closed
	switch e {
	case evPaid:
		if unpaid {
			return to(Paid) // also before any prepay: verified money is never ignored
		}
	case evPaidElsewhere:
		if unpaid || s == Rejected || s == Paid || s == Refunding {
			return to(NeedsAttention) // neither drugs nor a second refund before a person looked
		}
		return cell{kind: refer}
	case evPaidAgain, evPaidWrong:
		return cell{kind: refer}
	case evConfirmed:
		if s == Closing || s == Closed {
			return cell{kind: refer} // the HIS deducted for an order that is not paid
		}
	case evCancel:
		return no(ReasonAlreadyPaid)
	case evPersonRefund, evPersonPart:
		return no(ReasonNotPaid)
	case evRetry, evResume, evGiveUp, evPersonFulfilled, evPersonRefunded:
		return no(ReasonVerbNotAllowed)
	}
	return cell{kind: fault}
}

// fulfilmentOpen: back to PAID only when no refund was sent or all are verified
// CLOSED, and there is no HIS order yet (§7.6).
func fulfilmentOpen(o *Order) string {
	if o.WasFulfilled {
		return ReasonWasFulfilled
	}
	return noMoneyOut(o)
}

// lockOver: the HIS cannot apply the order's lock any more. Whoever decides for a
// paid order asks the fence first [D1].
func lockOver(o *Order) string {
	if !o.Lock.Settled {
		return ReasonLockUnsettled
	}
	return ""
}

// noMoneyOut: no refund is on its way or done.
func noMoneyOut(o *Order) string {
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.Status != RefundStored && r.Status != RefundEnded {
			return ReasonRefundSent
		}
	}
	return ""
}

// notAllOut: not all of the money is on its way back or done. An operator's part
// leaves a fulfilled order fulfilled.
func notAllOut(o *Order) string {
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.Full && r.Status != RefundStored && r.Status != RefundEnded {
			return ReasonRefundSent
		}
	}
	return ""
}

// noMoneyFlying: no refund of ours may still arrive beside the one that a person
// made.
func noMoneyFlying(o *Order) string {
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.WrongFen != 0 {
			continue // not our refund that is there under our number
		}
		if r.Status == RefundAccepted || r.Status == RefundSent && r.Refused == "" {
			return ReasonRefundSent
		}
	}
	return ""
}

// refundCanGo: WeChat holds no refund that it cannot pay out. While one is
// ABNORMAL its sum stays reserved, so a second one would exceed what was paid [D7].
func refundCanGo(o *Order) string {
	for i := range o.Refunds {
		if o.Refunds[i].Status == RefundFailed {
			return ReasonRefundSent
		}
	}
	return ""
}

// known tells whether the state is one of ours.
func (s State) known() bool {
	switch s {
	case Created, Locked, AwaitingPayment, Closing, Closed, Rejected, Paid, Fulfilled, Refunding, Refunded, NeedsAttention:
		return true
	}
	return false
}

// faultError: an event met a state where it cannot happen. Nothing was changed.
type faultError struct {
	OrderNo string
	State   State
	Event   event
}

func (e *faultError) Error() string {
	return fmt.Sprintf("order %s: event %s cannot happen in %s", e.OrderNo, e.Event, e.State)
}
