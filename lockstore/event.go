package lockstore

import "time"

// EventKind is what happened to a lock.
type EventKind uint8

// The events of the transition table. The first three come as commands; the
// rest through Record.
const (
	EvLock EventKind = iota + 1
	EvConfirm
	EvRelease

	EvClock         // expire_time came
	EvOwnerRelease  // the owner of the expiry says release
	EvOwnerKeep     // … says keep until Event.Until
	EvFreezeDone    // Event.HISLockID, Event.FreezeExpires
	EvFreezeRefused // Event.Shortages, Code, Message
	EvFreezeNone    // FindOrder said none after the grace time
	EvFreezeLapsed  // the HIS let the freeze run out
	EvOrderPlaced   // done, or found deducted; Event.HISOrderNo
	EvOrderRefused  // refused for good
	EvOrderNone     // FindOrder said none after the grace time
	EvNotDone       // busy, not sent, misconfigured: nothing happened at the HIS
	EvUnknown       // the call may have been applied
	EvUnfreezeDone  // done, or found released
	EvWatchFrozen   // a given-up freeze was found after all
	EvWatchClear    // a look at a given-up freeze found nothing
	EvCase          // a refusal that only a person can settle; Event.Message says why
	EvApplied       // a person: the HIS applied it; Event.HISOrderNo for an order
	EvNotApplied    // a person: the HIS did not apply it
	EvCancelled     // the HIS order was cancelled: by us, or as its list of the day shows
	EvRecalled      // after a restore: what the HIS made of the number so far, Event.Word; with HISLockID, FreezeExpires, HISOrderNo
)

// String returns the event's name as it stands in logs, histories and metrics.
func (k EventKind) String() string {
	switch k {
	case EvLock:
		return "lock"
	case EvConfirm:
		return "confirm"
	case EvRelease:
		return "release"
	case EvClock:
		return "clock"
	case EvOwnerRelease:
		return "owner_release"
	case EvOwnerKeep:
		return "owner_keep"
	case EvFreezeDone:
		return "freeze_done"
	case EvFreezeRefused:
		return "freeze_refused"
	case EvFreezeNone:
		return "freeze_none"
	case EvFreezeLapsed:
		return "freeze_lapsed"
	case EvOrderPlaced:
		return "order_placed"
	case EvOrderRefused:
		return "order_refused"
	case EvOrderNone:
		return "order_none"
	case EvNotDone:
		return "not_done"
	case EvUnknown:
		return "unknown"
	case EvUnfreezeDone:
		return "unfreeze_done"
	case EvWatchFrozen:
		return "watch_frozen"
	case EvWatchClear:
		return "watch_clear"
	case EvCase:
		return "case"
	case EvApplied:
		return "applied"
	case EvNotApplied:
		return "not_applied"
	case EvCancelled:
		return "cancelled"
	case EvRecalled:
		return "recalled"
	default:
		return "invalid"
	}
}

// The HIS operations, as Event.Op names them.
const (
	OpFreeze     = "Freeze"
	OpUnfreeze   = "Unfreeze"
	OpPlaceOrder = "PlaceOrder"
	OpFindOrder  = "FindOrder"
)

// Event is one thing that happened to an attempt.
type Event struct {
	Kind          EventKind
	Op            string // the HIS operation that spoke: OpFreeze, OpUnfreeze, OpPlaceOrder, OpFindOrder
	HISLockID     string
	FreezeExpires time.Time // zero = the HIS named no end, and Policy.FreezeTTL holds
	Began         time.Time // when the call was begun that the HIS answered so; zero = now
	HISOrderNo    string
	Shortages     []Shortage
	Until         time.Time
	Word          HISWord // of EvRecalled
	Code, Message string  // verbatim from the HIS
	Actor         string  // the person, for EvApplied and EvNotApplied
	// AboutUnknown, of EvCase: it asks about the unknown outcome, and is over
	// when that is known.
	AboutUnknown bool
}
