package gateway

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// step is what a lock needs next of the HIS.
type step uint8

const (
	rest     step = iota // nothing, or nothing that we may do
	freeze               // Freeze
	place                // PlaceOrder
	unfreeze             // Unfreeze
	find                 // FindOrder
)

func (s step) String() string {
	return [...]string{"rest", opFreeze, opPlaceOrder, opUnfreeze, opFindOrder}[s]
}

// The operations, as they stand in logs, errors and events.
const (
	opQueryStock = "QueryStock"
	opFreeze     = lockstore.OpFreeze
	opPlaceOrder = lockstore.OpPlaceOrder
	opUnfreeze   = lockstore.OpUnfreeze
	opFindOrder  = lockstore.OpFindOrder
)

// nextStep is the only place that decides what the HIS is asked about a lock. It
// looks at the record alone, so that it says the same after a restart.
//
// asked says that a caller wants something of this very lock: what the HIS
// refused, so that a person must settle it, is then tried once more. found says
// that the HIS was just asked what it holds.
func nextStep(l *lockstore.Lock, c hisadapter.Capabilities, now time.Time, asked, found bool) step {
	switch {
	case l.AskFirst && c.Find && (l.CaseReason == "" || asked && !found):
		return find // the HIS may know more of it than a restored ledger [B9]
	case l.AskFirst:
		return rest
	case l.Unknown && c.Find:
		return find // a look is harmless, even while a person is asked
	case l.Unknown:
		return rest // a case, by the ledger's rule [C3]
	case l.UnfreezeRefused() && !asked && c.Find && !found:
		return find // somebody may have seen to it at the HIS
	case l.CaseReason != "" && !asked:
		return rest
	}
	switch l.Status {
	case lockstore.Pending:
		if l.ReleaseWanted {
			// It was never sent, as far as we know; the HIS says so or not.
			return find
		}
		return freeze
	case lockstore.Locked:
		switch {
		case !l.Freeze || !c.Freeze || l.CaseReason != "":
			return rest
		case l.Word != lockstore.WordFrozen:
			return freeze
		case lapsed(l, now) && !found:
			return find
		}
		return rest
	case lockstore.Confirming:
		return confirmStep(l, c, now, found)
	case lockstore.Releasing:
		return unfreeze
	case lockstore.Released:
		switch {
		case l.Word == lockstore.WordFrozen:
			return unfreeze
		case l.Watch > 0 && !l.WatchAt.After(now):
			return find
		}
	}
	return rest
}

// confirmStep takes a freeze before the order where the HIS wants one, or where
// the lock's own is gone [A7].
func confirmStep(l *lockstore.Lock, c hisadapter.Capabilities, now time.Time, found bool) step {
	switch {
	case l.Word == lockstore.WordDeducted && c.Find && !found:
		return find
	case !c.Freeze || !l.Freeze && !c.DeductNeedsFreeze:
		return place
	case l.Word != lockstore.WordFrozen:
		return freeze
	case lapsed(l, now) && c.Find && !found:
		return find
	default:
		return place
	}
}

// lapsed reports whether the HIS's freeze should be over by the clock. Only the
// HIS's word makes it so.
func lapsed(l *lockstore.Lock, now time.Time) bool {
	return !l.FreezeExpires.IsZero() && !now.Before(l.FreezeExpires)
}
