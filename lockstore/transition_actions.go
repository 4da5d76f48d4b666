package lockstore

import "time"

// The actions of the table: each stands in one or more of its cells.

func begin(c *change) (bool, error) {
	if c.lock.Freeze {
		c.lock.Status = Pending
		c.lock.FreezeFrom = c.now
	} else {
		c.lock.Status = Locked
	}
	return true, nil
}

// bury turns a Release of an order_no that was never locked into a tombstone.
func bury(c *change) (bool, error) {
	c.lock.Status = Released
	c.lock.Cause = AsTombstone
	return true, nil
}

// nextAttempt decides about a Lock after the end [B5].
func nextAttempt(c *change) (bool, error) {
	l := c.lock
	switch {
	case l.Cause == AsTombstone && !c.newAttempt:
		return false, ErrLockEnded
	case l.Cause != AsTombstone && !c.same:
		return false, ErrOrderNoReused
	case !c.newAttempt && l.Cause != ForShortage:
		return false, ErrLockEnded
	case !l.Settled():
		return false, ErrNotSettled
	default:
		return false, errNextAttempt
	}
}

// confirm is the durable intent: from here on the clock releases no more [B3],
// and what the HIS is told never changes [B5].
func confirm(c *change) (bool, error) {
	c.lock.Status = Confirming
	c.lock.Reference = c.ref
	if !c.lock.Freeze && c.lock.Word != WordFrozen {
		c.lock.FreezeFrom = c.now // the order may need one
	}
	return true, nil
}

func wantRelease(c *change) (bool, error) {
	if c.lock.ReleaseWanted {
		return false, nil
	}
	c.lock.ReleaseWanted = true
	c.lock.Cause = c.cause
	return true, nil
}

func release(c *change) (bool, error) {
	c.lock.Cause = c.cause
	c.giveBack(c.lock.Freeze || c.lock.Word == WordFrozen)
	return true, nil
}

// giveBack ends the attempt: by way of an unfreeze where the HIS may hold a
// freeze, else at once.
func (c *change) giveBack(frozen bool) {
	if frozen {
		c.lock.Status = Releasing
	} else {
		c.lock.Status = Released
	}
}

// giveBackOrder ends a CONFIRMING attempt: there a freeze may have been taken for
// the order's sake even when the lock itself has none.
func (c *change) giveBackOrder() {
	c.giveBack(c.lock.Freeze || c.lock.Word == WordFrozen || c.policy.DeductNeedsFreeze && c.lock.Unknown && !c.lock.OrderSent)
	c.known()
}

// known: the HIS has spoken about the call whose outcome was unknown, so that
// nobody needs to be asked about it any more.
func (c *change) known() {
	if c.lock.Unknown && c.lock.CaseKind == CaseUnknown {
		c.closeCase()
	}
	c.lock.Unknown = false
	c.lock.UnknownSince, c.lock.UnknownFrom = time.Time{}, 0
}

func keepUntil(c *change) (bool, error) {
	if c.lock.ExpireTime.Equal(c.event.Until) {
		return false, nil
	}
	c.lock.ExpireTime = c.event.Until
	return true, nil
}

func openCase(c *change) (bool, error) {
	kind := CaseBusiness
	if c.event.AboutUnknown {
		if !c.lock.Unknown {
			return false, nil // it has come to light meanwhile
		}
		kind = CaseUnknown
	}
	return c.caseFor(kind, c.event.Message), nil
}

// caseFor opens a case, or reports that it is open already. A question about an
// unknown outcome does not take the place of another.
func (c *change) caseFor(kind CaseKind, reason string) (changed bool) {
	l := c.lock
	if reason == "" {
		reason = "no reason was given"
	}
	reason = clip(reason)
	if l.CaseReason == reason && l.CaseKind == kind {
		return false
	}
	if l.CaseReason != "" && l.CaseKind != CaseUnknown && kind == CaseUnknown {
		return false
	}
	l.CaseReason, l.CaseKind = reason, kind
	return true
}

func (c *change) closeCase() { c.lock.CaseReason, c.lock.CaseKind = "", CaseBusiness }

// unknown: a write that may have been applied starts the grace time of a later
// "none". A look that failed changes nothing.
func unknown(c *change) (bool, error) {
	l := c.lock
	switch c.event.Op {
	case OpFindOrder:
		return true, nil
	case OpPlaceOrder:
		l.OrderSent = true
	case OpFreeze:
		l.FreezeDoubt = true
	}
	c.doubt()
	if !c.policy.Find {
		c.caseFor(CaseUnknown, cannotFind)
	}
	return true, nil
}

// doubt: from now on the grace time of a "none" is counted.
func (c *change) doubt() {
	c.lock.Unknown, c.lock.UnknownSince, c.lock.UnknownFrom = true, c.now, c.ran
}

// cannotFind is the case of every unknown outcome where the HIS cannot be asked
// for it [C3].
const cannotFind = "the outcome of a call is unknown, and this HIS cannot be asked for it"
